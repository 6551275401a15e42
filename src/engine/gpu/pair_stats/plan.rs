//! How a block is cut into dispatches: runs of neighbouring bases, and which run is multiplied with which.

use std::collections::HashMap;

use crate::basis::Basis;
use crate::engine::{Block, Pairs, Precision};
use crate::error::{Fault, Result};
use crate::kernels::pair_stats::{self, Dispatch, PairIndex, Wanted};
use crate::kernels::similarity::CHUNK;

/// Tiles begin at multiples of this in a run, for every variant.
const ALIGNMENT: usize = 128;

/// Entries of a pair table: 4 MiB, for lists of pairs in which most bases have few partners.
const MAX_TABLE: usize = 1 << 20;

/// Words of sums in one dispatch: 32 MiB to read back while the next one runs.
const MAX_SUMS: usize = 1 << 23;

/// What one dispatch may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    /// Words of one buffer.
    pub(super) max_words: usize,
    /// Words of the stack, where two bases of a block need more.
    pub(super) max_stack_words: usize,
    /// Work, so that no driver takes it for hung.
    pub(super) max_flop: f64,
    pub(super) precision: Precision,
}

/// A block in dispatches.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    /// Bases that are uploaded together.
    pub(super) runs: Vec<Vec<&'a Basis>>,
    pub(super) dispatches: Vec<PlannedDispatch>,
    /// Rows of the longest run, up to the end of its last tile.
    pub(super) run_rows: usize,
    /// The same in the stack, where tiles may end past the last row.
    pub(super) stack_rows: usize,
    pub(super) row_words: usize,
    /// Words that the stack may have.
    pub(super) max_stack_words: usize,
    /// What is made of every pair.
    pub(super) wanted: Wanted<'a>,
}

/// One run times one run.
#[derive(Debug)]
pub(super) struct PlannedDispatch {
    pub(super) runs: [usize; 2],
    pub(super) which: PairLayout,
}

/// Which pairs of two runs are wanted, and where they stand in the block.
#[derive(Debug)]
pub(super) enum PairLayout {
    /// Each with each, from these places in the block's lists on.
    All([usize; 2]),
    /// One run with itself, each pair once, from this place on.
    Upper(usize),
    /// The pairs of the dispatch, as [`PairIndex::Table`] has them; and those of the block.
    Listed { table: Vec<u32>, n_pairs: usize, pairs: Vec<Listed> },
}

/// A listed pair.
#[derive(Debug)]
pub(super) struct Listed {
    /// In the block.
    index: usize,
    /// Its bases within the runs.
    bases: [usize; 2],
    /// In the dispatch, which makes a pair that is listed twice once.
    pair: usize,
}

impl<'a> Plan<'a> {
    /// # Errors
    /// `Limit` when one basis, or one pair's numbers, are over the budget.
    pub(super) fn new(block: &Block<'a>, wanted: Wanted<'a>, budget: Budget) -> Result<Self> {
        let d = block.d()?;
        let row_words = pair_stats::stack_words(budget.precision, d);
        let largest = block.a.iter().chain(block.b).map(|basis| basis.q()).max().unwrap_or(0);
        let max_stack_words = match 2 * largest * row_words <= budget.max_words {
            true => budget.max_words,
            false => budget.max_stack_words,
        };
        let cutter = Cutter::new(d, row_words, wanted.n_numbers(), max_stack_words, budget)?;
        let (runs, dispatches) = match block.pairs {
            Pairs::All => {
                let (a, b) = (cutter.cut(block.a)?, cutter.cut(block.b)?);
                // To and fro, so that the run that was used last is used next.
                let order = (0..a.len()).flat_map(|row| {
                    let n = b.len();
                    (0..n).map(move |col| (row, if row % 2 == 0 { col } else { n - 1 - col }))
                });
                let dispatches = order.map(|(row, col)| PlannedDispatch {
                    runs: [row, a.len() + col],
                    which: PairLayout::All([a[row].0, b[col].0]),
                });
                let dispatches = dispatches.collect();
                (a.into_iter().chain(b).map(|(_, run)| run).collect(), dispatches)
            }
            Pairs::Upper => {
                let runs = cutter.cut(block.a)?;
                let order = (0..runs.len()).flat_map(|row| {
                    let n = runs.len();
                    (row..n).map(move |col| (row, if row % 2 == 0 { col } else { n - 1 - (col - row) }))
                });
                let dispatches = order.map(|(row, col)| PlannedDispatch {
                    runs: [row, col],
                    which: if row == col {
                        PairLayout::Upper(runs[row].0)
                    } else {
                        PairLayout::All([runs[row].0, runs[col].0])
                    },
                });
                let dispatches = dispatches.collect();
                (runs.into_iter().map(|(_, run)| run).collect(), dispatches)
            }
            Pairs::List(list) => cutter.gather(block, list)?,
        };
        let rows = |run: &Vec<&Basis>| run.iter().map(|basis| basis.q()).sum::<usize>();
        let longest = runs.iter().map(rows).max().unwrap_or(0);
        let (run_rows, stack_rows) =
            (longest.next_multiple_of(ALIGNMENT), longest.next_multiple_of(pair_stats::ROWS));
        Ok(Self { runs, dispatches, run_rows, stack_rows, row_words, max_stack_words, wanted })
    }

    /// Whether a dispatch may take more passes than one: for its columns, or for the values of a pair.
    pub(super) fn may_take_passes(&self) -> bool {
        let d = self.runs.first().map_or(0, |run| run[0].d());
        let longest = match self.wanted {
            Wanted::Statistics(_) => d,
            Wanted::Cosine { split } => split.max(d - split),
        };
        longest > CHUNK || self.wanted.n_numbers() > Dispatch::VALUES_IN_A_PASS
    }

    /// Tiles of 128 in all dispatches, about: what decides which kernel fills the GPU.
    pub(super) fn n_tiles(&self) -> usize {
        let tiles =
            |run: usize| self.runs[run].iter().map(|basis| basis.q()).sum::<usize>().div_ceil(ALIGNMENT);
        let of = |dispatch: &PlannedDispatch| {
            let [a, b] = dispatch.runs.map(tiles);
            match &dispatch.which {
                PairLayout::All(_) => a * b,
                PairLayout::Upper(_) => a * (a + 1) / 2,
                PairLayout::Listed { .. } => a.max(b),
            }
        };
        self.dispatches.iter().map(of).sum()
    }

    /// The most words of tables, and of sums and checks, in a dispatch, and the most tiles of a kernel with tiles of `tile` rows.
    pub(super) fn most_words(&self, tile: usize) -> (usize, usize, usize) {
        let n_cells = self.wanted.cells().len();
        let n_tiles = (self.run_rows / tile).pow(2);
        let (mut tables, mut sums) = (1, 1);
        for dispatch in &self.dispatches {
            let [a, b] = dispatch.runs.map(|run| self.runs[run].len());
            let (table, n_pairs) = match &dispatch.which {
                PairLayout::All(_) => (0, a * b),
                PairLayout::Upper(_) => (0, a * a.saturating_sub(1) / 2),
                PairLayout::Listed { table, n_pairs, .. } => (table.len(), *n_pairs),
            };
            let groups = self.run_rows / pair_stats::QUADRANT;
            tables = tables.max(2 * groups * groups + 4 * groups + a + b + 2 + 2 * n_cells + table);
            sums = sums.max(n_pairs * self.wanted.n_numbers() * 2 + pair_stats::CHECK_WORDS * n_tiles);
        }
        (tables, sums, n_tiles)
    }
}

impl PairLayout {
    pub(super) fn index(&self) -> PairIndex<'_> {
        match self {
            Self::All(_) => PairIndex::All,
            Self::Upper(_) => PairIndex::Upper,
            Self::Listed { table, n_pairs, .. } => PairIndex::Table { table, n_pairs: *n_pairs },
        }
    }

    /// Pairs of two runs of so many bases.
    pub(super) fn n_pairs(&self, [n_a, n_b]: [usize; 2]) -> usize {
        match self {
            Self::All(_) => n_a * n_b,
            Self::Upper(_) => n_a * n_a.saturating_sub(1) / 2,
            Self::Listed { pairs, .. } => pairs.len(),
        }
    }

    /// The index in the block of the pair of two bases of the runs; `None` where they are not one, and for listed pairs.
    pub(super) fn place(
        &self,
        block: &Block<'_>,
        [a, b]: [usize; 2],
        [n_a, n_b]: [usize; 2],
    ) -> Option<usize> {
        let (first_a, first_b) = match self {
            Self::All([first_a, first_b]) if a < n_a && b < n_b => (*first_a, *first_b),
            Self::Upper(first) if a < b && b < n_b => (*first, *first),
            _ => return None,
        };
        Some(index(block, first_a + a, first_b + b))
    }

    /// Calls `take` with the index in the block, the bases within the runs and the index in the dispatch of every pair.
    pub(super) fn for_each(
        &self,
        block: &Block<'_>,
        [n_a, n_b]: [usize; 2],
        mut take: impl FnMut(usize, [usize; 2], usize),
    ) {
        let index = |a: usize, b: usize| index(block, a, b);
        match self {
            Self::All([first_a, first_b]) => {
                for a in 0..n_a {
                    for b in 0..n_b {
                        take(index(first_a + a, first_b + b), [a, b], a * n_b + b);
                    }
                }
            }
            Self::Upper(first) => {
                let mut pair = 0;
                for a in 0..n_a {
                    for b in a + 1..n_b {
                        take(index(first + a, first + b), [a, b], pair);
                        pair += 1;
                    }
                }
            }
            Self::Listed { pairs, .. } => {
                pairs.iter().for_each(|pair| take(pair.index, pair.bases, pair.pair));
            }
        }
    }
}

/// Where a pair of bases stands in a block that has no list.
fn index(block: &Block<'_>, a: usize, b: usize) -> usize {
    let n = block.b.len();
    match block.pairs {
        Pairs::Upper => a * n - a * (a + 1) / 2 + b - a - 1,
        Pairs::All | Pairs::List(_) => a * n + b,
    }
}

/// What a run may hold.
struct Cutter {
    max_rows: usize,
    max_bases: usize,
    max_pairs: usize,
}

impl Cutter {
    fn new(
        d: usize,
        row_words: usize,
        n_values: usize,
        max_stack_words: usize,
        budget: Budget,
    ) -> Result<Self> {
        let max_pairs = MAX_SUMS.min(budget.max_words) / (2 * n_values);
        if max_pairs == 0 || n_values > Dispatch::MAX_CELLS {
            let found = format!("{n_values} numbers of a pair");
            let most = (MAX_SUMS / 2).min(Dispatch::MAX_CELLS);
            return Err(Fault::new(found, format!("at most {most}")).of("block").limit());
        }
        // Two runs are multiplied in a dispatch, and both lie in one buffer. A pass takes a chunk of the columns.
        let by_work = (budget.max_flop / (2.0 * d.min(CHUNK) as f64)).sqrt() as usize;
        let by_memory = max_stack_words / 2 / row_words;
        let max_rows = by_work.max(ALIGNMENT).min(by_memory);
        // Whole tiles, unless a few rows are all that fit.
        let step = if max_rows < ALIGNMENT { pair_stats::ROWS } else { ALIGNMENT };
        let max_rows = max_rows / step * step;
        Ok(Self { max_rows, max_bases: max_pairs.isqrt(), max_pairs })
    }

    fn check(&self, basis: &Basis) -> Result<()> {
        if basis.q() <= self.max_rows {
            return Ok(());
        }
        let expected = format!("at most {} of d = {} in one dispatch", self.max_rows, basis.d());
        Err(Fault::new(format!("a basis of {} vectors", basis.q()), expected).of("block").limit())
    }

    /// Neighbours together, each run with the place of its first basis.
    fn cut<'a>(&self, bases: &[&'a Basis]) -> Result<Vec<(usize, Vec<&'a Basis>)>> {
        let mut runs: Vec<(usize, Vec<&'a Basis>)> = vec![];
        let mut n_rows = 0;
        for (place, &basis) in bases.iter().enumerate() {
            self.check(basis)?;
            n_rows += basis.q();
            match runs.last_mut() {
                Some((_, run)) if n_rows <= self.max_rows && run.len() < self.max_bases => {
                    run.push(basis);
                }
                _ => {
                    n_rows = basis.q();
                    runs.push((place, vec![basis]));
                }
            }
        }
        Ok(runs)
    }

    /// Two runs for as many pairs of a list as fit, again and again.
    fn gather<'a>(
        &self,
        block: &Block<'a>,
        list: &[(u32, u32)],
    ) -> Result<(Vec<Vec<&'a Basis>>, Vec<PlannedDispatch>)> {
        let (mut runs, mut dispatches) = (vec![], vec![]);
        let mut group = Group::default();
        for (index, &(a, b)) in list.iter().enumerate() {
            let bases = [block.a[a as usize], block.b[b as usize]];
            bases.into_iter().try_for_each(|basis| self.check(basis))?;
            if !group.has_room(self, [a, b], bases) {
                std::mem::take(&mut group).close(&mut runs, &mut dispatches);
            }
            group.push(index, [a, b], bases);
        }
        if !group.pairs.is_empty() {
            group.close(&mut runs, &mut dispatches);
        }
        Ok((runs, dispatches))
    }
}

/// Listed pairs that go into one dispatch.
#[derive(Default)]
struct Group<'a> {
    /// Of each of the two lists: where its bases are in the run.
    bases: [HashMap<u32, usize>; 2],
    runs: [Vec<&'a Basis>; 2],
    n_rows: [usize; 2],
    /// Pairs of bases in the runs, each once.
    distinct: HashMap<[usize; 2], usize>,
    pairs: Vec<Listed>,
}

impl<'a> Group<'a> {
    fn has_room(&self, cutter: &Cutter, pair: [u32; 2], bases: [&Basis; 2]) -> bool {
        let is_new = [0, 1].map(|k| !self.bases[k].contains_key(&pair[k]));
        let n_rows = [0, 1].map(|k| self.n_rows[k] + if is_new[k] { bases[k].q() } else { 0 });
        let n = [0, 1].map(|k| self.runs[k].len() + usize::from(is_new[k]));
        n_rows.into_iter().all(|n_rows| n_rows <= cutter.max_rows)
            && n[0] * n[1] <= MAX_TABLE
            && self.distinct.len() < cutter.max_pairs
    }

    fn push(&mut self, index: usize, pair: [u32; 2], bases: [&'a Basis; 2]) {
        let in_runs = [0, 1].map(|k| {
            *self.bases[k].entry(pair[k]).or_insert_with(|| {
                self.n_rows[k] += bases[k].q();
                self.runs[k].push(bases[k]);
                self.runs[k].len() - 1
            })
        });
        let next = self.distinct.len();
        let pair = *self.distinct.entry(in_runs).or_insert(next);
        self.pairs.push(Listed { index, bases: in_runs, pair });
    }

    fn close(self, runs: &mut Vec<Vec<&'a Basis>>, dispatches: &mut Vec<PlannedDispatch>) {
        let n_b = self.runs[1].len();
        let mut table = vec![Dispatch::NO_PAIR; self.runs[0].len() * n_b];
        for ([a, b], pair) in &self.distinct {
            table[a * n_b + b] = *pair as u32;
        }
        let which = PairLayout::Listed { table, n_pairs: self.distinct.len(), pairs: self.pairs };
        dispatches.push(PlannedDispatch { runs: [runs.len(), runs.len() + 1], which });
        runs.extend(self.runs);
    }
}

#[cfg(test)]
mod tests;
