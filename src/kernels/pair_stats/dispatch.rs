//! One dispatch of a pair statistics kernel: which tiles, which pairs, and where everything lies.

use bytemuck::{Pod, Zeroable};

use super::{COLUMNS, LINEAR_CKA_UNIT, MAX_ONE_WORD_RANK, QUADRANT, SQUARE_UNIT};
use crate::error::{Fault, Result};

/// `Params` of `shaders/stack.wgsl`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Params {
    /// Fours of numbers in a row of the stack.
    pub d4: u32,
    /// First row of the a bases in the stack.
    pub row_a: u32,
    /// First row of the b bases.
    pub row_b: u32,
    /// How many a bases.
    pub n_a: u32,
    /// How many b bases.
    pub n_b: u32,
    /// First facts of the a rows, in fours.
    pub facts_a: u32,
    /// First facts of the b rows.
    pub facts_b: u32,
    /// 0: each a with each b; 1: a before b of one list; 2: as the slots say.
    pub pairs: u32,
    /// Kept cells of a pair.
    pub n_cells: u32,
    /// Words of a sum.
    pub n_words: u32,
    /// Tiles to make.
    pub n_tiles: u32,
    /// Where the tiles stand in places.
    pub tiles: u32,
    /// Where the groups of a rows stand.
    pub groups_a: u32,
    /// Where the groups of b rows stand.
    pub groups_b: u32,
    /// Where the first rows of the a bases stand.
    pub starts_a: u32,
    /// Where the first rows of the b bases stand.
    pub starts_b: u32,
    /// Where the cells stand.
    pub cells: u32,
    /// Where the slots stand.
    pub slots: u32,
}

/// Bases that lie one after another in the stack.
#[derive(Debug, Clone, Copy)]
pub struct BasisRun<'a> {
    /// The rank of each.
    pub ranks: &'a [usize],
    /// Row of the stack that the first begins at, a multiple of 4.
    pub row: usize,
}

impl BasisRun<'_> {
    /// Rows of all bases.
    fn n_rows(&self) -> usize {
        self.ranks.iter().sum()
    }

    /// The first row of each basis within the strip, and the row behind the last.
    fn starts(&self) -> impl Iterator<Item = u32> {
        let ends = self.ranks.iter().scan(0, |end, rank| {
            *end += *rank as u32;
            Some(*end)
        });
        std::iter::once(0).chain(ends)
    }

    /// For each 64 rows up to the last tile's end: the first basis in them, and the one behind the last.
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

/// Which pairs have a place in the sums.
#[derive(Debug, Clone, Copy)]
pub enum PairIndex<'a> {
    /// Each a with each b, row after row.
    All,
    /// Both strips are one, and each pair stands once: (0, 1), (0, 2), ..., (1, 2), ...
    Upper,
    /// `n_pairs` places, at (a, b) row-major of `table`, [`Dispatch::NO_PAIR`] where there is none.
    Table {
        /// (n_a, n_b) places.
        table: &'a [u32],
        /// Places in all.
        n_pairs: usize,
    },
}

/// What the buffers of a dispatch hold.
#[derive(Debug, Clone, Copy)]
pub struct Lengths {
    /// Rows of the stack, and of the facts.
    pub rows: usize,
    /// Words of places.
    pub places: usize,
    /// Words of sums.
    pub sums: usize,
}

/// One dispatch, checked against its buffers: the kernels are loaded without bounds checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    /// The uniform.
    pub params: Params,
    /// What lies where.
    pub places: Vec<u32>,
    /// Words of sums.
    pub n_sums: usize,
}

impl Dispatch {
    /// A pair without a place.
    pub const NO_PAIR: u32 = u32::MAX;

    /// The most cells of a pair: the kernels count the values of a quadrant's pairs in 32 bits.
    pub const MAX_CELLS: usize = 1 << 18;

    /// The dispatch of a kernel with this tile for bases of `d` numbers.
    ///
    /// # Errors
    /// `Limit` when the rows, the places or the sums end past their buffers, or there are too many cells; `Invalid` when
    /// the slots do not fit the strips.
    pub fn new(
        tile: usize,
        d: usize,
        [a, b]: [BasisRun<'_>; 2],
        slots: PairIndex<'_>,
        cells: &[(usize, usize)],
        lengths: Lengths,
    ) -> Result<Self> {
        let over = |what: &'static str, found: usize, most: usize| {
            Fault::new(format!("{found}"), format!("at most {most}")).of(what).limit()
        };
        for strip in [a, b] {
            let end = strip.row + strip.n_rows().next_multiple_of(tile);
            if end > lengths.rows {
                return Err(over("rows of a stack", end, lengths.rows));
            }
        }
        if cells.len() > Self::MAX_CELLS {
            return Err(over("cells of a pair", cells.len(), Self::MAX_CELLS));
        }
        let (n_a, n_b) = (a.ranks.len(), b.ranks.len());
        let (pairs, n_pairs, table): (u32, usize, &[u32]) = match slots {
            PairIndex::All => (0, n_a * n_b, &[]),
            PairIndex::Upper if a.ranks == b.ranks => (1, n_a * n_a.saturating_sub(1) / 2, &[]),
            PairIndex::Table { table, n_pairs } if table.len() == n_a * n_b => {
                let is_wrong = |&&slot: &&u32| slot != Self::NO_PAIR && slot as usize >= n_pairs;
                if let Some(slot) = table.iter().find(is_wrong) {
                    return Err(over("slot of a pair", *slot as usize + 1, n_pairs));
                }
                (2, n_pairs, table)
            }
            PairIndex::Upper | PairIndex::Table { .. } => {
                let found = format!("slots of other shape than {n_a} and {n_b} bases");
                return Err(Fault::new(found, "a slot or none for each pair").of("chunk").invalid());
            }
        };
        let largest = |strip: BasisRun<'_>| strip.ranks.iter().copied().max().unwrap_or(0);
        let n_words = if largest(a).min(largest(b)) <= MAX_ONE_WORD_RANK { 1 } else { 2 };
        let n_sums = n_pairs * (cells.len() + 2) * n_words;
        if n_sums > lengths.sums {
            return Err(over("words of sums", n_sums, lengths.sums));
        }

        let mut places = vec![];
        let mut put = |words: &mut dyn Iterator<Item = u32>| {
            let at = places.len() as u32;
            places.extend(words);
            at
        };
        let tiles = tiles(tile, [a, b], slots);
        let mut params = Params {
            d4: (d.next_multiple_of(COLUMNS) / 4) as u32,
            row_a: a.row as u32,
            row_b: b.row as u32,
            n_a: n_a as u32,
            n_b: n_b as u32,
            facts_a: (a.row / 4) as u32,
            facts_b: (b.row / 4) as u32,
            pairs,
            n_cells: cells.len() as u32,
            n_words: n_words as u32,
            n_tiles: tiles.len() as u32,
            tiles: put(&mut tiles.into_iter().flatten()),
            groups_a: put(&mut a.groups(tile).into_iter().flatten()),
            groups_b: put(&mut b.groups(tile).into_iter().flatten()),
            starts_a: put(&mut a.starts()),
            starts_b: put(&mut b.starts()),
            cells: put(&mut cells.iter().flat_map(|&(i, j)| [clamped(i), clamped(j)])),
            slots: 0,
        };
        params.slots = put(&mut table.iter().copied());
        if places.len() > lengths.places {
            return Err(over("words of places", places.len(), lengths.places));
        }
        Ok(Self { params, places, n_sums })
    }

    /// φ and linear CKA of the pair in this slot, from what the kernel left in `sums`, to `values`: φ at the cells, NaN where
    /// one is past the ranks, φ at full rank, the linear CKA.
    pub fn read(
        &self,
        sums: &[u32],
        slot: usize,
        (q_a, q_b): (usize, usize),
        cells: &[(usize, usize)],
        values: &mut [f32],
    ) {
        let n_words = self.params.n_words as usize;
        let words = &sums[slot * (cells.len() + 2) * n_words..];
        let full = (q_a.min(q_b), q_a.min(q_b));
        let squares = cells.iter().chain([&full]).map(|&(i, j)| match i <= q_a && j <= q_b {
            true => SQUARE_UNIT / i.min(j) as f64,
            false => f64::NAN,
        });
        let units = squares.chain([LINEAR_CKA_UNIT]);
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

/// The tiles that hold a pair with a place, as (row, column).
fn tiles(tile: usize, [a, b]: [BasisRun<'_>; 2], slots: PairIndex<'_>) -> Vec<[u32; 2]> {
    let [n_rows, n_cols] = [a, b].map(|strip| strip.n_rows().div_ceil(tile));
    let every = (0..n_rows).flat_map(|row| (0..n_cols).map(move |col| (row, col)));
    let mut wanted = vec![true; n_rows * n_cols];
    match slots {
        PairIndex::All => {}
        PairIndex::Upper => every.clone().for_each(|(row, col)| wanted[row * n_cols + col] = row <= col),
        PairIndex::Table { table, .. } => {
            wanted.fill(false);
            let starts: [Vec<usize>; 2] =
                [a, b].map(|strip| strip.starts().map(|row| row as usize).collect());
            for (at, _) in table.iter().enumerate().filter(|(_, slot)| **slot != Dispatch::NO_PAIR) {
                let places = [at / b.ranks.len(), at % b.ranks.len()];
                let [rows, cols] =
                    [0, 1].map(|k| starts[k][places[k]] / tile..starts[k][places[k] + 1].div_ceil(tile));
                for row in rows {
                    wanted[row * n_cols..][cols.clone()].fill(true);
                }
            }
        }
    }
    let kept = every.filter(|&(row, col)| wanted[row * n_cols + col]);
    kept.map(|(row, col)| [row as u32, col as u32]).collect()
}

#[cfg(test)]
mod tests;
