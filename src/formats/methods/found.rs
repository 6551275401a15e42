//! What a method's numbers make, and how they are read.

use faer::Mat;

use crate::adapter::Matrix;
use crate::basis::range_finder::Dense;

/// An update as its method makes it.
pub(in crate::formats) enum Found {
    Whole(Mat<f64>),
    /// B and A.
    Product(Mat<f64>, Mat<f64>),
    /// A difference of weights, with what rounding leaves of it.
    Difference(Dense<'static>),
}

pub(super) fn at(matrix: &Matrix, i: usize, j: usize) -> f64 {
    matrix.values.get(i * matrix.cols + j).copied().unwrap_or(f64::NAN)
}

pub(super) fn mat(matrix: &Matrix) -> Mat<f64> {
    Mat::from_fn(matrix.rows, matrix.cols, |i, j| at(matrix, i, j))
}
