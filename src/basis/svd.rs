//! Singular vectors of a thin matrix: QR, then the SVD of the small triangle, in f64 on one thread.

use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch as apply_q_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj as apply_q,
};
use faer::linalg::solvers::Qr;
use faer::prelude::{Reborrow, ReborrowMut};
use faer::{Conj, Mat, MatRef, Par};

use faer::dyn_stack::{MemBuffer, MemStack};

use crate::adapter::Matrix;
use crate::error::{Fault, Result};
use crate::side::Side;

/// The min(r, d) singular values, falling, and the matching vectors in d-space, each contiguous.
///
/// `largest` is the largest magnitude in the matrix. Its power of two is taken out before anything is squared, so that
/// matrices of tiny or huge numbers neither vanish nor overflow; this changes no digit.
pub(super) fn left_singular(matrix: &Matrix, side: Side, largest: f64) -> Result<(Vec<f64>, Vec<f64>)> {
    let exponent = largest.log2().floor().clamp(-1000.0, 1000.0);
    let scale = (-exponent).exp2();
    // d × r with the vectors sought on the left: A's transpose, or B as it is.
    let stored = MatRef::from_row_major_slice(&matrix.values, matrix.rows, matrix.cols);
    let tall = match side {
        Side::A => stored.transpose(),
        Side::B => stored,
    };
    let (d, r) = (tall.nrows(), tall.ncols());
    let (sigma, vectors) = if d >= r {
        let qr = Qr::new((faer::Scale(scale) * tall).as_ref());
        let (sigma, small) = small_svd(qr.thin_R(), Want::Left)?;
        (sigma, expand(&qr, small.as_ref()))
    } else {
        // Wide: X = Rᵀ·Qᵀ, so the left-singular vectors of X are the right-singular ones of R, d × d.
        let qr = Qr::new((faer::Scale(scale) * tall.transpose()).as_ref());
        small_svd(qr.thin_R(), Want::Right)?
    };
    let unscale = exponent.exp2();
    let sigma = sigma.into_iter().map(|value| value * unscale).collect();
    let columns = vectors.col_iter().flat_map(|column| column.iter().copied()).collect();
    Ok((sigma, columns))
}

#[derive(Clone, Copy)]
enum Want {
    Left,
    Right,
}

/// Singular values and one set of vectors of a small square matrix.
fn small_svd(triangle: MatRef<'_, f64>, want: Want) -> Result<(Vec<f64>, Mat<f64>)> {
    let n = triangle.nrows();
    let upper = Mat::from_fn(n, n, |i, j| if i <= j { triangle[(i, j)] } else { 0.0 });
    let svd = upper.svd().map_err(|error| {
        Fault::new(format!("{error:?} for a {n} × {n} triangle"), "an SVD that converges").invalid()
    })?;
    let sigma = svd.S().column_vector().iter().copied().collect();
    let vectors = match want {
        Want::Left => svd.U(),
        Want::Right => svd.V(),
    };
    Ok((sigma, vectors.to_owned()))
}

/// Q · small, with Q applied as reflections: half the work of forming Q first.
fn expand(qr: &Qr<f64>, small: MatRef<'_, f64>) -> Mat<f64> {
    let (d, n) = (qr.Q_basis().nrows(), small.ncols());
    let mut vectors = Mat::zeros(d, n);
    vectors.rb_mut().get_mut(..small.nrows(), ..).copy_from(small);
    let scratch = apply_q_scratch::<f64>(d, qr.Q_coeff().nrows(), n);
    let mut memory = MemBuffer::new(scratch);
    let stack = MemStack::new(&mut memory);
    apply_q(qr.Q_basis().rb(), qr.Q_coeff().rb(), Conj::No, vectors.as_mut(), Par::Seq, stack);
    vectors
}
