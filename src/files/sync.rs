//! Waits for the disk, once for many files.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::error::{Error, Result};

/// Files that are waited for one after the other: with more, everything that the file system has to write is waited for at once
/// before.
const FEW: usize = 64;

/// Waits until these files of a folder are on the disk, with their names. One that was removed meanwhile needs nothing.
///
/// # Errors
/// `Io` when the system could not write what it had taken.
pub(crate) fn sync_files(folder: &Path, files: &[PathBuf]) -> Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let failed = |error| Error::io("write", folder, error);
    if files.len() > FEW {
        sync_file_system(folder).map_err(failed)?;
    }
    // Where all of it is there, to ask again costs little, and tells of each file whether it could be written.
    files.par_iter().try_for_each(|path| match open(path).and_then(|file| file.sync_all()) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("write", path, error)),
        _ => Ok(()),
    })?;
    // Where a folder can be synced.
    #[cfg(unix)]
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    Ok(())
}

/// A handle that the system syncs by.
fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).write(cfg!(windows)).open(path)
}

#[cfg(target_os = "linux")]
fn sync_file_system(folder: &Path) -> io::Result<()> {
    Ok(rustix::fs::syncfs(File::open(folder)?)?)
}

/// Where the system cannot be asked for that.
#[cfg(not(target_os = "linux"))]
fn sync_file_system(_: &Path) -> io::Result<()> {
    Ok(())
}
