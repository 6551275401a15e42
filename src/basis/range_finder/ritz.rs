//! The best singular vectors within a space, in f64, with their residuals.

use faer::linalg::solvers::Qr;
use faer::{Mat, MatRef};

use super::map::Unit;
use super::product::{columns, product};
use crate::basis::svd::{expand, thin_svd, triangle};
use crate::error::Result;

/// A·V = U·Σ.
pub(super) struct Ritz {
    pub(super) sigma: Vec<f64>,
    /// U, a column after the other.
    pub(super) left: Vec<f64>,
    /// V, as U.
    pub(super) right: Vec<f64>,
    /// Aᵀ·U.
    image: Vec<f64>,
    /// E·Eᵀ of E = (Aᵀ·U − V·Σ)ᵀ.
    pub(super) gram: Mat<f64>,
}

impl Ritz {
    /// Of the space that these vectors span, which are orthonormal.
    pub(super) fn of(map: &Unit<'_>, space: &[f64]) -> Result<Self> {
        let (d_in, d_out) = (map.d_in(), map.d_out());
        let qr = Qr::new(columns(&map.times(space), d_out));
        let small = thin_svd(triangle(&qr).as_ref())?;
        let left = flat(expand(&qr, small.left.as_ref()).as_ref());
        let right = product(columns(space, d_in), small.right.as_ref());
        let image = map.transposed_times(&left);
        let mut residual = image.clone();
        let vectors = residual.chunks_exact_mut(d_in).zip(right.chunks_exact(d_in));
        for ((residual, right), sigma) in vectors.zip(&small.sigma) {
            residual.iter_mut().zip(right).for_each(|(residual, right)| *residual -= right * sigma);
        }
        let residual = columns(&residual, d_in);
        let gram = product(residual.transpose(), residual);
        let n = small.sigma.len();
        let gram = columns(&gram, n).to_owned();
        Ok(Self { sigma: small.sigma, left, right, image, gram })
    }

    /// The norm of the residuals of the first n, at most.
    pub(super) fn residual(&self, n: usize) -> f64 {
        (0..n).map(|k| self.gram[(k, k)].max(0.0)).sum::<f64>().sqrt()
    }

    /// The space of Aᵀ·U, which is nearer to the right singular vectors than that of V.
    pub(super) fn image(&self, map: &Unit<'_>) -> Vec<f64> {
        orthonormal(&self.image, map.d_in())
    }
}

/// An orthonormal basis of the space of these vectors.
pub(super) fn orthonormal(vectors: &[f64], d: usize) -> Vec<f64> {
    flat(Qr::new(columns(vectors, d)).compute_thin_Q().as_ref())
}

fn flat(matrix: MatRef<'_, f64>) -> Vec<f64> {
    matrix.col_iter().flat_map(|column| column.iter().copied()).collect()
}
