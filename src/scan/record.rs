//! What a scan knows of an adapter's file once somebody has read it: its digest, and why modules of it have no basis.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::cache::Key;
use super::folder::Folder;
use super::opened::Opened;
use super::plan::Plan;
use super::table::{put_bytes, put_lightly};
use crate::Limits;
use crate::adapter::Adapter;
use crate::error::{Error, Fault, Result};

/// A record of one adapter; shards that share an output folder read it in place of the whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// BLAKE3 of the file that holds the tensors.
    pub digest: String,
    /// The key of its bases in the cache, hexadecimal; none where they were not kept.
    pub key: Option<String>,
    /// What tells that the file is still the one that was read.
    pub stamp: FileStamp,
    /// A module and why it has no basis, each.
    pub missing: Vec<(String, String)>,
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
        let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified_ns = since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0);
        Ok(Self { n_bytes: metadata.len(), modified_ns })
    }
}

impl FileRecord {
    /// The record of this adapter, if somebody has left one that can be read.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    pub fn read(folder: &Folder, adapter: u32) -> Result<Option<Self>> {
        let path = place(folder, adapter);
        match fs::read(&path) {
            // What cannot be read is made again.
            Ok(text) => Ok(serde_json::from_slice(&text).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &path, error)),
        }
    }

    /// The key of its bases, if they were kept.
    pub fn key(&self) -> Option<Key> {
        let hash = blake3::Hash::from_hex(self.key.as_ref()?).ok()?;
        Some(*hash.as_bytes())
    }

    /// Leaves the record for others. One that a power cut has cut short is made again.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    pub fn write(&self, folder: &Folder, adapter: u32) -> Result<()> {
        put_lightly(&Self::make_place(folder, adapter)?, &self.json())
    }

    /// The same, on the disk before anything that is written later.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    pub fn write_to_stay(&self, folder: &Folder, adapter: u32) -> Result<()> {
        put_bytes(&Self::make_place(folder, adapter)?, &self.json())
    }

    fn make_place(folder: &Folder, adapter: u32) -> Result<PathBuf> {
        let path = place(folder, adapter);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| Error::io("make", parent, error))?;
        }
        Ok(path)
    }

    fn json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers, strings and lists are JSON")
    }
}

/// Looks for inputs that were read before and have other bytes now: where size or time differ, the file is read again.
///
/// # Errors
/// `Invalid` for the first one that changed; `Io` when the system refuses.
pub fn check_unchanged(folder: &Folder, plan: &Plan, opened: &[Opened], limits: &Limits) -> Result<()> {
    let stamps: HashMap<&Path, FileStamp> =
        opened.iter().map(|opened| (opened.path.as_path(), opened.stamp)).collect();
    (0u32..).zip(&plan.adapters).par_bridge().try_for_each(|(number, adapter)| {
        let Some(stamp) = stamps.get(adapter.path.as_path()) else { return Ok(()) };
        match FileRecord::read(folder, number)? {
            Some(record) if record.stamp != *stamp => {
                let digest = Adapter::open_with(&adapter.path, limits)?.blake3()?;
                if digest == record.digest { Ok(()) } else { Err(changed(&adapter.path)) }
            }
            _ => Ok(()),
        }
    })
}

/// The error for an input with other bytes than before.
pub fn changed(path: &Path) -> Error {
    Fault::new("other bytes than when the scan began", "a checkpoint that stays as it is")
        .at(path)
        .hint("wait until training has written it, and start anew: --fresh")
        .invalid()
}

/// A thousand records a folder.
fn place(folder: &Folder, adapter: u32) -> PathBuf {
    folder.records().join(format!("{:03}", adapter / 1000)).join(format!("{adapter:06}.json"))
}
