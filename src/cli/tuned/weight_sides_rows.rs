//! The directions of weights next to those of updates, in numbers.

use serde::Serialize;

use crate::cli::diagonal::Cell;

/// One module of one checkpoint.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) checkpoint: String,
    pub(super) module: String,
    pub(super) d: usize,
    /// Directions of W, the rows i.
    pub(super) n_w: usize,
    /// How many of them rounding to the stored type could have made.
    pub(super) n_w_in_noise: usize,
    /// Directions that they are compared with, the columns j.
    pub(super) q: usize,
    /// φ(k, k) at powers of two and at r = min(n_w, q).
    pub(super) diagonal: Vec<Cell>,
    /// φ(n_w, q): how much of the smaller space lies in the larger one.
    pub(super) phi_full: f64,
    pub(super) baseline_full: f64,
    /// `None` where chance gives 1 already.
    pub(super) adjusted: Option<f64>,
    /// φ(i, j), row by row, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) phi: Option<Vec<Vec<f64>>>,
}

/// What the rows are of.
#[derive(Debug, Serialize)]
pub(super) struct Of {
    pub(super) side: String,
    pub(super) of: &'static str,
    pub(super) with: &'static str,
    pub(super) seed: u64,
}
