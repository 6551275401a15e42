//! The grid of subspace similarities of one pair of bases.
//!
//! - formula: φ(i, j) for every 1 ≤ i ≤ q_a, 1 ≤ j ≤ q_b: see [`Grid`].
//! - source: Hu et al. 2021, section 7.2.
//! - range: \[0, 1\], clamped in tables.
//! - chance: mean max(i, j)/d; variance in `chance.rs`.
//! - column: `phi`, a list of numbers, row by row.
//! - needs: an engine's grids.

use super::batch::MakeGrids;
use super::needs::Needs;
use super::statistic::{Columns, Kind, Statistic};
use super::values::Values;
use crate::error::{Fault, Result};

pub(super) const STATISTIC: Statistic = Statistic {
    key: "phi",
    needs: Needs::Grid,
    columns: Columns::Family {
        patterns: &["phi"],
        kind: Kind::GridOfFloats,
        names: |wanted| if wanted.grid { vec!["phi".to_owned()] } else { vec![] },
        also: &[],
    },
    text: None,
    values: |batch| {
        if !batch.wanted.grid {
            return Ok(vec![]);
        }
        Ok(vec![column(batch.places, batch.grids)?])
    },
};

/// The grids of the pairs at these places, as a column.
///
/// # Errors
/// Those of `grids`.
pub fn column(places: &[(usize, usize)], grids: &MakeGrids<'_>) -> Result<Values> {
    let (mut lengths, mut values) = (vec![], vec![]);
    for places in places.chunks(N_AT_ONCE) {
        for grid in grids(places)? {
            lengths.push(grid.values.len());
            values.extend(grid.values.iter().map(|phi| phi.clamp(0.0, 1.0)));
        }
    }
    Ok(Values::Lists { lengths, values })
}

/// Grids that are made at once: some tens of megabytes at r = 64.
const N_AT_ONCE: usize = 1024;

/// φ(i, j) of one pair for every 1 ≤ i ≤ n_rows, 1 ≤ j ≤ n_cols (Hu et al. 2021, section 7.2):
///
/// φ(i, j) = ‖U\[:i\] · V\[:j\]ᵀ‖²_F / min(i, j)
///
/// with U and V the bases, orthonormal rows by falling singular value. 0 for orthogonal spans, 1 when one span
/// contains the other. Engines do not clamp: rounding may leave a value a few ulp outside [0, 1].
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    n_rows: usize,
    n_cols: usize,
    d: usize,
    values: Vec<f32>,
}

impl Grid {
    /// A grid of `n_rows` × `n_cols` values, row-major, of a pair of bases in `d` dimensions.
    ///
    /// # Errors
    /// `Invalid` when a side is 0 or over `d`, when the count of values does not match, or when one is not finite.
    pub fn new(n_rows: usize, n_cols: usize, d: usize, values: Vec<f32>) -> Result<Self> {
        let wrong = |found: String, expected: String| Fault::new(found, expected).of("grid").invalid();
        if n_rows == 0 || n_cols == 0 || n_rows.max(n_cols) > d {
            return Err(wrong(format!("{n_rows} × {n_cols} cells"), format!("sides of 1 to d = {d}")));
        }
        if values.len() != n_rows * n_cols {
            return Err(wrong(format!("{} values", values.len()), format!("{n_rows} × {n_cols}")));
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let cell = (at / n_cols + 1, at % n_cols + 1);
            return Err(wrong(format!("{} at {cell:?}", values[at]), "finite values".into()));
        }
        Ok(Self { n_rows, n_cols, d, values })
    }

    /// Rank of the first basis: the largest i.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Rank of the second basis: the largest j.
    pub fn n_cols(&self) -> usize {
        self.n_cols
    }

    /// Dimension of the space that both bases live in.
    pub fn d(&self) -> usize {
        self.d
    }

    /// The values as the engine made them, row-major: φ(i, j) at `(i - 1) * n_cols + j - 1`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// φ(i, j) in [0, 1], counted from 1; `None` for a cell that does not exist.
    pub fn phi(&self, i: usize, j: usize) -> Option<f64> {
        let inside = (1..=self.n_rows).contains(&i) && (1..=self.n_cols).contains(&j);
        inside.then(|| f64::from(self.values[(i - 1) * self.n_cols + j - 1]).clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_cells_from_one_and_clamps() {
        let grid = Grid::new(2, 3, 5, vec![-1e-9, 0.1, 0.2, 0.3, 0.4, 1.000_000_1]).unwrap();
        assert_eq!(grid.phi(1, 1), Some(0.0));
        assert_eq!(grid.phi(2, 1), Some(f64::from(0.3f32)));
        assert_eq!(grid.phi(2, 3), Some(1.0));
        assert_eq!((grid.phi(0, 1), grid.phi(3, 1), grid.phi(1, 4)), (None, None, None));
    }

    #[test]
    fn refuses_wrong_counts_sides_over_d_and_values_that_are_not_finite() {
        assert!(Grid::new(2, 2, 5, vec![0.0; 3]).is_err());
        assert!(Grid::new(2, 2, 1, vec![0.0; 4]).is_err());
        for (n_rows, n_cols) in [(0, 2), (2, 0), (4, 1), (1, 4)] {
            assert!(Grid::new(n_rows, n_cols, 3, vec![0.0; n_rows * n_cols]).is_err(), "{n_rows} × {n_cols}");
        }
        let error = Grid::new(2, 2, 5, vec![0.0, 0.0, f32::NAN, 0.0]).unwrap_err();
        assert_eq!(error.to_string(), "grid: found NaN at (2, 1), expected finite values");
    }
}
