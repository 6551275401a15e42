//! Singular vectors of a thin matrix through QR and the SVD of the small triangle, in f64 on one thread.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch as apply_q_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj as apply_q,
};
use faer::linalg::solvers::Qr;
use faer::prelude::{Reborrow, ReborrowMut};
use faer::{Conj, Mat, MatRef, Par};

use crate::error::{Fault, Result};

/// Singular values, falling, and the matching vectors as columns.
pub(super) struct Spectrum {
    pub(super) sigma: Vec<f64>,
    pub(super) vectors: Mat<f64>,
}

impl Spectrum {
    /// The first q vectors, (q, d) row-major.
    pub(super) fn rows(&self, q: usize) -> Vec<f32> {
        let mut rows = Vec::with_capacity(q * self.vectors.nrows());
        for k in 0..q {
            rows.extend(self.vectors.col_as_slice(k).iter().map(|&value| value as f32));
        }
        rows
    }
}

/// The min(d, r) left-singular vectors of `x`, (d, r).
pub(super) fn left_singular(x: MatRef<'_, f64>) -> Result<Spectrum> {
    if x.nrows() >= x.ncols() {
        let qr = Qr::new(x);
        let small = thin_svd(triangle(&qr).as_ref())?;
        Ok(Spectrum { sigma: small.sigma, vectors: expand(&qr, small.left.as_ref()) })
    } else {
        // Wide: X = Rᵀ·Qᵀ, so the left-singular vectors of X are the right-singular ones of R, (d, d).
        let small = thin_svd(triangle(&Qr::new(x.transpose())).as_ref())?;
        Ok(Spectrum { sigma: small.sigma, vectors: small.right })
    }
}

/// U, σ from the largest, and V.
pub(crate) struct ThinSvd {
    pub(crate) sigma: Vec<f64>,
    pub(crate) left: Mat<f64>,
    pub(crate) right: Mat<f64>,
}

/// The SVD of a whole matrix.
///
/// # Errors
/// `Invalid` for one that does not converge.
pub(crate) fn thin_svd(matrix: MatRef<'_, f64>) -> Result<ThinSvd> {
    let svd = matrix.thin_svd().map_err(|error| {
        let found = format!("{error:?} for a matrix of {} × {}", matrix.nrows(), matrix.ncols());
        Fault::new(found, "an SVD that converges").invalid()
    })?;
    let sigma = svd.S().column_vector().iter().copied().collect();
    Ok(ThinSvd { sigma, left: svd.U().to_owned(), right: svd.V().to_owned() })
}

/// R of X = Q·R, (min(m, n), n).
pub(super) fn triangle(qr: &Qr<f64>) -> Mat<f64> {
    let r = qr.thin_R();
    Mat::from_fn(r.nrows(), r.ncols(), |i, j| if i <= j { r[(i, j)] } else { 0.0 })
}

/// Q · small, with Q applied as reflections: half the work of forming Q first.
pub(super) fn expand(qr: &Qr<f64>, small: MatRef<'_, f64>) -> Mat<f64> {
    let (d, n) = (qr.Q_basis().nrows(), small.ncols());
    let mut vectors = Mat::zeros(d, n);
    vectors.rb_mut().get_mut(..small.nrows(), ..).copy_from(small);
    let mut memory = MemBuffer::new(apply_q_scratch::<f64>(d, qr.Q_coeff().nrows(), n));
    let stack = MemStack::new(&mut memory);
    apply_q(qr.Q_basis().rb(), qr.Q_coeff().rb(), Conj::No, vectors.as_mut(), Par::Seq, stack);
    vectors
}
