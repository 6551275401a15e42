//! Singular vectors of a thin matrix through its Gram matrix: several times faster than QR, where its error allows it.

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, Mat, MatRef, Par, Side};

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
}

/// The spectrum of `x`, (d, r) with d ≥ r. `None` where [`is_accurate`] says that the error may be too large, or X is
/// wide.
pub(super) fn factorise(x: MatRef<'_, f64>) -> Option<Gram> {
    let (d, r) = (x.nrows(), x.ncols());
    if d < r {
        return None;
    }
    let mut gram = Mat::zeros(r, r);
    triangular::matmul(
        gram.as_mut(),
        BlockStructure::TriangularLower,
        Accum::Replace,
        x.transpose(),
        BlockStructure::Rectangular,
        x,
        BlockStructure::Rectangular,
        1.0,
        Par::Seq,
    );
    let eigen = gram.self_adjoint_eigen(Side::Lower).ok()?;
    // faer orders eigenvalues upwards.
    let lambda: Vec<f64> = eigen.S().column_vector().iter().rev().copied().collect();
    if !is_accurate(&lambda) {
        return None;
    }
    let sigma: Vec<f64> = lambda.iter().map(|lambda| lambda.sqrt()).collect();
    let w = eigen.U();
    let weights = Mat::from_fn(r, r, |i, k| w[(i, r - 1 - k)] / sigma[k]);
    Some(Gram { sigma, weights })
}

/// Rows of X that are multiplied at once: their products stay in the first cache until they are rounded to f32.
const BLOCK: usize = 256;

impl Gram {
    /// The first q left-singular vectors, (q, d) row-major.
    pub(super) fn vectors(&self, x: MatRef<'_, f64>, q: usize) -> Vec<f32> {
        let d = x.nrows();
        let weights = self.weights.subcols(0, q);
        let mut rows = vec![0.0; q * d];
        let mut block = Mat::zeros(BLOCK.min(d), q);
        for start in (0..d).step_by(BLOCK) {
            let n = BLOCK.min(d - start);
            let x = x.subrows(start, n);
            matmul(block.as_mut().subrows_mut(0, n), Accum::Replace, x, weights, 1.0, Par::Seq);
            for (k, row) in rows.chunks_exact_mut(d).enumerate() {
                let values = &block.col_as_slice(k)[..n];
                row[start..start + n].iter_mut().zip(values).for_each(|(row, &value)| *row = value as f32);
            }
        }
        rows
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
