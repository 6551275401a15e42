//! Which way round the factors of a module lie, seen by their shapes.
//!
//! Layers of PyTorch keep A as (rank, d_in) and B as (d_out, rank). MLX and many who write LoRA themselves keep A as (d_in,
//! rank) and B as (rank, d_out), for `x @ A @ B`. The shapes of a square weight allow both, with the rank and d exchanged.

use std::collections::HashMap;

use super::claim::Stored;
use super::layout::{Layout, Orientation};
use super::scheme::Claimed;

impl Orientation {
    /// The way that two tensors lie; `both` is for those that fit both ways, by the lower rank if it is `None`.
    pub(in crate::formats) fn of(layout: Layout, [a, b]: [Stored<'_>; 2], both: Option<Self>) -> Self {
        if layout.is_certain(a.name) {
            return layout.usual();
        }
        match Fit::of(layout, [a, b]) {
            Fit::Only(orientation) => orientation,
            Fit::Lower(orientation) => both.unwrap_or(orientation),
            Fit::Silent => both.unwrap_or(layout.usual()),
        }
    }
}

/// What two shapes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// They fit only this way.
    Only(Orientation),
    /// They fit both ways, and this way has the lower rank.
    Lower(Orientation),
    /// They fit both ways with the same rank, or neither way.
    Silent,
}

/// By how much the rank must be the lower to speak against names of a layer, `….weight`: PyTorch's are (rank, d_in), and
/// there are layers with d a little below the rank.
const LAYER_MARGIN: u64 = 4;

/// How many times as low the rank must be this way, times the margin, to be certain whatever the other modules of the file are.
const CERTAIN: u64 = 4;

impl Fit {
    fn of(layout: Layout, [a, b]: [Stored<'_>; 2]) -> Self {
        let margin = if a.name.ends_with(".weight") { LAYER_MARGIN } else { 1 };
        Self::of_shapes(layout, margin, [a, b].map(|one| one.tensor.shape.as_slice()))
    }

    fn of_shapes(layout: Layout, margin: u64, [a, b]: [&[u64]; 2]) -> Self {
        let (&[a_rows, a_cols], &[b_rows, b_cols]) = (a, b) else {
            // Only layers of PyTorch have convolutions.
            return Self::Only(Orientation::Linear);
        };
        // Factors of two ranks, of a square weight, would be one module whose rank is above both of its sizes.
        let is_two_ranks = |rank: u64, d_in: u64, d_out: u64| rank > d_in.max(d_out);
        let is_usual = |orientation| layout.usual() == orientation;
        let n_groups = layout.n_groups([a, b]);
        let linear = (a_rows == b_cols || n_groups.is_some())
            && (is_usual(Orientation::Linear) || !is_two_ranks(b_cols, a_cols, b_rows));
        let transposed =
            a_cols == b_rows && (is_usual(Orientation::Transposed) || !is_two_ranks(a_cols, a_rows, b_cols));
        // Groups with fewer rows each than their rank: those of a weight that lies the other way round.
        let is_far = |n_groups: u64| b_cols.saturating_mul(n_groups) > b_rows;
        let linear = linear && !(transposed && a_rows != b_cols && n_groups.is_some_and(is_far));
        let (low, high) = (b_cols.min(a_cols), b_cols.max(a_cols));
        let lower = if low == b_cols { Orientation::Linear } else { Orientation::Transposed };
        match (linear, transposed) {
            (true, false) => Self::Only(Orientation::Linear),
            (false, true) => Self::Only(Orientation::Transposed),
            (true, true) if high > low.saturating_mul(CERTAIN * margin) => Self::Only(lower),
            (true, true) if b_cols < a_cols => Self::Lower(lower),
            (true, true) if b_cols > a_cols.saturating_mul(margin) => Self::Lower(lower),
            _ => Self::Silent,
        }
    }
}

/// How many modules speak for `Linear`, less those that speak for `Transposed`.
#[derive(Debug, Default)]
struct Votes {
    only: i64,
    lower: i64,
}

impl Votes {
    fn count(&mut self, fit: Fit) {
        let sign = |orientation| if orientation == Orientation::Linear { 1 } else { -1 };
        match fit {
            Fit::Only(orientation) => self.only += sign(orientation),
            Fit::Lower(orientation) => self.lower += sign(orientation),
            Fit::Silent => {}
        }
    }

    fn winner(&self) -> Option<Orientation> {
        let sum = if self.only == 0 { self.lower } else { self.only };
        match sum {
            0 => None,
            1.. => Some(Orientation::Linear),
            _ => Some(Orientation::Transposed),
        }
    }
}

/// The way that each scheme's modules of a file lie where the shapes of a module allow both.
#[derive(Debug, Default)]
pub(in crate::formats) struct Orientations(HashMap<&'static str, Votes>);

impl Orientations {
    /// Counts modules, given by their factors. Those that fit only one way decide; if there are none, the lower rank does.
    pub(in crate::formats) fn of<'a>(modules: impl Iterator<Item = [&'a Claimed<'a>; 2]>) -> Self {
        let mut votes = Self::default();
        for [a, b] in modules {
            if !a.scheme.layout.is_certain(a.stored.name) {
                let fit = Fit::of(a.scheme.layout, [a.stored, b.stored]);
                votes.0.entry(a.scheme.names.name()).or_default().count(fit);
            }
        }
        votes
    }

    /// The way that a module's factors lie.
    pub(in crate::formats) fn get(&self, [a, b]: [&Claimed<'_>; 2]) -> Orientation {
        let votes = self.0.get(a.scheme.names.name());
        Orientation::of(a.scheme.layout, [a.stored, b.stored], votes.and_then(Votes::winner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(a: [u64; 2], b: [u64; 2]) -> Fit {
        Fit::of_shapes(Layout::Grouped, 1, [&a, &b])
    }

    #[test]
    fn only_a_square_weight_fits_both_ways() {
        use Orientation::{Linear, Transposed};
        assert_eq!(fit([8, 384], [1152, 8]), Fit::Only(Linear));
        assert_eq!(fit([384, 8], [8, 1152]), Fit::Only(Transposed));
        assert_eq!(fit([8, 768], [768, 8]), Fit::Only(Linear));
        assert_eq!(fit([768, 8], [8, 768]), Fit::Only(Transposed));
        assert_eq!(fit([8, 4], [4, 8]), Fit::Lower(Transposed));
        assert_eq!(fit([8, 8], [8, 8]), Fit::Silent);
        // Two ranks: read the other way round, they would make a weight of 8 × 16 and rank 384.
        assert_eq!(fit([8, 384], [384, 16]), Fit::Silent);
        assert_eq!(Fit::of_shapes(Layout::Transposed, 1, [&[896, 8], &[16, 896]]), Fit::Silent);
        assert_eq!(Fit::of_shapes(Layout::Transposed, 1, [&[8, 896], &[128, 8]]), Fit::Only(Linear));
        let layer = |a: [u64; 2], b: [u64; 2]| Fit::of_shapes(Layout::Loose, LAYER_MARGIN, [&a, &b]);
        assert_eq!(layer([768, 8], [8, 768]), Fit::Only(Transposed));
        assert_eq!(layer([128, 12], [12, 128]), Fit::Lower(Transposed));
        assert_eq!(layer([64, 36], [36, 64]), Fit::Silent);
        assert_eq!(layer([384, 8], [8, 1152]), Fit::Only(Transposed));
        // Not two groups of rank 768 with four rows each.
        assert_eq!(fit([1536, 8], [8, 768]), Fit::Only(Transposed));
        assert_eq!(fit([256, 80], [80, 64]), Fit::Only(Transposed));
        // A rank above one of the sizes, and above both.
        assert_eq!(fit([2048, 16], [16, 8]), Fit::Only(Transposed));
        assert_eq!(fit([64, 80], [80, 256]), Fit::Only(Transposed));
        assert_eq!(fit([8, 384], [384, 500]), Fit::Only(Transposed));
        assert_eq!(fit([16, 4096], [8192, 8]), Fit::Only(Linear));
        assert_eq!(Fit::of_shapes(Layout::Loose, 1, [&[4, 320, 3, 3], &[640, 4, 1, 1]]), Fit::Only(Linear));
    }

    #[test]
    fn modules_that_fit_only_one_way_decide_for_the_others() {
        let votes = |fits: &[Fit]| {
            let mut votes = Votes::default();
            fits.iter().for_each(|&fit| votes.count(fit));
            votes.winner()
        };
        use Orientation::{Linear, Transposed};
        assert_eq!(votes(&[]), None);
        assert_eq!(votes(&[Fit::Lower(Transposed), Fit::Silent]), Some(Transposed));
        let lower = Fit::Lower(Transposed);
        assert_eq!(votes(&[lower, lower, Fit::Only(Linear)]), Some(Linear));
        assert_eq!(votes(&[Fit::Only(Transposed), Fit::Only(Linear), lower]), Some(Transposed));
    }
}
