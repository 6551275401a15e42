//! Writes a table, one row group after another, and puts it in place.

use std::path::Path;
use std::sync::Arc;

use parquet::basic::{Compression, Encoding as Stored, ZstdLevel};
use parquet::column::writer::{ColumnWriter, ColumnWriterImpl};
use parquet::data_type::DataType;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;

use super::MAX_GROUP_ROWS;
use super::schema::{Encoding, Schema};
use super::seal::{self, Sealing};
use super::values::{Cells, Values};
use crate::error::{Error, Fault, Result};
use crate::files::{Durability, replace_atomically};

/// What the name of the program that wrote a table begins with.
pub(super) const CREATED_BY: &str = "lorascope ";

/// Writes row groups, each the values of every column, and some entries of the file's metadata, and puts the table in
/// place, with a digest of its bytes. The same values make the same bytes.
///
/// # Errors
/// Any error that stands in place of a row group; `Io` when the system refuses; `Invalid` for values that do not fit the
/// schema.
pub(crate) fn write(
    path: &Path,
    durability: Durability,
    schema: &Schema,
    mut groups: impl Iterator<Item = Result<Vec<Values>>>,
    metadata: Vec<(&str, String)>,
) -> Result<()> {
    let failed = |error| failed(path, error);
    replace_atomically(path, durability, |file| {
        let properties = Arc::new(properties(schema, metadata));
        let tree = schema.parquet().map_err(failed)?;
        let mut writer = SerializedFileWriter::new(Sealing::new(file), tree, properties).map_err(failed)?;
        writer.write_all(&seal::place()).map_err(|error| failed(error.into()))?;
        groups.try_for_each(|group| write_group(&mut writer, schema, &group?).map_err(failed))?;
        let sealing = writer.into_inner().map_err(failed)?;
        sealing.finish().map_err(|error| failed(error.into()))
    })
}

fn properties(schema: &Schema, metadata: Vec<(&str, String)>) -> WriterProperties {
    let entry = |(key, value): (&str, String)| KeyValue::new(key.to_owned(), value);
    let metadata: Vec<KeyValue> = metadata.into_iter().map(entry).collect();
    let mut properties = WriterProperties::builder()
        .set_created_by([CREATED_BY, env!("CARGO_PKG_VERSION")].concat())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(MAX_GROUP_ROWS))
        .set_key_value_metadata((!metadata.is_empty()).then_some(metadata));
    for field in &schema.fields {
        if field.encoding != Encoding::Dictionary {
            properties = properties.set_column_dictionary_enabled(field.path(), false);
        }
        if field.encoding == Encoding::Delta {
            properties = properties.set_column_encoding(field.path(), Stored::DELTA_BINARY_PACKED);
        }
    }
    properties.build()
}

fn write_group(
    writer: &mut SerializedFileWriter<Sealing<'_>>,
    schema: &Schema,
    columns: &[Values],
) -> ParquetResult<()> {
    if columns.len() != schema.fields.len() {
        let found = format!("values of {} columns of {}", columns.len(), schema.fields.len());
        return Err(ParquetError::General(found));
    }
    let mut group = writer.next_row_group()?;
    for (field, values) in schema.fields.iter().zip(columns) {
        let mut to = group.next_column()?.expect("the schema has a column for each");
        if !write_column(to.untyped(), values, field.is_nullable)? {
            return Err(ParquetError::General(format!("values of another type in column {}", field.name)));
        }
        to.close()?;
    }
    group.close()?;
    Ok(())
}

/// Writes a column; false for values that are not of its type.
fn write_column(to: &mut ColumnWriter<'_>, values: &Values, is_nullable: bool) -> ParquetResult<bool> {
    match (to, values) {
        (ColumnWriter::Int32ColumnWriter(to), Values::Int32(cells)) => write_cells(to, cells, is_nullable),
        (ColumnWriter::Int64ColumnWriter(to), Values::Int64(cells)) => write_cells(to, cells, is_nullable),
        (ColumnWriter::BoolColumnWriter(to), Values::Bool(cells)) => write_cells(to, cells, is_nullable),
        (ColumnWriter::ByteArrayColumnWriter(to), Values::Text(cells)) => write_cells(to, cells, is_nullable),
        (ColumnWriter::FloatColumnWriter(to), Values::Float32(values)) if is_nullable => {
            write_some(to, values.iter().map(|value| (!value.is_nan()).then_some(*value)))
        }
        (ColumnWriter::DoubleColumnWriter(to), Values::Float64(values)) if is_nullable => {
            write_some(to, values.iter().map(|value| (!value.is_nan()).then_some(*value)))
        }
        (ColumnWriter::FloatColumnWriter(to), Values::Float32(values)) => write_all(to, values),
        (ColumnWriter::DoubleColumnWriter(to), Values::Float64(values)) => write_all(to, values),
        (ColumnWriter::FloatColumnWriter(to), Values::Float32List(lengths, values)) => {
            // Level 1 is an element; a list of none, which no pair has, would be level 0.
            let repetition: Vec<i16> =
                lengths.iter().flat_map(|&n| (0..n).map(|at| i16::from(at > 0))).collect();
            to.write_batch(values, Some(&vec![1; values.len()]), Some(&repetition))?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

fn write_cells<T: DataType>(
    to: &mut ColumnWriterImpl<'_, T>,
    cells: &Cells<T::T>,
    is_nullable: bool,
) -> ParquetResult<bool> {
    match (cells, is_nullable) {
        (Cells::All(values), false) => write_all(to, values),
        (Cells::Same(Some(value), n), false) => write_all(to, &vec![value.clone(); *n]),
        (Cells::All(values), true) => write_some(to, values.iter().cloned().map(Some)),
        (Cells::Some(values), true) => write_some(to, values.iter().cloned()),
        (Cells::Same(value, n), true) => write_some(to, std::iter::repeat_n(value.clone(), *n)),
        (Cells::Some(_) | Cells::Same(None, _), false) => Ok(false),
    }
}

fn write_all<T: DataType>(to: &mut ColumnWriterImpl<'_, T>, values: &[T::T]) -> ParquetResult<bool> {
    to.write_batch(values, None, None)?;
    Ok(true)
}

/// Writes the values that are there, and 1 or 0 a row for whether one is.
fn write_some<T: DataType>(
    to: &mut ColumnWriterImpl<'_, T>,
    values: impl Iterator<Item = Option<T::T>>,
) -> ParquetResult<bool> {
    let n = values.size_hint().0;
    let (mut there, mut levels) = (Vec::with_capacity(n), Vec::with_capacity(n));
    for value in values {
        levels.push(i16::from(value.is_some()));
        there.extend(value);
    }
    to.write_batch(&there, Some(&levels), None)?;
    Ok(true)
}

fn failed(path: &Path, error: ParquetError) -> Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
            Ok(cause) => Error::io("write", path, *cause),
            Err(other) => unfit(path, other.to_string()),
        },
        other => unfit(path, other.to_string()),
    }
}

fn unfit(path: &Path, found: String) -> Error {
    Fault::new(found, "a table that can be written").at(path).invalid()
}
