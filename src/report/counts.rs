//! How many adapters, pairs and rows a report has.

use std::collections::BTreeMap;

/// How many of everything.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct ReportCounts {
    /// Those that were compared.
    pub(crate) adapters: usize,
    pub(crate) adapters_without_pairs: usize,
    /// Those with modules that have no basis.
    pub(crate) adapters_with_problems: usize,
    /// Modules without a basis, of all adapters together: these have no rows.
    pub(crate) left_out_modules: usize,
    pub(crate) modules: usize,
    pub(crate) pairs: u64,
    /// (module, a, b).
    pub(crate) rows: u64,
    /// Rows without a value of the chosen quantity.
    pub(crate) skipped_rows: u64,
    pub(crate) shared_init_pairs: u64,
    pub(crate) other_base_pairs: u64,
    /// Pairs that averages, outliers and the list of the least alike leave out, by reason.
    pub(crate) left_out_pairs: LeftOut,
    /// Pairs of these adapters that were not compared, by reason.
    pub(crate) not_compared_pairs: BTreeMap<&'static str, u64>,
}

/// Pairs that are left out, each counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct LeftOut {
    pub(crate) shared_init: u64,
    pub(crate) other_base: u64,
    pub(crate) both: u64,
}

impl LeftOut {
    pub(crate) fn total(self) -> u64 {
        self.shared_init + self.other_base + self.both
    }
}
