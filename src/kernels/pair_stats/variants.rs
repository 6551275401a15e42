//! The variants of the kernel: which tile, which precision, and what an adapter must have.

use super::COLUMNS;
use crate::kernels::similarity::{Precision, SLICE};
use crate::kernels::{Binding, Kernel, Source, sources};

/// A pair statistics kernel and what it is for.
#[derive(Debug, Clone, Copy)]
pub struct Variant {
    /// The kernel.
    pub kernel: Kernel,
    /// Rows and columns of a tile, the work of one workgroup.
    pub tile: usize,
    /// The class of its numbers.
    pub precision: Precision,
    /// What it reads bases in.
    pub layout: Layout,
    /// What it asks of an adapter beyond WebGPU's defaults.
    pub needs: Option<Feature>,
}

/// What only some adapters have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// Cooperative matrices of 16 × 16 × 16 in f16 with f32 sums, f16, subgroups and 32 KiB of workgroup memory.
    Matrices,
}

/// How the numbers of a row lie in the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// As they are.
    F32,
    /// In f16, scaled as [`Precision::F16`] says.
    F16,
    /// V·2¹⁰ = high + low·2⁻¹¹ in f16: first all high parts of a row, then all low ones.
    Split,
}

impl Layout {
    /// Words of 32 bits that a row of `d` numbers takes.
    pub fn row_words(self, d: usize) -> usize {
        match self {
            Self::F32 | Self::Split => d.next_multiple_of(COLUMNS),
            Self::F16 => d.next_multiple_of(COLUMNS) / 2,
        }
    }
}

const BINDINGS: &[Binding] =
    &[Binding::Read, Binding::Read, Binding::Read, Binding::Uniform, Binding::ReadWrite];

const fn kernel(name: &'static str, source: Source) -> Kernel {
    Kernel { name, source, bindings: BINDINGS, overrides: &[("SLICE", SLICE as f64)] }
}

const fn f32(name: &'static str, source: Source, tile: usize) -> Variant {
    let kernel = kernel(name, source);
    Variant { kernel, tile, precision: Precision::F32, layout: Layout::F32, needs: None }
}

const fn f16(name: &'static str, source: Source, tile: usize) -> Variant {
    let kernel = kernel(name, source);
    Variant { kernel, tile, precision: Precision::F16, layout: Layout::F16, needs: None }
}

/// Every variant. Those of one precision give the same bits, but for `pair_stats_coop`, which is only taken where it is named;
/// the larger tile is faster where it fills the GPU.
pub const VARIANTS: [Variant; 5] = [
    f32("pair_stats_128", sources::PAIR_STATS_128, 128),
    f32("pair_stats_64", sources::PAIR_STATS_64, 64),
    f16("pair_stats_128_f16", sources::PAIR_STATS_128_F16, 128),
    f16("pair_stats_64_f16", sources::PAIR_STATS_64_F16, 64),
    Variant {
        layout: Layout::Split,
        needs: Some(Feature::Matrices),
        ..f32("pair_stats_coop", sources::PAIR_STATS_COOP, 64)
    },
];

/// The kernel of the cosines of updates, in f32 on every engine.
pub const UPDATE_COSINE: Variant = f32("update_cosine", sources::UPDATE_COSINE, 128);

/// The name of all variants of a precision that give the same bits.
pub fn family(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "pair_stats",
        Precision::F16 => "pair_stats_f16",
    }
}
