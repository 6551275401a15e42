//! A block of pairs of which statistics are wanted, and no grids: the unit of work of a scan.

use crate::basis::Basis;
use crate::error::{Fault, Result};

/// Pairs of bases of one module, and the cells of their grids that are wanted.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    /// Bases whose vectors are the rows of the grids, all in the same d dimensions.
    pub a: &'a [&'a Basis],
    /// Bases whose vectors are the columns, in the same d dimensions.
    pub b: &'a [&'a Basis],
    /// Which of these are pairs.
    pub pairs: Pairs<'a>,
    /// The cells (i, j) that are wanted of every pair, counted from 1.
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

    /// The places in `a` and `b` of the pairs at these places in the order of all, which ascend.
    #[cfg(feature = "scan")]
    pub(crate) fn places_of(&self, pairs: &[usize]) -> Vec<(usize, usize)> {
        let n_b = self.b.len();
        // Where the pairs of the next basis begin.
        let (mut a, mut end) = (0, n_b.saturating_sub(1));
        let place = |&pair: &usize| match self.pairs {
            Pairs::All => (pair / n_b, pair % n_b),
            Pairs::List(list) => (list[pair].0 as usize, list[pair].1 as usize),
            Pairs::Upper => {
                while pair >= end {
                    a += 1;
                    end += n_b - 1 - a;
                }
                (a, n_b - (end - pair))
            }
        };
        pairs.iter().map(place).collect()
    }

    /// The d that all bases share.
    ///
    /// # Errors
    /// `Invalid` when they do not, when a pair is not in the two lists, or when a cell is counted from 0.
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

#[cfg(all(test, feature = "scan"))]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_order_is_the_pair_that_stands_there() {
        let basis = Basis::gaussian(1, 3, 0).unwrap();
        let bases = vec![&basis; 7];
        let list = [(3, 1), (0, 6), (0, 6)];
        for (pairs, n) in [(Pairs::All, 5), (Pairs::Upper, 7), (Pairs::Upper, 2), (Pairs::List(&list), 7)] {
            let block = Block { a: &bases[..n], b: &bases, pairs, cells: &[] };
            let block = if let Pairs::Upper = pairs { Block { b: block.a, ..block } } else { block };
            let all: Vec<(usize, usize)> = block.places().collect();
            let every: Vec<usize> = (0..all.len()).collect();
            assert_eq!(block.places_of(&every), all);
            let some: Vec<usize> = every.into_iter().filter(|at| at % 3 == 2).collect();
            let expected: Vec<_> = some.iter().map(|&at| all[at]).collect();
            assert_eq!(block.places_of(&some), expected);
        }
    }
}
