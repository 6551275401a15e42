//! Bases that were factorised once: a folder of files, one for each checkpoint and what was asked of it.
//!
//! A basis depends on the checkpoint's bytes, the side and the modules alone, so its key is a digest of these and a file
//! once written never changes. Any number of processes share a folder: a file is written beside and renamed into place,
//! and a lock file guards the count of bytes and the eviction of what was used the longest ago. What is damaged is
//! removed and counts as not there.

mod entry;
mod format;
mod ledger;
mod record;
mod tensors;
mod writer;

use std::fs::{self, File, FileTimes};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use etcetera::BaseStrategy as _;

pub use self::entry::Entry;
pub use self::record::{CachedModule, N_PROJECTED, Summary, UpdateShape};
pub use self::writer::Writer;
use crate::error::{Error, Fault, Remedy, Result};
use crate::files::{has_too_many, patiently, temp_file_next_to};

/// What an entry is found by: a digest of all that its bases depend on.
pub type Key = [u8; 32];

/// A folder of bases.
#[derive(Debug, Clone)]
pub struct Cache {
    dir: PathBuf,
    limit_bytes: u64,
    /// Whose turn it is to add an entry, among the threads of this process.
    turn: Arc<Mutex<()>>,
}

/// What a cache holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Info {
    /// Entries.
    pub entries: u64,
    /// Their bytes, with those of entries that are being written.
    pub bytes: u64,
    /// The bytes above which the entries that were used the longest ago are removed.
    pub limit_bytes: u64,
}

/// What became of a cache that was cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Cleared {
    /// What was removed.
    #[serde(flatten)]
    pub removed: Info,
    /// Entries that this user may not remove.
    pub left: u64,
}

impl Cache {
    /// The limit where the user gives none, 20 GiB.
    pub const DEFAULT_LIMIT_BYTES: u64 = 20 << 30;

    /// The cache in `dir`, which is made when the first entry is put there. Other files in it are left alone.
    ///
    /// # Errors
    /// `Invalid` when `dir` is there and no folder.
    pub fn open(dir: impl Into<PathBuf>, limit_bytes: u64) -> Result<Self> {
        let dir = dir.into();
        match fs::metadata(&dir) {
            Ok(found) if !found.is_dir() => {
                Err(Fault::new("a file", "a folder for the cache").at(&dir).invalid())
            }
            _ => Ok(Self { dir, limit_bytes, turn: Arc::default() }),
        }
    }

    /// The user's own cache folder, such as `~/.cache/lorascope`.
    ///
    /// # Errors
    /// `Invalid` when the user has no home folder.
    pub fn default_dir() -> Result<PathBuf> {
        let base = etcetera::choose_base_strategy().map_err(|_| {
            Fault::new("no home folder", "one to keep the cache in")
                .of("cache")
                .remedy(Remedy::NameCache)
                .invalid()
        })?;
        Ok(base.cache_dir().join("lorascope"))
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The entry of a key, which counts as used from now on. `None` where there is none, or none that this user can read; a
    /// damaged or foreign file in its place is removed.
    ///
    /// Reads 72 bytes and 40 more a record. The entry stays readable when it is evicted meanwhile (on Windows it is not
    /// evicted while it is open).
    ///
    /// # Errors
    /// `Io` when too many files are open.
    pub fn get(&self, key: &Key) -> Result<Option<Entry>> {
        let path = self.path(key);
        // A pipe in its place would be waited for.
        if !fs::metadata(&path).is_ok_and(|found| found.is_file()) {
            return Ok(None);
        }
        let file = match patiently(|| File::open(&path)) {
            Ok(file) => file,
            Err(error) if has_too_many(&error) => return Err(Error::io("open", path, error)),
            // Whatever the disk or another user's rights say against it, it can be made again.
            Err(_) => return Ok(None),
        };
        // Another user's file cannot be touched, and is evicted a little early then.
        let _ = file.set_times(FileTimes::new().set_modified(SystemTime::now()));
        match Entry::new(path, file, key) {
            Ok(entry) => Ok(Some(entry)),
            Err(Error::Malformed(fault)) => {
                if let Some(path) = fault.path {
                    // Whoever puts the entry again replaces what cannot be removed.
                    let _ = fs::remove_file(path);
                }
                Ok(None)
            }
            Err(_) => Ok(None),
        }
    }

    /// Puts records under a key, in order, in place of what is there. They are named by their numbers, and evicts what is over the limit.
    ///
    /// # Errors
    /// As [`Writer::push`] and [`Writer::finish`]; the cache is then as it was, and whoever asked can go on without.
    pub fn put(&self, key: &Key, records: &[CachedModule]) -> Result<Entry> {
        let mut writer = self.writer(key, (0..records.len()).map(|n| n.to_string()).collect())?;
        for record in records {
            writer.push(record)?;
        }
        writer.finish()
    }

    /// As [`Cache::put`], for records that are not in memory at once: of modules of these names.
    ///
    /// # Errors
    /// `Io` when the system refuses to write, a full disk among the causes.
    pub fn writer(&self, key: &Key, names: Vec<String>) -> Result<Writer<'_>> {
        fs::create_dir_all(&self.dir).map_err(|error| Error::io("make the folder", &self.dir, error))?;
        Writer::new(self, self.path(key), key, names)
    }

    /// Sees to it that entries can be put here, before there is work to lose, and removes what killed processes left half
    /// written.
    ///
    /// # Errors
    /// `Invalid`, with the ways out, when there cannot be a folder of this name; `Io` when the system refuses to write there.
    pub fn check_writable(&self) -> Result<()> {
        let made = fs::create_dir_all(&self.dir).and_then(|()| temp_file_next_to(&self.dir.join("any")));
        made.map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
                Fault::new(error.to_string(), "a folder for the cache that can be written")
                    .at(&self.dir)
                    .remedy(Remedy::MoveCache)
                    .invalid()
            }
            _ => Error::io("write", &self.dir, error),
        })?;
        ledger::check(&self.dir)
    }

    /// Counts what is there.
    ///
    /// # Errors
    /// `Io` when the system refuses to list the folder.
    pub fn info(&self) -> Result<Info> {
        let files = ledger::entries(&self.dir)?;
        let bytes = ledger::total(&self.dir)?;
        Ok(Info { entries: files.len() as u64, bytes, limit_bytes: self.limit_bytes })
    }

    /// Removes all entries, and what killed processes left half written. Entries that this user may not remove, as those of others in
    /// a folder like /tmp, stay.
    ///
    /// # Errors
    /// `Io` when the system refuses to list the folder or to remove an entry, for another reason or every one.
    pub fn clear(&self) -> Result<Cleared> {
        let before = self.info()?;
        let mut left = 0;
        if self.dir.exists() && (before.entries > 0 || !ledger::parts(&self.dir)?.is_empty()) {
            left = ledger::clear(&self.dir)?;
        }
        let after = self.info()?.bytes;
        let removed = Info {
            entries: before.entries.saturating_sub(left),
            bytes: before.bytes.saturating_sub(after),
            ..before
        };
        Ok(Cleared { removed, left })
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.dir.join(format!("{}{}", blake3::Hash::from(*key), ledger::SUFFIX))
    }
}
