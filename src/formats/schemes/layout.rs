//! How the two factors of a module are laid out, checked by their shapes.

use std::path::Path;

use super::claim::Stored;
use super::pair::wrong_module;
use crate::adapter::Factor;
use crate::error::{Fault, Result};
use crate::formats::limits::Limits;
use crate::text::quoted;

/// The axes of a scheme's factors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::formats) enum Layout {
    /// A is (rank, d_in) and B (d_out, rank), like the weights of PyTorch's linear layers.
    Linear,
    /// A is (d_in, rank) and B (rank, d_out).
    Transposed,
    /// Like `Linear`, but A may stack the groups of a `MergedLinear`: (groups·rank, d_in) and (d_out, rank).
    Grouped,
}

impl Layout {
    /// A as (rank, d_in) and B as (d_out, rank); groups stay stacked.
    ///
    /// # Errors
    /// `Malformed` when the shapes do not fit the layout; those of [`Tensor::factor`](crate::formats::tensor::Tensor::factor).
    pub(in crate::formats) fn factors(
        self,
        path: &Path,
        module: &str,
        [a, b]: [Stored<'_>; 2],
        limits: &Limits,
    ) -> Result<(Factor, Factor)> {
        let (factor_a, factor_b) = (a.tensor.factor(a.name, limits)?, b.tensor.factor(b.name, limits)?);
        let shown = |one: Stored<'_>| format!("{} of shape {:?}", quoted(one.name), one.tensor.shape);
        let misfit =
            |expected| wrong_module(path, module, format!("{} and {}", shown(a), shown(b)), expected);
        if self == Self::Transposed {
            // Read the wrong way round, these give no error but wrong numbers: the inner sizes must agree and be the
            // smaller ones, because two square projections agree both ways.
            let fits = factor_a.cols == factor_b.rows;
            let is_rank = factor_a.cols <= factor_a.rows || factor_a.rows != factor_b.cols;
            let are_matrices = [a, b].iter().all(|one| one.tensor.shape.len() == 2);
            return match fits && is_rank && are_matrices {
                true => Ok((factor_a.transposed(), factor_b.transposed())),
                false => Err(misfit("(d_in, rank) and (rank, d_out), MLX's layout")),
            };
        }
        // Factors of convolutions are (rank, c_in, kh, kw) and (d_out, rank, 1, 1).
        if b.tensor.shape[2..].iter().any(|&dim| dim != 1) {
            let fault = Fault::new(format!("shape {:?}", b.tensor.shape), "a B of kernel size 1").at(path);
            return Err(fault.of(format!("tensor {}", quoted(b.name))).malformed());
        }
        let n_groups = factor_a.rows / factor_b.cols;
        let is_grouped = self == Self::Grouped
            && factor_a.rows.is_multiple_of(factor_b.cols)
            && n_groups > 0
            && factor_b.rows.is_multiple_of(n_groups);
        match factor_a.rows == factor_b.cols || is_grouped {
            true => Ok((factor_a, factor_b)),
            false => Err(misfit("as many rows in A as columns in B")),
        }
    }
}
