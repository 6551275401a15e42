//! Which pairs go to the GPU together: within the limits on buffers, and in dispatches of bounded time.

use std::collections::HashMap;
use std::ptr;

use crate::basis::Basis;
use crate::engine::Pair;
use crate::error::{Fault, Result};
use crate::kernels::similarity::{Lengths, Placement, Tile};

/// What a batch may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// 32-bit numbers in one storage buffer.
    pub(super) max_numbers: usize,
    /// Work in one dispatch. Drivers stop a dispatch that takes seconds; the slowest real GPUs make 100 GFLOP/s.
    pub(super) max_flop: f64,
}

impl Limits {
    /// # Errors
    /// `Limit` when `n` numbers are over one buffer.
    pub(super) fn check_binding(&self, what: &str, n: usize) -> Result<()> {
        if n <= self.max_numbers {
            return Ok(());
        }
        Err(Fault::new(
            format!("{n} numbers"),
            format!("at most {} in one buffer of this GPU", self.max_numbers),
        )
        .of(what.to_owned())
        .hint("the CPU engine has no such limit: --engine cpu")
        .limit())
    }
}

/// Pairs that are uploaded, computed and read together.
#[derive(Debug)]
pub(super) struct Batch<'a> {
    /// Places in the caller's list.
    pub(super) indices: Vec<usize>,
    pub(super) a: Stack<'a>,
    pub(super) b: Stack<'a>,
    pub(super) placements: Vec<Placement>,
    /// Numbers in all grids.
    pub(super) n_grid: usize,
    /// Whether every grid fits one tile; else every one needs the carry pass.
    pub(super) fits_tile: bool,
    flop: f64,
}

/// Bases one after another; one that stands in many pairs is there once.
#[derive(Debug, Default)]
pub(super) struct Stack<'a> {
    bases: Vec<&'a Basis>,
    offsets: HashMap<*const Basis, usize>,
    length: usize,
}

impl<'a> Stack<'a> {
    /// What the stack would grow by.
    fn growth(&self, basis: &Basis) -> usize {
        if self.offsets.contains_key(&ptr::from_ref(basis)) { 0 } else { basis.rows().len() }
    }

    fn offset(&mut self, basis: &'a Basis) -> usize {
        *self.offsets.entry(ptr::from_ref(basis)).or_insert_with(|| {
            let offset = self.length;
            self.bases.push(basis);
            self.length += basis.rows().len();
            offset
        })
    }

    /// The numbers to upload, in order.
    pub(super) fn parts(&self) -> Vec<&'a [f32]> {
        self.bases.iter().map(|basis| basis.rows()).collect()
    }
}

impl<'a> Batch<'a> {
    fn new(fits_tile: bool) -> Self {
        Self {
            indices: vec![],
            a: Stack::default(),
            b: Stack::default(),
            placements: vec![],
            n_grid: 0,
            fits_tile,
            flop: 0.0,
        }
    }

    fn has_room_for(&self, pair: &Pair<'_>, limits: &Limits) -> bool {
        let fits = |length: usize| length <= limits.max_numbers;
        fits(self.a.length + self.a.growth(pair.a))
            && fits(self.b.length + self.b.growth(pair.b))
            && fits(self.n_grid + pair.a.q() * pair.b.q())
            && (self.indices.is_empty() || self.flop + pair.flop() <= limits.max_flop)
    }

    fn push(&mut self, index: usize, pair: &Pair<'a>) {
        let (n_rows, n_cols) = (pair.a.q(), pair.b.q());
        self.indices.push(index);
        self.placements.push(Placement {
            offset_a: self.a.offset(pair.a),
            offset_b: self.b.offset(pair.b),
            offset_grid: self.n_grid,
            n_rows,
            n_cols,
            d: pair.a.d(),
        });
        self.n_grid += n_rows * n_cols;
        self.flop += pair.flop();
    }

    /// Every tile of every pair, checked against the stacks.
    pub(super) fn tiles(&self) -> Result<Vec<Tile>> {
        let lengths = Lengths { bases_a: self.a.length, bases_b: self.b.length, grids: self.n_grid };
        let mut tiles = vec![];
        for place in &self.placements {
            tiles.extend(place.tiles(lengths)?);
        }
        Ok(tiles)
    }
}

/// Cuts a list of pairs into batches, each all within one tile or all over it.
///
/// # Errors
/// `Invalid` for a pair of different d, `Limit` for one that fits no batch.
pub(super) fn batches<'a>(pairs: &[Pair<'a>], limits: Limits) -> Result<Vec<Batch<'a>>> {
    let mut done = vec![];
    for fits_tile in [true, false] {
        let mut batch = Batch::new(fits_tile);
        for (index, pair) in pairs.iter().enumerate() {
            pair.d()?;
            let place = Placement {
                offset_a: 0,
                offset_b: 0,
                offset_grid: 0,
                n_rows: pair.a.q(),
                n_cols: pair.b.q(),
                d: 1,
            };
            if place.fits_tile() != fits_tile {
                continue;
            }
            if !batch.has_room_for(pair, &limits) {
                limits.check_binding("basis", pair.a.rows().len().max(pair.b.rows().len()))?;
                limits.check_binding("grid", pair.a.q() * pair.b.q())?;
                done.push(std::mem::replace(&mut batch, Batch::new(fits_tile)));
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

    fn basis(q: usize, d: usize) -> Basis {
        Basis::from_rows(d, vec![0.0; q * d], vec![1.0; q]).unwrap()
    }

    #[test]
    fn every_pair_is_in_one_batch_and_no_batch_is_over_its_limits() {
        let bases: Vec<Basis> = [1, 8, 64, 65, 130, 3].map(|q| basis(q, 200)).into();
        let pairs: Vec<Pair<'_>> =
            bases.iter().flat_map(|a| bases.iter().map(move |b| Pair { a, b })).collect();
        let limits = Limits { max_numbers: 130 * 200, max_flop: 1e7 };
        let batches = batches(&pairs, limits).unwrap();
        let mut indices: Vec<usize> = batches.iter().flat_map(|batch| batch.indices.clone()).collect();
        indices.sort_unstable();
        assert!(indices.into_iter().eq(0..pairs.len()));
        for batch in &batches {
            assert!(batch.a.length.max(batch.b.length).max(batch.n_grid) <= limits.max_numbers);
            assert!(batch.flop <= limits.max_flop || batch.indices.len() == 1);
            assert!(batch.placements.iter().all(|place| place.fits_tile() == batch.fits_tile));
            batch.tiles().unwrap();
        }
    }

    #[test]
    fn a_basis_in_many_pairs_is_uploaded_once() {
        let (a, b) = (basis(8, 10), basis(8, 10));
        let pairs = [Pair { a: &a, b: &b }, Pair { a: &a, b: &a }, Pair { a: &b, b: &b }];
        let batches = batches(&pairs, Limits { max_numbers: 1000, max_flop: 1e9 }).unwrap();
        assert_eq!(batches.len(), 1);
        assert_eq!((batches[0].a.parts().len(), batches[0].b.parts().len()), (2, 2));
    }

    #[test]
    fn a_pair_that_fits_no_batch_is_an_error_with_a_way_out() {
        let (a, b) = (basis(8, 100), basis(8, 100));
        let limits = Limits { max_numbers: 799, max_flop: 1e9 };
        let error = batches(&[Pair { a: &a, b: &b }], limits).unwrap_err();
        assert_eq!(
            error.to_string(),
            "basis: found 800 numbers, expected at most 799 in one buffer of this GPU"
        );
        assert!(error.hint().unwrap().contains("--engine cpu"));
    }
}
