//! Inner products of updates ΔW = s·B·A in f64, without ever forming ΔW.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};

use super::scale::Scaled;
use super::{noise, transposed};
use crate::adapter::Matrix;
use crate::measure::update::UpdatePair;

/// Powers of two that numbers of an update stay between: f64 goes to 2¹⁰²⁴, and with all its digits down to 2⁻¹⁰²².
const LARGEST_EXPONENT: f64 = 1023.0;
const LEAST_EXPONENT: f64 = -1020.0;

/// An update ΔW = s·B·A: A is (r, d_in) and B (d_out, r).
#[derive(Debug, Clone, Copy)]
pub struct Update<'a> {
    /// A.
    pub a: &'a Matrix,
    /// B.
    pub b: &'a Matrix,
    /// s.
    pub scaling: f64,
}

impl<'a> Update<'a> {
    /// The cosine of two updates and the norm of each, which is NaN where numbers are not finite, the ranks of A and B differ or f64
    /// does not hold the update.
    pub fn pair(self, other: Self) -> UpdatePair {
        let [x, y] = [self, other].map(Measured::of);
        let cosine = x.scaled.as_ref().zip(y.scaled.as_ref()).filter(|(x, y)| x.shape() == y.shape());
        let cosine = cosine.map(|(first, second)| {
            let sign = first.unit.signum() * second.unit.signum();
            (sign * first.inner(second) / (x.norm * y.norm)).clamp(-1.0, 1.0)
        });
        UpdatePair {
            cosine: cosine.filter(|cosine| cosine.is_finite()),
            norms: [x, y].map(|measured| measured.norm_with_unit()),
            n_weights: self.a.cols * self.b.rows,
            rounding: [self.rounding(), other.rounding()],
            ranks: [self.a.rows, other.a.rows],
            same_factors: self.is(&other),
        }
    }

    /// ‖ΔW‖_F, or NaN as in [`Update::pair`].
    pub(crate) fn norm(self) -> f64 {
        Measured::of(self).norm_with_unit()
    }

    /// √(Σₖ ‖E_B,k‖²·‖a_k‖² + ‖b_k‖²·‖E_A,k‖²), the expected norm of B·E_A + E_B·A times the scaling, for independent
    /// rounding errors E.
    fn rounding(&self) -> f64 {
        let r = self.a.rows.min(self.b.cols);
        let rows_b = transposed(&self.b.values, self.b.cols);
        let norm = crate::simd::norm;
        let terms = (0..r).flat_map(|k| {
            let (a, b) =
                (&self.a.values[k * self.a.cols..][..self.a.cols], &rows_b[k * self.b.rows..][..self.b.rows]);
            let errors = [(a, self.a.dtype), (b, self.b.dtype)];
            let [error_a, error_b] = errors.map(|(values, dtype)| noise::rounding_norm(values, dtype));
            // What is exact adds nothing to a product, however large.
            let term = |error: f64, values: &[f64]| if error == 0.0 { 0.0 } else { error * norm(values) };
            [term(error_b, a), term(error_a, b)]
        });
        norm(&terms.collect::<Vec<f64>>()) * self.scaling.abs()
    }

    /// Whether A, B and the scaling are equal, number by number.
    fn is(&self, other: &Self) -> bool {
        let same = |x: &Matrix, y: &Matrix| (x.rows, x.cols) == (y.rows, y.cols) && x.values == y.values;
        self.scaling == other.scaling && same(self.a, other.a) && same(self.b, other.b)
    }

    pub(super) fn is_finite(&self) -> bool {
        let largest = |matrix: &Matrix| crate::simd::largest(&matrix.values);
        self.a.rows == self.b.cols
            && largest(self.a).is_finite()
            && largest(self.b).is_finite()
            && self.scaling.is_finite()
    }

    /// Which power of two its numbers are about, if f64 does not hold these or those of B·A: they would overflow, or vanish. The norm and
    /// the singular values of others stay inside f64.
    pub(super) fn beyond_f64(&self) -> Option<i32> {
        let size = |matrix: &Matrix| crate::simd::largest(&matrix.values).log2();
        let of_product = size(self.a) + size(self.b);
        let exponents = [of_product, of_product + self.scaling.abs().log2()];
        // A norm is as many times larger as there are terms, and the roots of the dimensions.
        let more = (self.a.rows as f64 * (self.a.cols as f64 * self.b.rows as f64).sqrt()).log2();
        let is_beyond = |exponent: &f64| exponent + more >= LARGEST_EXPONENT || *exponent <= LEAST_EXPONENT;
        // Zeros have no size.
        exponents
            .into_iter()
            .filter(|exponent| exponent.is_finite())
            .find(is_beyond)
            .map(|exponent| exponent as i32)
    }

    /// `None` for an update of zeros.
    fn scaled(self) -> Option<ScaledUpdate<'a>> {
        let (a, b) = (Scaled::new(self.a).ok()?, Scaled::new(self.b).ok()?);
        let unit = self.scaling * a.unit * b.unit;
        (self.scaling != 0.0).then_some(ScaledUpdate { a, b, unit })
    }
}

/// An update and its norm in units of its own.
struct Measured<'a> {
    /// `None` for zeros, for numbers that are not finite, and for updates that f64 does not hold.
    scaled: Option<ScaledUpdate<'a>>,
    norm: f64,
}

impl<'a> Measured<'a> {
    fn of(update: Update<'a>) -> Self {
        if !update.is_finite() || update.beyond_f64().is_some() {
            return Self { scaled: None, norm: f64::NAN };
        }
        let scaled = update.scaled();
        let norm = scaled.as_ref().map_or(0.0, |scaled| scaled.inner(scaled).max(0.0).sqrt());
        Self { scaled, norm }
    }

    fn norm_with_unit(&self) -> f64 {
        self.norm * self.scaled.as_ref().map_or(1.0, |scaled| scaled.unit.abs())
    }
}

/// An update in units whose squares are safe to sum.
struct ScaledUpdate<'a> {
    a: Scaled<'a>,
    b: Scaled<'a>,
    unit: f64,
}

impl ScaledUpdate<'_> {
    fn shape(&self) -> (usize, usize) {
        (self.a.matrix().ncols(), self.b.matrix().nrows())
    }

    /// Σ_kl (B₁ᵀ·B₂)_kl·(A₁·A₂ᵀ)_kl.
    fn inner(&self, other: &Self) -> f64 {
        let a = product(self.a.matrix(), other.a.matrix().transpose());
        let b = product(self.b.matrix().transpose(), other.b.matrix());
        a.col_iter().zip(b.col_iter()).flat_map(|(a, b)| a.iter().zip(b.iter())).map(|(a, b)| a * b).sum()
    }
}

fn product(x: MatRef<'_, f64>, y: MatRef<'_, f64>) -> Mat<f64> {
    let mut product = Mat::zeros(x.nrows(), y.ncols());
    matmul(product.as_mut(), Accum::Replace, x, y, 1.0, Par::Seq);
    product
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::Side;
    use crate::basis::{Basis, UpdateFactors, random};

    fn factors(r: usize, d_in: usize, d_out: usize, seed: u64) -> [Matrix; 2] {
        let b = random::gaussian(d_out, r, seed, 1);
        [random::gaussian(r, d_in, seed, 0), b]
    }

    fn update([a, b]: &[Matrix; 2], scaling: f64) -> Update<'_> {
        Update { a, b, scaling }
    }

    /// ΔW, row by row.
    fn dense(update: Update<'_>) -> Vec<f64> {
        let Update { a, b, scaling } = update;
        let mut dense = vec![];
        for row in b.values.chunks(b.cols) {
            for column in 0..a.cols {
                let terms = row.iter().enumerate().map(|(k, b)| b * a.values[k * a.cols + column]);
                dense.push(scaling * terms.sum::<f64>());
            }
        }
        dense
    }

    #[test]
    fn it_is_the_cosine_of_the_dense_updates() {
        for (r_1, r_2, d_in, d_out) in [(1, 1, 5, 3), (4, 7, 20, 31), (16, 3, 40, 24), (9, 9, 9, 9)] {
            let (x, y) = (factors(r_1, d_in, d_out, 1), factors(r_2, d_in, d_out, 2));
            let (x, y) = (update(&x, 0.5), update(&y, -3.0));
            let (dense_x, dense_y) = (dense(x), dense(y));
            let inner = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
            let norms = [&dense_x, &dense_y].map(|dense| inner(dense, dense).sqrt());
            let expected = inner(&dense_x, &dense_y) / (norms[0] * norms[1]);
            let found = x.pair(y);
            assert!((found.cosine.unwrap() - expected).abs() < 1e-13, "{found:?} for {expected}");
            for (found, expected) in found.norms.into_iter().zip(norms) {
                assert!((found / expected - 1.0).abs() < 1e-13);
            }
        }
    }

    #[test]
    fn the_cosine_has_a_sign_and_no_scale_and_the_norm_has_one() {
        let x = factors(4, 30, 20, 7);
        for (scaling, expected) in [(2.0, 1.0), (-0.25, -1.0), (1e200, 1.0), (-1e-200, -1.0)] {
            let found = update(&x, 1.0).pair(update(&x, scaling));
            assert!((found.cosine.unwrap() - expected).abs() < 1e-14, "{scaling}: {found:?}");
            assert!((found.norms[1] / (found.norms[0] * scaling.abs()) - 1.0).abs() < 1e-14);
        }
        // Factors whose squares would vanish or overflow.
        let large = x.clone().map(|matrix| Matrix {
            values: matrix.values.iter().map(|value| value * 1e120).collect(),
            ..matrix
        });
        let found = update(&x, 1.0).pair(update(&large, -1.0));
        assert!((found.cosine.unwrap() + 1.0).abs() < 1e-14 && found.norms[1] > 1e240);
    }

    #[test]
    fn an_update_that_f64_does_not_hold_is_not_known() {
        let x = factors(4, 30, 20, 7);
        let by = |scale: [f64; 2]| {
            let mut scaled = x.clone();
            for (matrix, scale) in scaled.iter_mut().zip(scale) {
                matrix.values.iter_mut().for_each(|value| *value *= scale);
            }
            scaled
        };
        for (scale, scaling) in [
            ([1e200; 2], 1.0),
            ([1e-200; 2], 1.0),
            ([1e200, 1e-200], 1e307),
            ([1e-160, 1e-140], 1e-10),
            ([1.0, 1e-300], 1e-300),
            ([1e-200; 2], 1e300),
        ] {
            let scaled = by(scale);
            let found = update(&x, 1.0).pair(update(&scaled, scaling));
            assert!(found.norms[0] > 0.0 && found.norms[1].is_nan() && found.cosine.is_none(), "{scale:?}");
            assert!(UpdateFactors::of(update(&scaled, scaling)).is_err(), "{scale:?}");
            for side in [Side::DwLeft, Side::DwRight] {
                let error = Basis::of_update(&scaled[0], &scaled[1], Some(scaling), side).unwrap_err();
                assert!(
                    error.to_string().starts_with("update: found an update of numbers about 1e"),
                    "{error}"
                );
            }
        }
        for (scale, scaling) in [([1e200, 1e-200], 1.0), ([1e150; 2], 1.0), ([1e-150; 2], 1.0)] {
            let scaled = by(scale);
            let found = update(&x, 1.0).pair(update(&scaled, scaling));
            let size = (scale[0] * scaling) * scale[1];
            assert!((found.cosine.unwrap() - 1.0).abs() < 1e-14, "{scale:?}: {found:?}");
            assert!((found.norms[1] / size / found.norms[0] - 1.0).abs() < 1e-13, "{scale:?}: {found:?}");
        }
    }

    #[test]
    fn there_is_none_for_zeros_other_shapes_and_numbers_that_are_not_finite() {
        let x = factors(3, 10, 12, 1);
        let with = |value: f64| {
            let [a, b] = x.clone();
            [a, Matrix { values: vec![value; b.values.len()], ..b }]
        };
        let zero = update(&x, 1.0).pair(update(&with(0.0), 1.0));
        assert!(zero.cosine.is_none() && zero.norms[0] > 0.0 && zero.norms[1] == 0.0);
        assert_eq!(update(&x, 0.0).pair(update(&x, 1.0)).norms[0], 0.0);
        let found = update(&x, 1.0).pair(update(&with(f64::NAN), 1.0));
        assert!(found.cosine.is_none() && found.norms[0] > 0.0 && found.norms[1].is_nan());
        let other = factors(3, 11, 12, 1);
        let found = update(&x, 1.0).pair(update(&other, 1.0));
        assert!(found.cosine.is_none() && found.norms.iter().all(|&norm| norm > 0.0));
    }
}
