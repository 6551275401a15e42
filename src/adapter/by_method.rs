//! Updates of methods that have rules of their own for what their tensors, and the weight W, make of ΔW.

use crate::adapter::{Factor, Method};

/// An update that a method makes of its tensors.
#[derive(Debug, Clone)]
pub(crate) struct ByMethod {
    pub(crate) method: Method,
    pub(crate) how: How,
    /// The tensors of the adapter's file, in the order that the method has them here.
    pub(crate) parts: Vec<Factor>,
    /// W, (d_out, d_in), where ΔW is made of it.
    pub(crate) weight: Option<Factor>,
    /// d_out and d_in.
    pub(crate) shape: [usize; 2],
    /// The largest rank that the update can have.
    pub(crate) rank: usize,
}

/// How ΔW is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum How {
    /// B·A, each of whose pieces is a mean of `top_k` vectors of a bank: the logits of A, (rank, pieces·vectors), those of B,
    /// (pieces, rank·vectors), and the bank, (vectors, length).
    VectorBank { top_k: usize },
    /// Blocks of `block` × `block` that are circulant: the first row of each, (d_out/block, d_in/block·block), over d_in.
    Circulant { block: usize },
    /// A sum of products of random bases, each scaled: λ, (rank, bases), γ, (bases, shorter side), and the bases of the shorter and
    /// of the longer side.
    RandomBases,
    /// Rows that repeat along the input: (rank, d_out), or fewer columns, which then repeat along the output.
    Shards,
    /// W·D + D in blocks of the size of a shard D of each row of blocks: (blocks, rank·rank).
    Batched,
    /// W with its outputs or its inputs scaled: a number for each, or what it differs from 1 by (`is_change`).
    Scaled { by_outputs: bool, is_change: bool },
    /// W with its inputs rotated in blocks: a skew-symmetric matrix for each block, of which the upper triangle is stored, or one for
    /// all blocks.
    Rotated {
        cayley: Cayley,
        /// What the norm of a skew-symmetric matrix is at most, if that is bounded.
        at_most: Option<f64>,
    },
    /// W with its inputs rotated in blocks, by factors of a butterfly one after the other, and its rows scaled: the blocks,
    /// (factors·blocks, size·size), and the column.
    RotatedAndScaled { block: usize, n_factors: usize },
    /// W with its outputs rotated in the same way and then scaled, if there is a column: LyCORIS's blocks, of which `n_factors` is
    /// `None` where they are not a butterfly's.
    OutputsRotated {
        block: usize,
        n_factors: Option<usize>,
        /// What the norm of all skew-symmetric matrices together is at most, if that is bounded.
        at_most: Option<f64>,
    },
    /// W multiplied number by number by a matrix, plus another one: `scale` and `shift` are how many of the parts each is made of. Two
    /// are a product, one is a column or a number.
    Multiplied { n_scale: usize, n_shift: usize },
    /// B·diag(λ/(r·‖aᵢ‖·‖bᵢ‖))·A·diag(norms) of A, B, λ and the norms.
    Bounded,
    /// Numbers at places: the numbers, and their rows and columns, (2, numbers).
    Sparse,
    /// W with its inputs reflected by vectors, the columns of (d_in, rank), one after the other, or after these were made orthogonal.
    Reflected { orthogonal: bool },
    /// W·a₁·a₂ + b₁·b₂, of these four, with the layout of a convolution's kernels where W is one.
    Generalised,
}

/// How a skew-symmetric matrix Q becomes a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cayley {
    /// (I − Q)·(I + Q)⁻¹.
    Exact,
    /// So many terms of its series.
    Series(usize),
}

impl ByMethod {
    /// Whether the rounding of ΔW is known from how it is made, and is not that of A and B.
    pub(crate) fn is_searched(&self) -> bool {
        matches!(self.how, How::Scaled { .. })
    }
}
