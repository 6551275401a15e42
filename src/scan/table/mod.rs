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

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use tempfile::NamedTempFile;

use crate::error::{Error, Fault, Result};

/// Writes a file beside its place and renames it there, on the disk before it is seen: whatever happens, the file is
/// whole or not there.
///
/// # Errors
/// Whatever `fill` returns; `Io` when the system refuses, such as a full disk.
pub fn put(path: &Path, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<()> {
    let failed = |error| Error::io("write", path, error);
    let mut file = beside(path).map_err(failed)?;
    fill(file.as_file_mut())?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    // The name too, where a folder can be synced.
    #[cfg(unix)]
    File::open(folder(path)).and_then(|folder| folder.sync_all()).map_err(failed)?;
    Ok(())
}

/// The folder that a file is in, also where the path names none.
pub(crate) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// An empty file beside a path, gone when it is dropped.
pub(crate) fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".lorascope-").suffix(".part");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder(path))
}

/// The same for bytes that are there already.
///
/// # Errors
/// `Io` when the system refuses.
pub fn put_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    put(path, |file| file.write_all(bytes).map_err(|error| Error::io("write", path, error)))
}

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
