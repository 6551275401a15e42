//! How a scan ended.

use std::path::PathBuf;

use super::event::{PlanFacts, SkippedInput};
use super::finish::MissingBases;
use super::folder::Folder;

/// How a scan ended that did not fail.
#[derive(Debug)]
#[non_exhaustive]
pub struct ScanOutcome {
    /// What there is now.
    pub end: ScanEnd,
    /// The plan, as it was when the scan began.
    pub plan: PlanFacts,
    /// Blocks that this call has done.
    pub n_blocks: u64,
    /// Checkpoints that cannot be read and were left out.
    pub skipped: Vec<SkippedInput>,
    pub(super) folder: Folder,
}

/// What there is of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScanEnd {
    /// All of it.
    Complete {
        /// Adapters with modules that have no basis, and so no pairs.
        problems: Vec<MissingBases>,
    },
    /// It was stopped; the same scan goes on.
    Stopped {
        /// Blocks of this process's share that are left to do.
        n_left: u64,
    },
    /// This process's share. Other shares have blocks to do; the one that does the last completes the table.
    Share {
        /// Blocks that are left to do.
        n_left: u64,
    },
    /// All of what was planned, but another process has added checkpoints in the meantime and completes the table.
    Extended,
}

impl ScanOutcome {
    /// The table of pairs: a folder of Parquet files, one for each block.
    pub fn pairs(&self) -> PathBuf {
        self.folder.pairs()
    }

    /// The table of adapters.
    pub fn adapters_file(&self) -> PathBuf {
        self.folder.adapters_file()
    }

    /// Whether something is missing from the table that the inputs should have had.
    pub fn has_gaps(&self) -> bool {
        let has_problems = matches!(&self.end, ScanEnd::Complete { problems } if !problems.is_empty());
        has_problems || !self.skipped.is_empty()
    }
}
