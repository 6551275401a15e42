//! Whether a GPU made the products that it was asked for: of every tile it leaves a sum that the host knows.
//!
//! With a sign for each row and x = Σ ±uᵢ, y = Σ ±vⱼ over the rows of a tile, the sum of all its products, each with both
//! signs, is x·y (Freivalds 1977): a product of two vectors for each tile of up to 128 × 128 of them.

use half::f16;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::kernels::similarity::{HalfRows, sign_of};

/// How far the sum of a tile may be off, for each square root of its cells. Rounding leaves up to 5e-6 in a product of unit
/// vectors, and hardly adds up over signs; what a lying driver leaves does not, or it is as small.
const TOLERANCE: f64 = 1.0 / 16_384.0;

/// Σ ±row over each so many rows, with the signs that the kernels give them.
#[derive(Debug, Default)]
pub(super) struct SignedRows {
    d: usize,
    n_rows: usize,
    tile: usize,
    sums: Vec<f32>,
}

/// The numbers of a row as the GPU has them.
pub(super) enum Row<'a> {
    F32(&'a [f32]),
    /// And what they are multiplied by.
    F16(&'a [f16], f32),
}

impl<'a> Row<'a> {
    /// Of those that were rounded.
    pub(super) fn of_half(rows: &'a HalfRows, row: usize, d: usize) -> Self {
        Self::F16(&rows.numbers[row * d..][..d], rows.reciprocals[row])
    }
}

impl SignedRows {
    /// Of rows of `d` numbers, which are counted from 0 for their signs, in tiles of `tile` rows.
    pub(super) fn of(d: usize, tile: usize, rows: &[Row<'_>]) -> Self {
        let mut sums = vec![0.0; rows.len().div_ceil(tile) * d];
        let tiles = sums.par_chunks_exact_mut(d).zip(rows.par_chunks(tile)).enumerate();
        tiles.for_each(|(at, (sum, rows))| {
            for (row, k) in rows.iter().zip(at * tile..) {
                Arch::new().dispatch(Add { sum, row, sign: sign_of(k) });
            }
        });
        Self { d, n_rows: rows.len(), tile, sums }
    }

    /// Numbers of a row.
    pub(super) fn d(&self) -> usize {
        self.d
    }

    fn sum(&self, tile: usize) -> &[f32] {
        &self.sums[tile * self.d..][..self.d]
    }

    /// Rows of a tile.
    fn n_rows_of(&self, tile: usize) -> usize {
        self.tile.min(self.n_rows - tile * self.tile)
    }
}

/// Whether a tile's sum of signed products over these columns is the one that its rows have.
pub(super) fn is_right(
    found: f32,
    [a, b]: [&SignedRows; 2],
    [row, col]: [usize; 2],
    columns: std::ops::Range<usize>,
) -> bool {
    let (x, y) = (&a.sum(row)[columns.clone()], &b.sum(col)[columns]);
    let cells = (a.n_rows_of(row) * b.n_rows_of(col)) as f64;
    // NaN is not right.
    (f64::from(found) - Arch::new().dispatch(Dot { x, y })).abs() <= TOLERANCE * cells.sqrt()
}

struct Add<'a> {
    sum: &'a mut [f32],
    row: &'a Row<'a>,
    sign: f32,
}

impl WithSimd for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { sum, row, sign } = self;
        match *row {
            Row::F32(row) => sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += sign * x),
            Row::F16(row, scale) => {
                let scale = sign * scale;
                sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += scale * x.to_f32());
            }
        }
    }
}

/// x·y, in f32 over a thousand numbers and in f64 over the sums of these.
struct Dot<'a> {
    x: &'a [f32],
    y: &'a [f32],
}

impl WithSimd for Dot<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> f64 {
        const LANES: usize = 32;
        let mut dot = 0.0;
        for (x, y) in self.x.chunks(32 * LANES).zip(self.y.chunks(32 * LANES)) {
            let mut sums = [0.0f32; LANES];
            let ((x, rest_x), (y, rest_y)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
            for (x, y) in x.iter().zip(y) {
                for l in 0..LANES {
                    sums[l] += x[l] * y[l];
                }
            }
            for (sum, (x, y)) in sums.iter_mut().zip(rest_x.iter().zip(rest_y)) {
                *sum += x * y;
            }
            dot += sums.iter().map(|&sum| f64::from(sum)).sum::<f64>();
        }
        dot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::basis::Basis;

    #[test]
    fn the_sum_of_signed_products_is_the_product_of_sums_of_signed_rows() {
        let (a, b) = (Basis::gaussian(70, 2100, 1).unwrap(), Basis::gaussian(3, 2100, 2).unwrap());
        let signed = |basis: &Basis, tile| {
            let rows: Vec<Row<'_>> = basis.rows().chunks_exact(2100).map(Row::F32).collect();
            SignedRows::of(2100, tile, &rows)
        };
        let (x, y) = (signed(&a, 64), signed(&b, 64));
        for (tile, rows) in [(0, 0..64), (1, 64..70)] {
            for columns in [0..2100, 700..1999] {
                let mut exact = 0.0;
                for i in rows.clone() {
                    for j in 0..3 {
                        let (u, v) = (&a.rows()[i * 2100..][..2100], &b.rows()[j * 2100..][..2100]);
                        let both = u.iter().zip(v).take(columns.end).skip(columns.start);
                        let dot: f64 = both.map(|(u, v)| f64::from(*u) * f64::from(*v)).sum();
                        exact += f64::from(sign_of(i) * sign_of(j)) * dot;
                    }
                }
                let is_right = |found: f64| is_right(found as f32, [&x, &y], [tile, 0], columns.clone());
                assert!(is_right(exact) && is_right(exact + 1e-5));
                assert!(!is_right(exact + 2e-3) && !is_right(exact - 2e-3) && !is_right(f64::NAN));
            }
        }
    }

    #[test]
    fn both_signs_occur_in_every_few_rows() {
        for first in (0..4096).step_by(16) {
            let n_negative = (first..first + 16).filter(|&row| sign_of(row) < 0.0).count();
            assert!((2..15).contains(&n_negative), "{first}: {n_negative}");
        }
    }
}
