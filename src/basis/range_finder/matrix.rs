//! A matrix in f64 as a linear map.

use faer::MatRef;

use super::map::LinearMap;
use super::product::{columns, product};
use crate::adapter::Matrix;
use crate::basis::noise;

impl LinearMap for Matrix {
    fn d_out(&self) -> usize {
        self.rows
    }

    fn d_in(&self) -> usize {
        self.cols
    }

    fn norm(&self) -> f64 {
        crate::simd::norm(&self.values)
    }

    fn noise(&self) -> f64 {
        noise::nu(self, self.rows, self.cols)
    }

    fn times(&self, x: &[f64]) -> Vec<f64> {
        product(view(self), columns(x, self.cols))
    }

    fn transposed_times(&self, y: &[f64]) -> Vec<f64> {
        product(view(self).transpose(), columns(y, self.rows))
    }
}

pub(super) fn view(matrix: &Matrix) -> MatRef<'_, f64> {
    MatRef::from_row_major_slice(&matrix.values, matrix.rows, matrix.cols)
}
