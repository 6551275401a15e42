//! Takes a power of two out of matrices whose squares would vanish or overflow.

use std::borrow::Cow;

use faer::MatRef;

use crate::adapter::Matrix;

/// Squares of numbers up to 2^±400, summed, stay far inside f64.
const SAFE_EXPONENT: f64 = 400.0;

/// A matrix = `unit` × numbers whose squares are safe to sum. The unit is a power of two, so no digit changes.
pub(super) struct Scaled<'a> {
    rows: usize,
    cols: usize,
    values: Cow<'a, [f64]>,
    pub(super) unit: f64,
}

impl<'a> Scaled<'a> {
    pub(super) fn new(matrix: &'a Matrix) -> Self {
        let largest = matrix.values.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
        let exponent = largest.log2();
        let (rows, cols) = (matrix.rows, matrix.cols);
        if exponent.abs() <= SAFE_EXPONENT || largest == 0.0 {
            return Self { rows, cols, values: Cow::Borrowed(&matrix.values), unit: 1.0 };
        }
        // Within the normal numbers, so that the inverse is one too.
        let exponent = exponent.floor().clamp(-1000.0, 1000.0);
        let inverse = (-exponent).exp2();
        let values = matrix.values.iter().map(|value| value * inverse).collect();
        Self { rows, cols, values, unit: exponent.exp2() }
    }

    /// The numbers as (rows, cols).
    pub(super) fn matrix(&self) -> MatRef<'_, f64> {
        MatRef::from_row_major_slice(&self.values, self.rows, self.cols)
    }
}
