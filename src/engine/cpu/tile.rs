//! The pairs of two groups of bases: their product, strip by strip, and what is made of it while it is in the cache.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::product::{Factors, PANEL, UNIT};
use super::stack::{Group, Stack};
use super::sums::{Rows, Sums};
use crate::engine::BlockStats;

/// Numbers of a product that are made before they are squared and summed: with a slice of the factors they fit a second
/// cache of 512 KiB.
const STRIP: usize = 1 << 16;

/// What a thread reuses from tile to tile.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    products: Vec<f32>,
    sums: Sums,
    events: Vec<usize>,
}

/// A cell to keep, counted from 1, and its place among the numbers of a pair. Ordered by i, then j.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    pub(super) i: usize,
    pub(super) j: usize,
    pub(super) place: usize,
}

/// Two groups.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a> {
    pub(super) a: &'a Stack,
    pub(super) group_a: &'a Group,
    pub(super) b: &'a Stack,
    pub(super) group_b: &'a Group,
    /// Whether the two stacks are one, of which only the pairs (a, b) with a < b are wanted.
    pub(super) is_upper: bool,
}

impl Tile<'_> {
    /// The first basis of b that makes a pair with basis `a`.
    fn first_b(&self, a: usize) -> usize {
        let first = self.group_b.bases.start;
        if self.is_upper { first.max(a + 1) } else { first }
    }

    /// Pairs of basis `a` in the tile.
    pub(super) fn n_pairs(&self, a: usize) -> usize {
        self.group_b.bases.end.saturating_sub(self.first_b(a))
    }

    /// Rows of a basis in the tile.
    fn rows_of(&self, a: usize) -> Range<usize> {
        let start = self.a.starts[a] - self.group_a.panels.start * PANEL;
        start..start + self.a.ranks[a]
    }

    /// The panel of the tile that holds the first column of basis `b`; past the end for no basis of the group.
    fn panel_of(&self, b: usize) -> usize {
        match self.group_b.bases.contains(&b) {
            true => self.b.starts[b] / PANEL - self.group_b.panels.start,
            false => self.group_b.panels.len(),
        }
    }

    /// Computes the tile, and calls `finish` with strips of its rows: the rows and their products.
    #[inline(always)]
    fn strips<S: Simd>(
        &self,
        simd: S,
        products: &mut Vec<f32>,
        mut finish: impl FnMut(Range<usize>, &[f32]),
    ) {
        let width = self.group_b.n_rows();
        let n_units = self.group_a.n_rows() / UNIT;
        let at_once = (STRIP / width / UNIT).clamp(1, n_units);
        if products.len() < at_once * UNIT * width {
            products.resize(at_once * UNIT * width, 0.0);
        }
        let factors = Factors { d: self.a.d, u: self.a.panels(self.group_a), v: self.b.panels(self.group_b) };
        let first_panel = |unit: usize| match self.is_upper {
            // The first basis with a row in the unit has the most pairs.
            true => {
                let row = self.group_a.panels.start * PANEL + unit * UNIT;
                let starts = &self.a.starts[self.group_a.bases.clone()];
                let a = self.group_a.bases.start + starts.partition_point(|&start| start <= row) - 1;
                self.panel_of(self.first_b(a))
            }
            false => 0,
        };
        for unit in (0..n_units).step_by(at_once) {
            let units = unit..n_units.min(unit + at_once);
            let products = &mut products[..units.len() * UNIT * width];
            factors.multiply(simd, units.clone(), first_panel, products);
            finish(units.start * UNIT..units.end * UNIT, products);
        }
    }

    /// Rows `rows` of the tile out of a strip that starts with row `start`.
    #[inline(always)]
    fn rows<'r>(&'r self, rows: Range<usize>, start: usize, products: &'r [f32]) -> Rows<'r> {
        let width = self.group_b.n_rows();
        let first = self.group_a.panels.start * PANEL;
        let place = first + rows.start..first + rows.end;
        Rows {
            products: &products[(rows.start - start) * width..(rows.end - start) * width],
            scales: &self.b.scales[self.group_b.panels.start * PANEL..][..width],
            row_scales: &self.a.scales[place.clone()],
            row_weights: &self.a.weights[place],
        }
    }
}

/// The kept numbers of all pairs of a tile.
pub(super) struct KeepCells<'a, 'v> {
    pub(super) tile: Tile<'a>,
    pub(super) cells: &'a [Cell],
    pub(super) scratch: &'a mut Scratch,
    /// For each basis of the first group the numbers of its pairs, in the order of the second group.
    pub(super) values: &'a mut [&'v mut [f32]],
}

impl WithSimd for KeepCells<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { tile, cells, scratch: Scratch { products, sums, events }, values } = self;
        let n_numbers = cells.len() + BlockStats::N_MORE;
        let ranks_b = &tile.b.ranks[tile.group_b.bases.clone()];
        tile.strips(simd, products, |strip, products| {
            for (a, values) in tile.group_a.bases.clone().zip(values.iter_mut()) {
                let (rows, first_b) = (tile.rows_of(a), tile.first_b(a));
                let now = rows.start.max(strip.start)..rows.end.min(strip.end);
                if now.is_empty() || first_b >= tile.group_b.bases.end {
                    continue;
                }
                if now.start == rows.start {
                    sums.restart(tile.group_b.n_rows());
                }
                // After these rows a cell is due.
                events.clear();
                events.extend(cells.iter().map(|cell| cell.i));
                events.extend(ranks_b.iter().map(|&rank| rank.min(rows.len())));
                events.push(rows.len());
                events.sort_unstable();
                let mut done = now.start;
                while done < now.end {
                    let event = events[events.partition_point(|&i| rows.start + i <= done)];
                    let next = now.end.min(rows.start + event);
                    sums.add(&tile.rows(done..next, strip.start, products), tile.panel_of(first_b));
                    done = next;
                    if done < rows.start + event {
                        break;
                    }
                    let due = cells.partition_point(|cell| cell.i < event)
                        ..cells.partition_point(|cell| cell.i <= event);
                    for (b, values) in (first_b..).zip(values.chunks_exact_mut(n_numbers)) {
                        let pair = PairSums {
                            sums,
                            i: event,
                            rank_a: rows.len(),
                            column: tile.b.starts[b] - tile.group_b.panels.start * PANEL,
                            weights: &tile.b.weights[tile.b.starts[b]..][..tile.b.ranks[b]],
                        };
                        pair.keep(&cells[due.clone()], values);
                    }
                }
            }
        });
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
    /// Writes the cells of row `i`, and what else is due after it.
    #[inline(always)]
    fn keep(&self, cells: &[Cell], values: &mut [f32]) {
        let rank_b = self.weights.len();
        let phi = |sum: f64, j: usize| (sum / self.i.min(j) as f64) as f32;
        let (mut sum, mut columns) = (0.0, 0);
        for cell in cells.iter().take_while(|cell| cell.j <= rank_b) {
            sum = self.sums.along(self.column + columns..self.column + cell.j, sum);
            columns = cell.j;
            values[cell.place] = phi(sum, cell.j);
        }
        let [.., full, linear_cka] = values else { return };
        if self.i == self.rank_a.min(rank_b) {
            // The same sums in the same order, whether or not a cell was there before.
            if columns > self.i {
                (sum, columns) = (0.0, 0);
            }
            *full = phi(self.sums.along(self.column + columns..self.column + self.i, sum), self.i);
        }
        if self.i == self.rank_a {
            *linear_cka = self.sums.linear_cka(self.column, self.weights) as f32;
        }
    }
}

/// Every cell of a tile that is one pair, row-major.
pub(super) struct WholeGrid<'a> {
    pub(super) tile: Tile<'a>,
    pub(super) scratch: &'a mut Scratch,
    pub(super) values: &'a mut Vec<f32>,
}

impl WithSimd for WholeGrid<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { tile, scratch: Scratch { products, sums, .. }, values } = self;
        let (n_rows, n_cols) = (tile.a.ranks[0], tile.b.ranks[0]);
        sums.restart(tile.group_b.n_rows());
        tile.strips(simd, products, |strip, products| {
            for i in strip.start..strip.end.min(n_rows) {
                sums.add(&tile.rows(i..i + 1, strip.start, products), 0);
                let mut sum = 0.0;
                values.extend((0..n_cols).map(|j| {
                    sum = sums.along(j..j + 1, sum);
                    (sum / (i.min(j) + 1) as f64) as f32
                }));
            }
        });
    }
}
