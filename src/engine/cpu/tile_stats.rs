//! What statistics need of every pair of a tile.

use pulp::{Simd, WithSimd};

use super::product::PANEL;
use super::sums::Sums;
use super::tile::{BasisRows, Scratch, Tile};
use crate::measure::{BlockStats, PRODUCT_SUMS, Terms};

/// A wanted cell, counted from 1, and its place among the numbers of a pair. Ordered by i, then j.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    pub(super) i: usize,
    pub(super) j: usize,
    pub(super) place: usize,
}

impl Cell {
    /// These cells in their order.
    pub(super) fn sorted(cells: &[(usize, usize)]) -> Vec<Self> {
        let mut sorted: Vec<Self> =
            cells.iter().enumerate().map(|(place, &(i, j))| Self { i, j, place }).collect();
        sorted.sort_unstable();
        sorted
    }
}

/// The numbers of all pairs of a tile.
pub(super) struct TileStats<'a, 'v> {
    pub(super) tile: Tile<'a>,
    pub(super) cells: &'a [Cell],
    pub(super) scratch: &'a mut Scratch,
    /// For each basis of the first group the numbers of its pairs, in the order of the second group.
    pub(super) values: &'a mut [&'v mut [f32]],
}

impl WithSimd for TileStats<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { tile, cells, scratch: Scratch { products, sums, due_rows, .. }, values } = self;
        let whole = std::array::from_fn(|_| 0..tile.a.d);
        let mut stats = RunStats { tile, cells, sums, due_rows, values };
        tile.row_runs(simd, whole, products, |run, [products]| stats.add(run, products));
    }
}

/// The same, as the products come.
pub(super) struct RunStats<'a, 'v> {
    pub(super) tile: Tile<'a>,
    pub(super) cells: &'a [Cell],
    pub(super) sums: &'a mut Sums,
    pub(super) due_rows: &'a mut Vec<usize>,
    pub(super) values: &'a mut [&'v mut [f32]],
}

impl RunStats<'_, '_> {
    /// Adds the next run of the tile's rows.
    #[inline(always)]
    pub(super) fn add(&mut self, run: std::ops::Range<usize>, products: &[f32]) {
        let Self { tile, cells, sums, due_rows, values } = self;
        let n_numbers = BlockStats::n_numbers(cells.len());
        let ranks_b = &tile.b.ranks[tile.group_b.bases.clone()];
        for BasisRows { place, rows, now, first_b } in tile.bases_in(&run) {
            if now.start == rows.start {
                sums.restart(tile.group_b.n_rows());
            }
            due_rows.clear();
            due_rows.extend(cells.iter().map(|cell| cell.i));
            for sum in PRODUCT_SUMS {
                let ends = ranks_b.iter().map(|&rank| sum.corner.cell(rows.len(), rank).0);
                due_rows.extend(ends.filter(|&i| i < rows.len()));
            }
            due_rows.push(rows.len());
            due_rows.sort_unstable();
            let mut done = now.start;
            while done < now.end {
                let due = due_rows[due_rows.partition_point(|&i| rows.start + i <= done)];
                let next = now.end.min(rows.start + due);
                sums.add(&tile.rows(done..next, run.start, products), tile.panel_of(first_b));
                done = next;
                if done < rows.start + due {
                    break;
                }
                let cells = &cells
                    [cells.partition_point(|cell| cell.i < due)..cells.partition_point(|cell| cell.i <= due)];
                for (b, values) in (first_b..).zip(values[place].chunks_exact_mut(n_numbers)) {
                    let pair = PairSums {
                        sums,
                        i: due,
                        rank_a: rows.len(),
                        column: tile.b.starts[b] - tile.group_b.panels.start * PANEL,
                        weights: &tile.b.weights[tile.b.starts[b]..][..tile.b.ranks[b]],
                    };
                    pair.take(cells, values);
                }
            }
        }
    }
}

/// The sums of one pair after row `i`.
struct PairSums<'a> {
    sums: &'a Sums,
    i: usize,
    rank_a: usize,
    column: usize,
    weights: &'a [f64],
}

impl PairSums<'_> {
    /// Writes the cells of row `i`, and the other sums that end there.
    #[inline(always)]
    fn take(&self, cells: &[Cell], values: &mut [f32]) {
        let rank_b = self.weights.len();
        let phi = |sum: f64, j: usize| (sum / self.i.min(j) as f64) as f32;
        let (mut sum, mut columns) = (0.0, 0);
        for cell in cells.iter().take_while(|cell| cell.j <= rank_b) {
            sum = self.sums.along(self.column + columns..self.column + cell.j, sum);
            columns = cell.j;
            values[cell.place] = phi(sum, cell.j);
        }
        let n_cells = values.len() - PRODUCT_SUMS.len();
        for (wanted, value) in PRODUCT_SUMS.iter().zip(&mut values[n_cells..]) {
            let (i, j) = wanted.corner.cell(self.rank_a, rank_b);
            if self.i != i {
                continue;
            }
            *value = match wanted.terms {
                Terms::Phi => {
                    // The same sums in the same order, whether or not a cell was there before.
                    if columns > j {
                        (sum, columns) = (0.0, 0);
                    }
                    sum = self.sums.along(self.column + columns..self.column + j, sum);
                    columns = j;
                    phi(sum, j)
                }
                Terms::Weighted => self.sums.weighted(self.column, &self.weights[..j]) as f32,
            };
        }
    }
}
