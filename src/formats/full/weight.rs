//! A weight of a full model.

use std::ops::Range;
use std::path::Path;

use crate::adapter::{Dtype, Factor, Matrix};
use crate::error::Result;

/// A weight W of a full model, (d_out, d_in): which numbers of which file it is. They are read when they are asked for.
#[derive(Debug, Clone)]
pub struct Weight {
    name: String,
    factor: Factor,
}

impl Weight {
    pub(super) fn new(name: String, factor: Factor) -> Self {
        Self { name, factor }
    }

    /// The canonical name of the module whose weight it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tensor's name in the file.
    pub fn tensor(&self) -> &str {
        &self.factor.name
    }

    /// The file that holds the numbers.
    pub fn path(&self) -> &Path {
        self.factor.path()
    }

    /// Dimension of the output.
    pub fn d_out(&self) -> usize {
        self.factor.rows
    }

    /// Dimension of the input.
    pub fn d_in(&self) -> usize {
        self.factor.cols
    }

    /// The stored type of a number.
    pub fn dtype(&self) -> Dtype {
        self.factor.dtype
    }

    /// Reads the numbers: (d_out, d_in), widened to f64.
    ///
    /// # Errors
    /// As [`Factor::read`].
    pub fn read(&self) -> Result<Matrix> {
        self.factor.read()
    }

    /// Reads some rows, those of some outputs: (number of rows, d_in). Rows that are not there are left out.
    ///
    /// # Errors
    /// As [`Factor::read`].
    pub fn read_rows(&self, rows: Range<usize>) -> Result<Matrix> {
        self.factor.clone().row_range(rows).read()
    }

    /// Whether its numbers are those of a factor: the same part of the same file.
    pub(in crate::formats) fn is_of(&self, factor: &Factor) -> bool {
        self.factor.is_same(factor)
    }

    pub(super) fn into_factor(self) -> Factor {
        self.factor
    }
}
