//! Takes a power of two out of matrices whose fourth powers would vanish or overflow.

use std::borrow::Cow;

use faer::MatRef;

use crate::adapter::Matrix;
use crate::error::{Error, Fault, Remedy, Result};
use crate::simd;

/// Fourth powers of numbers up to 2^±100, summed, stay far inside f64: squares of products of two factors.
const SAFE_EXPONENT: f64 = 100.0;

/// A matrix = `unit` × numbers whose fourth powers are safe to sum. The unit is a power of two, so no digit changes.
pub(super) struct Scaled<'a> {
    rows: usize,
    cols: usize,
    values: Cow<'a, [f64]>,
    pub(super) unit: f64,
}

impl<'a> Scaled<'a> {
    /// # Errors
    /// `Invalid` for missing numbers or one that is not finite, `Unsupported` for zeros.
    pub(super) fn new(matrix: &'a Matrix) -> Result<Self> {
        let (rows, cols, n) = (matrix.rows, matrix.cols, matrix.values.len());
        if n == 0 || rows.checked_mul(cols) != Some(n) {
            return Err(Fault::new(format!("{n} numbers in {rows} × {cols}"), "one for each place").invalid());
        }
        let largest = simd::largest(&matrix.values);
        if !largest.is_finite() {
            let found = format!("a number in {rows} × {cols} that is not finite");
            return Err(Fault::new(found, "finite numbers").invalid());
        }
        if largest == 0.0 {
            let found = format!("nothing but zeros in {rows} × {cols}");
            return Err(Fault::new(found, "a trained factor").unsupported());
        }
        if largest.log2().abs() <= SAFE_EXPONENT {
            return Ok(Self { rows, cols, values: Cow::Borrowed(&matrix.values), unit: 1.0 });
        }
        let unit = simd::unit_near(largest);
        let inverse = 1.0 / unit;
        let values = matrix.values.iter().map(|value| value * inverse).collect();
        Ok(Self { rows, cols, values, unit })
    }

    /// The same of a B, which starts at zero.
    ///
    /// # Errors
    /// As [`Scaled::new`].
    pub(super) fn of_b(matrix: &'a Matrix) -> Result<Self> {
        Self::new(matrix).map_err(|error| match error {
            Error::Unsupported(fault) => fault.remedy(Remedy::CompareSideA).unsupported(),
            other => other,
        })
    }

    /// The numbers, row-major.
    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }

    /// The numbers as (rows, cols).
    pub(super) fn matrix(&self) -> MatRef<'_, f64> {
        MatRef::from_row_major_slice(&self.values, self.rows, self.cols)
    }
}
