//! Singular vectors of a thin matrix through its Gram matrix: several times faster than QR, where its error allows it.

use faer::Mat;

use super::{eigen, thin};

/// How far φ may be off through the Gram matrix, a tenth of the bound that engines hold.
const PHI_ERROR: f64 = 1e-6;

/// The smallest λ_r/λ₁ that is trusted: squaring the singular values leaves half of the digits to the small ones.
const LEAST_RATIO: f64 = 1e-10;

/// The spectrum of X by that of XᵀX = W·Σ²·Wᵀ.
pub(super) struct Gram {
    /// The r singular values, falling.
    pub(super) sigma: Vec<f64>,
    /// W·Σ⁻¹, (r, r): X times this are the left-singular vectors.
    pub(super) weights: Mat<f64>,
    /// XᵀX itself, the lower half.
    #[cfg(feature = "scan")]
    pub(super) matrix: Mat<f64>,
}

/// The spectrum of Xᵀ for `rows` of (r, d), row-major with d ≥ r. `None` where [`is_accurate`] says that the error may be
/// too large, or there are more rows than columns.
pub(super) fn factorise(rows: &[f64], r: usize) -> Option<Gram> {
    if rows.len() / r < r {
        return None;
    }
    let matrix = thin::gram(rows, r);
    let (lambda, w) = eigen::symmetric(&matrix)?;
    if !is_accurate(&lambda) {
        return None;
    }
    let sigma: Vec<f64> = lambda.iter().map(|lambda| lambda.sqrt()).collect();
    let weights = Mat::from_fn(r, r, |i, k| w[(i, k)] / sigma[k]);
    Some(Gram {
        sigma,
        weights,
        #[cfg(feature = "scan")]
        matrix,
    })
}

impl Gram {
    /// The first q left-singular vectors, (q, d) row-major.
    pub(super) fn vectors(&self, rows: &[f64], q: usize) -> Vec<f32> {
        thin::combine(rows, self.weights.subcols(0, q))
    }
}

/// Whether φ from the eigenvectors of a Gram matrix with these eigenvalues, falling, is within 1e-6 of exact:
///
/// 2⁻⁵²·max_k λ₁/(λ_k − λ_{k+1})·½(σ_k/σ_{k+1} + σ_{k+1}/σ_k) ≤ 1e-6, and λ_r/λ₁ ≥ 1e-10.
///
/// The first is how far rounding in the Gram matrix turns neighbouring vectors into each other, carried back to d-space.
fn is_accurate(lambda: &[f64]) -> bool {
    let (Some(&first), Some(&last)) = (lambda.first(), lambda.last()) else { return false };
    let turn = |pair: &[f64]| {
        let ratio = (pair[0] / pair[1]).sqrt();
        first / (pair[0] - pair[1]) * 0.5 * (ratio + 1.0 / ratio)
    };
    let worst = lambda.windows(2).map(turn).fold(0.0, f64::max);
    last >= LEAST_RATIO * first && f64::EPSILON * worst <= PHI_ERROR
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spectra_on_both_sides_of_each_condition() {
        assert!(is_accurate(&[1.0]));
        assert!(is_accurate(&[1.0, 0.5, 0.25]));
        // A near-tie: 2⁻⁵²/gap passes 1e-6 at a gap of 2.2e-10.
        assert!(is_accurate(&[1.0, 1.0 - 3e-10]));
        assert!(!is_accurate(&[1.0, 1.0 - 2e-10]));
        assert!(!is_accurate(&[1.0, 1.0]));
        // A small λ is turned by ½·σ_k/σ_{k+1} more.
        assert!(is_accurate(&[1.0, 1e-9]));
        assert!(!is_accurate(&[1.0, 0.9e-10]));
        assert!(!is_accurate(&[1.0, 1e-9, 0.9e-9]));
        // What rounding made negative, and nothing at all.
        assert!(!is_accurate(&[1.0, -1e-17]));
        assert!(!is_accurate(&[]));
    }
}
