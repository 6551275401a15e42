//! ΔW of products that are multiplied by W number by number, bounded by norms, or only here and there.

use std::path::Path;

use faer::Mat;

use super::found::{Found, at, mat};
use crate::adapter::Matrix;
use crate::error::{Fault, Result};
use crate::text::quoted;

/// W∘S + T, each of two factors, a column, one number, or nothing.
pub(super) fn multiplied(
    (scale, shift): (&[Matrix], &[Matrix]),
    weight: Option<&Matrix>,
    [d_out, d_in]: [usize; 2],
) -> Found {
    let (scale, shift) = (spread(scale, d_out, d_in), spread(shift, d_out, d_in));
    Found::Whole(Mat::from_fn(d_out, d_in, |i, j| {
        let scaled = match (&scale, weight) {
            (Some(scale), Some(weight)) => scale[(i, j)] * at(weight, i, j),
            (Some(_), None) => f64::NAN,
            (None, _) => 0.0,
        };
        scaled + shift.as_ref().map_or(0.0, |shift| shift[(i, j)])
    }))
}

/// The matrix that the parts are.
fn spread(parts: &[Matrix], d_out: usize, d_in: usize) -> Option<Mat<f64>> {
    match parts {
        [left, right] => Some(mat(left) * mat(right)),
        [column] => {
            Some(Mat::from_fn(d_out, d_in, |i, _| at(column, if column.rows == 1 { 0 } else { i }, 0)))
        }
        _ => None,
    }
}

/// A row of A and a column of B are divided by their lengths, but not by less than this.
const LEAST_LENGTH: f64 = 1e-4;

/// DeLoRA.
pub(super) fn bounded(a: &Matrix, b: &Matrix, lambda: &Matrix, norms: &Matrix) -> Found {
    let (mut a, b) = (mat(a), mat(b));
    let rank = a.nrows();
    let lambda = lambda.values.first().copied().unwrap_or(f64::NAN);
    for k in 0..rank {
        let lengths = [a.row(k).norm_l2(), b.col(k).norm_l2()].map(|length| length.max(LEAST_LENGTH));
        let factor = lambda / rank as f64 / (lengths[0] * lengths[1]);
        for j in 0..a.ncols() {
            a[(k, j)] *= factor * at(norms, j, 0);
        }
    }
    Found::Product(b, a)
}

/// Numbers whose places repeat are added up.
///
/// # Errors
/// `Malformed` for a place outside of the matrix.
pub(super) fn sparse(
    values: &Matrix,
    places: &Matrix,
    [d_out, d_in]: [usize; 2],
    (path, name): (&Path, &str),
) -> Result<Mat<f64>> {
    let mut change = Mat::zeros(d_out, d_in);
    for (k, value) in values.values.iter().enumerate() {
        let [i, j] = [at(places, 0, k), at(places, 1, k)];
        if !(0.0..d_out as f64).contains(&i) || !(0.0..d_in as f64).contains(&j) {
            let found = format!("a number in row {i} and column {j}, counted from 0");
            let fault = Fault::new(found, format!("places in {d_out} × {d_in}")).at(path);
            return Err(fault.of(format!("tensor {}", quoted(name))).malformed());
        }
        change[(i as usize, j as usize)] += value;
    }
    Ok(change)
}
