//! What statistics need of every pair, and the cosine of the two updates, from the same two products: the bases are one part of
//! the updates' rows.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::pair_stats::{Sides, for_each_tile};
use super::pool::Buffers;
use super::tile::{Scratch, Tile};
use super::tile_stats::{Cell, RunStats};
use super::update_cosines::RunCosines;
use crate::basis::Part;
use crate::engine::{Block, BlockStats, Precision};
use crate::error::Result;

/// The cosines of the joined updates and the statistics of a block of bases, which are this part of them.
pub(super) fn stats_and_cosines(
    block: &Block<'_>,
    joined: &Block<'_>,
    split: usize,
    part: Part,
    buffers: &Buffers,
) -> Result<(Vec<f32>, BlockStats)> {
    let d = joined.d()?;
    let cells = Cell::sorted(block.cells);
    let n_numbers = BlockStats::n_numbers(cells.len());
    let mut stats = vec![f32::NAN; block.n_pairs() * n_numbers];
    let mut cosines = vec![f32::NAN; block.n_pairs()];
    let mut sides = Sides::new(joined, Precision::F32, buffers);
    sides.weigh(block);
    let numbers = [(&mut stats[..], n_numbers), (&mut cosines[..], 1)];
    for_each_tile(joined, &sides, numbers, |tile, [stats, cosines]| {
        let parts = [0..split, split..d];
        buffers.scratches.with(|scratch| {
            Arch::new().dispatch(TileBoth { tile, parts, part, cells: &cells, scratch, stats, cosines });
        });
    });
    sides.give_back(buffers);
    Ok((cosines, BlockStats::new(cells.len(), stats)))
}

/// All pairs of a tile.
struct TileBoth<'a, 'v> {
    tile: Tile<'a>,
    parts: [Range<usize>; 2],
    part: Part,
    cells: &'a [Cell],
    scratch: &'a mut Scratch,
    stats: &'a mut [&'v mut [f32]],
    cosines: &'a mut [&'v mut [f32]],
}

impl WithSimd for TileBoth<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { tile, parts, part, cells, scratch, stats, cosines } = self;
        let Scratch { products, sums, cosines: dots, due_rows } = scratch;
        let mut stats = RunStats { tile, cells, sums, due_rows, values: stats };
        let mut cosines = RunCosines { tile, sums: dots, values: cosines };
        tile.row_runs(simd, parts, products, |run, products| {
            stats.add(run.clone(), products[part as usize]);
            cosines.add(run, products);
        });
    }
}

#[cfg(all(test, feature = "scan"))]
mod tests {
    use crate::adapter::{Dtype, Matrix, Side};
    use crate::basis::{Basis, Update, UpdateFactors, gaussian_matrix};
    use crate::engine::{Block, CpuEngine, Engine, Pairs, UpdateBlock};

    #[test]
    fn the_numbers_are_those_of_both_ways_by_themselves_to_the_last_bit() {
        let of = |r: usize, seed: u64, side| {
            let [a, b] = [gaussian_matrix(r, 300, seed), gaussian_matrix(250, r, seed + 50)]
                .map(|matrix| Matrix { dtype: Dtype::F32, ..matrix });
            Basis::and_update(Update { a: &a, b: &b, scaling: 1.0 }, side).unwrap()
        };
        let list = [(0, 0), (3, 1), (2, 4), (4, 4)];
        for side in [Side::A, Side::B] {
            let both: Vec<_> = (0..).zip([16, 3, 70, 8, 130]).map(|(seed, r)| of(r, seed, side)).collect();
            let (bases, factors): (Vec<&Basis>, Vec<&UpdateFactors>) =
                both.iter().map(|(basis, update)| (basis, update)).unzip();
            let engine = CpuEngine::new();
            for pairs in [Pairs::All, Pairs::Upper, Pairs::List(&list)] {
                let block = Block { a: &bases, b: &bases, pairs, cells: &[(8, 8), (1, 2)] };
                let updates = UpdateBlock { a: &factors, b: &factors, pairs };
                assert!(updates.part_of(&block).is_some());
                let (stats, cosines) = engine.stats_and_cosines(&block, &updates).unwrap();
                let bits = |stats: crate::engine::BlockStats| -> Vec<u32> {
                    let numbers = stats.pairs().flat_map(|pair| [pair.phi, pair.sums].concat());
                    numbers.map(f32::to_bits).collect()
                };
                assert_eq!(bits(stats), bits(engine.pair_stats(&block).unwrap()), "{side} {pairs:?}");
                assert_eq!(cosines, engine.update_cosines(&updates).unwrap(), "{side} {pairs:?}");
            }
        }
    }
}
