//! Reads columns of a Parquet file, a batch of rows at a time.

use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::error::{Error, Fault, Result};

/// Rows that are read at once.
const BATCH_ROWS: usize = 1 << 14;

/// A Parquet file.
pub(super) struct Table {
    path: PathBuf,
    reader: SerializedFileReader<File>,
}

/// The values of a column in a batch, one a row.
pub(super) enum Values {
    /// Numbers of any width; NaN for null.
    Numbers(Vec<f64>),
    /// UTF-8, as stored.
    Texts(Vec<Option<ByteArray>>),
    Flags(Vec<Option<bool>>),
}

/// Rows of the columns that were asked for; `None` for one that the file lacks.
pub(super) struct Batch {
    pub(super) n_rows: usize,
    columns: Vec<Option<Values>>,
}

impl Batch {
    /// The number of column `c`, by its place in what was asked for; NaN for null, and for a column that is not there or
    /// holds no numbers.
    pub(super) fn number(&self, c: usize, row: usize) -> f64 {
        match &self.columns[c] {
            Some(Values::Numbers(values)) => values[row],
            _ => f64::NAN,
        }
    }

    /// The same as a whole number.
    pub(super) fn integer(&self, c: usize, row: usize) -> Option<i64> {
        let number = self.number(c, row);
        (number.fract() == 0.0).then_some(number as i64)
    }

    pub(super) fn flag(&self, c: usize, row: usize) -> Option<bool> {
        match &self.columns[c] {
            Some(Values::Flags(values)) => values[row],
            _ => None,
        }
    }

    /// The bytes of a text.
    pub(super) fn bytes(&self, c: usize, row: usize) -> Option<&[u8]> {
        match &self.columns[c] {
            Some(Values::Texts(values)) => values[row].as_ref().map(ByteArray::data),
            _ => None,
        }
    }

    pub(super) fn text(&self, c: usize, row: usize) -> Option<String> {
        self.bytes(c, row).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }
}

impl Table {
    /// # Errors
    /// `Io` when the file cannot be opened, `Malformed` when it is no Parquet file.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|error| Error::io("open", path, error))?;
        let reader = SerializedFileReader::new(file).map_err(|error| damaged(path, &error))?;
        Ok(Self { path: path.to_owned(), reader })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Hands all rows of some columns on, in batches, in the order of the file. The first `n_required` columns must be
    /// there.
    ///
    /// # Errors
    /// `Malformed` for a damaged file or a column that is missing; whatever `take` returns.
    pub(super) fn read(
        &self,
        columns: &[&str],
        n_required: usize,
        mut take: impl FnMut(&Batch) -> Result<()>,
    ) -> Result<()> {
        let places = self.places(columns, n_required)?;
        let damaged = |error: ParquetError| damaged(&self.path, &error);
        for n in 0..self.reader.num_row_groups() {
            let group = self.reader.get_row_group(n).map_err(damaged)?;
            let open = |place: &Option<usize>| place.map(|at| group.get_column_reader(at)).transpose();
            let mut readers = places.iter().map(open).collect::<Result<Vec<_>, _>>().map_err(damaged)?;
            let mut left = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
            while left > 0 {
                let n_rows = left.min(BATCH_ROWS);
                let mut read = |reader: &mut Option<ColumnReader>| match reader {
                    Some(reader) => values(reader, n_rows).map(Some),
                    None => Ok(None),
                };
                let columns = readers.iter_mut().map(&mut read).collect::<Result<_, _>>().map_err(damaged)?;
                take(&Batch { n_rows, columns })?;
                left -= n_rows;
            }
        }
        Ok(())
    }

    fn places(&self, columns: &[&str], n_required: usize) -> Result<Vec<Option<usize>>> {
        let schema = self.reader.metadata().file_metadata().schema_descr();
        let place = |(n, name): (usize, &&str)| {
            let is_it = |column: &parquet::schema::types::ColumnDescPtr| {
                column.path().string() == **name && column.max_rep_level() == 0
            };
            let place = schema.columns().iter().position(is_it);
            if place.is_none() && n < n_required {
                let expected = format!("a column `{name}`, as lorascope scan writes it");
                return Err(Fault::new("none", expected).at(&self.path).of("columns").malformed());
            }
            Ok(place)
        };
        columns.iter().enumerate().map(place).collect()
    }
}

fn values(reader: &mut ColumnReader, n_rows: usize) -> Result<Values, ParquetError> {
    let numbers = |values: Vec<Option<f64>>| {
        Values::Numbers(values.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect())
    };
    Ok(match reader {
        ColumnReader::Int32ColumnReader(reader) => numbers(rows(reader, n_rows, f64::from)?),
        ColumnReader::Int64ColumnReader(reader) => numbers(rows(reader, n_rows, |value| value as f64)?),
        ColumnReader::FloatColumnReader(reader) => numbers(rows(reader, n_rows, f64::from)?),
        ColumnReader::DoubleColumnReader(reader) => numbers(rows(reader, n_rows, |value| value)?),
        ColumnReader::BoolColumnReader(reader) => Values::Flags(rows(reader, n_rows, |value| value)?),
        ColumnReader::ByteArrayColumnReader(reader) => Values::Texts(rows(reader, n_rows, |value| value)?),
        _ => return Err(ParquetError::General("a column of an unexpected type".to_owned())),
    })
}

/// The next rows of a column, null where it holds nothing.
fn rows<T: DataType, V: Clone>(
    reader: &mut ColumnReaderImpl<T>,
    n_rows: usize,
    convert: impl Fn(T::T) -> V,
) -> Result<Vec<Option<V>>, ParquetError> {
    let (mut levels, mut values) = (Vec::with_capacity(n_rows), Vec::with_capacity(n_rows));
    let (n_read, n_values, _) = reader.read_records(n_rows, Some(&mut levels), None, &mut values)?;
    if n_read != n_rows {
        return Err(ParquetError::General(format!("{n_read} rows of {n_rows}")));
    }
    let mut values = values.into_iter().map(convert);
    if n_values == n_rows {
        return Ok(values.map(Some).collect());
    }
    // The columns lie at the top, so that a level of 0 is a null.
    Ok(levels.into_iter().map(|level| if level == 0 { None } else { values.next() }).collect())
}

fn damaged(path: &Path, error: &ParquetError) -> Error {
    Fault::new(format!("damage ({error})"), "a Parquet file that lorascope scan wrote")
        .at(path)
        .hint("remove the file and run the scan again, which makes what is missing")
        .malformed()
}
