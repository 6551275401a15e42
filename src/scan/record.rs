//! What a scan knows of an adapter's file once somebody has read it: its digest, and why modules of it have no basis.

use std::collections::HashMap;
use std::path::Path;

use blake3::{Hash, HexError};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::folder::Folder;
use super::header::HeaderSummary;
use super::journal::records::Journal;
use super::plan::Plan;
use super::selection::Selection;
use crate::Limits;
use crate::adapter::Adapter;
use crate::error::{Error, Fault, Remedy, Result};
pub use crate::files::FileStamp;
use crate::formats::blake3;

/// A record of one adapter; shards that share an output folder read it in place of the factors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdapterRecord {
    /// See [`Digest::of`].
    pub digest: Digest,
    /// The key of its bases in the cache; none where they were not kept.
    pub key: Option<Digest>,
    /// What tells that the file is still the one that was read.
    pub stamp: FileStamp,
    /// A module and why it has no basis, each.
    pub missing: Vec<(String, String)>,
}

/// A BLAKE3 digest, which as text is 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(Hash);

impl Digest {
    /// Of all that a scan reads of a checkpoint: see [`Selection::factors`].
    ///
    /// # Errors
    /// `Io` when the system refuses to read, `Malformed` when the file changed since it was opened.
    pub fn of(adapter: &Adapter, selection: &Selection) -> Result<Self> {
        blake3(adapter.modules().iter().flat_map(|module| selection.factors(module))).map(Self::from)
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes.into())
    }
}

impl From<Digest> for [u8; 32] {
    fn from(Digest(hash): Digest) -> Self {
        hash.into()
    }
}

impl From<Digest> for String {
    fn from(Digest(hash): Digest) -> Self {
        hash.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = HexError;

    fn try_from(text: String) -> std::result::Result<Self, Self::Error> {
        Hash::from_hex(text).map(Self)
    }
}

/// Looks for inputs that were read before and have other bytes now: where size or time differ, what the scan needs of the
/// file is read again.
///
/// # Errors
/// `Invalid` for the first one that changed; `Io` when the system refuses.
pub fn check_unchanged(
    folder: &Folder,
    plan: &Plan,
    opened: &[HeaderSummary],
    selection: &Selection,
    limits: &Limits,
) -> Result<()> {
    let records = Journal::open(folder)?;
    let stamps: HashMap<&Path, FileStamp> =
        opened.iter().map(|opened| (opened.path.as_path(), opened.stamp)).collect();
    (0u32..).zip(&plan.adapters).par_bridge().try_for_each(|(number, adapter)| {
        let Some(stamp) = stamps.get(adapter.path.as_path()) else { return Ok(()) };
        match records.get(number) {
            Some(record) if record.stamp != *stamp => {
                let digest = Digest::of(&selection.open(&adapter.path, limits)?, selection)?;
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
        .remedy(Remedy::WaitAndStartOver)
        .invalid()
}
