//! The bytes of a cache's entries, kept in its lock file, and the eviction of entries when they are too many.
//!
//! Counting the files for every new entry would take time that grows with their number, so the lock file holds their sum
//! as 8 bytes. The sum is raised before a file appears and may stay too large when a process is killed; a count of the
//! files, whenever it passes the limit, sets it right.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::error::{Error, Result};
use crate::files::is_temp_file;

/// How entries end: the hexadecimal key, and this.
pub(super) const SUFFIX: &str = ".safetensors";
const LOCK: &str = "lock";

/// Files that are being written and did not change for so long belong to a process that was killed.
const ABANDONED: Duration = Duration::from_secs(3600);

/// The file of an entry.
pub(super) struct Found {
    path: PathBuf,
    pub(super) bytes: u64,
    used: SystemTime,
}

/// Counts `bytes` more, lets `place` put the file there, and evicts entries when the sum is over the limit.
pub(super) fn add<T>(
    dir: &Path,
    limit_bytes: u64,
    bytes: u64,
    place: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let named = |error: io::Error| Error::io("write", dir.join(LOCK), error);
    let mut lock = lock(dir).map_err(named)?;
    let known = match sum(&mut lock) {
        Some(known) => known,
        None => total(&entries(dir)?),
    };
    let sum = known.saturating_add(bytes);
    set_sum(&mut lock, sum).map_err(named)?;
    let placed = place()?;
    if sum > limit_bytes {
        let left = evict(dir, limit_bytes)?;
        set_sum(&mut lock, left).map_err(named)?;
    }
    Ok(placed)
}

/// Removes all entries.
pub(super) fn clear(dir: &Path) -> Result<()> {
    let named = |error: io::Error| Error::io("write", dir.join(LOCK), error);
    let mut lock = lock(dir).map_err(named)?;
    remove_abandoned(dir)?;
    for entry in entries(dir)? {
        remove(&entry.path)?;
    }
    set_sum(&mut lock, 0).map_err(named)
}

/// The entries in a folder; none where there is no folder.
pub(super) fn entries(dir: &Path) -> Result<Vec<Found>> {
    list(dir, |name| name.ends_with(SUFFIX) && name.len() == 64 + SUFFIX.len())
}

/// Removes the entries that were used the longest ago until a tenth of the limit is free, so that a full cache is not
/// counted at every entry. Returns the bytes that are left.
fn evict(dir: &Path, limit_bytes: u64) -> Result<u64> {
    remove_abandoned(dir)?;
    let mut entries = entries(dir)?;
    let mut left = total(&entries);
    if left <= limit_bytes {
        return Ok(left);
    }
    entries.sort_by_key(|entry| entry.used);
    for entry in entries {
        if left <= limit_bytes - limit_bytes / 10 {
            break;
        }
        // An entry of another user, or one that is open on Windows, stays.
        if remove(&entry.path).is_ok() {
            left -= entry.bytes;
        }
    }
    Ok(left)
}

fn remove_abandoned(dir: &Path) -> Result<()> {
    let now = SystemTime::now();
    for part in list(dir, is_temp_file)? {
        if now.duration_since(part.used).is_ok_and(|age| age > ABANDONED) {
            // A file of another user stays.
            let _ = remove(&part.path);
        }
    }
    Ok(())
}

fn list(dir: &Path, is_wanted: impl Fn(&str) -> bool) -> Result<Vec<Found>> {
    let named = |error| Error::io("list", dir, error);
    let files = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
        files => files.map_err(named)?,
    };
    let mut found = vec![];
    for file in files {
        let file = file.map_err(named)?;
        if !file.file_name().to_str().is_some_and(&is_wanted) {
            continue;
        }
        // Another process may have removed it since.
        let Ok(metadata) = file.metadata() else { continue };
        if metadata.is_file() {
            let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            found.push(Found { path: file.path(), bytes: metadata.len(), used });
        }
    }
    Ok(found)
}

fn total(entries: &[Found]) -> u64 {
    entries.iter().map(|entry| entry.bytes).sum()
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path, error)),
        _ => Ok(()),
    }
}

/// The lock file, which is let go when it is dropped.
fn lock(dir: &Path) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(dir.join(LOCK))?;
    match file.lock() {
        // Some network file systems have no locks. Entries are still whole there, only their sum may be off.
        Err(error) if error.kind() != io::ErrorKind::Unsupported => Err(error),
        _ => Ok(file),
    }
}

fn sum(lock: &mut File) -> Option<u64> {
    let mut bytes = [0; 8];
    lock.rewind().and_then(|()| lock.read_exact(&mut bytes)).ok()?;
    Some(u64::from_le_bytes(bytes))
}

fn set_sum(lock: &mut File, sum: u64) -> io::Result<()> {
    lock.rewind()?;
    lock.write_all(&sum.to_le_bytes())
}
