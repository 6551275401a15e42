//! The numbers of W′ − W, read a piece at a time.

use crate::adapter::Factor;
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
    let n_rows = (PIECE / after.cols.max(1)).max(1);
    let mut change = Dense::with_columns(after.cols);
    for start in (0..after.rows).step_by(n_rows) {
        let read = |whole: &Factor| whole.clone().row_range(start..after.rows.min(start + n_rows)).read();
        let (after, before) = (read(after)?, read(before)?);
        change.push_difference((&after.values, after.dtype), (&before.values, before.dtype))?;
    }
    Ok(change)
}
