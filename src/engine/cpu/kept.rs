//! A block of pairs on all threads: bases packed once, then tiles of their stacked product.

use std::sync::{Mutex, PoisonError};

use pulp::Arch;
use rayon::prelude::*;

use super::product::Step;
use super::stack::Stack;
use super::tile::{Cell, KeepCells, Scratch, Tile, WholeGrid};
use crate::engine::{Block, Kept, Pair, Pairs, Precision};
use crate::error::Result;
use crate::similarity::Grid;

/// Packed bases are large: their memory is kept for the next block.
#[derive(Debug, Default)]
pub(super) struct Pool(Mutex<Vec<Vec<Step>>>);

impl Pool {
    fn take(&self) -> Vec<Step> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give_back(&self, stack: Stack) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(stack.steps);
    }
}

/// See [`crate::engine::Engine::kept`].
pub(super) fn kept(block: &Block<'_>, precision: Precision, pool: &Pool) -> Result<Kept> {
    block.d()?;
    let cells = block.cells.iter().enumerate();
    let mut cells: Vec<Cell> = cells.map(|(place, &(i, j))| Cell { i, j, place }).collect();
    cells.sort_unstable();
    let n_numbers = cells.len() + Kept::N_MORE;
    let mut values = vec![f32::NAN; block.n_pairs() * n_numbers];
    let together = !matches!(block.pairs, Pairs::List(_));
    let a = Stack::new(block.a, together, precision, pool.take());
    let is_upper = matches!(block.pairs, Pairs::Upper);
    let other = (!is_upper && !std::ptr::eq(block.a, block.b))
        .then(|| Stack::new(block.b, together, precision, pool.take()));
    let b = other.as_ref().unwrap_or(&a);
    let arch = Arch::new();
    match block.pairs {
        Pairs::List(list) => {
            // Neighbours in the list run on one thread: what they share stays in its cache.
            let pairs = list.par_iter().zip(values.par_chunks_exact_mut(n_numbers));
            pairs.for_each_init(Scratch::default, |scratch, (&(at_a, at_b), values)| {
                let (group_a, group_b) = (&a.groups[at_a as usize], &b.groups[at_b as usize]);
                let tile = Tile { a: &a, group_a, b, group_b, is_upper };
                arch.dispatch(KeepCells { tile, cells: &cells, scratch, slot: |_, _| 0, values });
            });
        }
        Pairs::All | Pairs::Upper => {
            let n_b = block.b.len();
            // Pairs before those of the a-th basis.
            let before = |a: usize| if is_upper { a * (2 * n_b - a - 1) / 2 } else { a * n_b };
            let mut rest = &mut values[..];
            let mut rows = Vec::with_capacity(a.groups.len());
            for group in &a.groups {
                let n_pairs = before(group.bases.end) - before(group.bases.start);
                let (own, others) = rest.split_at_mut(n_pairs * n_numbers);
                rows.push((group, own));
                rest = others;
            }
            rows.into_par_iter().with_max_len(1).for_each_init(
                Scratch::default,
                |scratch, (group_a, values)| {
                    let first = before(group_a.bases.start);
                    let slot = |a: usize, b: usize| before(a) - first + if is_upper { b - a - 1 } else { b };
                    for group_b in &b.groups {
                        if is_upper && group_b.bases.end <= group_a.bases.start {
                            continue;
                        }
                        let tile = Tile { a: &a, group_a, b, group_b, is_upper };
                        arch.dispatch(KeepCells { tile, cells: &cells, scratch, slot, values });
                    }
                },
            );
        }
    }
    if let Some(other) = other {
        pool.give_back(other);
    }
    pool.give_back(a);
    Ok(Kept::new(cells.len(), values))
}

/// One pair on the calling thread.
pub(super) fn grid(
    pair: &Pair<'_>,
    precision: Precision,
    pool: &Pool,
    scratch: &mut Scratch,
) -> Result<Grid> {
    let d = pair.d()?;
    let [a, b] = [pair.a, pair.b].map(|basis| Stack::new(&[basis], false, precision, pool.take()));
    let tile = Tile { a: &a, group_a: &a.groups[0], b: &b, group_b: &b.groups[0], is_upper: false };
    let (n_rows, n_cols) = (pair.a.q(), pair.b.q());
    let mut values = Vec::with_capacity(n_rows * n_cols);
    Arch::new().dispatch(WholeGrid { tile, scratch, values: &mut values });
    pool.give_back(a);
    pool.give_back(b);
    Grid::new(n_rows, n_cols, d, values)
}
