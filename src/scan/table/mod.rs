//! The tables of a scan, as Parquet files that DuckDB, Polars and Spark read as they stand.

mod adapters;
mod histograms;
mod pairs;
mod stored;

pub use adapters::{AdapterRow, adapters_schema, write_adapters};
pub use histograms::{N_CLASSES, histograms_schema, write_histograms};
pub use pairs::{MakeGrids, PairRows, PairTable};
pub use stored::StoredPairs;

pub use crate::table::{ColumnType, Encoding, Field, Schema};
