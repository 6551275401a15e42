//! The tables of a scan, as Parquet files that DuckDB, Polars and Spark read as they stand.

mod adapters;
mod histograms;
mod note;
mod pairs;
mod stored;

pub use adapters::{AdapterRow, adapters_schema, write_adapters};
pub(crate) use adapters::{is_marked_unfinished, stored_digests, write_unfinished_adapters};
pub(crate) use histograms::write_histograms;
pub use histograms::{N_CLASSES, class_edge, class_of, histograms_schema};
pub use note::BlockNote;
pub use pairs::{MakeGrids, PairRows, PairTable};
pub use stored::StoredPairs;

pub use crate::table::{ColumnType, Encoding, Field, Schema};
