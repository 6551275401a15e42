//! The base model of a scan.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::basis::range_finder::HowMany;

/// A base model that checkpoints are read against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedBase {
    /// Where it is.
    pub path: PathBuf,
    /// How many directions of each change are kept.
    pub how_many: HowMany,
}
