//! Planted factors, spectra and updates.

mod factors;
mod spectra;
mod updates;

use half::{bf16, f16};

use super::svd::{self, Spectrum};
use super::{Basis, random};
use crate::adapter::Side;
use crate::adapter::{Dtype, Matrix};

fn round(matrix: &Matrix, dtype: Dtype) -> Matrix {
    let store = |value: f64| match dtype {
        Dtype::F64 => value,
        Dtype::F32 => f64::from(value as f32),
        Dtype::F16 => f16::from_f64(value).to_f64(),
        Dtype::Bf16 => bf16::from_f64(value).to_f64(),
        _ => {
            let (mantissa_bits, least_exponent) = dtype.precision();
            let exponent = value.abs().log2().floor() as i32 - mantissa_bits;
            let spacing = 2f64.powi(exponent.max(least_exponent));
            (value / spacing).round_ties_even() * spacing
        }
    };
    Matrix { dtype, values: matrix.values.iter().map(|&value| store(value)).collect(), ..matrix.clone() }
}

/// left (m × k) · right (k × n).
fn product(left: &Matrix, right: &Matrix) -> Matrix {
    let mut values = vec![0.0; left.rows * right.cols];
    for i in 0..left.rows {
        for k in 0..left.cols {
            for j in 0..right.cols {
                values[i * right.cols + j] +=
                    left.values[i * left.cols + k] * right.values[k * right.cols + j];
            }
        }
    }
    Matrix { rows: left.rows, cols: right.cols, dtype: Dtype::F64, values }
}

fn transpose(matrix: &Matrix) -> Matrix {
    let values = (0..matrix.rows * matrix.cols).map(|at| (at % matrix.rows) * matrix.cols + at / matrix.rows);
    Matrix {
        rows: matrix.cols,
        cols: matrix.rows,
        dtype: matrix.dtype,
        values: values.map(|at| matrix.values[at]).collect(),
    }
}

/// Orthonormal rows, (n, d), in f64.
fn orthonormal(n: usize, d: usize, seed: u64) -> Matrix {
    let gaussian = random::gaussian(n, d, seed, 0);
    let x = faer::MatRef::from_row_major_slice(&gaussian.values, n, d);
    let Spectrum { vectors, .. } = svd::left_singular(x.transpose()).unwrap();
    let values = vectors.col_iter().flat_map(|column| column.iter().copied()).collect();
    Matrix { rows: n, cols: d, dtype: Dtype::F64, values }
}

/// U·diag(σ)·V with random orthonormal U and the orthonormal rows V.
fn with_spectrum(sigma: &[f64], v: &Matrix, seed: u64) -> Matrix {
    let mut scaled = v.clone();
    for (row, sigma) in scaled.values.chunks_mut(v.cols).zip(sigma) {
        row.iter_mut().for_each(|value| *value *= sigma);
    }
    product(&orthonormal(sigma.len(), sigma.len(), seed), &scaled)
}

#[test]
#[cfg(feature = "cli")]
fn what_stays_of_forgotten_rows_is_equal_where_the_rows_were() {
    let forgotten = |seed: u64| {
        let mut basis = Basis::gaussian(4, 32, seed).unwrap();
        basis.forget_rows();
        basis
    };
    assert_eq!(forgotten(1), forgotten(1));
    assert_ne!(forgotten(1).rows(), forgotten(2).rows());
    assert_eq!((forgotten(1).rows().len(), forgotten(1).q()), (3, 4));
}
