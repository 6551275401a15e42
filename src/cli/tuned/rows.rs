//! What is shown of a weight and its change, and of a checkpoint as a whole.

use serde::Serialize;

use super::args::AgainstArgs;
use crate::Side;
use crate::changes::Change;
use crate::cli::diagonal::powers;
use crate::measure::against_base::{Alignment, IntruderOptions, Intruders, UpdateFacts, WeightPhi};
use crate::range_finder::SingularVectors;

/// One module of one checkpoint.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) checkpoint: String,
    pub(super) module: String,
    pub(super) d_out: usize,
    pub(super) d_in: usize,
    #[serde(flatten)]
    pub(super) facts: UpdateFacts,
    /// DoRA: ‖m − n‖/‖n‖, with the magnitudes m and the norms n of W.
    pub(super) magnitude_change: Option<f64>,
    pub(super) assumed_scaling: bool,
    pub(super) intruders: Option<IntruderRow>,
    pub(super) alignment: Option<AlignmentRow>,
}

#[derive(Debug, Serialize)]
pub(super) struct IntruderRow {
    pub(super) count: usize,
    #[serde(flatten)]
    pub(super) found: Intruders,
}

/// Which of W's directions an update uses.
#[derive(Debug, Serialize)]
pub(super) struct AlignmentRow {
    /// Directions of ΔW, those above the noise.
    pub(super) r: usize,
    /// Shares of ΔW's energy in W's top k directions, at r and at powers of two.
    pub(super) shares: Vec<Share>,
    /// φ of the top r of ΔW, of the right side and then of the left one.
    pub(super) phi: Vec<WeightPhi>,
}

#[derive(Debug, Serialize)]
pub(super) struct Share {
    pub(super) k: usize,
    pub(super) right: f64,
    pub(super) right_by_chance: f64,
    pub(super) left: f64,
    pub(super) left_by_chance: f64,
}

/// A checkpoint as a whole.
#[derive(Debug, Serialize)]
pub(super) struct Whole {
    pub(super) checkpoint: String,
    pub(super) n_modules: usize,
    /// The norms of all modules as one vector.
    pub(super) norm_w: f64,
    pub(super) norm_update: f64,
    pub(super) ratio: Option<f64>,
    pub(super) n_intruders: Option<usize>,
}

impl Row {
    pub(super) fn of(
        checkpoint: &str,
        change: &Change,
        args: &AgainstArgs,
        rank: usize,
    ) -> crate::Result<Self> {
        let AgainstArgs { intruders, top, epsilon, alignment, .. } = *args;
        let numbers = change.read()?;
        let update = numbers.update_vectors(rank)?;
        let facts = UpdateFacts::of(numbers.norm_w(), &update);
        let own = match intruders || alignment {
            true => Some(numbers.weight_vectors(None)?),
            false => None,
        };
        let intruders = match own.as_ref().filter(|own| intruders && own.n() > 0) {
            Some(own) => {
                let options = IntruderOptions { top: top.get(), epsilon };
                let found = Intruders::of(own, &numbers.tuned_vectors(top.get())?, options)?;
                Some(IntruderRow { count: found.count(), found })
            }
            None => None,
        };
        let alignment =
            match own.as_ref().filter(|own| alignment && own.n() > 0 && update.n_above_floor() > 0) {
                Some(own) => {
                    let curve = Alignment::of(own, &*numbers.update()?)?;
                    Some(AlignmentRow::of(own, &update, &curve, args.seed())?)
                }
                None => None,
            };
        Ok(Self {
            checkpoint: checkpoint.to_owned(),
            module: change.name().to_owned(),
            d_out: change.weight().d_out(),
            d_in: change.weight().d_in(),
            facts,
            magnitude_change: numbers.magnitude_change(),
            assumed_scaling: change.assumed_scaling(),
            intruders,
            alignment,
        })
    }
}

impl AlignmentRow {
    fn of(
        own: &SingularVectors,
        update: &SingularVectors,
        curve: &Alignment,
        seed: u64,
    ) -> crate::Result<Self> {
        let r = update.n_above_floor();
        let phi = WeightPhi::of(own, update, &[r], seed)?;
        let mut ks: Vec<usize> = powers(own.n()).chain([r, own.n()]).collect();
        ks.sort_unstable();
        ks.dedup();
        let share = |k: usize| {
            Some(Share {
                k,
                right: *curve.right.get(k - 1)?,
                right_by_chance: curve.random_right(k),
                left: *curve.left.get(k - 1)?,
                left_by_chance: curve.random_left(k),
            })
        };
        Ok(Self { r, shares: ks.into_iter().filter_map(share).collect(), phi })
    }

    /// The shares in W's top r directions.
    pub(super) fn at_r(&self) -> Option<&Share> {
        self.shares.iter().find(|share| share.k == self.r)
    }

    /// φ of the right side and of the left one.
    pub(super) fn sides(&self) -> [Option<&WeightPhi>; 2] {
        [Side::DwRight, Side::DwLeft].map(|side| self.phi.iter().find(|phi| phi.side == side))
    }
}

impl Whole {
    pub(super) fn of(checkpoint: &str, rows: &[Row]) -> Self {
        let norm =
            |of: fn(&UpdateFacts) -> f64| rows.iter().map(|row| of(&row.facts).powi(2)).sum::<f64>().sqrt();
        let (norm_w, norm_update) = (norm(|facts| facts.norm_w), norm(|facts| facts.norm_update));
        let counts: Option<Vec<usize>> =
            rows.iter().map(|row| row.intruders.as_ref().map(|found| found.count)).collect();
        Self {
            checkpoint: checkpoint.to_owned(),
            n_modules: rows.len(),
            norm_w,
            norm_update,
            ratio: (norm_w > 0.0).then(|| norm_update / norm_w),
            n_intruders: counts.map(|counts| counts.iter().sum()),
        }
    }
}
