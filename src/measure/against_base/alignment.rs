//! How much of an update lies in the strongest directions of the weight.
//!
//! - formula: share(k) = ‖ΔW·V_k‖²_F/‖ΔW‖²_F, and ‖U_kᵀ·ΔW‖²_F/‖ΔW‖²_F, with V_k and U_k the top k right and left singular vectors
//!   of W.
//! - source: the energy of a projection; with one direction of ΔW it is φ(k, 1).
//! - range: 0 to 1, rising with k; 1 at k = d, which all min(d_out, d_in) vectors of W reach only on the shorter side.
//! - chance: mean k/d, d the dimension of the side; standard deviation [`random_deviation`].
//! - needs: singular vectors of W, ΔW as a map.

use serde::Serialize;

use super::same_shape;
use crate::basis::range_finder::{LinearMap, SingularVectors};
use crate::error::{Fault, Result};

/// The curve of one module.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Alignment {
    /// Rows of W, the dimension of the left side.
    pub d_out: usize,
    /// Columns of W, the dimension of the right side.
    pub d_in: usize,
    /// The share in the top k left directions of W, number k − 1 for k.
    pub left: Vec<f64>,
    /// The share in the top k right directions.
    pub right: Vec<f64>,
}

impl Alignment {
    /// Of an update, up to as many directions of the weight as are known.
    ///
    /// # Errors
    /// `Invalid` when the shapes differ and for an update of zeros or with a number that is not finite.
    pub fn of(w: &SingularVectors, update: &dyn LinearMap) -> Result<Self> {
        let (d_out, d_in, norm) = (update.d_out(), update.d_in(), update.norm());
        same_shape((w.d_out(), w.d_in()), (d_out, d_in))?;
        if norm == 0.0 || !norm.is_finite() {
            let found = format!("a norm of {norm}");
            return Err(Fault::new(found, "an update that is not zero, of finite numbers")
                .of("update")
                .invalid());
        }
        Ok(Self {
            d_out,
            d_in,
            left: shares(&update.transposed_times(w.left()), d_in, norm),
            right: shares(&update.times(w.right()), d_out, norm),
        })
    }

    /// The mean share in k left directions of an update that is unrelated to the weight: k/d_out.
    pub fn random_left(&self, k: usize) -> f64 {
        k as f64 / self.d_out as f64
    }

    /// The same in k right directions: k/d_in.
    pub fn random_right(&self, k: usize) -> f64 {
        k as f64 / self.d_in as f64
    }
}

/// The sums of the squares of the first 1, 2, … images, each of d numbers, over norm².
fn shares(images: &[f64], d: usize, norm: f64) -> Vec<f64> {
    let mut sum = 0.0;
    let share = |image: &[f64]| {
        sum += (crate::simd::norm(image) / norm).powi(2);
        sum.min(1.0)
    };
    images.chunks_exact(d).map(share).collect()
}

/// The standard deviation of the share of an update's energy in k of d random directions, 1 ≤ k ≤ d, from the singular values of
/// the update:
///
/// √(2·k·(d − k)/(d·(d − 1)·(d + 2))·(t − 1/d)), t = Σσ⁴/(Σσ²)².
///
/// 0 for an update of zeros.
pub fn random_deviation(k: usize, d: usize, sigma: &[f64]) -> f64 {
    let norm = crate::simd::norm(sigma);
    if k >= d || norm == 0.0 {
        return 0.0;
    }
    let fourth: f64 = sigma.iter().map(|sigma| (sigma / norm).powi(4)).sum();
    let [k, d] = [k, d].map(|n| n as f64);
    (2.0 * k * (d - k) / (d * (d - 1.0) * (d + 2.0)) * (fourth - 1.0 / d).max(0.0)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::{Dtype, Matrix};
    use crate::basis::range_finder::LowRank;
    use crate::basis::{Update, gaussian_matrix};
    use crate::measure::chance;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-12, "{found} for {expected}");
    }

    #[test]
    fn a_planted_update_has_the_shares_that_it_was_given() {
        // W = diag(5, 4, 3) in 3 × 5; ΔW = −(3·e₂·e₁ᵀ + 4·e₃·e₅ᵀ): 9/25 and 16/25.
        let of = |values: &[(usize, f64)], rows: usize, cols: usize| {
            let mut matrix = Matrix { rows, cols, dtype: Dtype::F32, values: vec![0.0; rows * cols] };
            values.iter().for_each(|&(at, value)| matrix.values[at] = value);
            matrix
        };
        let w = SingularVectors::of(&of(&[(0, 5.0), (6, 4.0), (12, 3.0)], 3, 5)).unwrap();
        let (a, b) = (of(&[(0, 3.0), (9, 2.0)], 2, 5), of(&[(2, 1.0), (5, 2.0)], 3, 2));
        let update = LowRank::new(Update { a: &a, b: &b, scaling: -1.0 }).unwrap();
        let found = Alignment::of(&w, &update).unwrap();
        for (found, expected) in found.left.iter().zip([0.0, 0.36, 1.0]) {
            close(*found, expected);
        }
        // The fifth input direction is none of W's.
        for (found, expected) in found.right.iter().zip([0.36, 0.36, 0.36]) {
            close(*found, expected);
        }
        assert_eq!((found.left.len(), found.right.len()), (3, 3));
        close(found.random_left(2), 2.0 / 3.0);
        close(found.random_right(2), 0.4);

        let zeros = of(&[], 3, 5);
        assert!(Alignment::of(&w, &zeros).is_err());
        assert!(Alignment::of(&w, &of(&[(0, 1.0)], 5, 3)).is_err());
    }

    #[test]
    fn unrelated_updates_follow_the_random_law_with_its_deviation() {
        let (d_out, d_in, n) = (20, 30, 1200);
        let w = SingularVectors::of(&gaussian_matrix(d_out, d_in, 1)).unwrap();
        for k in [1, 5, 20] {
            let (mut sum, mut squares, mut variance) = ([0.0; 2], [0.0; 2], [0.0; 2]);
            for seed in 0..n {
                let (a, b) =
                    (gaussian_matrix(3, d_in, 2 * seed + 10), gaussian_matrix(d_out, 3, 2 * seed + 11));
                let update = Update { a: &a, b: &b, scaling: 1.0 };
                let found = Alignment::of(&w, &LowRank::new(update).unwrap()).unwrap();
                let sigma = SingularVectors::of_update(update).unwrap();
                for (side, (share, d)) in
                    [(found.left[k - 1], d_out), (found.right[k - 1], d_in)].into_iter().enumerate()
                {
                    let off = share - k as f64 / d as f64;
                    sum[side] += off;
                    squares[side] += off * off;
                    variance[side] += random_deviation(k, d, sigma.sigma()).powi(2);
                }
            }
            for side in 0..2 {
                if k == d_out && side == 0 {
                    assert!(squares[0] < 1e-20 && variance[0] == 0.0);
                    continue;
                }
                let error = variance[side].sqrt();
                assert!(sum[side].abs() < 4.0 * error, "k = {k}: off by {} of {error}", sum[side]);
                assert!(
                    (squares[side] / variance[side] - 1.0).abs() < 0.3,
                    "k = {k}: {squares:?} {variance:?}"
                );
            }
        }
        // Of directions that are equally strong it is that of φ.
        for (k, j, d) in [(2, 5, 9), (4, 4, 12)] {
            let phi = chance::variance(k, j, d).sqrt() * k.min(j) as f64 / j as f64;
            close(random_deviation(k, d, &vec![7.0; j]), phi);
        }
    }
}
