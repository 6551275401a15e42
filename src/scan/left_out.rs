//! Which adapters blocks leave out, since a scan has gone on without them.

use std::collections::HashSet;

use super::block_pairs::BlockPairs;
use super::forgotten::Forgotten;
use super::plan::Plan;

/// What blocks leave out, for fast look-up.
#[derive(Debug)]
pub(super) struct LeftOut {
    adapters: HashSet<u32>,
    n_adapters: u32,
    blocks: HashSet<String>,
}

impl LeftOut {
    pub(super) fn of(plan: &Plan) -> Vec<Self> {
        let of_run = |forgotten: &Forgotten| Self {
            adapters: forgotten.adapters.iter().copied().collect(),
            n_adapters: forgotten.n_adapters,
            blocks: forgotten.blocks.iter().cloned().collect(),
        };
        plan.forgotten.iter().map(of_run).collect()
    }

    /// The adapters that a block leaves out, for one run that forgot some.
    pub(super) fn of_block(&self, name: &str, pairs: &BlockPairs) -> Option<&HashSet<u32>> {
        // A block is of one generation, of which it has an adapter.
        let is_later = || pairs.adapters().any(|adapter| adapter >= self.n_adapters);
        (self.blocks.contains(name) || is_later()).then_some(&self.adapters)
    }
}
