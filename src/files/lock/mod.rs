//! A lock that processes hold in turn: by `flock` where the file system has it, else by a file that only one can make.

mod claim;
mod owner;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use self::claim::{Claim, Pace};
use super::patiently;

/// Makes every lock one by files, for file systems whose `flock` holds on one machine only (Lustre's `localflock`, NFS's
/// `local_lock`).
const LOCK_FILES: &str = "LORASCOPE_LOCK_FILES";

/// A lock that is held until this is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    // Dropped in this order.
    file: File,
    is_writable: bool,
    _claim: Option<Claim>,
}

impl Lock {
    /// Waits until no other process holds the lock at `path`, which is made if it is not there. A link or a special file in
    /// its place is refused, since it could lead anywhere.
    ///
    /// # Errors
    /// Those of the system.
    pub(crate) fn wait_for(path: &Path) -> io::Result<Self> {
        let flock =
            |file: &File| if has_flock() { file.lock() } else { Err(io::ErrorKind::Unsupported.into()) };
        Self::by(flock, path, Pace::USUAL)
    }

    fn by(flock: impl Fn(&File) -> io::Result<()>, path: &Path, pace: Pace) -> io::Result<Self> {
        loop {
            let Some((file, is_writable)) = patiently(|| open(path))? else { continue };
            let claim = match flock(&file) {
                Ok(()) => None,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // Each file system without locks has an error of its own for it.
                Err(_) => Some(Claim::wait_for(&claim_path(path), pace)?),
            };
            // Who held it may have removed it meanwhile, and another one holds the file that has the name now.
            if is_named(&file, path)? {
                return Ok(Self { file, is_writable, _claim: claim });
            }
        }
    }

    /// The lock's own file, in which its holder may keep something; `None` where another user made it so that only he may
    /// write to it.
    pub(crate) fn file(&mut self) -> Option<&mut File> {
        self.is_writable.then_some(&mut self.file)
    }
}

/// What a lock by files leaves next to the lock of this path, where its holder was killed.
pub(crate) fn is_claim_of(lock: &str, name: &str) -> bool {
    name.strip_prefix(lock).is_some_and(|rest| rest.starts_with(claim::SUFFIX))
}

fn has_flock() -> bool {
    std::env::var_os(LOCK_FILES).is_none_or(|value| value.is_empty())
}

/// Marks a file as one that this process is at, until it is closed: see [`is_free`]. `false`: it was removed before.
///
/// # Errors
/// Those of the system.
pub(crate) fn hold(file: &File, path: &Path) -> io::Result<bool> {
    if has_flock() {
        // Without locks, its age tells what it is.
        let _ = file.lock();
    }
    is_named(file, path)
}

/// Whether no process is at a file: see [`hold`]. `None` where that cannot be known.
pub(crate) fn is_free(file: &File) -> Option<bool> {
    if !has_flock() {
        return None;
    }
    match file.try_lock() {
        Ok(()) => Some(true),
        Err(fs::TryLockError::WouldBlock) => Some(false),
        Err(fs::TryLockError::Error(_)) => None,
    }
}

fn claim_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(claim::SUFFIX);
    name.into()
}

/// Opens the file of a lock, for writing too if the system allows. `None`: it came or went meanwhile.
fn open(path: &Path) -> io::Result<Option<(File, bool)>> {
    let there = match fs::symlink_metadata(path) {
        Ok(found) => found,
        // Exclusive, for that follows no link.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return match OpenOptions::new().read(true).write(true).create_new(true).open(path) {
                Ok(file) => {
                    share(&file, path);
                    Ok(Some((file, true)))
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(None),
                Err(error) => Err(error),
            };
        }
        Err(error) => return Err(error),
    };
    if !there.is_file() {
        return Err(not_a_lock());
    }
    let opened = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => Ok((file, true)),
        Err(error) if is_refusal(&error) => File::open(path).map(|file| (file, false)),
        Err(error) => Err(error),
    };
    match opened {
        // The name may have become a link since.
        Ok((file, is_writable)) => Ok(is_named(&file, path)?.then_some((file, is_writable))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn not_a_lock() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "a link or a special file in the place of a lock")
}

/// Whether the system refused because of whose file it is, or of a read-only file system.
pub(crate) fn is_refusal(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// Lets everybody read and write a file who may do so in its folder: a lock holds nothing that anybody wrote.
#[cfg(unix)]
pub(crate) fn share(file: &File, path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let Ok(folder) = fs::metadata(super::parent_dir(path)) else { return };
    let mode = folder.permissions().mode() & 0o666 | 0o600;
    // Those who may not write still may wait.
    let _ = file.set_permissions(fs::Permissions::from_mode(mode));
}

#[cfg(not(unix))]
pub(crate) fn share(_: &File, _: &Path) {}

/// Whether the file still has this name, and not by way of a link.
#[cfg(unix)]
fn is_named(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let id = |found: &fs::Metadata| (found.dev(), found.ino());
    match fs::symlink_metadata(path) {
        Ok(named) => Ok(id(&named) == id(&file.metadata()?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// A file that is open cannot be removed or replaced.
#[cfg(not(unix))]
fn is_named(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

#[cfg(test)]
mod tests;
