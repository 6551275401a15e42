//! Which pairs go to the GPU together: within the limits on buffers, and in dispatches of bounded time.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ptr;

use crate::basis::Basis;
use crate::engine::Pair;
use crate::engine::gpu::checks::{Row, SignedRows};
use crate::engine::gpu::limits::Limits;
use crate::error::Result;
use crate::kernels::similarity::{CHECK_WORDS, CHUNK, HalfRows, Lengths, Placement, Precision, TILE, Tile};

/// Pairs that are uploaded, computed and read together.
#[derive(Debug)]
pub(in crate::engine::gpu) struct Batch<'a> {
    /// Places in the caller's list.
    pub(in crate::engine::gpu) indices: Vec<usize>,
    pub(in crate::engine::gpu) a: Stack<'a>,
    pub(in crate::engine::gpu) b: Stack<'a>,
    pub(in crate::engine::gpu) placements: Vec<Placement>,
    /// The places of each pair's bases in the two stacks.
    pub(in crate::engine::gpu) bases: Vec<[usize; 2]>,
    pub(in crate::engine::gpu) precision: Precision,
    /// Numbers in all grids.
    pub(in crate::engine::gpu) n_grid: usize,
    /// The same with the checks of their tiles.
    pub(in crate::engine::gpu) n_words: usize,
    /// Whether every grid fits one tile; else every one needs the carry pass.
    pub(in crate::engine::gpu) fits_tile: bool,
    /// The largest d; one dispatch takes them all, or each takes some.
    pub(in crate::engine::gpu) d: usize,
    flop: f64,
}

/// Bases one after another; one that stands in many pairs is there once.
#[derive(Debug)]
pub(in crate::engine::gpu) struct Stack<'a> {
    precision: Precision,
    bases: Vec<&'a Basis>,
    /// Of each basis: its place, and its first word.
    places: HashMap<*const Basis, (usize, usize)>,
    /// Words of 32 bits.
    length: usize,
}

impl<'a> Stack<'a> {
    fn new(precision: Precision) -> Self {
        Self { precision, bases: vec![], places: HashMap::new(), length: 0 }
    }

    /// What the stack would grow by.
    fn growth(&self, basis: &Basis) -> usize {
        if self.places.contains_key(&ptr::from_ref(basis)) { 0 } else { n_words(basis, self.precision) }
    }

    fn place(&mut self, basis: &'a Basis) -> (usize, usize) {
        *self.places.entry(ptr::from_ref(basis)).or_insert_with(|| {
            let place = (self.bases.len(), self.length);
            self.bases.push(basis);
            self.length += n_words(basis, self.precision);
            place
        })
    }

    pub(in crate::engine::gpu) fn n_words(&self) -> usize {
        self.length
    }

    /// The bases' words to upload, in order, and what each is checked by.
    pub(in crate::engine::gpu) fn parts(&self) -> impl Iterator<Item = (Cow<'a, [u32]>, SignedRows)> {
        let precision = self.precision;
        self.bases.iter().map(move |basis| {
            let d = basis.d();
            match precision {
                Precision::F32 => {
                    let rows: Vec<Row<'_>> = basis.rows().chunks_exact(d).map(Row::F32).collect();
                    (Cow::Borrowed(bytemuck::cast_slice(basis.rows())), SignedRows::of(d, TILE, &rows))
                }
                Precision::F16 => {
                    let half = HalfRows::of(basis.rows(), d);
                    let rows: Vec<Row<'_>> = (0..basis.q()).map(|row| Row::of_half(&half, row, d)).collect();
                    (Cow::Owned(half.words(d)), SignedRows::of(d, TILE, &rows))
                }
            }
        })
    }
}

/// What a basis takes in a stack.
fn n_words(basis: &Basis, precision: Precision) -> usize {
    basis.q() * precision.row_words(basis.d())
}

/// What a pair takes in the output.
fn grid_words(pair: &Pair<'_>) -> usize {
    let n_tiles = pair.a.q().div_ceil(TILE) * pair.b.q().div_ceil(TILE);
    pair.a.q() * pair.b.q() + CHECK_WORDS * n_tiles
}

impl<'a> Batch<'a> {
    fn new(fits_tile: bool, precision: Precision) -> Self {
        Self {
            indices: vec![],
            a: Stack::new(precision),
            b: Stack::new(precision),
            placements: vec![],
            bases: vec![],
            precision,
            n_grid: 0,
            n_words: 0,
            fits_tile,
            d: 0,
            flop: 0.0,
        }
    }

    fn has_room_for(&self, pair: &Pair<'_>, limits: &Limits) -> bool {
        let fits = |length: usize| length <= limits.max_words;
        let n_grid = self.n_grid + pair.a.q() * pair.b.q();
        fits(self.a.length + self.a.growth(pair.a))
            && fits(self.b.length + self.b.growth(pair.b))
            && fits(self.n_words + grid_words(pair))
            // Two words of products for each cell where there are several chunks.
            && fits(if pair.a.d() > CHUNK { 2 * n_grid } else { 0 })
            && (self.indices.is_empty() || self.flop + pair.flop() <= limits.max_flop)
    }

    fn push(&mut self, index: usize, pair: &Pair<'a>) {
        let (n_rows, n_cols) = (pair.a.q(), pair.b.q());
        self.indices.push(index);
        let [(place_a, offset_a), (place_b, offset_b)] = [self.a.place(pair.a), self.b.place(pair.b)];
        self.bases.push([place_a, place_b]);
        self.d = self.d.max(pair.a.d());
        self.placements.push(Placement {
            precision: self.precision,
            offset_a,
            offset_b,
            offset_grid: self.n_grid,
            n_rows,
            n_cols,
            d: pair.a.d(),
        });
        self.n_grid += n_rows * n_cols;
        self.n_words += grid_words(pair);
        self.flop += pair.flop();
    }

    /// Every tile of every pair, checked against the stacks, and which pair it is of.
    pub(in crate::engine::gpu) fn tiles(&self) -> Result<(Vec<Tile>, Vec<usize>)> {
        let lengths = Lengths { bases_a: self.a.length, bases_b: self.b.length, grids: self.n_grid };
        let (mut tiles, mut pairs) = (vec![], vec![]);
        for (pair, place) in self.placements.iter().enumerate() {
            tiles.extend(place.tiles(lengths)?);
            pairs.resize(tiles.len(), pair);
        }
        Ok((tiles, pairs))
    }
}

/// Cuts a list of pairs into batches, each all within one tile or all over it, and of one chunk of columns or of several.
///
/// # Errors
/// `Invalid` for a pair of different d, `Limit` for one that fits no batch.
pub(in crate::engine::gpu) fn batches<'a>(
    pairs: &[Pair<'a>],
    precision: Precision,
    limits: Limits,
) -> Result<Vec<Batch<'a>>> {
    let mut done = vec![];
    for (fits_tile, is_long) in [(true, false), (false, false), (true, true), (false, true)] {
        let mut batch = Batch::new(fits_tile, precision);
        for (index, pair) in pairs.iter().enumerate() {
            pair.d()?;
            if (pair.a.q().max(pair.b.q()) <= TILE, pair.a.d() > CHUNK) != (fits_tile, is_long) {
                continue;
            }
            if !batch.has_room_for(pair, &limits) {
                limits.check_binding("basis", n_words(pair.a, precision).max(n_words(pair.b, precision)))?;
                limits.check_binding("grid", grid_words(pair))?;
                done.push(std::mem::replace(&mut batch, Batch::new(fits_tile, precision)));
            }
            batch.push(index, pair);
        }
        done.push(batch);
    }
    done.retain(|batch| !batch.indices.is_empty());
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Remedy;

    fn basis(q: usize, d: usize) -> Basis {
        Basis::from_rows(d, vec![0.0; q * d], vec![1.0; q]).unwrap()
    }

    #[test]
    fn every_pair_is_in_one_batch_and_no_batch_is_over_its_limits() {
        let bases: Vec<Basis> = [1, 8, 64, 65, 130, 3].map(|q| basis(q, 201)).into();
        let pairs: Vec<Pair<'_>> =
            bases.iter().flat_map(|a| bases.iter().map(move |b| Pair { a, b })).collect();
        let limits = Limits { max_words: 130 * 201, max_stack_words: 0, max_flop: 1e7 };
        for precision in Precision::ALL {
            let batches = batches(&pairs, precision, limits).unwrap();
            let mut indices: Vec<usize> = batches.iter().flat_map(|batch| batch.indices.clone()).collect();
            indices.sort_unstable();
            assert!(indices.into_iter().eq(0..pairs.len()));
            for batch in &batches {
                assert!(batch.a.length.max(batch.b.length).max(batch.n_grid) <= limits.max_words);
                assert!(batch.flop <= limits.max_flop || batch.indices.len() == 1);
                assert!(batch.placements.iter().all(|place| place.fits_tile() == batch.fits_tile));
                for stack in [&batch.a, &batch.b] {
                    let n_words: usize = stack.parts().map(|(words, _)| words.len()).sum();
                    assert_eq!(n_words, stack.n_words());
                }
                batch.tiles().unwrap();
            }
        }
    }

    #[test]
    fn a_basis_in_many_pairs_is_uploaded_once() {
        let (a, b) = (basis(8, 10), basis(8, 10));
        let pairs = [Pair { a: &a, b: &b }, Pair { a: &a, b: &a }, Pair { a: &b, b: &b }];
        let limits = Limits { max_words: 1000, max_stack_words: 0, max_flop: 1e9 };
        let batches = batches(&pairs, Precision::F32, limits).unwrap();
        assert_eq!(batches.len(), 1);
        assert_eq!((batches[0].a.parts().count(), batches[0].b.parts().count()), (2, 2));
    }

    #[test]
    fn a_pair_that_fits_no_batch_is_an_error_with_a_way_out() {
        let (a, b) = (basis(8, 100), basis(8, 100));
        let limits = Limits { max_words: 799, max_stack_words: 0, max_flop: 1e9 };
        let pairs = [Pair { a: &a, b: &b }];
        let error = batches(&pairs, Precision::F32, limits).unwrap_err();
        assert_eq!(
            error.to_string(),
            "basis: found 800 words of 4 bytes, expected at most 799 in one buffer of this GPU"
        );
        assert_eq!(error.remedy(), Some(&Remedy::UseCpu));
        assert_eq!(batches(&pairs, Precision::F16, limits).unwrap().len(), 1, "half the size fits");
    }
}
