//! The tables of a scan, as Parquet files that DuckDB, Polars and Spark read as they stand.

mod adapters;
mod columns;
mod histograms;
mod pairs;
mod stored;

pub use adapters::{AdapterRow, write_adapters};
pub use histograms::write_histograms;
pub use pairs::{PairRows, PairTable};
pub use stored::StoredPairs;

use std::path::Path;

use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use crate::error::{Error, Fault};

fn failed(path: &Path, error: ParquetError) -> Error {
    match error {
        ParquetError::External(cause) => match cause.downcast::<std::io::Error>() {
            Ok(cause) => Error::io("write", path, *cause),
            Err(other) => Fault::new(other.to_string(), "a table that can be written").at(path).invalid(),
        },
        other => Fault::new(other.to_string(), "a table that can be written").at(path).invalid(),
    }
}

/// What all tables are written with: the same bytes for the same rows.
fn properties() -> parquet::file::properties::WriterPropertiesBuilder {
    use parquet::basic::{Compression, ZstdLevel};
    WriterProperties::builder()
        .set_created_by(concat!("lorascope ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(MAX_ROWS_GROUP))
}

/// Rows of a row group, at most.
const MAX_ROWS_GROUP: usize = 1 << 20;
