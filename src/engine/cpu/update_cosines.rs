//! The cosines of a block of updates: tiles of two stacked products, multiplied cell by cell while they are in the cache.

use pulp::{Arch, Simd, WithSimd};

use super::pair_stats::{Sides, for_each_tile};
use super::pool::Buffers;
use super::tile::{BasisRows, Scratch, Tile};
use crate::engine::{Block, Precision};
use crate::error::Result;

/// The cosine of every pair of a block of joined updates, whose rows have a first part of `split` numbers.
pub(super) fn update_cosines(block: &Block<'_>, split: usize, buffers: &Buffers) -> Result<Vec<f32>> {
    let d = block.d()?;
    let mut values = vec![f32::NAN; block.n_pairs()];
    let sides = Sides::new(block, Precision::F32, buffers);
    for_each_tile(block, &sides, [(&mut values, 1)], |tile, [values]| {
        buffers.scratches.with(|scratch| {
            Arch::new().dispatch(TileCosines { tile, parts: [0..split, split..d], scratch, values });
        });
    });
    sides.give_back(buffers);
    Ok(values)
}

/// The cosines of all pairs of a tile.
struct TileCosines<'a, 'v> {
    tile: Tile<'a>,
    parts: [std::ops::Range<usize>; 2],
    scratch: &'a mut Scratch,
    /// For each basis of the first group its pairs, in the order of the second group.
    values: &'a mut [&'v mut [f32]],
}

impl WithSimd for TileCosines<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { tile, parts, scratch: Scratch { products, cosines: sums, .. }, values } = self;
        let mut cosines = RunCosines { tile, sums, values };
        tile.row_runs(simd, parts, products, |run, products| cosines.add(run, products));
    }
}

/// The same, as the products come.
pub(super) struct RunCosines<'a, 'v> {
    pub(super) tile: Tile<'a>,
    pub(super) sums: &'a mut Vec<f64>,
    pub(super) values: &'a mut [&'v mut [f32]],
}

impl RunCosines<'_, '_> {
    /// Adds the next run of the tile's rows.
    #[inline(always)]
    pub(super) fn add(&mut self, run: std::ops::Range<usize>, [left, right]: [&[f32]; 2]) {
        let Self { tile, sums, values } = self;
        let width = tile.group_b.n_rows();
        for BasisRows { place, rows, now, first_b } in tile.bases_in(&run) {
            let values = &mut *values[place];
            if now.start == rows.start {
                sums.clear();
                sums.resize(values.len(), 0.0);
            }
            for row in now.clone() {
                let at = (row - run.start) * width;
                let (left, right) = (&left[at..at + width], &right[at..at + width]);
                for (b, sum) in (first_b..).zip(sums.iter_mut()) {
                    let columns = tile.columns_of(b);
                    *sum += dot(&left[columns.clone()], &right[columns]);
                }
            }
            if now.end == rows.end {
                values.iter_mut().zip(sums.iter()).for_each(|(value, sum)| *value = *sum as f32);
            }
        }
    }
}

/// Σ xₖ·yₖ in one fixed order, which does not depend on what else is in the tile.
#[inline(always)]
fn dot(x: &[f32], y: &[f32]) -> f64 {
    const LANES: usize = 8;
    let (heads_x, rest_x) = x.as_chunks::<LANES>();
    let (heads_y, rest_y) = y.as_chunks::<LANES>();
    let mut sums = [0.0f64; LANES];
    for (x, y) in heads_x.iter().zip(heads_y) {
        for l in 0..LANES {
            sums[l] += f64::from(x[l]) * f64::from(y[l]);
        }
    }
    let rest: f64 = rest_x.iter().zip(rest_y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
    sums.iter().sum::<f64>() + rest
}
