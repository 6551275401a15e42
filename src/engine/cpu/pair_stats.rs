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
    let together = !matches!(block.pairs, Pairs::List(_));
    let a = Stack::new(block.a, together, precision, buffers.steps.take());
    let is_upper = matches!(block.pairs, Pairs::Upper);
    let other = (!is_upper && !std::ptr::eq(block.a, block.b))
        .then(|| Stack::new(block.b, together, precision, buffers.steps.take()));
    let b = other.as_ref().unwrap_or(&a);
    let take = |tile: Tile<'_>, values: &mut [&mut [f32]]| {
        buffers.scratches.with(|scratch| {
            Arch::new().dispatch(TileStats { tile, cells: &cells, scratch, values });
        });
    };
    match block.pairs {
        Pairs::List(list) => {
            // Neighbours in the list run on one thread: what they share stays in its cache.
            let pairs = list.par_iter().zip(values.par_chunks_exact_mut(n_numbers));
            pairs.for_each(|(&(at_a, at_b), values)| {
                let (group_a, group_b) = (&a.groups[at_a as usize], &b.groups[at_b as usize]);
                take(Tile { a: &a, group_a, b, group_b, is_upper }, &mut [values]);
            });
        }
        Pairs::All | Pairs::Upper => {
            let tiles = tiles(&a, b, is_upper, &mut values, n_numbers);
            // A task each, so that at the end of a block no thread waits for more than a tile.
            tiles.into_par_iter().with_max_len(1).for_each(|(tile, mut values)| take(tile, &mut values));
        }
    }
    if let Some(other) = other {
        buffers.steps.give_back(other.steps);
    }
    buffers.steps.give_back(a.steps);
    Ok(BlockStats::new(cells.len(), values))
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
