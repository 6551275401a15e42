//! Pairs as statistics see them: of one module, from two lists of adapters.

use super::Grid;
use super::sums::{BlockStats, PairStats};
use super::values::Values;
use crate::basis::Basis;
use crate::error::Result;

/// What is asked of every pair, on top of the statistics that all have.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The cells (i, j) of φ, counted from 1.
    pub cells: Vec<(usize, usize)>,
    /// The largest rank of any pair.
    pub max_rank: usize,
    /// Principal angles.
    pub angles: bool,
    /// Whole grids.
    pub grid: bool,
    /// The cosine of the updates and their norms.
    pub update: bool,
}

/// One adapter of a pair.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// Its basis of the module.
    pub basis: &'a Basis,
    /// A number for the base model that its config names.
    pub base_model: Option<u32>,
    /// Its update, where updates are wanted.
    pub update: Option<MemberUpdate>,
}

/// What is known of an update by itself.
#[derive(Debug, Clone, Copy)]
pub struct MemberUpdate {
    /// ‖ΔW‖_F; NaN where it is unknown.
    pub norm: f64,
    /// d_in·d_out.
    pub n_weights: usize,
}

impl MemberUpdate {
    /// Of an update in the form that engines multiply.
    #[cfg(feature = "scan")]
    pub(crate) fn of(update: &crate::basis::UpdateFactors) -> Self {
        Self { norm: update.norm(), n_weights: update.d_in() * update.d_out() }
    }
}

/// What makes the grids of the pairs at these places, in their order.
pub type MakeGrids<'a> = dyn Fn(&[(usize, usize)]) -> Result<Vec<Grid>> + 'a;

/// Pairs of one module.
#[derive(Clone, Copy)]
pub struct PairBatch<'a> {
    /// What is asked of them.
    pub wanted: &'a Wanted,
    /// First adapters, all bases in the same d dimensions.
    pub a: &'a [Member<'a>],
    /// Second adapters.
    pub b: &'a [Member<'a>],
    /// The places in `a` and `b` of every pair.
    pub places: &'a [(usize, usize)],
    /// What an engine made of every pair, at the wanted cells.
    pub stats: &'a BlockStats,
    /// cos(vec A₁, vec A₂) of every pair, or an estimate; NaN where there is none.
    pub init_cosines: &'a [f64],
    /// cos(ΔW₁, ΔW₂) of every pair, where updates are wanted; NaN where there is none.
    pub cosines: &'a [f64],
    /// Called where grids are wanted.
    pub grids: &'a MakeGrids<'a>,
}

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct PairView<'a> {
    pub(super) a: &'a Member<'a>,
    pub(super) b: &'a Member<'a>,
    pub(super) stats: PairStats<'a>,
    pub(super) init_cosine: f64,
    pub(super) cosine: f64,
}

impl PairView<'_> {
    /// Dimension of the space.
    #[inline(always)]
    pub(super) fn d(&self) -> usize {
        self.a.basis.d()
    }

    /// q_a and q_b.
    #[inline(always)]
    pub(super) fn ranks(&self) -> [usize; 2] {
        [self.a.basis.q(), self.b.basis.q()]
    }

    /// min(q_a, q_b).
    #[inline(always)]
    pub(super) fn full_rank(&self) -> usize {
        self.a.basis.q().min(self.b.basis.q())
    }
}

impl<'a> PairBatch<'a> {
    /// Every pair, in order.
    #[inline(always)]
    pub(super) fn pairs(&self) -> impl Iterator<Item = PairView<'a>> {
        let (members_a, members_b) = (self.a, self.b);
        let cosines = self.cosines.iter().copied().chain(std::iter::repeat(f64::NAN));
        self.places.iter().zip(self.stats.pairs()).zip(self.init_cosines).zip(cosines).map(
            move |(((&(a, b), stats), &init_cosine), cosine)| PairView {
                a: &members_a[a],
                b: &members_b[b],
                stats,
                init_cosine,
                cosine,
            },
        )
    }

    /// A column of whole numbers.
    #[inline(always)]
    pub(super) fn ints(&self, value: impl Fn(PairView<'_>) -> usize) -> Values {
        Values::Ints(self.pairs().map(|pair| value(pair) as i32).collect())
    }

    /// A column of numbers; NaN for null.
    #[inline(always)]
    pub(super) fn numbers(&self, value: impl Fn(PairView<'_>) -> f64) -> Values {
        Values::Numbers(self.pairs().map(value).collect())
    }

    /// A column of numbers as an engine makes them.
    #[inline(always)]
    pub(super) fn floats(&self, value: impl Fn(PairView<'_>) -> f32) -> Values {
        Values::Floats(self.pairs().map(value).collect())
    }

    /// A column of flags.
    #[inline(always)]
    pub(super) fn flags(&self, value: impl Fn(PairView<'_>) -> Option<bool>) -> Values {
        Values::Flags(self.pairs().map(value).collect())
    }
}
