//! What a plan keeps of the adapters that a scan has gone on without.

use serde::{Deserialize, Serialize};

/// Adapters that one run has gone on without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// Their numbers, in order.
    pub adapters: Vec<u32>,
    /// Those that blocks of that time leave out.
    pub unfinished: Vec<u32>,
    /// How many adapters there were: blocks with later ones leave all of these out.
    pub n_adapters: u32,
    /// Names of the blocks of that time that leave them out.
    pub blocks: Vec<String>,
}
