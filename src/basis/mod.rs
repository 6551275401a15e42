//! The basis of a module's subspace: the CPU stage, in f64, that feeds the engines.

mod noise;
mod random;
mod svd;

use crate::adapter::{Factor, Matrix, Module};
use crate::error::{Error, Fault, Result};
use crate::side::Side;

/// An orthonormal basis of one side of one module, its rows ordered by falling singular value.
///
/// Made in f64 by [`Basis::of`] or [`Basis::of_matrix`] and kept in f32, (q, d) row-major, where q ≤ min(r, d) is the
/// numerical rank: directions that the storage type's rounding could have made are not invented (see
/// [`Basis::n_dropped`]).
#[derive(Debug, Clone, PartialEq)]
pub struct Basis {
    r: usize,
    d: usize,
    rows: Vec<f32>,
    sigma: Vec<f64>,
    n_uncertain: usize,
}

impl Basis {
    /// Reads a module's factor and factorises it: `Side::A` gives the right-singular vectors of A, `Side::B` the
    /// left-singular vectors of B.
    ///
    /// # Errors
    /// `Io` and `Malformed` from reading; `Unsupported` for a factor of zeros, naming file and tensor.
    pub fn of(module: &Module, side: Side) -> Result<Self> {
        let factor = side.factor(module);
        Self::of_matrix(&factor.read()?, side).map_err(|error| locate(error, factor))
    }

    /// Factorises a factor: A as (rank, d) for `Side::A`, B as (d, rank) for `Side::B`.
    ///
    /// QR first, then the SVD of the small triangle, both in f64 on the calling thread.
    ///
    /// # Errors
    /// `Unsupported` for a matrix without a direction above its own rounding noise, such as a B that was never trained;
    /// `Invalid` for a number that is not finite or a matrix without entries.
    pub fn of_matrix(matrix: &Matrix, side: Side) -> Result<Self> {
        let (r, d) = match side {
            Side::A => (matrix.rows, matrix.cols),
            Side::B => (matrix.cols, matrix.rows),
        };
        let largest = matrix.values.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
        if r * d == 0 || matrix.values.len() != r * d || !matrix.values.iter().all(|value| value.is_finite())
        {
            return Err(Fault::new(
                format!("{} numbers in {} × {}", matrix.values.len(), matrix.rows, matrix.cols),
                "a full matrix of finite numbers",
            )
            .invalid());
        }
        if largest == 0.0 {
            return Err(Fault::new(format!("{d} zeros in each of {r} directions"), "a trained factor")
                .hint("B starts at zero, so an untrained checkpoint has no side b: compare side a (--side a)")
                .unsupported());
        }
        let (sigma, vectors) = svd::left_singular(matrix, side, largest)?;
        let (floor, doubtful) = noise::thresholds(matrix, r, d, sigma[0]);
        let q = sigma.iter().filter(|&&value| value > floor).count();
        if q == 0 {
            return Err(Fault::new(
                format!("no singular value above the {} rounding noise of {floor:.1e}", matrix.dtype),
                "a trained factor",
            )
            .unsupported());
        }
        let n_uncertain = sigma[..q].iter().filter(|&&value| value < doubtful).count();
        let rows = vectors[..q * d].iter().map(|&value| value as f32).collect();
        Ok(Self { r, d, rows, sigma: sigma[..q].to_vec(), n_uncertain })
    }

    /// The basis of a seeded Gaussian r × d matrix: the control that agrees with nothing.
    ///
    /// The same seed gives the same matrix on every machine.
    ///
    /// # Errors
    /// `Invalid` when `r` or `d` is 0.
    pub fn gaussian(r: usize, d: usize, seed: u64) -> Result<Self> {
        Self::of_matrix(&random::gaussian(r, d, seed), Side::A)
    }

    /// A basis from rows that are orthonormal already, (q, d) row-major with q ≤ d, and its singular values.
    ///
    /// # Errors
    /// `Invalid` when the counts do not match or `d` is 0. That the rows are orthonormal is not checked.
    pub fn from_rows(d: usize, rows: Vec<f32>, sigma: Vec<f64>) -> Result<Self> {
        let q = sigma.len();
        if q == 0 || q > d || rows.len() != q * d {
            return Err(Fault::new(
                format!("{} numbers and {q} singular values", rows.len()),
                format!("rows of d = {d} numbers, one row a singular value, at most d of them"),
            )
            .of("basis")
            .invalid());
        }
        Ok(Self { r: q, d, rows, sigma, n_uncertain: 0 })
    }

    /// The rank of the adapter's factor.
    pub fn r(&self) -> usize {
        self.r
    }

    /// The numerical rank, which is the number of rows: 1 ≤ q ≤ min(r, d).
    pub fn q(&self) -> usize {
        self.sigma.len()
    }

    /// Dimension of the space: d_in for side a, d_out for side b.
    pub fn d(&self) -> usize {
        self.d
    }

    /// The basis vectors, (q, d) row-major, by falling singular value. Their signs are arbitrary.
    pub fn rows(&self) -> &[f32] {
        &self.rows
    }

    /// The q singular values, falling.
    pub fn sigma(&self) -> &[f64] {
        &self.sigma
    }

    /// Directions that were left out because rounding to the stored type could have made them.
    pub fn n_dropped(&self) -> usize {
        self.r.min(self.d) - self.q()
    }

    /// Directions that were kept though they lie within ten times the floor for leaving out.
    pub fn n_uncertain(&self) -> usize {
        self.n_uncertain
    }
}

/// Adds the file and the tensor to a fault that only knew the numbers.
fn locate(error: Error, factor: &Factor) -> Error {
    let at = |mut fault: Box<Fault>| {
        fault.path = Some(factor.path().to_owned());
        fault.subject = Some(format!("tensor `{}`", factor.name));
        fault
    };
    match error {
        Error::Unsupported(fault) => Error::Unsupported(at(fault)),
        Error::Invalid(fault) => Error::Invalid(at(fault)),
        other => other,
    }
}

#[cfg(test)]
mod tests;
