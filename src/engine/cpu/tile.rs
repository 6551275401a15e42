//! Two groups of bases: the product of their rows, some rows at a time, for those who take it while it is in the cache.

use std::ops::Range;

use pulp::Simd;

use super::product::{Factors, PANEL, UNIT};
use super::stack::{Group, Stack};
use super::sums::{Rows, Sums};

/// Numbers of a product that are made before they are squared and summed: with a slice of the factors they fit a second
/// cache of 512 KiB.
const AT_ONCE: usize = 1 << 16;

/// What a thread reuses from tile to tile.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) products: Vec<f32>,
    pub(super) sums: Sums,
    /// The cosines of a basis with those of the second group so far.
    pub(super) cosines: Vec<f64>,
    /// Rows of a basis after which a number is due.
    pub(super) due_rows: Vec<usize>,
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

/// A basis of a tile's first group, and what a run has of it.
pub(super) struct BasisRows {
    /// Its place in the group.
    pub(super) place: usize,
    /// Its rows in the tile.
    pub(super) rows: Range<usize>,
    /// Those of them that are in the run.
    pub(super) now: Range<usize>,
    /// The first basis of b that makes a pair with it.
    pub(super) first_b: usize,
}

impl Tile<'_> {
    /// The first basis of b that makes a pair with basis `a`.
    pub(super) fn first_b(&self, a: usize) -> usize {
        let first = self.group_b.bases.start;
        if self.is_upper { first.max(a + 1) } else { first }
    }

    /// Pairs of basis `a` in the tile.
    pub(super) fn n_pairs(&self, a: usize) -> usize {
        self.group_b.bases.end.saturating_sub(self.first_b(a))
    }

    /// Rows of a basis in the tile.
    pub(super) fn rows_of(&self, a: usize) -> Range<usize> {
        let start = self.a.starts[a] - self.group_a.panels.start * PANEL;
        start..start + self.a.ranks[a]
    }

    /// The bases of the first group that have pairs in the tile and rows in this run of its rows.
    #[inline(always)]
    pub(super) fn bases_in(&self, run: &Range<usize>) -> impl Iterator<Item = BasisRows> {
        let (tile, run) = (*self, run.clone());
        tile.group_a.bases.clone().enumerate().filter_map(move |(place, a)| {
            let (rows, first_b) = (tile.rows_of(a), tile.first_b(a));
            let now = rows.start.max(run.start)..rows.end.min(run.end);
            (!now.is_empty() && first_b < tile.group_b.bases.end).then_some(BasisRows {
                place,
                rows,
                now,
                first_b,
            })
        })
    }

    /// Columns of a basis in the tile.
    pub(super) fn columns_of(&self, b: usize) -> Range<usize> {
        let start = self.b.starts[b] - self.group_b.panels.start * PANEL;
        start..start + self.b.ranks[b]
    }

    /// The panel of the tile that holds the first column of basis `b`; past the end for a basis of another group.
    pub(super) fn panel_of(&self, b: usize) -> usize {
        if self.group_b.bases.contains(&b) {
            self.b.starts[b] / PANEL - self.group_b.panels.start
        } else {
            self.group_b.panels.len()
        }
    }

    /// Computes the tile, and calls `finish` with runs of its rows: the rows, and their products over each of these parts of
    /// the d columns.
    #[inline(always)]
    pub(super) fn row_runs<S: Simd, const N: usize>(
        &self,
        simd: S,
        parts: [Range<usize>; N],
        products: &mut Vec<f32>,
        mut finish: impl FnMut(Range<usize>, [&[f32]; N]),
    ) {
        let width = self.group_b.n_rows();
        let n_units = self.group_a.n_rows() / UNIT;
        let at_once = (AT_ONCE / N / width / UNIT).clamp(1, n_units);
        if products.len() < N * at_once * UNIT * width {
            products.resize(N * at_once * UNIT * width, 0.0);
        }
        let factors = Factors { d: self.a.d, u: self.a.panels(self.group_a), v: self.b.panels(self.group_b) };
        let first_panel = |unit: usize| {
            if !self.is_upper {
                return 0;
            }
            // The first basis with a row in the unit has the most pairs.
            let row = self.group_a.panels.start * PANEL + unit * UNIT;
            let starts = &self.a.starts[self.group_a.bases.clone()];
            let a = self.group_a.bases.start + starts.partition_point(|&start| start <= row) - 1;
            self.panel_of(self.first_b(a))
        };
        for unit in (0..n_units).step_by(at_once) {
            let units = unit..n_units.min(unit + at_once);
            let n_products = units.len() * UNIT * width;
            for (part, products) in parts.iter().zip(products.chunks_exact_mut(n_products)) {
                factors.multiply(simd, part.clone(), units.clone(), first_panel, products);
            }
            let products = std::array::from_fn(|part| &products[part * n_products..][..n_products]);
            finish(units.start * UNIT..units.end * UNIT, products);
        }
    }

    /// Rows `rows` of the tile out of a run that starts with row `start`.
    #[inline(always)]
    pub(super) fn rows<'r>(&'r self, rows: Range<usize>, start: usize, products: &'r [f32]) -> Rows<'r> {
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
