//! What the file of a block says of itself, in its metadata: whose it is, what it was made of, and what it has no rows of.

use serde::{Deserialize, Serialize};

use crate::scan::digest::Fingerprint;
use crate::table::TableFile;

/// The file's metadata that holds the note, as JSON.
pub(super) const NOTE: &str = "lorascope.block";

/// What a block says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockNote {
    /// Of what decides its rows in the plan.
    pub mark: Fingerprint,
    /// Of what was read of the checkpoints.
    pub inputs: Fingerprint,
    /// Adapters without a basis of the module, by their numbers, and why.
    pub without_basis: Vec<(u32, String)>,
}

impl BlockNote {
    /// The note of a file; `None` where it has none.
    pub(crate) fn of(file: &TableFile) -> Option<Self> {
        serde_json::from_str(file.metadata(NOTE)?).ok()
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers, strings and lists are JSON")
    }
}
