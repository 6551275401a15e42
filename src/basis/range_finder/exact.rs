//! The whole SVD of a small matrix in f64, from products with the unit vectors of its shorter side.

use faer::linalg::solvers::Qr;

use super::angles;
use super::found::Factorised;
use super::map::Unit;
use super::product::columns;
use crate::basis::svd::{expand, thin_svd, triangle};
use crate::error::Result;

/// All min(d_out, d_in) directions, with bounds for none yet.
pub(super) fn factorise(map: &Unit<'_>) -> Result<Factorised> {
    let (d_out, d_in) = (map.d_out(), map.d_in());
    let n = d_out.min(d_in);
    let mut units = vec![0.0; n * n];
    (0..n).for_each(|k| units[k * n + k] = 1.0);
    let image = if d_in <= d_out { map.times(&units) } else { map.transposed_times(&units) };
    let qr = Qr::new(columns(&image, d_out.max(d_in)));
    let small = thin_svd(triangle(&qr).as_ref())?;
    let flat = |matrix: faer::Mat<f64>| -> Vec<f64> {
        matrix.col_iter().flat_map(|column| column.iter().copied()).collect()
    };
    let (long, short) = (flat(expand(&qr, small.left.as_ref())), flat(small.right));
    let (left, right) = if d_in <= d_out { (long, short) } else { (short, long) };
    Ok(Factorised { sigma: small.sigma, left, right, bounds: vec![], failure: 0.0 })
}

/// The bounds of the first n directions.
pub(super) fn bounds(sigma: &[f64], n: usize, rounding: f64) -> Vec<f64> {
    angles::of_whole(sigma, n, rounding)
}
