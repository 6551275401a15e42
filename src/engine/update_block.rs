//! A block of pairs of updates of which the cosines are wanted.

use super::{Block, Pairs};
use crate::basis::{Part, UpdateFactors};
use crate::error::{Fault, Result};

/// Pairs of updates of one module.
#[derive(Debug, Clone, Copy)]
pub struct UpdateBlock<'a> {
    /// First updates, all with the same d_in and d_out.
    pub a: &'a [&'a UpdateFactors],
    /// Second updates, of the same shape.
    pub b: &'a [&'a UpdateFactors],
    /// Which of these are pairs.
    pub pairs: Pairs<'a>,
}

/// What an engine made of the pairs of a block of updates.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockCosines {
    /// cos(ΔW₁, ΔW₂) of every pair, in [−1, 1] but for rounding; NaN where one of the two is zero or not known.
    pub values: Vec<f32>,
    /// Which fallback made these numbers, and why the engine could not.
    pub fallback: Option<String>,
}

impl UpdateBlock<'_> {
    /// Runs what makes the cosines of joined rows, given the block and where the second part of a row begins.
    ///
    /// # Errors
    /// Those of `cosines`; `Invalid` when the updates have different shapes.
    pub(super) fn run<T>(
        &self,
        cosines: impl FnOnce(&Block<'_>, usize) -> Result<(Vec<f32>, T)>,
    ) -> Result<(Vec<f32>, T)> {
        let shape = |update: &&UpdateFactors| (update.d_out(), update.d_in());
        let mut updates = self.a.iter().chain(self.b);
        let Some(first) = updates.next() else {
            return Err(Fault::new("no updates", "at least one").of("block").invalid());
        };
        if let Some(other) = updates.find(|other| shape(other) != shape(first)) {
            let text = |(d_out, d_in)| format!("{d_out} × {d_in}");
            let found = format!("updates of {} and {}", text(shape(first)), text(shape(other)));
            return Err(Fault::new(found, "the same shape for all").of("block").invalid());
        }
        let bases =
            [self.a, self.b].map(|updates| updates.iter().map(|update| update.joined()).collect::<Vec<_>>());
        let block = Block { a: &bases[0], b: &bases[1], pairs: self.pairs, cells: &[] };
        let (mut values, other) = cosines(&block, first.split())?;
        for ((a, b), value) in block.places().zip(&mut values) {
            if !self.a[a].is_there() || !self.b[b].is_there() {
                *value = f32::NAN;
            }
        }
        Ok((values, other))
    }

    /// Which part of the updates' rows the bases of a block of the same pairs are, if they are the same part of all: its product
    /// then is that of the bases.
    pub(super) fn part_of(&self, block: &Block<'_>) -> Option<Part> {
        if (self.a.len(), self.b.len()) != (block.a.len(), block.b.len()) {
            return None;
        }
        // An upper half has one list.
        let lists = [(self.a, block.a), (self.b, block.b)];
        let lists = if matches!(self.pairs, Pairs::Upper) { &lists[..1] } else { &lists };
        let mut parts = lists.iter().flat_map(|(updates, bases)| {
            updates.iter().zip(bases.iter()).map(|(update, basis)| update.part_of(basis))
        });
        let first = parts.next()??;
        parts.all(|part| part == Some(first)).then_some(first)
    }
}
