//! What a statistic of a pair is computed from.

use super::product::ProductSum;

/// What a statistic is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// φ at the cells that are wanted, which engines make of the product P = V₁ᵀ·V₂.
    Cells,
    /// One more sum over P, which engines make for every pair.
    Product(ProductSum),
    /// φ at every cell.
    Grid,
    /// Ranks and singular values.
    Spectra,
    /// The vectors themselves: work of its own for every pair, on the CPU.
    Bases,
    /// A and B as they are stored, or their projections.
    Factors,
    /// The inner product of the two updates ΔW = s·B·A, and their norms.
    Updates,
    /// What the configs say.
    Configs,
    /// Other statistics, by their keys.
    Statistics(&'static [&'static str]),
}
