//! What a scan knows of an adapter's file once somebody has read it: its digest, and why modules of it have no basis.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::side_modules::SideModules;
use crate::adapter::Adapter;
use crate::error::{Error, Fault, Remedy, Result};
pub use crate::files::FileStamp;
use crate::formats::blake3;

/// A record of one adapter; shards that share an output folder read it in place of the factors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdapterRecord {
    /// See [`content_digest`].
    pub digest: Digest,
    /// The key of its bases in the cache; none where they were not kept.
    pub key: Option<Digest>,
    /// What tells that the file is still the one that was read.
    pub stamp: FileStamp,
    /// A module and why it has no basis, each.
    pub missing: Vec<(String, String)>,
}

impl AdapterRecord {
    /// Whether an adapter that was opened is the one of this record, by its stamp, or else by what a scan reads of it.
    ///
    /// # Errors
    /// As [`content_digest`].
    pub fn is_of(&self, opened: &Adapter, modules: &SideModules) -> Result<bool> {
        if self.stamp == opened.stamp() {
            return Ok(true);
        }
        Ok(content_digest(&modules.of(opened.clone()), modules)? == self.digest)
    }
}

/// Digests all that a scan reads of a checkpoint: see [`SideModules::factors`].
///
/// # Errors
/// `Io` when the system refuses to read, `Invalid` when the file changed since it was opened.
pub fn content_digest(adapter: &Adapter, modules: &SideModules) -> Result<Digest> {
    blake3(adapter.modules().iter().flat_map(|module| modules.factors(module))).map(Digest::from)
}

/// The error for an input with other bytes than before.
pub fn changed(path: &Path) -> Error {
    Fault::new("other bytes than when the scan began", "a checkpoint that stays as it is")
        .at(path)
        .remedy(Remedy::WaitAndStartOver)
        .invalid()
}
