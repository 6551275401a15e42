//! How many directions hold nine tenths of a factor's energy, and φ there.
//!
//! - formula: k90 is the smallest k with Σ_{l≤k} σ_l² ≥ 0.9·Σσ_l², of each side; `phi_k90` = φ(k90_a, k90_b). Unlike φ at full
//!   rank it leaves out the directions that hardly count, and unlike the linear CKA it weighs those that do alike.
//! - source: the usual share of explained variance, of principal component analysis.
//! - range: 1 ≤ k90 ≤ q; `phi_k90` in \[0, 1\].
//! - chance: mean of `phi_k90` max(k90_a, k90_b)/d, `baseline_k90`.
//! - needs: singular values and the whole grid, so it is made of comparisons and not of a scan's pairs.

use serde::Serialize;

use super::{Grid, chance};
use crate::basis::Basis;

/// The share of the energy.
const SHARE: f64 = 0.9;

/// Where nine tenths of the energy of both sides end, and how much the subspaces agree there.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct K90 {
    /// Directions of the first basis, from 1.
    pub k90_a: usize,
    /// Directions of the second.
    pub k90_b: usize,
    /// φ(k90_a, k90_b), in [0, 1].
    pub phi_k90: f64,
    /// max(k90_a, k90_b)/d, its mean for two random subspaces.
    pub baseline_k90: f64,
}

impl K90 {
    /// Of two bases and their grid.
    pub fn of(a: &Basis, b: &Basis, grid: &Grid) -> Self {
        let (k90_a, k90_b) = (k90(a.sigma()), k90(b.sigma()));
        let phi_k90 = grid.phi(k90_a, k90_b).expect("a grid has a cell for each direction of both bases");
        Self { k90_a, k90_b, phi_k90, baseline_k90: chance::baseline(k90_a, k90_b, grid.d()) }
    }
}

/// The fewest directions with nine tenths of the energy.
fn k90(sigma: &[f64]) -> usize {
    directions_with(SHARE, sigma)
}

/// The fewest directions with a share of the energy of all of these.
pub(super) fn directions_with(share: f64, sigma: &[f64]) -> usize {
    // Relative to the largest, so that no square vanishes or overflows.
    let largest = sigma.iter().fold(0.0, |largest: f64, &sigma| largest.max(sigma));
    let energy = |sigma: &[f64]| sigma.iter().map(|sigma| (sigma / largest).powi(2)).sum::<f64>();
    // Rounding must not ask for one more of directions that are equally strong.
    let needed = share * energy(sigma) * (1.0 - 1e-12);
    (1..sigma.len()).find(|&k| energy(&sigma[..k]) >= needed).unwrap_or(sigma.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nine_tenths_of_the_energy_take_the_fewest_directions_that_have_it() {
        for (sigma, expected) in [
            (&[5.0][..], 1),
            (&[3.0, 1.0], 1),
            (&[2.0, 1.0], 2),
            (&[1.0; 10], 9),
            (&[0.1; 20], 18),
            (&[1.0; 11], 10),
            (&[10.0, 1.0, 1.0, 1.0], 1),
            (&[1.0, 1e-9], 1),
        ] {
            assert_eq!(k90(sigma), expected, "{sigma:?}");
            for unit in [1e-300, 1e-160, 1e160, 1e300] {
                let sigma: Vec<f64> = sigma.iter().map(|sigma| sigma * unit).collect();
                assert_eq!(k90(&sigma), expected, "{sigma:?}");
            }
        }
    }

    #[test]
    fn phi_is_that_of_the_cell_where_both_end() {
        let axes = |sigma: Vec<f64>| {
            let q = sigma.len();
            let rows = (0..q * 8).map(|at| f32::from(u8::from(at / 8 == at % 8))).collect();
            Basis::from_rows(8, rows, sigma).unwrap()
        };
        let (a, b) = (axes(vec![9.0, 1.0]), axes(vec![2.0, 1.0, 0.1]));
        let grid = Grid::new(2, 3, 8, vec![0.1, 0.2, 0.3, 0.4, 0.5, 0.6]).unwrap();
        let found = K90::of(&a, &b, &grid);
        assert_eq!((found.k90_a, found.k90_b, found.baseline_k90), (1, 2, 0.25));
        assert!((found.phi_k90 - 0.2).abs() < 1e-7);
    }
}
