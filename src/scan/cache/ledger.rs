//! The bytes of a cache's files, kept in its lock file, and the eviction of entries when they are too many.
//!
//! Counting the files for every new entry would take time that grows with their number, so the lock file holds their sum
//! as 8 bytes. The sum is raised before a file appears and may stay too large when a process is killed; a count of the
//! files, whenever it passes the limit, sets it right. A user who may not write to the lock file counts every time.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::error::{Error, Result};
use crate::files::{self, Lock, is_abandoned, is_refusal, is_temp_file, remove};

/// How entries end: the hexadecimal key, and this.
pub(super) const SUFFIX: &str = ".safetensors";
const LOCK: &str = "lock";

/// An entry is not used so far in the future: the clock was wrong then, and has been used since by nobody.
const SKEW: Duration = Duration::from_secs(3600);

/// A file of the cache.
pub(super) struct Found {
    path: PathBuf,
    pub(super) bytes: u64,
    used: SystemTime,
}

/// The lock of a cache; `None` where another user keeps it for himself.
fn lock(dir: &Path) -> Result<Option<Lock>> {
    match Lock::wait_for(&dir.join(LOCK)) {
        Ok(lock) => Ok(Some(lock)),
        // Entries are whole without it, only their sum is not known.
        Err(error) if is_refusal(&error) => Ok(None),
        Err(error) => Err(Error::io("lock", dir.join(LOCK), error)),
    }
}

/// Sees to it that the lock can be taken, and removes what killed processes left half written.
pub(super) fn check(dir: &Path) -> Result<()> {
    let _lock = lock(dir)?;
    remove_abandoned(dir)
}

/// Counts `bytes` more, lets `place` put the file there, and evicts entries when the sum is over the limit.
pub(super) fn add<T>(
    dir: &Path,
    limit_bytes: u64,
    bytes: u64,
    place: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let named = |error: io::Error| Error::io("write", dir.join(LOCK), error);
    let mut lock = lock(dir)?;
    let Some(file) = lock.as_mut().and_then(Lock::file) else {
        let placed = place()?;
        evict(dir, limit_bytes)?;
        return Ok(placed);
    };
    let known = match sum(file) {
        Some(known) => known,
        // They lie there already, under another name.
        None => total(dir)?.saturating_sub(bytes),
    };
    let sum = known.saturating_add(bytes);
    set_sum(file, sum).map_err(named)?;
    let placed = place()?;
    if sum > limit_bytes {
        let left = evict(dir, limit_bytes)?;
        set_sum(file, left).map_err(named)?;
    }
    Ok(placed)
}

/// Removes all entries that this user may remove, and what killed processes left half written. Returns the number of entries that
/// stay.
///
/// # Errors
/// `Io` when the system refuses for another reason, or refuses every entry.
pub(super) fn clear(dir: &Path) -> Result<u64> {
    let named = |error: io::Error| Error::io("write", dir.join(LOCK), error);
    let mut lock = lock(dir)?;
    remove_abandoned(dir)?;
    let (mut n_removed, mut refused) = (0u64, vec![]);
    for entry in entries(dir)? {
        match remove(&entry.path) {
            Ok(()) => n_removed += 1,
            Err(Error::Io { action, path, cause }) if is_refusal(&cause) => {
                refused.push(Error::Io { action, path, cause });
            }
            Err(error) => return Err(error),
        }
    }
    if let Some(file) = lock.as_mut().and_then(Lock::file) {
        let left = total(dir)?;
        set_sum(file, left).map_err(named)?;
    }
    let n_left = refused.len() as u64;
    match refused.into_iter().next() {
        Some(first) if n_removed == 0 => Err(first),
        _ => Ok(n_left),
    }
}

/// The entries in a folder; none where there is no folder.
pub(super) fn entries(dir: &Path) -> Result<Vec<Found>> {
    list(dir, |name| name.ends_with(SUFFIX) && name.len() == 64 + SUFFIX.len())
}

/// The entries that are being written, or were when their process was killed.
pub(super) fn parts(dir: &Path) -> Result<Vec<Found>> {
    list(dir, is_temp_file)
}

/// Removes the entries that were used the longest ago until a tenth of the limit is free, so that a full cache is not
/// counted at every entry. Returns the bytes that are left.
fn evict(dir: &Path, limit_bytes: u64) -> Result<u64> {
    let mut left = total(dir)?;
    if left > limit_bytes {
        remove_abandoned(dir)?;
        left = total(dir)?;
    }
    if left <= limit_bytes {
        return Ok(left);
    }
    let now = SystemTime::now();
    let mut entries = entries(dir)?;
    entries.sort_by_key(|entry| if entry.used > now + SKEW { SystemTime::UNIX_EPOCH } else { entry.used });
    for entry in entries {
        if left <= limit_bytes - limit_bytes / 10 {
            break;
        }
        // An entry of another user, or one that is open on Windows, stays.
        if remove(&entry.path).is_ok() {
            left = left.saturating_sub(entry.bytes);
        }
    }
    Ok(left)
}

/// Removes what processes that were killed left half written.
fn remove_abandoned(dir: &Path) -> Result<()> {
    for part in parts(dir)? {
        if fs::metadata(&part.path).is_ok_and(|metadata| is_abandoned(&part.path, &metadata)) {
            // A file of another user stays.
            let _ = remove(&part.path);
        }
    }
    Ok(())
}

fn list(dir: &Path, is_wanted: impl Fn(&str) -> bool) -> Result<Vec<Found>> {
    let mut found = vec![];
    for file in files::entries(dir)? {
        let file = file?;
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

/// Bytes of entries and parts.
pub(super) fn total(dir: &Path) -> Result<u64> {
    Ok(entries(dir)?.iter().chain(&parts(dir)?).map(|found| found.bytes).sum())
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
