//! Reads columns of a Parquet file, a batch of rows at a time.

use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, DataType};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::reader::{FileReader, SerializedFileReader};

use super::guard::guarded;
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
        let n_bytes = file.metadata().map_err(|error| Error::io("read", path, error))?.len();
        let reader = guarded(|| SerializedFileReader::new(file)).map_err(|error| damaged(path, &error))?;
        // The reader would ask for the memory first.
        let mut chunks = reader.metadata().row_groups().iter().flat_map(RowGroupMetaData::columns);
        if !chunks.all(|chunk| lies_within(chunk, n_bytes)) {
            let error = ParquetError::General("a column outside of the file".to_owned());
            return Err(damaged(path, &error));
        }
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
            let group = guarded(|| self.reader.get_row_group(n)).map_err(damaged)?;
            let open = |place: &Option<usize>| place.map(|at| group.get_column_reader(at)).transpose();
            let mut readers: Vec<_> = guarded(|| places.iter().map(open).collect()).map_err(damaged)?;
            let mut left = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
            while left > 0 {
                let n_rows = left.min(BATCH_ROWS);
                let mut read = |reader: &mut Option<ColumnReader>| match reader {
                    Some(reader) => values(reader, n_rows).map(Some),
                    None => Ok(None),
                };
                let columns = guarded(|| readers.iter_mut().map(&mut read).collect()).map_err(damaged)?;
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

fn lies_within(chunk: &ColumnChunkMetaData, n_bytes: u64) -> bool {
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let (start, n) = (u64::try_from(start).ok(), u64::try_from(chunk.compressed_size()).ok());
    start.zip(n).and_then(|(start, n)| start.checked_add(n)).is_some_and(|end| end <= n_bytes)
}

fn damaged(path: &Path, error: &ParquetError) -> Error {
    Fault::new(format!("damage ({error})"), "a Parquet file that lorascope scan wrote")
        .at(path)
        .hint("remove the file and run the scan again, which makes what is missing")
        .malformed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::table::{AdapterRow, write_adapters};

    fn adapters(n: i32) -> Vec<AdapterRow> {
        let row = |id: i32| AdapterRow {
            id,
            path: format!("runs/{id}"),
            run: "runs".to_owned(),
            step: (id % 2 == 0).then_some(i64::from(id) << 40),
            base_model: (id % 3 == 0).then(|| "ü".to_owned()),
            naming_scheme: "PEFT".to_owned(),
            n_modules: 1,
            rank: 8,
            digest: None,
            problem: None,
        };
        (0..n).map(row).collect()
    }

    /// Id, step and base model.
    type Row = (Option<i64>, Option<i64>, Option<String>);

    fn read(path: &Path) -> Result<Vec<Row>> {
        let mut rows = vec![];
        Table::open(path)?.read(&["id", "step", "base_model", "none"], 3, |batch| {
            assert!(batch.number(3, 0).is_nan() && batch.text(3, 0).is_none());
            rows.extend(
                (0..batch.n_rows)
                    .map(|row| (batch.integer(0, row), batch.integer(1, row), batch.text(2, row))),
            );
            Ok(())
        })?;
        Ok(rows)
    }

    #[test]
    fn rows_come_in_batches_in_order_with_their_nulls() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.parquet");
        let adapters = adapters(2 * BATCH_ROWS as i32 + 7);
        write_adapters(&path, adapters.iter().cloned().map(Ok)).unwrap();
        let expected = adapters.iter().map(|row| (Some(row.id.into()), row.step, row.base_model.clone()));
        assert!(read(&path).unwrap().into_iter().eq(expected));
    }

    #[test]
    fn a_column_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.parquet");
        write_adapters(&path, adapters(1).iter().cloned().map(Ok)).unwrap();
        let error = Table::open(&path).unwrap().read(&["id", "phi_r"], 2, |_| Ok(())).unwrap_err();
        let expected =
            "x.parquet: columns: found none, expected a column `phi_r`, as lorascope scan writes it";
        assert!(error.to_string().ends_with(expected), "{error}");
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.parquet");
        write_adapters(&path, adapters(20).iter().cloned().map(Ok)).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for at in (0..whole.len()).step_by(3) {
            if at % 5 == 0 {
                std::fs::write(&path, &whole[..at]).unwrap();
                let error = read(&path).unwrap_err();
                let is_told = error.to_string().contains("found damage (");
                assert!(matches!(error, Error::Malformed(_)) && is_told, "{error}");
            }
            let mut bytes = whole.clone();
            bytes[at] ^= if at % 2 == 0 { 0x80 } else { 0x01 };
            std::fs::write(&path, bytes).unwrap();
            if let Err(error) = read(&path) {
                assert!(matches!(error, Error::Malformed(_)), "byte {at}: {error}");
            }
        }
    }
}
