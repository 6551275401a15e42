//! Folders whose files other processes make and remove meanwhile.

use std::fs::{self, DirEntry};
use std::io::ErrorKind;
use std::path::Path;

use crate::error::{Error, Result};

/// The entries of a folder; none where it is not there.
///
/// # Errors
/// `Io` when the system refuses to list them, all or one.
pub(crate) fn entries(dir: &Path) -> Result<impl Iterator<Item = Result<DirEntry>>> {
    let named = move |error| Error::io("list", dir, error);
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        entries => Some(entries.map_err(named)?),
    };
    Ok(entries.into_iter().flatten().map(move |entry| entry.map_err(named)))
}

/// Removes a file, if it is still there.
///
/// # Errors
/// `Io` when the system refuses.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("remove", path, error)),
        _ => Ok(()),
    }
}
