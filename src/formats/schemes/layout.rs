//! How the two factors of a module are laid out, checked by their shapes.

use std::path::Path;

use super::claim::Stored;
use super::pair::wrong_module;
use crate::adapter::Factor;
use crate::error::{Fault, Result};
use crate::formats::config::WRAPPER;
use crate::formats::limits::Limits;
use crate::formats::llama_cpp;
use crate::text::quoted;

/// The axes of a scheme's factors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::formats) enum Layout {
    /// A is (rank, d_in) and B (d_out, rank), as the weights of PyTorch's linear layers are, whatever the shapes allow.
    Linear,
    /// Usually like `Linear`, but the shapes decide. PEFT's wrapper makes it certain.
    Loose,
    /// Like `Loose`, but A may stack the groups of a `MergedLinear`: (groups·rank, d_in) and (d_out, rank).
    Grouped,
    /// Usually A is (d_in, rank) and B (rank, d_out), but the shapes decide.
    Transposed,
    /// Like `Linear`, but A of the token embeddings is (d_in, rank).
    LlamaCpp,
}

/// Which way round two factors lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::formats) enum Orientation {
    /// A is (rank, d_in) and B (d_out, rank).
    Linear,
    /// A is (d_in, rank) and B (rank, d_out).
    Transposed,
}

impl Layout {
    /// The way round where the shapes do not tell.
    pub(in crate::formats) fn usual(self) -> Orientation {
        match self {
            Self::Linear | Self::Loose | Self::Grouped | Self::LlamaCpp => Orientation::Linear,
            Self::Transposed => Orientation::Transposed,
        }
    }

    /// Whether the tensors of this name lie as usual, whatever their shapes.
    pub(super) fn is_certain(self, name: &str) -> bool {
        let is_wrapped = || name.starts_with(WRAPPER) || name.contains(&format!(".{WRAPPER}"));
        matches!(self, Self::Linear | Self::LlamaCpp) || is_wrapped()
    }

    /// The number of groups that A stacks, if it stacks several. PEFT up to 0.2 keeps their B as a convolution, (d_out, rank,
    /// 1).
    pub(super) fn n_groups(self, [a, b]: [&[u64]; 2]) -> Option<u64> {
        let is_merged = match b.len() {
            2 => self == Self::Grouped,
            3 => self == Self::Loose && b.last() == Some(&1),
            _ => false,
        };
        let (&[a_rows, _], &[b_rows, rank, ..]) = (a, b) else { return None };
        let n_groups = a_rows.checked_div(rank)?;
        (is_merged && n_groups > 1 && a_rows.is_multiple_of(rank) && n_groups <= b_rows).then_some(n_groups)
    }

    /// A as (rank, d_in) and B as (d_out, rank); groups stay stacked.
    ///
    /// # Errors
    /// `Malformed` when the shapes do not fit the layout; those of [`Tensor::factor`](crate::formats::tensor::Tensor::factor).
    pub(in crate::formats) fn factors(
        self,
        path: &Path,
        module: &str,
        [a, b]: [Stored<'_>; 2],
        orientation: Orientation,
        limits: &Limits,
    ) -> Result<(Factor, Factor)> {
        let (mut factor_a, factor_b) = (a.tensor.factor(a.name, limits)?, b.tensor.factor(b.name, limits)?);
        if self == Self::LlamaCpp && llama_cpp::is_token_embedding(module) {
            factor_a = factor_a.transposed();
        }
        let shown = |one: Stored<'_>| format!("{} of shape {:?}", quoted(one.name), one.tensor.shape);
        let misfit =
            |expected| wrong_module(path, module, format!("{} and {}", shown(a), shown(b)), expected);
        if orientation == Orientation::Transposed {
            let fits = factor_a.cols == factor_b.rows;
            let are_matrices = [a, b].iter().all(|one| one.tensor.shape.len() == 2);
            return match fits && are_matrices {
                true => Ok((factor_a.transposed(), factor_b.transposed())),
                false => Err(misfit("(d_in, rank) and (rank, d_out), MLX's layout")),
            };
        }
        // Factors of convolutions are (rank, c_in, kh, kw) and (d_out, rank, 1, 1).
        if b.tensor.shape.iter().skip(2).any(|&dim| dim != 1) {
            let fault = Fault::new(format!("shape {:?}", b.tensor.shape), "a B of kernel size 1").at(path);
            return Err(fault.of(format!("tensor {}", quoted(b.name))).malformed());
        }
        let shapes = [a, b].map(|one| one.tensor.shape.as_slice());
        match factor_a.rows == factor_b.cols || self.n_groups(shapes).is_some() {
            true => Ok((factor_a, factor_b)),
            false => Err(misfit("as many rows in A as columns in B")),
        }
    }
}
