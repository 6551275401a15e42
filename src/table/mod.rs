//! Tables as Parquet files: what their columns are declared with, one writer, and one reader that no file can stop.
//!
//! A [`Schema`] names the columns and their types. [`write`] puts a table of row groups in place, and [`TableFile`] reads
//! columns of one, a batch of rows at a time. Which tables there are is their owners' business.

mod bounds;
mod check;
mod guard;
mod read;
mod schema;
mod seal;
#[cfg(test)]
mod tests;
mod values;
mod write;

pub(crate) use self::read::{Batch, HINT, TableFile};
pub use self::schema::{ColumnType, Encoding, Field, Schema};
pub(crate) use self::values::{Cells, Values};
pub(crate) use self::write::write;

/// Rows of a row group, at most.
pub(crate) const MAX_GROUP_ROWS: usize = 1 << 20;
