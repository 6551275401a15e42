//! Updates that are products of small matrices, which are never formed.

use faer::MatRef;

use super::map::LinearMap;
use super::matrix::view as matrix;
use super::product::{columns, product};
use crate::adapter::Matrix;
use crate::basis::scale::Scaled;
use crate::basis::{Update, eigen, noise, thin, transposed};
use crate::error::{Fault, Result};

/// s·B·A as a linear map.
#[derive(Debug, Clone, Copy)]
pub struct LowRank<'a> {
    update: Update<'a>,
}

impl<'a> LowRank<'a> {
    /// # Errors
    /// `Invalid` when the ranks of A and B differ.
    pub fn new(update: Update<'a>) -> Result<Self> {
        if update.a.rows != update.b.cols {
            let found = format!("A of {} rows, B of {} columns", update.a.rows, update.b.cols);
            return Err(Fault::new(found, "one rank").of("update").invalid());
        }
        Ok(Self { update })
    }
}

impl LinearMap for LowRank<'_> {
    fn d_out(&self) -> usize {
        self.update.b.rows
    }

    fn d_in(&self) -> usize {
        self.update.a.cols
    }

    fn norm(&self) -> f64 {
        self.update.norm()
    }

    fn noise(&self) -> f64 {
        let Update { a, b, scaling } = self.update;
        scaling.abs() * noise_of_product(b, a)
    }

    fn times(&self, x: &[f64]) -> Vec<f64> {
        let Update { a, b, scaling } = self.update;
        let inner = product(matrix(a), columns(x, a.cols));
        scaled(product(matrix(b), columns(&inner, a.rows)), scaling)
    }

    fn transposed_times(&self, y: &[f64]) -> Vec<f64> {
        let Update { a, b, scaling } = self.update;
        let inner = product(matrix(b).transpose(), columns(y, b.rows));
        scaled(product(matrix(a).transpose(), columns(&inner, a.rows)), scaling)
    }
}

/// s·(W₁ ⊗ W₂) as a linear map: number (i, j) of W₁ times W₂ is block (i, j).
#[derive(Debug, Clone, Copy)]
pub struct Kronecker<'a> {
    /// W₁.
    pub first: &'a Matrix,
    /// W₂.
    pub second: &'a Matrix,
    /// s.
    pub scaling: f64,
}

impl Kronecker<'_> {
    /// s·W₁·X·W₂ᵀ for each vector, read as X with a row for each column of W₁; or with both transposed.
    fn product(&self, x: &[f64], first: MatRef<'_, f64>, second: MatRef<'_, f64>) -> Vec<f64> {
        // W₂ times all rows of all X at once, then W₁ times the columns of each.
        let inner = product(second, columns(x, second.ncols()));
        let (n_rows, n_cols) = (first.ncols(), second.nrows());
        let mut values = Vec::with_capacity(inner.len() / n_rows.max(1) * first.nrows());
        for x in inner.chunks_exact(n_rows * n_cols) {
            values.extend(product(MatRef::from_column_major_slice(x, n_cols, n_rows), first.transpose()));
        }
        scaled(values, self.scaling)
    }
}

impl LinearMap for Kronecker<'_> {
    fn d_out(&self) -> usize {
        self.first.rows * self.second.rows
    }

    fn d_in(&self) -> usize {
        self.first.cols * self.second.cols
    }

    fn norm(&self) -> f64 {
        let norm = |matrix: &Matrix| crate::simd::sum(&matrix.values, |value| value * value).sqrt();
        self.scaling.abs() * norm(self.first) * norm(self.second)
    }

    fn noise(&self) -> f64 {
        self.scaling.abs() * noise_of_product(self.first, self.second)
    }

    fn times(&self, x: &[f64]) -> Vec<f64> {
        self.product(x, matrix(self.first), matrix(self.second))
    }

    fn transposed_times(&self, y: &[f64]) -> Vec<f64> {
        self.product(y, matrix(self.first).transpose(), matrix(self.second).transpose())
    }
}

fn scaled(mut values: Vec<f64>, scaling: f64) -> Vec<f64> {
    values.iter_mut().for_each(|value| *value *= scaling);
    values
}

/// What rounding of either factor leaves in a singular value of a product of both: ν₁·σ₁(second) + σ₁(first)·ν₂.
fn noise_of_product(first: &Matrix, second: &Matrix) -> f64 {
    let nu = |matrix: &Matrix| noise::nu(matrix, matrix.rows, matrix.cols);
    nu(first) * largest(second) + largest(first) * nu(second)
}

/// The largest singular value; 0 where there is none.
fn largest(matrix: &Matrix) -> f64 {
    let Ok(scaled) = Scaled::new(matrix) else { return 0.0 };
    let gram = match matrix.rows <= matrix.cols {
        true => thin::gram(scaled.values(), matrix.rows),
        false => thin::gram(&transposed(scaled.values(), matrix.cols), matrix.cols),
    };
    eigen::symmetric(&gram).map_or(0.0, |(values, _)| values[0].max(0.0).sqrt() * scaled.unit)
}
