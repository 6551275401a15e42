//! One dispatch of a pair statistics kernel: which tiles, which pairs, and where everything lies.

use bytemuck::{Pod, Zeroable};

use super::{CHECK_WORDS, COLUMNS, COSINE_UNIT, LINEAR_CKA_UNIT, MAX_ONE_WORD_RANK, QUADRANT, SQUARE_UNIT};
use crate::error::{Fault, Result};
use crate::kernels::similarity::{Chunk, written};
use crate::measure::{BlockStats, PRODUCT_SUMS, Terms};

/// `Params` of `shaders/shared/stack.wgsl`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Params {
    /// Fours of numbers in a row of the stack.
    pub d4: u32,
    /// Fours of numbers in the first part of a row, where rows have two.
    pub split4: u32,
    /// First row of the a bases in the stack.
    pub row_a: u32,
    /// First row of the b bases.
    pub row_b: u32,
    /// How many a bases.
    pub n_a: u32,
    /// How many b bases.
    pub n_b: u32,
    /// First params of the a rows, in fours.
    pub params_a: u32,
    /// First params of the b rows.
    pub params_b: u32,
    /// 0: each a with each b; 1: a before b of one list; 2: as the pair table says.
    pub pairs: u32,
    /// Cells of a pair.
    pub n_cells: u32,
    /// Words of a sum.
    pub n_words: u32,
    /// Tiles to make.
    pub n_tiles: u32,
    /// Where the tiles begin in the tables.
    pub tiles: u32,
    /// Where the groups of a rows begin.
    pub groups_a: u32,
    /// Where the groups of b rows begin.
    pub groups_b: u32,
    /// Where the first rows of the a bases begin.
    pub starts_a: u32,
    /// Where the first rows of the b bases begin.
    pub starts_b: u32,
    /// Where the cells begin.
    pub cells: u32,
    /// Where the pair table begins.
    pub pair_table: u32,
    /// Where the checks of the tiles begin in the sums.
    pub checks: u32,
    /// Which chunk of the columns, of each part where rows have two.
    pub chunk: u32,
    /// Whether it is the last one, which ends in sums.
    pub is_last: u32,
    /// The first value of a pair that the last one sums up.
    pub first_value: u32,
    /// The value after the last of these.
    pub end_value: u32,
    /// The first of the last four rows of the stack, which stand for all after them up to the end of a tile.
    pub last_rows: u32,
}

/// Bases that lie one after another in the stack.
#[derive(Debug, Clone, Copy)]
pub struct BasisRun<'a> {
    /// The rank of each.
    pub ranks: &'a [usize],
    /// Row of the stack that the first begins at, a multiple of 4.
    pub row: usize,
    /// Row whose params are those of that one, a multiple of 4: params go on up to the end of the last tile.
    pub params_row: usize,
}

impl BasisRun<'_> {
    /// Rows of all bases.
    fn n_rows(&self) -> usize {
        self.ranks.iter().sum()
    }

    /// The first row of each basis within the run, and the row after the last.
    fn starts(&self) -> impl Iterator<Item = u32> {
        let ends = self.ranks.iter().scan(0, |end, rank| {
            *end += *rank as u32;
            Some(*end)
        });
        std::iter::once(0).chain(ends)
    }

    /// For each 64 rows up to the last tile's end: the first basis in them, and the one after the last.
    fn groups(&self, tile: usize) -> Vec<[u32; 2]> {
        let mut groups = vec![[0u32; 2]; self.n_rows().div_ceil(tile) * tile / QUADRANT];
        let mut row = 0;
        for (basis, rank) in (0..).zip(self.ranks) {
            for [begin, end] in &mut groups[row / QUADRANT..(row + rank).div_ceil(QUADRANT)] {
                if *end == 0 {
                    *begin = basis;
                }
                *end = basis + 1;
            }
            row += rank;
        }
        groups
    }
}

/// Which pairs are wanted, and where each stands in the sums.
#[derive(Debug, Clone, Copy)]
pub enum PairIndex<'a> {
    /// Each a with each b, row after row.
    All,
    /// Both runs are one, and each pair stands once: (0, 1), (0, 2), ..., (1, 2), ...
    Upper,
    /// As `table` says at (a, b) row-major, [`Dispatch::NO_PAIR`] for two bases that are not a pair.
    Table {
        /// (n_a, n_b) indices of pairs.
        table: &'a [u32],
        /// How many pairs.
        n_pairs: usize,
    },
}

/// What a kernel makes of every pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// φ at these cells (i, j), counted from 1, and the [`PRODUCT_SUMS`]: `pair_stats_*`.
    Statistics(&'a [(usize, usize)]),
    /// The cosine of two updates, whose rows have a first part of so many numbers: `update_cosine`.
    Cosine {
        /// A multiple of [`COLUMNS`].
        split: usize,
    },
}

impl<'a> Wanted<'a> {
    /// The cells.
    pub fn cells(self) -> &'a [(usize, usize)] {
        match self {
            Self::Statistics(cells) => cells,
            Self::Cosine { .. } => &[],
        }
    }

    /// Numbers of a pair.
    pub fn n_numbers(self) -> usize {
        match self {
            Self::Statistics(cells) => BlockStats::n_numbers(cells.len()),
            Self::Cosine { .. } => 1,
        }
    }
}

/// What the buffers of a dispatch hold.
#[derive(Debug, Clone, Copy)]
pub struct Lengths {
    /// Rows of the stack, a multiple of 4.
    pub rows: usize,
    /// Rows that have params.
    pub params_rows: usize,
    /// Words of tables.
    pub tables: usize,
    /// Words of sums and of the checks of the tiles.
    pub sums: usize,
}

/// Rows that the kernels read together.
pub const ROWS: usize = 4;

/// Loop steps that one pass may take to sum up the values of its pairs: a quarter of what [`Chunk`] says of drivers.
const MAX_SHARE_STEPS: usize = 1 << 14;

/// Invocations that share out the values of a quadrant's pairs.
const N_INVOCATIONS: usize = 256;

/// Words of products that one tile keeps from pass to pass: two numbers for each of its cells, in each part of the rows.
pub fn n_products(tile: usize, wanted: Wanted<'_>) -> usize {
    let n_parts = if matches!(wanted, Wanted::Cosine { .. }) { 2 } else { 1 };
    2 * n_parts * tile * tile
}

/// The work of one submission, checked against its buffers: the kernels are loaded without bounds checks. It takes one pass, or
/// several that no driver finds too long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    /// The uniform, but for what changes from pass to pass.
    pub params: Params,
    /// Chunks of columns.
    n_chunks: usize,
    /// Values of a pair that one pass sums up.
    n_values_at_once: usize,
    /// Values of a pair.
    n_values: usize,
    /// The index tables, one after another.
    pub tables: Vec<u32>,
    /// Words of sums.
    pub n_sums: usize,
}

impl Dispatch {
    /// Two bases that are not a pair.
    pub const NO_PAIR: u32 = u32::MAX;

    /// The most values of a pair that a pass sums up whatever the ranks: 64 × 64 pairs of a quadrant, and four quadrants.
    pub const VALUES_IN_A_PASS: usize = MAX_SHARE_STEPS / 4 * N_INVOCATIONS / (QUADRANT * QUADRANT);

    /// The most cells of a pair: the kernels count the values of a quadrant's pairs in 32 bits.
    pub const MAX_CELLS: usize = 1 << 18;

    /// The dispatch of a kernel with this tile for bases of `d` numbers.
    ///
    /// # Errors
    /// `Limit` when the rows, the tables or the sums end past their buffers, or there are too many cells; `Invalid` when
    /// the pairs do not fit the runs.
    pub fn new(
        tile: usize,
        d: usize,
        [a, b]: [BasisRun<'_>; 2],
        pairs: PairIndex<'_>,
        wanted: Wanted<'_>,
        lengths: Lengths,
    ) -> Result<Self> {
        let cells = wanted.cells();
        let over = |what: &'static str, found: usize, most: usize| {
            Fault::new(format!("{found}"), format!("at most {most}")).of(what).limit()
        };
        for run in [a, b] {
            let end = run.row + run.n_rows().next_multiple_of(ROWS);
            if end > lengths.rows {
                return Err(over("rows of a stack", end, lengths.rows));
            }
            let end = run.params_row + run.n_rows().next_multiple_of(tile);
            if end > lengths.params_rows {
                return Err(over("rows with params", end, lengths.params_rows));
            }
        }
        if cells.len() > Self::MAX_CELLS {
            return Err(over("cells of a pair", cells.len(), Self::MAX_CELLS));
        }
        let (n_a, n_b) = (a.ranks.len(), b.ranks.len());
        let (kind, n_pairs, table): (u32, usize, &[u32]) = match pairs {
            PairIndex::All => (0, n_a * n_b, &[]),
            PairIndex::Upper if a.ranks == b.ranks => (1, n_a * n_a.saturating_sub(1) / 2, &[]),
            PairIndex::Table { table, n_pairs } if table.len() == n_a * n_b => {
                let is_wrong = |&&pair: &&u32| pair != Self::NO_PAIR && pair as usize >= n_pairs;
                if let Some(pair) = table.iter().find(is_wrong) {
                    return Err(over("index of a pair", *pair as usize + 1, n_pairs));
                }
                (2, n_pairs, table)
            }
            PairIndex::Upper | PairIndex::Table { .. } => {
                let found = format!("pairs of another shape than {n_a} and {n_b} bases");
                return Err(Fault::new(found, "an index or none for each pair").of("dispatch").invalid());
            }
        };
        let largest = |run: BasisRun<'_>| run.ranks.iter().copied().max().unwrap_or(0);
        let (n_words, split) = match wanted {
            // A cosine is in [−1, 1] at every rank.
            Wanted::Cosine { split } => (1, split),
            Wanted::Statistics(_) if largest(a).min(largest(b)) <= MAX_ONE_WORD_RANK => (1, 0),
            Wanted::Statistics(_) => (2, 0),
        };
        let n_sums = n_pairs * wanted.n_numbers() * n_words;
        let tiles = tiles(tile, [a, b], pairs);
        let with_checks = n_sums + CHECK_WORDS * tiles.len();
        if with_checks > lengths.sums {
            return Err(over("words of sums", with_checks, lengths.sums));
        }

        let mut tables = vec![];
        let mut put = |words: &mut dyn Iterator<Item = u32>| {
            let at = tables.len() as u32;
            tables.extend(words);
            at
        };
        let [groups_a, groups_b] = [a, b].map(|run| run.groups(tile));
        let most = |groups: &[[u32; 2]]| groups.iter().map(|[begin, end]| end - begin).max().unwrap_or(0);
        let most_pairs = (most(&groups_a) * most(&groups_b)) as usize;
        let n_quadrants = (tile / QUADRANT).pow(2);
        let n_values = wanted.n_numbers();
        let at_once = MAX_SHARE_STEPS / n_quadrants * N_INVOCATIONS / most_pairs.max(1);
        let mut params = Params {
            d4: (d.next_multiple_of(COLUMNS) / 4) as u32,
            split4: (split / 4) as u32,
            row_a: a.row as u32,
            row_b: b.row as u32,
            n_a: n_a as u32,
            n_b: n_b as u32,
            params_a: (a.params_row / ROWS) as u32,
            params_b: (b.params_row / ROWS) as u32,
            pairs: kind,
            n_cells: cells.len() as u32,
            n_words: n_words as u32,
            n_tiles: tiles.len() as u32,
            tiles: put(&mut tiles.into_iter().flatten()),
            groups_a: put(&mut groups_a.into_iter().flatten()),
            groups_b: put(&mut groups_b.into_iter().flatten()),
            starts_a: put(&mut a.starts()),
            starts_b: put(&mut b.starts()),
            cells: put(&mut cells.iter().flat_map(|&(i, j)| [clamped(i), clamped(j)])),
            pair_table: 0,
            checks: n_sums as u32,
            last_rows: (lengths.rows.saturating_sub(1) / ROWS * ROWS) as u32,
            ..Params::default()
        };
        params.pair_table = put(&mut table.iter().copied());
        if tables.len() > lengths.tables {
            return Err(over("words of tables", tables.len(), lengths.tables));
        }
        let d_part = split.max(d - split);
        let n_chunks = Chunk::all(d_part).len();
        Ok(Self { params, n_chunks, n_values_at_once: at_once.clamp(1, n_values), n_values, tables, n_sums })
    }

    /// The uniforms of each pass, in their order: the chunks of columns, of which the last one sums up the values; where these are
    /// more than one pass takes, passes without columns that sum up some of them each.
    pub fn passes(&self) -> Vec<Params> {
        let n_ends = self.n_values.div_ceil(self.n_values_at_once);
        let of_chunks = if n_ends > 1 { self.n_chunks } else { self.n_chunks - 1 };
        let at = |chunk: usize| Params { chunk: chunk as u32, ..self.params };
        let ends = (0..n_ends).map(|end| {
            let first = end * self.n_values_at_once;
            Params {
                is_last: 1,
                first_value: first as u32,
                end_value: (first + self.n_values_at_once).min(self.n_values) as u32,
                ..at(of_chunks)
            }
        });
        (0..of_chunks).map(at).chain(ends).collect()
    }

    /// Words of the sums and the checks of all tiles.
    pub fn n_words(&self) -> usize {
        self.n_sums + CHECK_WORDS * self.params.n_tiles as usize
    }

    /// Whether the sums are what the tiles added to them, by what they left of it.
    pub fn is_whole(&self, words: &[u32]) -> bool {
        let (sums, checks) = words[..self.n_words()].split_at(self.n_sums);
        written(sums.iter().enumerate()) == self.added(checks)
    }

    /// What the tiles added to the sums, each word times an odd number of its place, by the checks that they left after them.
    pub fn added(&self, checks: &[u32]) -> u32 {
        checks.chunks_exact(CHECK_WORDS).fold(0u32, |sum, check| sum.wrapping_add(check[2]))
    }

    /// The (row, column) of each tile, and its sums of signed products, of each part, by the same checks.
    pub fn signed_sums(&self, checks: &[u32]) -> impl Iterator<Item = ([usize; 2], [f32; 2])> {
        let tiles = self.tables[self.params.tiles as usize..].chunks_exact(2);
        tiles.zip(checks.chunks_exact(CHECK_WORDS)).map(|(tile, check)| {
            ([tile[0] as usize, tile[1] as usize], [check[0], check[1]].map(f32::from_bits))
        })
    }

    /// The numbers of a pair from what the kernel left in `sums`, to `values`: a cosine; or φ at the cells, NaN where one is
    /// past the ranks, and the [`PRODUCT_SUMS`].
    pub fn read(
        &self,
        sums: &[u32],
        pair: usize,
        (q_a, q_b): (usize, usize),
        wanted: Wanted<'_>,
        values: &mut [f32],
    ) {
        let cells = match wanted {
            Wanted::Statistics(cells) => cells,
            Wanted::Cosine { .. } => {
                values[0] = (f64::from(sums[pair] as i32) * COSINE_UNIT) as f32;
                return;
            }
        };
        let n_words = self.params.n_words as usize;
        let words = &sums[pair * BlockStats::n_numbers(cells.len()) * n_words..];
        let unit = |(i, j): (usize, usize)| {
            if i <= q_a && j <= q_b { SQUARE_UNIT / i.min(j) as f64 } else { f64::NAN }
        };
        let units =
            cells.iter().map(|&cell| unit(cell)).chain(PRODUCT_SUMS.iter().map(|sum| match sum.terms {
                Terms::Phi => unit(sum.corner.cell(q_a, q_b)),
                Terms::Weighted => LINEAR_CKA_UNIT,
            }));
        for ((value, words), unit) in values.iter_mut().zip(words.chunks_exact(n_words)).zip(units) {
            let count = match words {
                [low, high] => f64::from(*low) + 65_536.0 * f64::from(*high),
                words => f64::from(words[0]),
            };
            *value = (count * unit) as f32;
        }
    }
}

/// A cell past every rank stays one.
fn clamped(i: usize) -> u32 {
    u32::try_from(i).unwrap_or(u32::MAX)
}

/// The tiles that hold a wanted pair, as (row, column).
fn tiles(tile: usize, [a, b]: [BasisRun<'_>; 2], pairs: PairIndex<'_>) -> Vec<[u32; 2]> {
    let [n_rows, n_cols] = [a, b].map(|run| run.n_rows().div_ceil(tile));
    let every = (0..n_rows).flat_map(|row| (0..n_cols).map(move |col| (row, col)));
    let mut wanted = vec![true; n_rows * n_cols];
    match pairs {
        PairIndex::All => {}
        PairIndex::Upper => every.clone().for_each(|(row, col)| wanted[row * n_cols + col] = row <= col),
        PairIndex::Table { table, .. } => {
            wanted.fill(false);
            let starts: [Vec<usize>; 2] = [a, b].map(|run| run.starts().map(|row| row as usize).collect());
            for (at, _) in table.iter().enumerate().filter(|(_, pair)| **pair != Dispatch::NO_PAIR) {
                let bases = [at / b.ranks.len(), at % b.ranks.len()];
                let [rows, cols] =
                    [0, 1].map(|k| starts[k][bases[k]] / tile..starts[k][bases[k] + 1].div_ceil(tile));
                for row in rows {
                    wanted[row * n_cols..][cols.clone()].fill(true);
                }
            }
        }
    }
    let wanted = every.filter(|&(row, col)| wanted[row * n_cols + col]);
    wanted.map(|(row, col)| [row as u32, col as u32]).collect()
}

#[cfg(test)]
mod tests;
