//! A file of the pairs' table that is there already: read whole, and written again with fewer rows.

use std::path::{Path, PathBuf};

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::metadata::KeyValue;
use parquet::file::reader::{FileReader as _, SerializedFileReader};

use super::columns::Column;
use super::pairs::{HISTOGRAM, write_columns};
use crate::error::{Error, Fault, Result};

/// The columns of a file.
#[derive(Debug)]
pub struct StoredPairs {
    path: PathBuf,
    n_rows: usize,
    columns: Vec<(String, Column)>,
    metadata: Vec<KeyValue>,
}

impl StoredPairs {
    /// Reads a file without whole grids.
    ///
    /// # Errors
    /// `Io` when the system refuses, `Malformed` when the file is damaged.
    pub fn read(path: &Path) -> Result<Self> {
        let file = std::fs::File::open(path).map_err(|error| Error::io("open", path, error))?;
        Self::of(path, file).map_err(|error| {
            Fault::new(error.to_string(), "a file of the pairs' table as it was written")
                .at(path)
                .hint("remove it, and run the scan again: its block is computed anew")
                .malformed()
        })
    }

    fn of(path: &Path, file: std::fs::File) -> ParquetResult<Self> {
        let reader = SerializedFileReader::new(file)?;
        let schema = reader.metadata().file_metadata().schema_descr_ptr();
        let metadata = reader.metadata().file_metadata().key_value_metadata();
        // The library's own entries are written anew.
        let ours = |entry: &&KeyValue| entry.key.starts_with("lorascope.");
        let metadata = metadata.into_iter().flatten().filter(ours).cloned().collect();
        let mut columns: Vec<(String, Column)> = vec![];
        let mut n_rows = 0;
        for group in 0..reader.num_row_groups() {
            let group = reader.get_row_group(group)?;
            let n = usize::try_from(group.metadata().num_rows())
                .map_err(|error| ParquetError::External(error.into()))?;
            n_rows += n;
            for (place, descriptor) in schema.columns().iter().enumerate() {
                let column = column(group.get_column_reader(place)?, n, descriptor.max_def_level() > 0)?;
                match columns.get_mut(place) {
                    Some((_, before)) => before.append(column),
                    None => columns.push((descriptor.name().to_owned(), column)),
                }
            }
        }
        Ok(Self { path: path.to_owned(), n_rows, columns, metadata })
    }

    /// Rows of the file.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// a, b and φ at full rank of each row.
    ///
    /// # Errors
    /// `Malformed` when the file has other columns.
    pub fn pairs(&self) -> Result<impl Iterator<Item = (i32, i32, f32)> + '_> {
        let find =
            |name: &str| self.columns.iter().find(|(column, _)| column == name).map(|(_, column)| column);
        match (find("a"), find("b"), find("phi_r")) {
            (Some(Column::Int(a)), Some(Column::Int(b)), Some(Column::Float(phi))) => {
                Ok(a.iter().zip(b).zip(phi).map(|((&a, &b), &phi)| (a, b, phi)))
            }
            _ => Err(self.wrong("no columns a, b and phi_r of pairs")),
        }
    }

    /// How φ at full rank of all pairs of the block is spread, the ones that are not kept included.
    ///
    /// # Errors
    /// `Malformed` when the file does not say.
    pub fn histogram(&self) -> Result<Vec<u64>> {
        let text = self
            .metadata
            .iter()
            .find(|entry| entry.key == HISTOGRAM)
            .and_then(|entry| entry.value.as_deref());
        let counts = text.and_then(|text| serde_json::from_str(text).ok());
        counts.ok_or_else(|| self.wrong("no histogram"))
    }

    /// Puts the same file with these rows alone in its place.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    pub fn rewrite(self, places: &[usize]) -> Result<()> {
        let only = |(name, column): (String, Column)| (name, column.only(places));
        let columns: Vec<_> = self.columns.into_iter().map(only).collect();
        write_columns(&self.path, &columns, self.metadata)
    }

    fn wrong(&self, found: &str) -> Error {
        Fault::new(found, "a file of a scan that keeps top:K").at(&self.path).malformed()
    }
}

fn column(reader: ColumnReader, n: usize, is_optional: bool) -> ParquetResult<Column> {
    Ok(match (reader, is_optional) {
        (ColumnReader::Int32ColumnReader(reader), false) => Column::Int(values(reader, n)?),
        (ColumnReader::Int32ColumnReader(reader), true) => Column::OptionalInt(optional(reader, n)?),
        (ColumnReader::FloatColumnReader(reader), false) => Column::Float(values(reader, n)?),
        (ColumnReader::FloatColumnReader(reader), true) => Column::OptionalFloat(
            optional(reader, n)?.into_iter().map(|value| value.unwrap_or(f32::NAN)).collect(),
        ),
        (ColumnReader::BoolColumnReader(reader), false) => Column::Bool(values(reader, n)?),
        (ColumnReader::BoolColumnReader(reader), true) => Column::OptionalBool(optional(reader, n)?),
        (ColumnReader::ByteArrayColumnReader(reader), false) => {
            Column::Text(values(reader, n)?.iter().map(text).collect::<ParquetResult<_>>()?)
        }
        (ColumnReader::ByteArrayColumnReader(reader), true) => {
            let values = optional(reader, n)?.into_iter().map(|value| value.as_ref().map(text).transpose());
            Column::OptionalText(values.collect::<ParquetResult<_>>()?)
        }
        _ => return Err(ParquetError::General("a column of a type that no pairs' table has".into())),
    })
}

fn text(bytes: &ByteArray) -> ParquetResult<String> {
    Ok(bytes.as_utf8()?.to_owned())
}

fn values<T: DataType>(mut reader: ColumnReaderImpl<T>, n: usize) -> ParquetResult<Vec<T::T>> {
    let mut values = vec![];
    let (_, n_read, _) = reader.read_records(n, None, None, &mut values)?;
    whole(n_read, n)?;
    Ok(values)
}

fn optional<T: DataType>(mut reader: ColumnReaderImpl<T>, n: usize) -> ParquetResult<Vec<Option<T::T>>> {
    let (mut there, mut levels) = (vec![], vec![]);
    let (_, _, n_read) = reader.read_records(n, Some(&mut levels), None, &mut there)?;
    whole(n_read, n)?;
    let mut there = there.into_iter();
    Ok(levels.into_iter().map(|level| if level > 0 { there.next() } else { None }).collect())
}

fn whole(n_read: usize, n: usize) -> ParquetResult<()> {
    if n_read == n { Ok(()) } else { Err(ParquetError::General(format!("{n_read} values of {n}"))) }
}
