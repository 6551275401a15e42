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
    let cells = block.cells.iter().enumerate();
    let mut cells: Vec<Cell> = cells.map(|(place, &(i, j))| Cell { i, j, place }).collect();
    cells.sort_unstable();
    let n_numbers = BlockStats::n_numbers(cells.len());
    let mut values = vec![f32::NAN; block.n_pairs() * n_numbers];
    let sides = Sides::new(block, precision, buffers);
    for_each_tile(block, &sides, &mut values, n_numbers, |tile, values| {
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

    pub(super) fn give_back(self, buffers: &Buffers) {
        [Some(self.a), self.b].into_iter().flatten().for_each(|stack| buffers.steps.give_back(stack.steps));
    }
}

/// Calls `take` for each tile that has pairs, on all threads, with room for the numbers of its pairs: one slice for each
/// basis of its first group.
pub(super) fn for_each_tile(
    block: &Block<'_>,
    sides: &Sides,
    values: &mut [f32],
    n_numbers: usize,
    take: impl Fn(Tile<'_>, &mut [&mut [f32]]) + Sync,
) {
    let (a, b) = (&sides.a, sides.b.as_ref().unwrap_or(&sides.a));
    let is_upper = matches!(block.pairs, Pairs::Upper);
    match block.pairs {
        Pairs::List(list) => {
            // Neighbours in the list run on one thread: what they share stays in its cache.
            let pairs = list.par_iter().zip(values.par_chunks_exact_mut(n_numbers));
            pairs.for_each(|(&(at_a, at_b), values)| {
                let (group_a, group_b) = (&a.groups[at_a as usize], &b.groups[at_b as usize]);
                take(Tile { a, group_a, b, group_b, is_upper }, &mut [values]);
            });
        }
        Pairs::All | Pairs::Upper => {
            let tiles = tiles(a, b, is_upper, values, n_numbers);
            // A task each, so that at the end of a block no thread waits for more than a tile.
            tiles.into_par_iter().with_max_len(1).for_each(|(tile, mut values)| take(tile, &mut values));
        }
    }
}

/// Each two groups that have pairs, with room for these pairs' numbers: one slice for each basis of the first group.
fn tiles<'a>(
    a: &'a Stack,
    b: &'a Stack,
    is_upper: bool,
    mut values: &'a mut [f32],
    n_numbers: usize,
) -> Vec<(Tile<'a>, Vec<&'a mut [f32]>)> {
    let mut tiles = Vec::with_capacity(a.groups.len() * b.groups.len());
    for group_a in &a.groups {
        let first = tiles.len();
        let tile = |group_b| Tile { a, group_a, b, group_b, is_upper };
        let with_pairs = b.groups.iter().map(tile).filter(|tile| tile.n_pairs(group_a.bases.start) > 0);
        tiles.extend(with_pairs.map(|tile| (tile, Vec::with_capacity(group_a.bases.len()))));
        for basis in group_a.bases.clone() {
            for (tile, of_tile) in &mut tiles[first..] {
                let (own, rest) = values.split_at_mut(tile.n_pairs(basis) * n_numbers);
                of_tile.push(own);
                values = rest;
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
