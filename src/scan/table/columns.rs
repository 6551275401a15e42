//! Columns of a table: what Parquet calls them, and their values.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::{LogicalType, Repetition, Type as Physical};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::Result as ParquetResult;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{Type, TypePtr};

use super::failed;
use crate::error::Result;

/// The values of one column, one a row.
#[derive(Debug)]
pub(super) enum Column {
    /// 32-bit integers.
    Int(Vec<i32>),
    /// The same, some missing.
    OptionalInt(Vec<Option<i32>>),
    /// 64-bit integers, some missing.
    OptionalLong(Vec<Option<i64>>),
    /// f32.
    Float(Vec<f32>),
    /// f32, NaN for a missing one.
    OptionalFloat(Vec<f32>),
    /// Yes or no.
    Bool(Vec<bool>),
    /// The same, some missing.
    OptionalBool(Vec<Option<bool>>),
    /// Text.
    Text(Vec<String>),
    /// The same, some missing.
    OptionalText(Vec<Option<String>>),
    /// One text in every row.
    Constant(String, usize),
    /// One text in every row, or none at all.
    OptionalConstant(Option<String>, usize),
    /// One number in every row, or none at all.
    OptionalConstantInt(Option<i32>, usize),
    /// A list of f32 in every row: their lengths, and all of them.
    Lists(Vec<usize>, Vec<f32>),
}

impl Column {
    fn of_type(&self, name: &str) -> ParquetResult<TypePtr> {
        let (physical, repetition) = match self {
            Self::Int(_) => (Physical::INT32, Repetition::REQUIRED),
            Self::OptionalInt(_) | Self::OptionalConstantInt(..) => (Physical::INT32, Repetition::OPTIONAL),
            Self::OptionalLong(_) => (Physical::INT64, Repetition::OPTIONAL),
            Self::Float(_) => (Physical::FLOAT, Repetition::REQUIRED),
            Self::OptionalFloat(_) => (Physical::FLOAT, Repetition::OPTIONAL),
            Self::Bool(_) => (Physical::BOOLEAN, Repetition::REQUIRED),
            Self::OptionalBool(_) => (Physical::BOOLEAN, Repetition::OPTIONAL),
            Self::Text(_) | Self::Constant(..) => (Physical::BYTE_ARRAY, Repetition::REQUIRED),
            Self::OptionalText(_) | Self::OptionalConstant(..) => {
                (Physical::BYTE_ARRAY, Repetition::OPTIONAL)
            }
            Self::Lists(..) => return list_type(name),
        };
        let text = (physical == Physical::BYTE_ARRAY).then_some(LogicalType::String);
        let builder = Type::primitive_type_builder(name, physical).with_repetition(repetition);
        Ok(Arc::new(builder.with_logical_type(text).build()?))
    }

    fn write(&self, writer: &mut ColumnWriter<'_>) -> ParquetResult<()> {
        match (self, writer) {
            (Self::Int(values), ColumnWriter::Int32ColumnWriter(to)) => to.write_batch(values, None, None)?,
            (Self::OptionalInt(values), ColumnWriter::Int32ColumnWriter(to)) => {
                let (there, levels) = optional(values.iter().copied());
                to.write_batch(&there, Some(&levels), None)?
            }
            (Self::OptionalConstantInt(value, n), ColumnWriter::Int32ColumnWriter(to)) => {
                let (there, levels) = optional(std::iter::repeat_n(*value, *n));
                to.write_batch(&there, Some(&levels), None)?
            }
            (Self::OptionalLong(values), ColumnWriter::Int64ColumnWriter(to)) => {
                let (there, levels) = optional(values.iter().copied());
                to.write_batch(&there, Some(&levels), None)?
            }
            (Self::Float(values), ColumnWriter::FloatColumnWriter(to)) => {
                to.write_batch(values, None, None)?
            }
            (Self::OptionalFloat(values), ColumnWriter::FloatColumnWriter(to)) => {
                let (there, levels) =
                    optional(values.iter().map(|value| (!value.is_nan()).then_some(*value)));
                to.write_batch(&there, Some(&levels), None)?
            }
            (Self::Bool(values), ColumnWriter::BoolColumnWriter(to)) => to.write_batch(values, None, None)?,
            (Self::OptionalBool(values), ColumnWriter::BoolColumnWriter(to)) => {
                let (there, levels) = optional(values.iter().copied());
                to.write_batch(&there, Some(&levels), None)?
            }
            (Self::Text(values), ColumnWriter::ByteArrayColumnWriter(to)) => {
                let values: Vec<ByteArray> = values.iter().map(|text| text.as_str().into()).collect();
                to.write_batch(&values, None, None)?
            }
            (Self::OptionalText(values), ColumnWriter::ByteArrayColumnWriter(to)) => {
                let (there, levels) =
                    optional(values.iter().map(|text| text.as_deref().map(ByteArray::from)));
                to.write_batch(&there, Some(&levels), None)?
            }
            (Self::Constant(text, n), ColumnWriter::ByteArrayColumnWriter(to)) => {
                to.write_batch(&vec![ByteArray::from(text.as_str()); *n], None, None)?
            }
            (Self::OptionalConstant(text, n), ColumnWriter::ByteArrayColumnWriter(to)) => {
                let text = text.as_deref().map(ByteArray::from);
                let (there, levels) = optional(std::iter::repeat_n(text, *n));
                to.write_batch(&there, Some(&levels), None)?
            }
            (Self::Lists(lengths, values), ColumnWriter::FloatColumnWriter(to)) => {
                // Level 1 is an element; a list of none, which no pair has, would be level 0.
                let repetition: Vec<i16> =
                    lengths.iter().flat_map(|&n| (0..n).map(|at| i16::from(at > 0))).collect();
                to.write_batch(values, Some(&vec![1; values.len()]), Some(&repetition))?
            }
            _ => unreachable!("the writer is of the column's own type"),
        };
        Ok(())
    }
}

impl Column {
    /// The values of these rows.
    pub(super) fn only(self, places: &[usize]) -> Self {
        fn at<T: Clone>(values: &[T], places: &[usize]) -> Vec<T> {
            places.iter().map(|&place| values[place].clone()).collect()
        }
        match self {
            Self::Int(values) => Self::Int(at(&values, places)),
            Self::OptionalInt(values) => Self::OptionalInt(at(&values, places)),
            Self::OptionalLong(values) => Self::OptionalLong(at(&values, places)),
            Self::Float(values) => Self::Float(at(&values, places)),
            Self::OptionalFloat(values) => Self::OptionalFloat(at(&values, places)),
            Self::Bool(values) => Self::Bool(at(&values, places)),
            Self::OptionalBool(values) => Self::OptionalBool(at(&values, places)),
            Self::Text(values) => Self::Text(at(&values, places)),
            Self::OptionalText(values) => Self::OptionalText(at(&values, places)),
            Self::Constant(text, _) => Self::Constant(text, places.len()),
            Self::OptionalConstant(text, _) => Self::OptionalConstant(text, places.len()),
            Self::OptionalConstantInt(value, _) => Self::OptionalConstantInt(value, places.len()),
            Self::Lists(..) => unreachable!("whole grids are kept of every pair"),
        }
    }

    /// Adds the values of more rows, of the same type.
    pub(super) fn append(&mut self, more: Self) {
        match (self, more) {
            (Self::Int(to), Self::Int(from)) => to.extend(from),
            (Self::OptionalInt(to), Self::OptionalInt(from)) => to.extend(from),
            (Self::Float(to), Self::Float(from)) | (Self::OptionalFloat(to), Self::OptionalFloat(from)) => {
                to.extend(from);
            }
            (Self::Bool(to), Self::Bool(from)) => to.extend(from),
            (Self::OptionalBool(to), Self::OptionalBool(from)) => to.extend(from),
            (Self::Text(to), Self::Text(from)) => to.extend(from),
            (Self::OptionalText(to), Self::OptionalText(from)) => to.extend(from),
            _ => unreachable!("row groups of one file have the same columns"),
        }
    }
}

/// `required group NAME (LIST) { repeated group list { required float element } }`.
fn list_type(name: &str) -> ParquetResult<TypePtr> {
    let element = Type::primitive_type_builder("element", Physical::FLOAT)
        .with_repetition(Repetition::REQUIRED)
        .build()?;
    let list = Type::group_type_builder("list")
        .with_repetition(Repetition::REPEATED)
        .with_fields(vec![Arc::new(element)])
        .build()?;
    let outer = Type::group_type_builder(name)
        .with_repetition(Repetition::REQUIRED)
        .with_logical_type(Some(LogicalType::List))
        .with_fields(vec![Arc::new(list)])
        .build()?;
    Ok(Arc::new(outer))
}

/// The values that are there, and 1 or 0 a row for whether one is.
fn optional<T>(values: impl Iterator<Item = Option<T>>) -> (Vec<T>, Vec<i16>) {
    let (mut there, mut levels) = (Vec::with_capacity(values.size_hint().0), vec![]);
    levels.reserve(values.size_hint().0);
    for value in values {
        levels.push(i16::from(value.is_some()));
        there.extend(value);
    }
    (there, levels)
}

/// A row group: the name and the values of each column.
pub(super) type Group = Vec<(String, Column)>;

/// Writes a table of one row group after another, which all have the columns of the first.
pub(super) fn write(
    file: &mut File,
    path: &Path,
    first: &[(String, Column)],
    more: impl Iterator<Item = Result<Group>>,
    properties: WriterProperties,
) -> Result<()> {
    let begin = || -> ParquetResult<_> {
        let fields: Vec<TypePtr> =
            first.iter().map(|(name, column)| column.of_type(name)).collect::<ParquetResult<_>>()?;
        let schema = Type::group_type_builder("schema").with_fields(fields).build()?;
        SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties))
    };
    let failed = |error| failed(path, error);
    let mut writer = begin().map_err(failed)?;
    write_group(&mut writer, first).map_err(failed)?;
    for group in more {
        write_group(&mut writer, &group?).map_err(failed)?;
    }
    writer.close().map_err(failed)?;
    Ok(())
}

fn write_group(
    writer: &mut SerializedFileWriter<&mut File>,
    columns: &[(String, Column)],
) -> ParquetResult<()> {
    let mut group = writer.next_row_group()?;
    for (_, column) in columns {
        let mut to = group.next_column()?.expect("the schema has a column for each");
        column.write(to.untyped())?;
        to.close()?;
    }
    group.close()?;
    Ok(())
}
