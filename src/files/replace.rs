//! Replaces a file in one step: it is written next to its place and renamed when it is whole.

use std::fs::{self, File};
use std::io;
#[cfg(feature = "scan")]
use std::io::Write as _;
use std::path::Path;

use tempfile::NamedTempFile;

use super::patiently;
#[cfg(feature = "scan")]
use super::{hold, is_free};
use crate::error::{Error, Result};

const TEMP_PREFIX: &str = ".lorascope-";
const TEMP_SUFFIX: &str = ".part";

/// Whether a replaced file must survive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// It is on the disk before it appears under its name.
    #[cfg(feature = "scan")]
    PowerCut,
    /// The system writes it to the disk later: it can be made again.
    Process,
}

/// Writes a file next to its place and renames it there: every process sees the old file or the whole new one. The new
/// file has the permissions of the one that it replaces.
///
/// # Errors
/// Any error of `fill`; `Io` when the system refuses, for example because the disk is full. The old file is then still there.
pub(crate) fn replace_atomically(
    path: &Path,
    durability: Durability,
    fill: impl FnOnce(&mut File) -> Result<()>,
) -> Result<()> {
    let failed = |error| Error::io("write", path, error);
    let mut file = temp_file_next_to(path).map_err(failed)?;
    fill(file.as_file_mut())?;
    if let Ok(replaced) = fs::metadata(path) {
        file.as_file().set_permissions(replaced.permissions()).map_err(failed)?;
    }
    let is_synced = durability != Durability::Process;
    if is_synced {
        file.as_file().sync_all().map_err(failed)?;
    }
    file.persist(path).map_err(|error| failed(error.error))?;
    // The name too, where a folder can be synced.
    #[cfg(unix)]
    if is_synced {
        File::open(parent_dir(path)).and_then(|dir| dir.sync_all()).map_err(failed)?;
    }
    Ok(())
}

/// [`replace_atomically`] with these bytes, on the disk before they are seen.
///
/// # Errors
/// `Io` when the system refuses.
#[cfg(feature = "scan")]
pub(crate) fn replace_with_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    replace_atomically(path, Durability::PowerCut, |file| {
        file.write_all(bytes).map_err(|error| Error::io("write", path, error))
    })
}

/// An empty file in the folder of `path`, removed when it is dropped. The umask decides its permissions, as for any file.
///
/// # Errors
/// Those of the system.
pub(crate) fn temp_file_next_to(path: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMP_PREFIX).suffix(TEMP_SUFFIX);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    loop {
        let file = patiently(|| builder.tempfile_in(parent_dir(path)))?;
        // Held as long as it is written to, for those who look for what killed processes left.
        #[cfg(feature = "scan")]
        if !hold(file.as_file(), file.path())? {
            continue;
        }
        return Ok(file);
    }
}

/// Removes files of [`temp_file_next_to`] in a folder that no process is at any more.
///
/// # Errors
/// `Io` when the system refuses to list the folder or to remove one.
#[cfg(feature = "scan")]
pub(crate) fn remove_stale_temp_files(dir: &Path) -> Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| Error::io("list", dir, error))?,
    };
    for entry in entries.flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_file || !is_temp_file(&entry.file_name().to_string_lossy()) {
            continue;
        }
        let path = entry.path();
        let Ok(file) = File::open(&path) else { continue };
        if is_free(&file) == Some(true) {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io("remove", &path, error));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Whether a file of this name is one of [`temp_file_next_to`], which a killed process leaves behind.
#[cfg(feature = "scan")]
pub(crate) fn is_temp_file(name: &str) -> bool {
    name.starts_with(TEMP_PREFIX) && name.ends_with(TEMP_SUFFIX)
}

/// The folder that holds a file: `.` for a path that names none.
pub(crate) fn parent_dir(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}
