//! φ(i, j) at the cells that are wanted.
//!
//! - formula: φ(i, j) = ‖V₁\[:, :i\]ᵀ·V₂\[:, :j\]‖²_F / min(i, j).
//! - source: Hu et al. 2021, section 7.2.
//! - range: \[0, 1\], clamped here; null for a cell over the pair's ranks.
//! - chance: mean max(i, j)/d; variance in `chance.rs`.
//! - columns: `phi_K` for (K, K), `phi_I_J` for others.
//! - needs: sums over corners of the product.

use super::needs::Needs;
use super::statistic::{Columns, Kind, Statistic};
use super::values::Values;

pub(super) const STATISTIC: Statistic = Statistic {
    key: "cells",
    needs: Needs::Cells,
    columns: Columns::Family {
        patterns: &["phi_K", "phi_I_J"],
        kind: Kind::OptionalFloat,
        names: |wanted| wanted.cells.iter().map(|&cell| name(cell)).collect(),
        also: &[],
    },
    text: None,
    values: |batch| {
        let (n_cells, n_pairs) = (batch.wanted.cells.len(), batch.places.len());
        let mut columns: Vec<Vec<f32>> = (0..n_cells).map(|_| Vec::with_capacity(n_pairs)).collect();
        for pair in batch.pairs() {
            // NaN stays NaN.
            columns.iter_mut().zip(pair.stats.phi).for_each(|(column, phi)| column.push(phi.clamp(0.0, 1.0)));
        }
        Ok(columns.into_iter().map(Values::Floats).collect())
    },
};

/// `phi_8` for (8, 8), `phi_8_4` for (8, 4).
pub(crate) fn name((i, j): (usize, usize)) -> String {
    if i == j { format!("phi_{i}") } else { format!("phi_{i}_{j}") }
}
