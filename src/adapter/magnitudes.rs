//! DoRA's magnitudes (Liu et al. 2024): the norms to which the rows or the columns of a tuned weight are scaled.

use super::Factor;

/// The magnitudes of a module.
#[derive(Debug, Clone)]
pub(crate) struct Magnitudes {
    /// (n, 1) numbers.
    pub(crate) column: Factor,
    /// Whether they are of the d_in columns, as some of LyCORIS's are, and not of the d_out rows.
    pub(crate) of_columns: bool,
}

impl Magnitudes {
    /// Of a tensor of one row or one column, for an update of this d_out and d_in. `None` where it has another length.
    pub(crate) fn of(tensor: Factor, d_out: usize, d_in: usize, may_be_of_columns: bool) -> Option<Self> {
        let is_row = tensor.rows == 1 && tensor.cols > 1;
        let column = if is_row { tensor.transposed() } else { tensor };
        let of_columns = is_row && may_be_of_columns;
        let n = if of_columns { d_in } else { d_out };
        ((column.rows, column.cols) == (n, 1)).then_some(Self { column, of_columns })
    }
}
