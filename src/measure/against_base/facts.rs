//! The size of an update and how many directions it has.
//!
//! - formula: ratio ‖ΔW‖_F/‖W‖_F; stable rank ‖ΔW‖²_F/σ₁²; k_p the fewest directions with p % of the energy Σσ² of those above the
//!   noise floor; effective rank exp(−Σ pₖ·ln pₖ), pₖ = σₖ/Σσ, over the same directions; noise floor max(2ν,
//!   max(d_out, d_in)·2⁻⁵²·σ₁), with ν of [`LinearMap::noise`](crate::range_finder::LinearMap::noise).
//! - source: stable rank, Rudelson & Vershynin 2007; effective rank, Roy & Vetterli 2007; the floor is that of every basis here.
//! - range: 1 ≤ stable rank ≤ rank; 1 ≤ k₉₀ ≤ k₉₅ ≤ k₉₉ ≤ rank above the noise; 1 ≤ effective rank ≤ the same.
//! - chance: none.
//! - needs: singular values of ΔW, all that are above the noise for k_p and the effective rank.

use serde::Serialize;

use crate::basis::range_finder::SingularVectors;
use crate::measure::{effective_rank, k90};

/// The facts of one module.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct UpdateFacts {
    /// ‖W‖_F.
    pub norm_w: f64,
    /// ‖ΔW‖_F, what rounding made of it included.
    pub norm_update: f64,
    /// ‖ΔW‖_F/‖W‖_F. `None` for a W of zeros.
    pub ratio: Option<f64>,
    /// ‖ΔW‖²_F/σ₁². `None` for an update of zeros.
    pub stable_rank: Option<f64>,
    /// Directions with 90 % of the energy above the noise. `None` where there is no such direction, or not all are known.
    pub k90: Option<usize>,
    /// Directions with 95 %.
    pub k95: Option<usize>,
    /// Directions with 99 %.
    pub k99: Option<usize>,
    /// How many directions there are above the noise, by weight. `None` as for `k90`.
    pub effective_rank: Option<f64>,
    /// What a singular value must be above so that rounding cannot have made it.
    pub noise_floor: f64,
    /// How many are. Where not all directions are known, and all that are known are above, there may be more.
    pub n_above_noise: usize,
    /// The share of ‖ΔW‖²_F that those hold, from 0 to 1; 0 for an update of zeros.
    pub share_above_noise: f64,
    /// Whether every direction above the noise is counted.
    pub is_complete: bool,
}

impl UpdateFacts {
    /// Of an update of a weight with this ‖W‖_F.
    pub fn of(norm_w: f64, update: &SingularVectors) -> Self {
        let n_above_noise = update.n_above_floor();
        let is_complete = n_above_noise < update.n() || update.is_whole();
        let above = &update.sigma()[..n_above_noise];
        let known = (is_complete && n_above_noise > 0).then_some(above);
        let norm = update.norm();
        let first = update.sigma().first().copied().filter(|&sigma| sigma > 0.0);
        let share = |sigma: &f64| (sigma / norm).powi(2);
        Self {
            norm_w,
            norm_update: norm,
            ratio: (norm_w > 0.0).then(|| norm / norm_w),
            stable_rank: first.map(|sigma| (norm / sigma).powi(2)),
            k90: known.map(|sigma| k90::directions_with(0.90, sigma)),
            k95: known.map(|sigma| k90::directions_with(0.95, sigma)),
            k99: known.map(|sigma| k90::directions_with(0.99, sigma)),
            effective_rank: known.map(effective_rank),
            noise_floor: update.floor(),
            n_above_noise,
            // A sum of nothing is −0.
            share_above_noise: if above.is_empty() {
                0.0
            } else {
                above.iter().map(share).sum::<f64>().min(1.0)
            },
            is_complete,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::{Dtype, Matrix};
    use crate::basis::range_finder::{Dense, HowMany, RangeFinder};
    use crate::basis::{Update, gaussian_matrix};

    #[test]
    fn a_planted_spectrum_has_its_ranks() {
        // ΔW = diag(20, 10, 5, 2, 1): shares of 530 of 400, 500, 525, 529, 530.
        let mut update = Matrix { rows: 6, cols: 5, dtype: Dtype::F32, values: vec![0.0; 30] };
        [20.0, 10.0, 5.0, 2.0, 1.0].iter().enumerate().for_each(|(k, value)| update.values[k * 6] = *value);
        let found = UpdateFacts::of(100.0, &SingularVectors::of(&update).unwrap());
        assert_eq!((found.k90, found.k95, found.k99), (Some(2), Some(3), Some(3)));
        assert_eq!((found.n_above_noise, found.is_complete), (5, true));
        assert!((found.stable_rank.unwrap() - 530.0 / 400.0).abs() < 1e-12);
        assert!((found.ratio.unwrap() - 530f64.sqrt() / 100.0).abs() < 1e-14);
        let entropy: f64 =
            [20.0, 10.0, 5.0, 2.0, 1.0].iter().map(|x: &f64| -x / 38.0 * (x / 38.0).ln()).sum();
        assert!((found.effective_rank.unwrap() - entropy.exp()).abs() < 1e-12);
        assert!((found.share_above_noise - 1.0).abs() < 1e-12);

        let first = RangeFinder::new(HowMany::Top(2)).find(&update).unwrap();
        let found = UpdateFacts::of(0.0, &SingularVectors::from(&first));
        assert_eq!((found.n_above_noise, found.is_complete, found.ratio), (2, false, None));
        assert_eq!((found.k90, found.effective_rank), (None, None));
        assert!((found.stable_rank.unwrap() - 530.0 / 400.0).abs() < 1e-6);
    }

    #[test]
    fn what_rounding_to_bf16_made_is_not_counted() {
        // A change of rank 3 of a weight that is stored in bf16 before and after.
        let (d_out, d_in) = (60, 40);
        let round = |value: f64| half::bf16::from_f64(value).to_f64();
        let stored = |mut matrix: Matrix| {
            matrix.values.iter_mut().for_each(|value| *value = round(*value));
            Matrix { dtype: Dtype::Bf16, ..matrix }
        };
        let before = stored(gaussian_matrix(d_out, d_in, 1));
        let (a, b) = (gaussian_matrix(3, d_in, 2), gaussian_matrix(d_out, 3, 3));
        let update = Update { a: &a, b: &b, scaling: 0.02 };
        let after = stored(super::super::tuned(&before, update).unwrap());
        let difference = Dense::difference(&after, &before).unwrap();
        let found = UpdateFacts::of(1.0, &SingularVectors::of(&difference).unwrap());
        let exact = UpdateFacts::of(1.0, &SingularVectors::of_update(update).unwrap());
        assert_eq!((found.n_above_noise, exact.n_above_noise, found.is_complete), (3, 3, true));
        assert_eq!(found.k99, exact.k99);
        assert!((found.effective_rank.unwrap() - exact.effective_rank.unwrap()).abs() < 0.01);
        assert!(found.share_above_noise > 0.9 && found.share_above_noise < 1.0 - 1e-6, "{found:?}");

        // The same weight stored again has changed by nothing, and one that was only rounded by noise.
        let none = UpdateFacts::of(
            1.0,
            &SingularVectors::of(&Dense::difference(&before, &before).unwrap()).unwrap(),
        );
        assert_eq!((none.norm_update, none.n_above_noise, none.stable_rank, none.k90), (0.0, 0, None, None));
        let wide = Matrix { dtype: Dtype::F32, ..gaussian_matrix(d_out, d_in, 1) };
        let noise = Dense::difference(&before, &wide).unwrap();
        let noise = UpdateFacts::of(1.0, &SingularVectors::of(&noise).unwrap());
        assert_eq!((noise.n_above_noise, noise.k90, noise.share_above_noise), (0, None, 0.0));
        assert!(noise.norm_update > 0.0 && noise.is_complete);
    }
}
