//! What a scan that keeps the most alike pairs cannot tell.

/// What a scan did not keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    /// How many pairs it kept of each adapter in each module.
    pub(super) k: usize,
    /// Rows that it made, and those that it kept.
    pub(super) n_made: u64,
    pub(super) n_kept: u64,
}

impl Cut {
    /// What cannot be told.
    pub(super) fn words(self) -> String {
        let kept = match self.k {
            0 => "the most alike pairs of each adapter".to_owned(),
            1 => "the most alike pair of each adapter".to_owned(),
            k => format!("the {k} most alike pairs of each adapter"),
        };
        let rows = match self.n_made {
            u64::MAX => String::new(),
            n_made => format!(", {} of {n_made} rows", self.n_kept),
        };
        format!(
            "the scan kept only {kept} in each module{rows}: means, layers, projections, outliers, the least alike and what labels \
             part are those of all pairs, so they are left out; a pair's value is the mean over the modules that it was kept in, \
             and may be too high"
        )
    }
}
