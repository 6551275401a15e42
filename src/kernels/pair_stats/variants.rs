//! The variants of the kernel: which tile, which precision.

use super::COLUMNS;
use crate::kernels::similarity::{CHUNK, N_CHUNKS, Precision, SLICE};
use crate::kernels::{Binding, Kernel, Source, sources};

/// A pair statistics kernel and what it is for.
#[derive(Debug, Clone, Copy)]
pub struct Variant {
    /// The kernel.
    pub kernel: Kernel,
    /// Rows and columns of a tile, the work of one workgroup.
    pub tile: usize,
    /// What it reads bases in.
    pub precision: Precision,
}

/// Words of 32 bits that a row of `d` numbers takes in the stack.
pub fn stack_words(precision: Precision, d: usize) -> usize {
    match precision {
        Precision::F32 => d.next_multiple_of(COLUMNS),
        Precision::F16 => d.next_multiple_of(COLUMNS) / 2,
    }
}

const BINDINGS: &[Binding] =
    &[Binding::Read, Binding::Read, Binding::Read, Binding::Uniform, Binding::ReadWrite, Binding::ReadWrite];

const OVERRIDES: &[(&str, f64)] =
    &[("SLICE", SLICE as f64), ("CHUNK", CHUNK as f64), ("N_CHUNKS", N_CHUNKS as f64)];

const fn variant(name: &'static str, source: Source, tile: usize, precision: Precision) -> Variant {
    let kernel = Kernel { name, source, bindings: BINDINGS, overrides: OVERRIDES };
    Variant { kernel, tile, precision }
}

/// Every variant. Those of one precision give the same bits; the larger tile is faster if it fills the GPU.
pub const VARIANTS: [Variant; 4] = [
    variant("pair_stats_128", sources::PAIR_STATS_128, 128, Precision::F32),
    variant("pair_stats_64", sources::PAIR_STATS_64, 64, Precision::F32),
    variant("pair_stats_128_f16", sources::PAIR_STATS_128_F16, 128, Precision::F16),
    variant("pair_stats_64_f16", sources::PAIR_STATS_64_F16, 64, Precision::F16),
];

/// The kernel of the cosines of updates, in f32 on every engine.
pub const UPDATE_COSINE: Variant = variant("update_cosine", sources::UPDATE_COSINE, 128, Precision::F32);

/// The name of all variants of a precision, which give the same bits.
pub fn family(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "pair_stats",
        Precision::F16 => "pair_stats_f16",
    }
}
