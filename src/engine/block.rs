//! A block of pairs of which a few cells are kept, and no grids: the unit of work of a scan.

use crate::basis::Basis;
use crate::error::{Fault, Result};

/// Pairs of bases of one module, and the cells of their grids that are kept.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    /// Bases whose vectors are the rows of the grids, all in the same d dimensions.
    pub a: &'a [&'a Basis],
    /// Bases whose vectors are the columns, in the same d dimensions.
    pub b: &'a [&'a Basis],
    /// Which of these are pairs.
    pub pairs: Pairs<'a>,
    /// The cells (i, j) to keep of every pair, counted from 1.
    pub cells: &'a [(usize, usize)],
}

/// Which bases of a block's two lists are pairs, and in which order.
#[derive(Debug, Clone, Copy)]
pub enum Pairs<'a> {
    /// Each of `a` with each of `b`: (0, 0), (0, 1), ...
    All,
    /// The two lists are the same one, and each pair stands once: (0, 1), (0, 2), ..., (1, 2), ...
    Upper,
    /// These places in `a` and `b`.
    List(&'a [(u32, u32)]),
}

impl<'a> Block<'a> {
    /// How many pairs there are.
    pub fn n_pairs(&self) -> usize {
        match self.pairs {
            Pairs::All => self.a.len() * self.b.len(),
            Pairs::Upper => self.a.len() * self.a.len().saturating_sub(1) / 2,
            Pairs::List(list) => list.len(),
        }
    }

    /// The places in `a` and `b` of every pair, in order.
    pub fn places(&self) -> Box<dyn Iterator<Item = (usize, usize)> + 'a> {
        let (n_a, n_b) = (self.a.len(), self.b.len());
        match self.pairs {
            Pairs::All => Box::new((0..n_a).flat_map(move |a| (0..n_b).map(move |b| (a, b)))),
            Pairs::Upper => Box::new((0..n_a).flat_map(move |a| (a + 1..n_a).map(move |b| (a, b)))),
            Pairs::List(list) => Box::new(list.iter().map(|&(a, b)| (a as usize, b as usize))),
        }
    }

    /// The d that all bases share.
    ///
    /// # Errors
    /// `Invalid` when they do not, when a pair is none of the two lists', or when a cell is counted from 0.
    pub fn d(&self) -> Result<usize> {
        let wrong = |found: String, expected: &str| Fault::new(found, expected).of("block").invalid();
        let mut dimensions = self.a.iter().chain(self.b).map(|basis| basis.d());
        let d = dimensions.next().ok_or_else(|| wrong("no bases".into(), "at least one"))?;
        if let Some(other) = dimensions.find(|&other| other != d) {
            return Err(wrong(format!("bases in {d} and {other} dimensions"), "the same d for all"));
        }
        let outside = |&(a, b): &(usize, usize)| a >= self.a.len() || b >= self.b.len();
        let n = (self.a.len(), self.b.len());
        match self.pairs {
            Pairs::Upper if n.0 != n.1 => {
                return Err(wrong(format!("lists of {} and {} bases", n.0, n.1), "one list twice"));
            }
            Pairs::List(_) => {
                if let Some(place) = self.places().find(outside) {
                    return Err(wrong(format!("the pair {place:?}"), "a place in each list"));
                }
            }
            Pairs::All | Pairs::Upper => {}
        }
        if let Some(cell) = self.cells.iter().find(|(i, j)| *i == 0 || *j == 0) {
            return Err(wrong(format!("the cell {cell:?}"), "cells counted from 1"));
        }
        Ok(d)
    }
}

/// What is kept of the pairs of a block, in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockStats {
    n_cells: usize,
    values: Vec<f32>,
    fallback: Option<String>,
}

/// What is kept of one pair, as the engine made it: rounding may leave a value a few ulp outside [0, 1].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairStats<'a> {
    /// φ at the block's cells; NaN for a cell over the pair's ranks.
    pub phi: &'a [f32],
    /// φ(m, m) at full rank, m = min(q_a, q_b).
    pub full: f32,
    /// The linear CKA Σᵢⱼ σᵢ²·τⱼ²·P²ᵢⱼ / √(Σσᵢ⁴·Στⱼ⁴), σ and τ the singular values of the two.
    pub linear_cka: f32,
}

impl BlockStats {
    /// Numbers behind the cells: φ at full rank, and the linear CKA.
    pub const N_MORE: usize = 2;

    /// From `n_cells + 2` numbers a pair: φ at the cells, φ at full rank, the linear CKA.
    ///
    /// # Panics
    /// When the count of numbers is not a multiple of that.
    pub fn new(n_cells: usize, values: Vec<f32>) -> Self {
        assert!(values.len().is_multiple_of(n_cells + Self::N_MORE), "{} numbers", values.len());
        Self { n_cells, values, fallback: None }
    }

    /// The same, marked as made by another way than the engine's own, and why.
    pub fn by_fallback(self, why: impl Into<String>) -> Self {
        Self { fallback: Some(why.into()), ..self }
    }

    /// What made these numbers in the engine's place and why, where its own way failed.
    pub fn fallback(&self) -> Option<&str> {
        self.fallback.as_deref()
    }

    /// How many pairs.
    pub fn n_pairs(&self) -> usize {
        self.values.len() / (self.n_cells + Self::N_MORE)
    }

    /// What is kept of each pair.
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = PairStats<'_>> {
        self.values.chunks_exact(self.n_cells + Self::N_MORE).map(|values| {
            let (phi, more) = values.split_at(self.n_cells);
            PairStats { phi, full: more[0], linear_cka: more[1] }
        })
    }
}
