//! Replaces a file in one step: it is written next to its place and renamed when it is whole.

use std::fs::{self, File};
use std::io;
#[cfg(feature = "scan")]
use std::io::Write as _;
use std::path::{Path, PathBuf};
#[cfg(feature = "scan")]
use std::time::{Duration, SystemTime};

use tempfile::NamedTempFile;

use super::patiently;
#[cfg(feature = "scan")]
use super::{entries, hold, is_free, open_plain, remove};
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
    put(file, path).map_err(failed)?;
    // The name too, where a folder can be synced.
    #[cfg(unix)]
    if is_synced {
        File::open(parent_dir(path)).and_then(|dir| dir.sync_all()).map_err(failed)?;
    }
    Ok(())
}

/// Renames a file over the one that is there.
fn put(file: NamedTempFile, path: &Path) -> io::Result<()> {
    // Held until it has its name, so that nobody takes it for what a killed process left.
    let (_held, temp) = file.into_parts();
    put_by(|from, to| fs::rename(from, to), &temp, path)
}

/// Some file systems do not rename over a file. There it is set aside for the moment that this takes, under a name by which
/// it is found if the moment is the last one.
fn put_by(rename: impl Fn(&Path, &Path) -> io::Result<()>, from: &Path, to: &Path) -> io::Result<()> {
    let refused = match rename(from, to) {
        Err(error)
            if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::PermissionDenied) =>
        {
            error
        }
        renamed => return renamed,
    };
    let aside = set_aside(to);
    if to.is_file() {
        // Of a process that was killed in that moment.
        let _ = fs::remove_file(&aside);
        if rename(to, &aside).is_err() {
            return Err(refused);
        }
    }
    let renamed = rename(from, to);
    match renamed {
        Ok(()) => drop(fs::remove_file(&aside)),
        Err(_) => drop(rename(&aside, to)),
    }
    renamed
}

/// Where the file of this name is if a process was killed while it replaced it, on a file system that does not rename over a
/// file.
pub(crate) fn set_aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".old");
    name.into()
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
    // Opened here, for errors as the system has them and the permissions of any file.
    let open = |path: &Path| File::options().read(true).write(true).create_new(true).open(path);
    loop {
        let file = patiently(|| builder.make_in(parent_dir(path), open))?;
        if is_held(&file)? {
            return Ok(file);
        }
    }
}

/// Holds a file as long as it is written to, for those who look for what killed processes left. `false`: one of them has
/// removed it.
#[cfg(feature = "scan")]
fn is_held(file: &NamedTempFile) -> io::Result<bool> {
    hold(file.as_file(), file.path())
}

#[cfg(not(feature = "scan"))]
fn is_held(_: &NamedTempFile) -> io::Result<bool> {
    Ok(true)
}

/// Removes files of [`temp_file_next_to`] in a folder that no process is at any more.
///
/// # Errors
/// `Io` when the system refuses to list the folder or to remove one.
#[cfg(feature = "scan")]
pub(crate) fn remove_stale_temp_files(dir: &Path) -> Result<()> {
    for entry in entries(dir)?.flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if !is_file || !is_temp_file(&entry.file_name().to_string_lossy()) {
            continue;
        }
        let path = entry.path();
        if let Ok(metadata) = entry.metadata()
            && is_abandoned(&path, &metadata)
        {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Where files cannot be locked, those that are being written and did not change for so long belong to a process that was
/// killed.
#[cfg(feature = "scan")]
const ABANDONED: Duration = Duration::from_secs(3600);

/// Whether no process is at a file of [`temp_file_next_to`] any more.
#[cfg(feature = "scan")]
pub(crate) fn is_abandoned(path: &Path, metadata: &fs::Metadata) -> bool {
    let is_old = || {
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        // Clocks differ and jump: what was written in the future is old as well.
        let age = SystemTime::now().duration_since(modified).unwrap_or_else(|ahead| ahead.duration());
        age > ABANDONED
    };
    match open_plain(path).map(|file| is_free(&file)) {
        Ok(Some(is_free)) => is_free,
        Ok(None) | Err(_) => is_old(),
    }
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_temporary_file_that_cannot_be_made_is_refused_in_the_words_of_the_system() {
        let nowhere = tempfile::tempdir().unwrap().path().join("gone/file");
        let error = temp_file_next_to(&nowhere).unwrap_err();
        assert!(error.raw_os_error().is_some() && !error.to_string().contains(".part"), "{error}");
    }

    fn refuses_over(error: io::ErrorKind) -> impl Fn(&Path, &Path) -> io::Result<()> {
        move |from, to| if to.exists() { Err(error.into()) } else { fs::rename(from, to) }
    }

    #[test]
    fn a_file_is_replaced_where_nothing_can_be_renamed_over() {
        for error in [io::ErrorKind::AlreadyExists, io::ErrorKind::PermissionDenied] {
            let folder = tempfile::tempdir().unwrap();
            let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
            for (n, text) in ["first", "second", "third"].into_iter().enumerate() {
                fs::write(&from, text).unwrap();
                if n == 2 {
                    fs::write(set_aside(&to), "left by a killed process").unwrap();
                }
                put_by(refuses_over(error), &from, &to).unwrap();
                assert_eq!(fs::read_to_string(&to).unwrap(), text);
                assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
            }
        }
    }

    #[test]
    fn the_old_file_stays_or_is_set_aside_whatever_fails() {
        for n_done in 0..4 {
            let folder = tempfile::tempdir().unwrap();
            let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
            fs::write(&from, "new").unwrap();
            fs::write(&to, "old").unwrap();
            let n = Cell::new(0);
            let rename = |from: &Path, to: &Path| {
                n.set(n.get() + 1);
                match n.get() > n_done {
                    true => Err(io::ErrorKind::PermissionDenied.into()),
                    false => refuses_over(io::ErrorKind::AlreadyExists)(from, to),
                }
            };
            let put = put_by(rename, &from, &to);
            let there = [to.clone(), set_aside(&to)].iter().find_map(|path| fs::read_to_string(path).ok());
            assert_eq!(there.as_deref(), Some(if put.is_ok() { "new" } else { "old" }), "{n_done}");
            assert_eq!(put.is_ok(), n_done == 3, "{n_done}");
        }
    }
}
