//! Singular vectors of an update ΔW = B·A through the QR factors of B and Aᵀ, without ever forming ΔW.

use faer::linalg::solvers::Qr;
use faer::{Mat, MatRef};

use super::noise::{self, Bounds};
use super::scale::Scaled;
use super::svd::{ThinSvd, expand, thin_svd, triangle};
use crate::adapter::Matrix;
use crate::error::Result;

/// Which singular vectors.
#[derive(Clone, Copy)]
pub(super) enum Vectors {
    /// Those in the output space, of d_out numbers.
    Left,
    /// Those in the input space, of d_in numbers.
    Right,
}

/// The singular values of an update, the bounds for its directions, and what its singular vectors are made from.
pub(super) struct Update {
    /// min(r, d_in, d_out) of them, falling.
    pub(super) sigma: Vec<f64>,
    pub(super) bounds: Bounds,
    small: ThinSvd,
    qr_a: Qr<f64>,
    qr_b: Qr<f64>,
}

impl Update {
    /// All singular vectors of one kind, as columns. The k-th left and the k-th right one belong together.
    pub(super) fn vectors(&self, which: Vectors) -> Mat<f64> {
        match which {
            Vectors::Left => expand(&self.qr_b, self.small.left.as_ref()),
            Vectors::Right => expand(&self.qr_a, self.small.right.as_ref()),
        }
    }
}

/// The singular values of B·A, for A (r, d_in) and B (d_out, r).
///
/// With B = Q_B·R_B and Aᵀ = Q_A·R_A, ΔW = Q_B·(R_B·R_Aᵀ)·Q_Aᵀ, and the middle is r × r at most.
pub(super) fn singular(a: &Matrix, b: &Matrix) -> Result<Update> {
    let (scaled_a, scaled_b) = (Scaled::new(a)?, Scaled::of_b(b)?);
    let (qr_a, qr_b) = (Qr::new(scaled_a.matrix().transpose()), Qr::new(scaled_b.matrix()));
    let (r_a, r_b) = (triangle(&qr_a), triangle(&qr_b));
    let small = thin_svd((&r_b * r_a.transpose()).as_ref())?;
    let unscale = scaled_a.unit * scaled_b.unit;
    let sigma: Vec<f64> = small.sigma.iter().map(|sigma| sigma * unscale).collect();

    let largest = |triangle: MatRef<'_, f64>, unit: f64| -> Result<f64> {
        Ok(thin_svd(triangle)?.sigma.first().map_or(0.0, |sigma| sigma * unit))
    };
    let (sigma_a, sigma_b) = (largest(r_a.as_ref(), scaled_a.unit)?, largest(r_b.as_ref(), scaled_b.unit)?);
    let r = a.rows;
    let nu = noise::nu(b, r, b.rows) * sigma_a + sigma_b * noise::nu(a, r, a.cols);
    // What rounding leaves of the product is relative to its factors, not to ΔW, which may be smaller.
    let bounds = noise::bounds(nu, r.max(a.cols).max(b.rows), sigma_a * sigma_b);
    Ok(Update { sigma, bounds, small, qr_a, qr_b })
}
