//! A block of pairs on all threads: bases packed once, then tiles of their stacked product.

use pulp::Arch;
use rayon::prelude::*;

use super::pool::Buffers;
use super::stack::Stack;
use super::tile::Tile;
use super::tile_stats::{Cell, TileStats};
use super::whole_grid::WholeGrid;
use crate::engine::{Block, BlockStats, Pair, Pairs, Precision};
use crate::error::Result;
use crate::measure::Grid;

/// See [`crate::engine::Engine::pair_stats`].
pub(super) fn pair_stats(block: &Block<'_>, precision: Precision, buffers: &Buffers) -> Result<BlockStats> {
    block.d()?;
    let cells = Cell::sorted(block.cells);
    let n_numbers = BlockStats::n_numbers(cells.len());
    let mut values = vec![f32::NAN; block.n_pairs() * n_numbers];
    let sides = Sides::new(block, precision, buffers);
    for_each_tile(block, &sides, [(&mut values, n_numbers)], |tile, [values]| {
        buffers.scratches.with(|scratch| {
            Arch::new().dispatch(TileStats { tile, cells: &cells, scratch, values });
        });
    });
    sides.give_back(buffers);
    Ok(BlockStats::new(cells.len(), values))
}

/// The packed bases of a block.
pub(super) struct Sides {
    a: Stack,
    /// `None` where they are those of `a`.
    b: Option<Stack>,
}

impl Sides {
    pub(super) fn new(block: &Block<'_>, precision: Precision, buffers: &Buffers) -> Self {
        let together = !matches!(block.pairs, Pairs::List(_));
        let stack = |bases| Stack::new(bases, together, precision, buffers.steps.take());
        let is_one = matches!(block.pairs, Pairs::Upper) || std::ptr::eq(block.a, block.b);
        Self { a: stack(block.a), b: (!is_one).then(|| stack(block.b)) }
    }

    /// Takes the weights of the rows from the bases of another block of the same pairs and ranks.
    pub(super) fn weigh(&mut self, block: &Block<'_>) {
        self.a.weigh(block.a);
        if let Some(b) = &mut self.b {
            b.weigh(block.b);
        }
    }

    pub(super) fn give_back(self, buffers: &Buffers) {
        [Some(self.a), self.b].into_iter().flatten().for_each(|stack| buffers.steps.give_back(stack.steps));
    }
}

/// Numbers of all pairs of a block, and how many each pair has.
pub(super) type Numbers<'a> = (&'a mut [f32], usize);

/// Calls `take` for each tile that has pairs, on all threads, with room for each of these numbers of its pairs: one slice for
/// each basis of its first group.
pub(super) fn for_each_tile<const N: usize>(
    block: &Block<'_>,
    sides: &Sides,
    numbers: [Numbers<'_>; N],
    take: impl Fn(Tile<'_>, [&mut [&mut [f32]]; N]) + Sync,
) {
    let (a, b) = (&sides.a, sides.b.as_ref().unwrap_or(&sides.a));
    let is_upper = matches!(block.pairs, Pairs::Upper);
    match block.pairs {
        Pairs::List(list) => {
            let mut chunks = numbers.map(|(numbers, n)| numbers.chunks_exact_mut(n));
            let next = || chunks.each_mut().map(|chunks| chunks.next().expect("numbers for each pair"));
            let numbers: Vec<[&mut [f32]; N]> = std::iter::repeat_with(next).take(list.len()).collect();
            // Neighbours in the list run on one thread: what they share stays in its cache.
            list.par_iter().zip(numbers).for_each(|(&(at_a, at_b), mut numbers)| {
                let (group_a, group_b) = (&a.groups[at_a as usize], &b.groups[at_b as usize]);
                let tile = Tile { a, group_a, b, group_b, is_upper };
                take(tile, numbers.each_mut().map(std::slice::from_mut));
            });
        }
        Pairs::All | Pairs::Upper => {
            let tiles = tiles(a, b, is_upper, numbers);
            // A task each, so that at the end of a block no thread waits for more than a tile.
            tiles.into_par_iter().with_max_len(1).for_each(|(tile, mut numbers)| {
                take(tile, numbers.each_mut().map(|numbers| &mut numbers[..]));
            });
        }
    }
}

/// Each two groups that have pairs, with room for these pairs' numbers: one slice for each basis of the first group.
fn tiles<'a, const N: usize>(
    a: &'a Stack,
    b: &'a Stack,
    is_upper: bool,
    mut numbers: [Numbers<'a>; N],
) -> Vec<(Tile<'a>, [Vec<&'a mut [f32]>; N])> {
    let mut tiles = Vec::with_capacity(a.groups.len() * b.groups.len());
    for group_a in &a.groups {
        let first = tiles.len();
        let tile = |group_b| Tile { a, group_a, b, group_b, is_upper };
        let with_pairs = b.groups.iter().map(tile).filter(|tile| tile.n_pairs(group_a.bases.start) > 0);
        let room = || std::array::from_fn(|_| Vec::with_capacity(group_a.bases.len()));
        tiles.extend(with_pairs.map(|tile| (tile, room())));
        for basis in group_a.bases.clone() {
            for (tile, of_tile) in &mut tiles[first..] {
                for (of_tile, (numbers, n)) in of_tile.iter_mut().zip(&mut numbers) {
                    let own = numbers.split_off_mut(..tile.n_pairs(basis) * *n);
                    of_tile.push(own.expect("numbers for each pair"));
                }
            }
        }
    }
    tiles
}

/// One pair on the calling thread.
pub(super) fn grid(pair: &Pair<'_>, precision: Precision, buffers: &Buffers) -> Result<Grid> {
    let d = pair.d()?;
    let [a, b] = [pair.a, pair.b].map(|basis| Stack::new(&[basis], false, precision, buffers.steps.take()));
    let tile = Tile { a: &a, group_a: &a.groups[0], b: &b, group_b: &b.groups[0], is_upper: false };
    let (n_rows, n_cols) = (pair.a.q(), pair.b.q());
    let mut values = Vec::with_capacity(n_rows * n_cols);
    buffers.scratches.with(|scratch| {
        Arch::new().dispatch(WholeGrid { tile, scratch, values: &mut values });
    });
    buffers.steps.give_back(a.steps);
    buffers.steps.give_back(b.steps);
    Grid::new(n_rows, n_cols, d, values)
}
