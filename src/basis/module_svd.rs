//! Both kinds of singular vectors of a module, for programs that use them on their own: a [`Basis`] has one kind.

use faer::linalg::solvers::Qr;
use faer::{Mat, MatRef};

use super::scale::Scaled;
use super::svd::{ThinSvd, expand, thin_svd, triangle};
use super::update::{self, Vectors};
use super::{Basis, Flaw, Numbers, Wanted};
use crate::adapter::{Matrix, Module, Side};
use crate::error::Result;

/// The thin SVD of the matrix that a side is of: M = U·diag(σ)·Vᵀ, where M is A, (rank, d_in), B, (d_out, rank), or
/// ΔW = s·B·A, (d_out, d_in), which is never formed.
///
/// It has the q directions of [`Basis::of`], with the same singular values. The sign of each pair of vectors is such that the
/// entry of U with the largest absolute value is positive; of equal ones, the first.
#[derive(Debug, Clone, PartialEq)]
pub struct ModuleSvd {
    n_rows: usize,
    n_cols: usize,
    u: Vec<f32>,
    sigma: Vec<f64>,
    v: Vec<f32>,
}

impl ModuleSvd {
    /// Reads what the side needs, and factorises it in f64 on the calling thread.
    ///
    /// ```
    /// use lorascope::{Adapter, Side, ModuleSvd};
    ///
    /// let adapter = Adapter::open("tests/data/adapters/seed0-r8-layer5")?;
    /// let query = adapter.module("encoder.layer.5.attention.self.query").unwrap();
    /// let found = ModuleSvd::of(query, Side::DwRight)?;
    /// assert_eq!((found.n_rows(), found.n_cols(), found.sigma().len()), (384, 384, 8));
    /// # Ok::<(), lorascope::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Basis::of`].
    pub fn of(module: &Module, side: Side) -> Result<Self> {
        let numbers = Numbers::read(module, side, Wanted::Side)?;
        let basis = numbers.basis(side).map_err(Flaw::into_error)?;
        let (left, right, is_negative) = match side {
            Side::A | Side::B => {
                let (left, right) = of_factor(numbers.factor(side).map_err(Flaw::into_error)?)?;
                (left, right, false)
            }
            Side::DwLeft | Side::DwRight => {
                let parts = numbers.update().map_err(Flaw::into_error)?;
                let svd = update::singular(parts.a, parts.b)?;
                (svd.vectors(Vectors::Left), svd.vectors(Vectors::Right), parts.scaling < 0.0)
            }
        };
        Ok(Self::with_signs(&basis, left.as_ref(), right.as_ref(), is_negative))
    }

    fn with_signs(basis: &Basis, left: MatRef<'_, f64>, right: MatRef<'_, f64>, is_negative: bool) -> Self {
        let sigma = basis.sigma().to_vec();
        let signs: Vec<f64> = (0..sigma.len())
            .map(|k| {
                let column = left.col(k).iter().copied();
                let largest =
                    column.reduce(|most, value| if value.abs() > most.abs() { value } else { most });
                if largest.is_some_and(|value| value < 0.0) { -1.0 } else { 1.0 }
            })
            .collect();
        let rows = |vectors: MatRef<'_, f64>, sign: f64| {
            let row = |i: usize| {
                signs.iter().enumerate().map(move |(k, own)| (own * sign * vectors[(i, k)]) as f32)
            };
            (0..vectors.nrows()).flat_map(row).collect()
        };
        let v = rows(right, if is_negative { -1.0 } else { 1.0 });
        Self { n_rows: left.nrows(), n_cols: right.nrows(), u: rows(left, 1.0), sigma, v }
    }

    /// U, σ and V, as [`ModuleSvd::u`], [`ModuleSvd::sigma`] and [`ModuleSvd::v`] have them.
    pub fn into_parts(self) -> (Vec<f32>, Vec<f64>, Vec<f32>) {
        (self.u, self.sigma, self.v)
    }

    /// Rows of M, and of U.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Columns of M, and rows of V.
    pub fn n_cols(&self) -> usize {
        self.n_cols
    }

    /// U, (rows, q) row-major: a left-singular vector in each column.
    pub fn u(&self) -> &[f32] {
        &self.u
    }

    /// The q singular values, falling.
    pub fn sigma(&self) -> &[f64] {
        &self.sigma
    }

    /// V, (cols, q) row-major: a right-singular vector in each column.
    pub fn v(&self) -> &[f32] {
        &self.v
    }
}

/// The singular vectors of a factor, as columns.
fn of_factor(matrix: &Matrix) -> Result<(Mat<f64>, Mat<f64>)> {
    let scaled = Scaled::new(matrix)?;
    let is_wide = matrix.cols > matrix.rows;
    let tall = if is_wide { scaled.matrix().transpose() } else { scaled.matrix() };
    let qr = Qr::new(tall);
    let ThinSvd { left, right, .. } = thin_svd(triangle(&qr).as_ref())?;
    let left = expand(&qr, left.as_ref());
    Ok(if is_wide { (right, left) } else { (left, right) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Adapter;
    use crate::adapter::Dtype;

    /// What f32 leaves of a vector's entries.
    const ROUNDING: f64 = 1e-6;

    fn product(found: &ModuleSvd) -> Vec<f64> {
        let q = found.sigma().len();
        let entry = |at: usize| {
            let (i, j) = (at / found.n_cols(), at % found.n_cols());
            let term = |k: usize| {
                found.sigma()[k] * f64::from(found.u()[i * q + k]) * f64::from(found.v()[j * q + k])
            };
            (0..q).map(term).sum()
        };
        (0..found.n_rows() * found.n_cols()).map(entry).collect()
    }

    #[test]
    fn the_product_is_the_matrix_and_signs_are_fixed_on_every_side() {
        let adapter = Adapter::open("tests/data/adapters/seed0-r8-layer5").unwrap();
        let mut module = (**adapter.module("encoder.layer.5.attention.self.value").unwrap()).clone();
        // The sign of the scaling is one of the update's too.
        module.scaling = Some(-0.5);
        let (a, b) = (module.a.read().unwrap(), module.b.read().unwrap());
        let dw: Vec<f64> = (0..b.rows * a.cols)
            .map(|at| {
                let (i, j) = (at / a.cols, at % a.cols);
                -0.5 * (0..a.rows).map(|k| b.values[i * b.cols + k] * a.values[k * a.cols + j]).sum::<f64>()
            })
            .collect();
        for (side, wanted) in
            [(Side::A, &a.values), (Side::B, &b.values), (Side::DwRight, &dw), (Side::DwLeft, &dw)]
        {
            let found = ModuleSvd::of(&module, side).unwrap();
            let basis = Basis::of(&module, side).unwrap();
            assert_eq!(found.sigma(), basis.sigma(), "{side}");
            let product = product(&found);
            assert_eq!(product.len(), wanted.len(), "{side}");
            for (found, wanted) in product.iter().zip(wanted.iter()) {
                assert!((found - wanted).abs() < ROUNDING * basis.sigma()[0], "{side}: {found} for {wanted}");
            }
            let q = found.sigma().len();
            for k in 0..q {
                let column: Vec<f32> = found.u().iter().skip(k).step_by(q).copied().collect();
                let largest = column.iter().map(|value| value.abs()).fold(0.0, f32::max);
                assert!(column.contains(&largest), "{side}: {k}");
            }
        }
    }

    #[test]
    fn a_factor_of_more_rows_than_columns_has_both_kinds_too() {
        // Rank 2 in a 3 × 2 matrix.
        let values = vec![1.0, 0.0, 0.0, -3.0, 0.0, 0.0];
        let (left, right) = of_factor(&Matrix { rows: 3, cols: 2, values, dtype: Dtype::F64 }).unwrap();
        assert_eq!((left.nrows(), left.ncols(), right.nrows(), right.ncols()), (3, 2, 2, 2));
        assert!((left[(1, 0)].abs() - 1.0).abs() < 1e-12 && (right[(1, 0)].abs() - 1.0).abs() < 1e-12);
    }
}
