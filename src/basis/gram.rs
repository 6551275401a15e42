//! Singular vectors of a thin matrix through its Gram matrix: several times faster than QR, where its error allows it.

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, Mat, MatRef, Par, Side};

use super::svd::Spectrum;

/// How far φ may be off through the Gram matrix, a tenth of the bound that engines hold.
const PHI_ERROR: f64 = 1e-6;

/// The smallest λ_r/λ₁ that is trusted: squaring the singular values leaves half of the digits to the small ones.
const LEAST_RATIO: f64 = 1e-10;

/// The r left-singular vectors of `x`, (d, r) with d ≥ r: X·W·Σ⁻¹ with XᵀX = W·Σ²·Wᵀ. `None` where [`is_accurate`] says
/// that the error may be too large, or X is wide.
pub(super) fn left_singular(x: MatRef<'_, f64>) -> Option<Spectrum> {
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
    let scaled = Mat::from_fn(r, r, |i, k| w[(i, r - 1 - k)] / sigma[k]);
    let mut vectors = Mat::zeros(d, r);
    matmul(vectors.as_mut(), Accum::Replace, x, scaled.as_ref(), 1.0, Par::Seq);
    Some(Spectrum { sigma, vectors })
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
