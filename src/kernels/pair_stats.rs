//! `shaders/pair_stats_*.wgsl`, all with `shaders/stack.wgsl`: what a scan keeps of many pairs, from tiles of the Gram matrix of all bases of a block.
//!
//! A tile knows nothing of pairs: bases of any ranks follow each other without padding, and one may straddle tiles. The
//! squares are summed in whole numbers, so that a pair's sums have the same bits wherever the tiles cut it, whatever
//! stands beside it, and whichever of the two tiles made them.
//!
//! What AMD's compiler makes of the variants stands in `shaders/README.md`.

mod dispatch;
mod row_params;

use super::{Binding, Kernel};
use crate::kernels::similarity::{Precision, SLICE};

pub use dispatch::{BasisRun, Dispatch, Lengths, PairIndex, Params};
pub use row_params::RowParams;

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
    /// Subgroups of 8 invocations each, neighbours along x: what a driver that is a program on a CPU may have.
    SmallSubgroups,
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

macro_rules! shader {
    ($name:literal) => {
        include_str!(concat!("../../shaders/", $name, ".wgsl"))
    };
}

/// A kernel of these files, in this order.
macro_rules! variant {
    ($name:literal, [$($before:literal),*], $tile:literal, $precision:ident, $needs:expr) => {
        Variant {
            kernel: kernel($name, concat!(shader!("stack"), shader!("product"), $(shader!($before),)* shader!($name))),
            tile: $tile,
            precision: Precision::$precision,
            layout: Layout::$precision,
            needs: $needs,
        }
    };
}

const fn kernel(name: &'static str, source: &'static str) -> Kernel {
    Kernel { name, source, bindings: BINDINGS, overrides: &[("SLICE", SLICE as f64)] }
}

/// Every variant. Those of one precision give the same bits, but for `pair_stats_coop`, which is only taken where it is named; the
/// larger tile is faster where it fills the GPU.
pub const VARIANTS: [Variant; 6] = [
    variant!("pair_stats_128", ["tile_128", "steps", "bases_f32"], 128, F32, None),
    variant!("pair_stats_64", ["bases_f32"], 64, F32, None),
    variant!("pair_stats_128_subgroup", ["tile_128", "bases_f32"], 128, F32, Some(Feature::SmallSubgroups)),
    variant!("pair_stats_128_f16", ["tile_128", "steps", "bases_f16"], 128, F16, None),
    variant!("pair_stats_64_f16", ["bases_f16"], 64, F16, None),
    Variant {
        // Its directives have to come first.
        kernel: kernel("pair_stats_coop", concat!(shader!("pair_stats_coop"), shader!("stack"))),
        tile: 64,
        precision: Precision::F32,
        layout: Layout::Split,
        needs: Some(Feature::Matrices),
    },
];

/// Rows start and end at a multiple of so many numbers, with zeros behind d: the most that a kernel stages at once.
pub const COLUMNS: usize = 32;

// A slice that ended within a staged step would count its columns twice.
const _: () = assert!(SLICE.is_multiple_of(COLUMNS));

/// The name of all variants of a precision that give the same bits.
pub fn family(precision: Precision) -> &'static str {
    match precision {
        Precision::F32 => "pair_stats",
        Precision::F16 => "pair_stats_f16",
    }
}

/// Rows and columns that are summed up together: a quarter of a tile of 128, all of one of 64.
pub const QUADRANT: usize = 64;

/// What a square is counted in.
pub const SQUARE_UNIT: f64 = 1.0 / (1u64 << 25) as f64;

/// What a term of the linear CKA is counted in.
pub const LINEAR_CKA_UNIT: f64 = 1.0 / (1u64 << 31) as f64;

/// The largest rank whose sums fit one word of 32 bits, with as much again to spare.
pub const MAX_ONE_WORD_RANK: usize = 64;

/// One basis as the plain loops see it.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// (q, d) row-major.
    pub rows: &'a [f32],
    /// The q singular values.
    pub sigma: &'a [f64],
}

/// The kernels' work in plain loops, sums in f64: φ of one pair at each cell (i, j) counted from 1, NaN past its ranks,
/// then φ at full rank, then the linear CKA Σᵢⱼ σᵢ²·τⱼ²·P²ᵢⱼ / √(Σσᵢ⁴·Στⱼ⁴).
pub fn pair_stats(a: Rows<'_>, b: Rows<'_>, d: usize, cells: &[(usize, usize)]) -> Vec<f64> {
    let (q_a, q_b) = (a.sigma.len(), b.sigma.len());
    let square = |i: usize, j: usize| {
        let (u, v) = (&a.rows[i * d..][..d], &b.rows[j * d..][..d]);
        u.iter().zip(v).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>().powi(2)
    };
    let squares: Vec<Vec<f64>> = (0..q_a).map(|i| (0..q_b).map(|j| square(i, j)).collect()).collect();
    let phi = |&(i, j): &(usize, usize)| match i <= q_a && j <= q_b {
        true => squares[..i].iter().flat_map(|row| &row[..j]).sum::<f64>() / i.min(j) as f64,
        false => f64::NAN,
    };
    let mut values: Vec<f64> = cells.iter().map(phi).collect();
    let full = q_a.min(q_b);
    values.push(phi(&(full, full)));
    let norm = |sigma: &[f64]| sigma.iter().map(|sigma| sigma.powi(4)).sum::<f64>().sqrt();
    let mut linear_cka = 0.0;
    for (row, sigma) in squares.iter().zip(a.sigma) {
        for (square, tau) in row.iter().zip(b.sigma) {
            linear_cka += sigma * sigma * tau * tau * square;
        }
    }
    values.push(linear_cka / (norm(a.sigma) * norm(b.sigma)));
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_loops_give_what_planted_angles_give() {
        let (sin, cos) = 0.3f32.sin_cos();
        let a = Rows { rows: &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0], sigma: &[2.0, 1.0] };
        let b = Rows { rows: &[cos, 0.0, sin, 0.0, 1.0, 0.0], sigma: &[3.0, 1.0] };
        let values = pair_stats(a, b, 3, &[(1, 1), (2, 1), (3, 1)]);
        let square = f64::from(cos).powi(2);
        let linear_cka = (4.0 * 9.0 * square + 1.0) / (17.0f64 * 82.0).sqrt();
        for (value, expected) in
            values.iter().zip([square, square, f64::NAN, (square + 1.0) / 2.0, linear_cka])
        {
            let agrees = (value - expected).abs() < 1e-12 || value.is_nan() && expected.is_nan();
            assert!(agrees, "{value} for {expected}");
        }
    }
}
