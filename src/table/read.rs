//! Reads columns of a table, a batch of rows at a time. A file that is damaged, cut, foreign or hostile is an error that
//! names it.

use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::basic::Type as Physical;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::schema::types::{ColumnDescPtr, ColumnDescriptor};

use super::check::{check_footer, check_pages};
use super::guard::guarded;
use super::schema::{ColumnType, Schema};
use super::seal;
use super::values::{Cells, Values};
use super::write::CREATED_BY;
use crate::error::{Error, Fault, Result};
use crate::files::open_plain;
use crate::text::quoted;

/// Rows that are read at once.
pub(super) const BATCH_ROWS: usize = 1 << 14;

/// The way out of a damaged table.
pub(crate) const HINT: &str = "remove the file and run the scan again, which makes what is missing";

/// A table that is there.
pub(crate) struct TableFile {
    path: PathBuf,
    file: File,
    n_bytes: u64,
    reader: SerializedFileReader<File>,
}

/// A column of the file: its place among them, and whether a row may have no value.
#[derive(Clone, Copy)]
struct Column {
    place: usize,
    is_nullable: bool,
}

impl TableFile {
    /// Reads what a file says of itself.
    ///
    /// # Errors
    /// `Io` when the system refuses, `Malformed` when it is not a table as a scan writes it.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = open_plain(path).map_err(|error| Error::io("open", path, error))?;
        let n_bytes = file.metadata().map_err(|error| Error::io("read", path, error))?.len();
        let open = || {
            check_footer(&file, n_bytes)?;
            SerializedFileReader::new(file.try_clone()?)
        };
        let reader = guarded(open).map_err(|error| failed(path, error))?;
        Ok(Self { path: path.to_owned(), file, n_bytes, reader })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Rows that the file announces.
    pub(crate) fn n_rows(&self) -> u64 {
        let groups = self.reader.metadata().row_groups().iter();
        groups.map(|group| group.num_rows().max(0) as u64).fold(0, u64::saturating_add)
    }

    /// The names of the columns that lie at the top.
    pub(crate) fn column_names(&self) -> Vec<String> {
        let columns = self.columns().iter().filter(|column| column.max_rep_level() == 0);
        columns.map(|column| column.path().string()).collect()
    }

    /// Whether there is a column of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.column_names().iter().any(|column| column == name)
    }

    /// What the file's metadata has for a key.
    pub(crate) fn metadata(&self, key: &str) -> Option<&str> {
        let entries = self.reader.metadata().file_metadata().key_value_metadata()?;
        entries.iter().find(|entry| entry.key == key)?.value.as_deref()
    }

    /// Checks that the file has these columns and no others.
    ///
    /// # Errors
    /// `Malformed` when it has not.
    pub(crate) fn expect(&self, schema: &Schema) -> Result<()> {
        let expected = schema.fields.iter().map(|field| (field.path(), field.column_type, field.is_nullable));
        let found = self.columns().iter().map(|column| {
            (column.path().clone(), column_type(column), column.max_def_level() > column.max_rep_level())
        });
        let is_it = found.eq(expected.map(|(path, of, is_nullable)| (path, Some(of), is_nullable)));
        if is_it { Ok(()) } else { Err(self.wrong("other columns", "the columns of the scan's tables")) }
    }

    /// Checks what can be checked without unpacking a value: that lorascope wrote the file, that it has these columns and no
    /// others, and that their pages lie where and as they should.
    ///
    /// # Errors
    /// `Malformed` when something is not so.
    pub(crate) fn check(&self, schema: &Schema) -> Result<()> {
        let metadata = self.reader.metadata();
        if !metadata.file_metadata().created_by().is_some_and(|by| by.starts_with(CREATED_BY)) {
            return Err(self.wrong("those of another program", "the columns of the scan's tables"));
        }
        self.expect(schema)?;
        let columns = metadata.row_groups().iter().flat_map(|group| group.columns());
        let check = || columns.clone().try_for_each(|column| check_pages(&self.file, self.n_bytes, column));
        guarded(check).map_err(|error| failed(&self.path, error))
    }

    /// Checks that the bytes are those that were written, by the digest that goes with them. What other programs wrote has none. Reads
    /// the whole file.
    ///
    /// # Errors
    /// `Malformed` when they are not, `Io` when the system refuses to read.
    pub(crate) fn verify(&self) -> Result<()> {
        match seal::is_whole(&self.file, self.n_bytes) {
            Ok(true) => Ok(()),
            Ok(false) => {
                let found = "damage (bytes that are not those that were written)";
                let fault = Fault::new(found, "a Parquet file as lorascope scan wrote it");
                Err(fault.at(&self.path).hint(HINT).malformed())
            }
            Err(cause) => Err(Error::io("read", &self.path, cause)),
        }
    }

    /// Hands all rows of some columns on, in batches, in the order of the file. The first `n_required` columns must be
    /// there.
    ///
    /// # Errors
    /// `Malformed` for a damaged file or a missing column; any error of `take`.
    pub(crate) fn read(
        &self,
        columns: &[&str],
        n_required: usize,
        mut take: impl FnMut(Batch) -> Result<()>,
    ) -> Result<()> {
        let wanted = self.find(columns, n_required)?;
        let failed = |error| failed(&self.path, error);
        for number in 0..self.reader.num_row_groups() {
            let group = guarded(|| self.reader.get_row_group(number)).map_err(failed)?;
            let open = |column: Column| {
                check_pages(&self.file, self.n_bytes, group.metadata().column(column.place))?;
                Ok((group.get_column_reader(column.place)?, column.is_nullable))
            };
            let open = |column: &Option<Column>| column.map(open).transpose();
            let mut readers: Vec<_> = guarded(|| wanted.iter().map(open).collect()).map_err(failed)?;
            let mut left = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
            while left > 0 {
                let n_rows = left.min(BATCH_ROWS);
                let read = |column: &mut Option<(ColumnReader, bool)>| {
                    column
                        .as_mut()
                        .map(|(reader, is_nullable)| values(reader, n_rows, *is_nullable))
                        .transpose()
                };
                let columns = guarded(|| readers.iter_mut().map(read).collect()).map_err(failed)?;
                take(Batch { n_rows, columns })?;
                left -= n_rows;
            }
        }
        Ok(())
    }

    /// The columns of these names that lie at the top; lists do not.
    fn find(&self, names: &[&str], n_required: usize) -> Result<Vec<Option<Column>>> {
        let find = |(n, name): (usize, &&str)| {
            let is_it =
                |column: &ColumnDescPtr| column.path().string() == **name && column.max_rep_level() == 0;
            let place = self.columns().iter().position(is_it);
            if place.is_none() && n < n_required {
                return Err(
                    self.wrong("none", &format!("a column {}, as lorascope scan writes it", quoted(name)))
                );
            }
            Ok(place.map(|place| Column { place, is_nullable: self.columns()[place].max_def_level() > 0 }))
        };
        names.iter().enumerate().map(find).collect()
    }

    fn columns(&self) -> &[ColumnDescPtr] {
        self.reader.metadata().file_metadata().schema_descr().columns()
    }

    fn wrong(&self, found: &str, expected: &str) -> Error {
        Fault::new(found, expected).at(&self.path).of("columns").hint(HINT).malformed()
    }
}

/// Rows of the columns that were asked for; `None` for one that the file lacks.
pub(crate) struct Batch {
    pub(crate) n_rows: usize,
    pub(crate) columns: Vec<Option<Values>>,
}

impl Batch {
    /// The number of column `c`, by its place in what was asked for; NaN for null, and for a column that is not there or
    /// holds no numbers.
    pub(crate) fn number(&self, c: usize, row: usize) -> f64 {
        let number = match &self.columns[c] {
            Some(Values::Int32(cells)) => cells.get(row).map(|&value| f64::from(value)),
            Some(Values::Int64(cells)) => cells.get(row).map(|&value| value as f64),
            Some(Values::Float32(values)) => values.get(row).map(|&value| f64::from(value)),
            Some(Values::Float64(values)) => values.get(row).copied(),
            _ => None,
        };
        number.unwrap_or(f64::NAN)
    }

    /// The same as a whole number.
    pub(crate) fn integer(&self, c: usize, row: usize) -> Option<i64> {
        let number = self.number(c, row);
        (number.fract() == 0.0).then_some(number as i64)
    }

    pub(crate) fn flag(&self, c: usize, row: usize) -> Option<bool> {
        match &self.columns[c] {
            Some(Values::Bool(cells)) => cells.get(row).copied(),
            _ => None,
        }
    }

    /// The bytes of a text: of a damaged file they may not be UTF-8.
    pub(crate) fn bytes(&self, c: usize, row: usize) -> Option<&[u8]> {
        match &self.columns[c] {
            Some(Values::Text(cells)) => cells.get(row).map(|text| text.data()),
            _ => None,
        }
    }

    pub(crate) fn text(&self, c: usize, row: usize) -> Option<String> {
        self.bytes(c, row).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }
}

fn column_type(column: &ColumnDescriptor) -> Option<ColumnType> {
    Some(match column.physical_type() {
        Physical::FLOAT if column.max_rep_level() > 0 => ColumnType::Float32List,
        _ if column.max_rep_level() > 0 => return None,
        Physical::INT32 => ColumnType::Int32,
        Physical::INT64 => ColumnType::Int64,
        Physical::FLOAT => ColumnType::Float32,
        Physical::DOUBLE => ColumnType::Float64,
        Physical::BOOLEAN => ColumnType::Bool,
        Physical::BYTE_ARRAY => ColumnType::Text,
        Physical::INT96 | Physical::FIXED_LEN_BYTE_ARRAY => return None,
    })
}

fn values(reader: &mut ColumnReader, n: usize, is_nullable: bool) -> ParquetResult<Values> {
    Ok(match reader {
        ColumnReader::Int32ColumnReader(reader) => Values::Int32(cells(reader, n, is_nullable)?),
        ColumnReader::Int64ColumnReader(reader) => Values::Int64(cells(reader, n, is_nullable)?),
        ColumnReader::FloatColumnReader(reader) => {
            Values::Float32(cells(reader, n, is_nullable)?.or(f32::NAN))
        }
        ColumnReader::DoubleColumnReader(reader) => {
            Values::Float64(cells(reader, n, is_nullable)?.or(f64::NAN))
        }
        ColumnReader::BoolColumnReader(reader) => Values::Bool(cells(reader, n, is_nullable)?),
        ColumnReader::ByteArrayColumnReader(reader) => Values::Text(cells(reader, n, is_nullable)?),
        _ => return Err(ParquetError::General("a column of a type that no table has".to_owned())),
    })
}

/// The next rows of a column.
fn cells<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    n: usize,
    is_nullable: bool,
) -> ParquetResult<Cells<T::T>> {
    let (mut levels, mut values) = (vec![], Vec::with_capacity(n));
    let (n_rows, n_values, n_levels) =
        reader.read_records(n, is_nullable.then_some(&mut levels), None, &mut values)?;
    let is_whole = n_rows == n && if is_nullable { n_levels == n } else { n_values == n };
    if !is_whole {
        return Err(ParquetError::General(format!("{n_rows} rows of {n}")));
    }
    if !is_nullable {
        return Ok(Cells::All(values));
    }
    // The column lies at the top, so that a level of 0 is a null.
    let mut values = values.into_iter();
    Ok(Cells::Some(levels.into_iter().map(|level| if level == 0 { None } else { values.next() }).collect()))
}

fn failed(path: &Path, error: ParquetError) -> Error {
    Fault::new(format!("damage ({error})"), "a Parquet file that lorascope scan wrote")
        .at(path)
        .hint(HINT)
        .malformed()
}
