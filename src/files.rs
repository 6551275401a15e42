//! Files as the system has them: written whole or not at all, read by position, and known again by size and time.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::adapter::Adapter;
use crate::error::{Error, Result};

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

/// Size and time of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStamp {
    /// Bytes.
    pub n_bytes: u64,
    /// When it was written, in nanoseconds since 1970; 0 where the system does not say.
    pub modified_ns: u64,
}

impl FileStamp {
    /// Of a file as it is now.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    pub fn of(path: &Path) -> Result<Self> {
        let metadata = fs::metadata(path).map_err(|error| Error::io("read", path, error))?;
        Ok(Self::new(metadata.len(), metadata.modified().ok()))
    }

    /// Of an adapter's file as it was when its header was read.
    pub fn when_opened(adapter: &Adapter) -> Self {
        Self::new(adapter.n_bytes(), adapter.modified())
    }

    fn new(n_bytes: u64, modified: Option<SystemTime>) -> Self {
        let since = modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified_ns = since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0);
        Self { n_bytes, modified_ns }
    }
}

/// Reads a file by position, so that threads can share it.
#[cfg(unix)]
pub(crate) fn read_exact_at(file: &File, to: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, to, offset)
}

#[cfg(windows)]
pub(crate) fn read_exact_at(file: &File, mut to: &mut [u8], mut offset: u64) -> io::Result<()> {
    use std::os::windows::fs::FileExt as _;
    while !to.is_empty() {
        match file.seek_read(to, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => (to, offset) = (&mut to[n..], offset + n as u64),
        }
    }
    Ok(())
}
