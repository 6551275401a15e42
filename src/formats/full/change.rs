//! The numbers of W′ − W, read a piece at a time.

use std::ops::Range;

use crate::adapter::{Factor, Matrix};
use crate::basis::range_finder::Dense;
use crate::error::Result;

/// Numbers of each of the two that are read at once: 8 MiB as f64.
const PIECE: usize = 1 << 20;

/// A weight after training minus the same one before, both (d_out, d_in), in f32.
///
/// # Errors
/// Those of [`Factor::read`]; `Invalid` when the shapes differ.
pub(in crate::formats) fn difference(after: &Factor, before: &Factor) -> Result<Dense<'static>> {
    // Rows that do not follow each other in the file would each take reading all of it.
    if !(after.is_dense() && before.is_dense() && after.cols == before.cols && after.rows == before.rows) {
        return Dense::difference(&after.read()?, &before.read()?);
    }
    by_pieces(after, |rows| before.clone().row_range(rows).read())
}

/// The same where the numbers before are in memory.
///
/// # Errors
/// As [`difference`].
pub(in crate::formats) fn difference_from(after: &Factor, before: &Matrix) -> Result<Dense<'static>> {
    if !(after.is_dense() && after.cols == before.cols && after.rows == before.rows) {
        return Dense::difference(&after.read()?, before);
    }
    by_pieces(after, |rows| {
        let values = before.values.get(rows.start * before.cols..rows.end * before.cols).unwrap_or_default();
        Ok(Matrix { rows: rows.len(), values: values.to_vec(), ..*before })
    })
}

/// The rows of a weight less those before, some at a time.
fn by_pieces(after: &Factor, before: impl Fn(Range<usize>) -> Result<Matrix>) -> Result<Dense<'static>> {
    let n_rows = (PIECE / after.cols.max(1)).max(1);
    let mut change = Dense::with_columns(after.cols);
    for start in (0..after.rows).step_by(n_rows) {
        let rows = start..after.rows.min(start + n_rows);
        let (after, before) = (after.clone().row_range(rows.clone()).read()?, before(rows)?);
        change.push_difference((&after.values, after.dtype), (&before.values, before.dtype))?;
    }
    Ok(change)
}
