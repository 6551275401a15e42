//! `shaders/pair_stats_*.wgsl` and `shaders/update_cosine.wgsl`, all with `shaders/shared/stack.wgsl`: what is made of the
//! products of many pairs, from tiles of the product of all bases of a block with each other.
//!
//! A tile knows nothing of pairs: bases of any ranks follow each other without padding, and one may straddle tiles. The
//! squares are summed in whole numbers, so that a pair's sums have the same bits wherever the tiles cut it, next to
//! any other pair, and from either of the two tiles.
//!
//! What AMD's compiler makes of the variants is in `shaders/README.md`.

mod dispatch;
mod row_params;
mod variants;

use crate::kernels::similarity::{CHUNK, SLICE};
use crate::measure::{PRODUCT_SUMS, Terms, linear_cka};

pub use crate::basis::COLUMNS;
pub use dispatch::{BasisRun, Dispatch, Lengths, PairIndex, Params, ROWS, Wanted, n_products};
pub use row_params::RowParams;
pub use variants::{UPDATE_COSINE, VARIANTS, Variant, family, stack_words};

// A slice that ended within a staged step would count its columns twice.
const _: () = assert!(SLICE.is_multiple_of(COLUMNS) && CHUNK.is_multiple_of(SLICE));

/// Rows and columns that are summed up together: a quarter of a tile of 128, all of one of 64.
pub const QUADRANT: usize = 64;

/// What a square is counted in.
pub const SQUARE_UNIT: f64 = 1.0 / (1u64 << 25) as f64;

/// What a weighted square, a term of the linear CKA, is counted in.
pub const LINEAR_CKA_UNIT: f64 = 1.0 / (1u64 << 31) as f64;

/// What a term of a cosine of updates is counted in.
pub const COSINE_UNIT: f64 = 1.0 / (1u64 << 30) as f64;

/// Words that the checks of a tile take: the bits of two sums of its products, and a sum of what it added to the sums.
pub const CHECK_WORDS: usize = 3;

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
/// then the [`PRODUCT_SUMS`].
pub fn pair_stats(a: Rows<'_>, b: Rows<'_>, d: usize, cells: &[(usize, usize)]) -> Vec<f64> {
    let (q_a, q_b) = (a.sigma.len(), b.sigma.len());
    let square = |i: usize, j: usize| {
        let (u, v) = (&a.rows[i * d..][..d], &b.rows[j * d..][..d]);
        u.iter().zip(v).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>().powi(2)
    };
    let squares: Vec<Vec<f64>> = (0..q_a).map(|i| (0..q_b).map(|j| square(i, j)).collect()).collect();
    let phi = |(i, j): (usize, usize)| {
        if i > q_a || j > q_b {
            return f64::NAN;
        }
        squares[..i].iter().flat_map(|row| &row[..j]).sum::<f64>() / i.min(j) as f64
    };
    let [weights_a, weights_b] = [a, b].map(|rows| linear_cka::weights(rows.sigma));
    let weighted = |(i, j): (usize, usize)| {
        let mut sum = 0.0;
        for (row, w) in squares[..i].iter().zip(&weights_a) {
            sum += row[..j].iter().zip(&weights_b).map(|(square, x)| w * x * square).sum::<f64>();
        }
        sum
    };
    let sums = PRODUCT_SUMS.iter().map(|sum| match sum.terms {
        Terms::Phi => phi(sum.corner.cell(q_a, q_b)),
        Terms::Weighted => weighted(sum.corner.cell(q_a, q_b)),
    });
    cells.iter().map(|&cell| phi(cell)).chain(sums).collect()
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
        for (value, expected) in values.iter().zip([
            square,
            square,
            f64::NAN,
            (square + 1.0) / 2.0,
            (square + 1.0) / 2.0,
            linear_cka,
        ]) {
            let agrees = (value - expected).abs() < 1e-12 || value.is_nan() && expected.is_nan();
            assert!(agrees, "{value} for {expected}");
        }
    }
}
