//! What two adapters are to each other: copies, derived from each other, of one run, or unrelated.

use std::fmt;

use crate::measure::update::{UpdatePair, WholeUpdate, whole};

/// What two adapters, a and b, are to each other: the first that holds, in this order.
///
/// All but the files and the names of the runs is judged from the updates ΔW = s·B·A of the modules that both have, taken
/// as one vector each, so that it does not matter how an update is factorised.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Relation {
    /// The files have the same bytes.
    SameFile,
    /// Every A, every B and every scaling is the same.
    SameFactors,
    /// ΔW_b = ΔW_a up to the rounding of the coarser storage type: factorised anew, or stored in another type.
    SameUpdate,
    /// ΔW_b = `factor`·ΔW_a up to rounding, with a positive factor other than 1.
    Scaled {
        /// ‖ΔW_b‖ / ‖ΔW_a‖.
        factor: f64,
    },
    /// ΔW_b = −`factor`·ΔW_a up to rounding.
    Negated {
        /// ‖ΔW_b‖ / ‖ΔW_a‖.
        factor: f64,
    },
    /// One is the other without a part that is orthogonal to it, at a lower rank, as a truncated SVD is.
    Resized {
        /// Whether b is the smaller one.
        smaller_is_b: bool,
        /// The smaller one's share of the larger one's energy ‖ΔW‖².
        share: f64,
    },
    /// Two steps of one training run, by their names.
    StepsOfOneRun,
    /// Nearly the same update: more than rounding apart, but at most 5 %.
    Near {
        /// √(1 − cos²), the part of the one that the other at its best scale leaves over.
        difference: f64,
    },
    /// The same random start of A, from which B was trained.
    SharedInit,
    /// The updates point the same way by more than chance.
    Alike,
    /// The updates point opposite ways by more than chance.
    Opposed,
    /// The cosine of the updates is what chance gives.
    Unrelated,
    /// The updates of a module have different shapes.
    OtherShapes,
    /// The updates are not known, or one of them is zero.
    Unknown,
}

/// |z| of the whole model's cosine over which two updates are not independent: 2e-9 by chance.
pub const RELATED_Z: f64 = 6.0;

/// The part left over at the best scale up to which updates are nearly the same.
pub const NEAR: f64 = 0.05;

/// How many times its expected rounding error a difference may be and still count as rounding.
const ROUNDINGS: f64 = 4.0;

/// What arithmetic in f32 leaves, such as a new factorisation whose result is stored in f32.
const ARITHMETIC: f64 = 3e-5;

/// How near to 1 ⟨ΔW_large, ΔW_small⟩ / ‖ΔW_small‖² of a module must be for a smaller copy.
const CONTAINED: f64 = 1e-3;

/// What is known of two adapters.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The files have the same bytes.
    pub same_file: bool,
    /// Neither has a module that the other lacks.
    pub same_modules: bool,
    /// The names say two steps of one run.
    pub steps_of_one_run: bool,
    /// More than half of the modules share their random start.
    pub shared_init: bool,
    /// The updates of the modules that both have; empty where they are not known.
    pub updates: Vec<UpdatePair>,
}

impl Evidence {
    /// What follows.
    pub fn relation(&self) -> Relation {
        if self.same_file {
            return Relation::SameFile;
        }
        if self.same_modules && !self.updates.is_empty() && self.updates.iter().all(|pair| pair.same_factors)
        {
            return Relation::SameFactors;
        }
        let all = whole(self.updates.iter().copied());
        self.derived(&all)
            .or_else(|| self.steps_of_one_run.then_some(Relation::StepsOfOneRun))
            .or_else(|| {
                let difference = left_over(&all)?;
                let is_near = difference <= NEAR && all.cosine > Some(0.0);
                is_near.then_some(Relation::Near { difference })
            })
            .or_else(|| self.shared_init.then_some(Relation::SharedInit))
            .unwrap_or(match all.z {
                None if self.updates.iter().any(UpdatePair::has_other_shapes) => Relation::OtherShapes,
                None => Relation::Unknown,
                Some(z) if z > RELATED_Z => Relation::Alike,
                Some(z) if z < -RELATED_Z => Relation::Opposed,
                Some(_) => Relation::Unrelated,
            })
    }

    /// The same update in another form, or a part of it.
    fn derived(&self, all: &WholeUpdate) -> Option<Relation> {
        let [norm_a, norm_b] = all.norms;
        let difference = left_over(all)?;
        // Expected rounding errors of all modules, relative to the updates.
        let rounding = |side: usize| {
            self.updates.iter().map(|pair| (pair.rounding[side] / all.norms[side]).powi(2)).sum::<f64>()
        };
        let tolerance = (ROUNDINGS * (rounding(0) + rounding(1)).sqrt()).max(ARITHMETIC);
        if difference <= tolerance {
            let factor = norm_b / norm_a;
            return Some(match all.cosine {
                Some(cosine) if cosine < 0.0 => Relation::Negated { factor },
                _ if (factor - 1.0).abs() <= tolerance => Relation::SameUpdate,
                _ => Relation::Scaled { factor },
            });
        }
        let smaller_is_b = norm_b < norm_a;
        let share = if smaller_is_b { norm_b / norm_a } else { norm_a / norm_b }.powi(2);
        let is_part = |pair: &UpdatePair| pair.is_part(smaller_is_b, CONTAINED.max(tolerance));
        let is_smaller = |pair: &UpdatePair| {
            let [small, large] = if smaller_is_b { [1, 0] } else { [0, 1] };
            pair.ranks[small] < pair.ranks[large]
        };
        let is_resized = self.updates.iter().all(is_part) && self.updates.iter().any(is_smaller);
        is_resized.then_some(Relation::Resized { smaller_is_b, share })
    }
}

/// √(1 − cos²).
fn left_over(all: &WholeUpdate) -> Option<f64> {
    all.cosine.map(|cosine| (1.0 - cosine * cosine).max(0.0).sqrt())
}

impl UpdatePair {
    /// Whether the smaller update is the larger one without an orthogonal part, so that their inner product is its own
    /// square.
    fn is_part(&self, smaller_is_b: bool, tolerance: f64) -> bool {
        let [small, large] = if smaller_is_b { [1, 0] } else { [0, 1] };
        let [small, large] = [self.norms[small], self.norms[large]];
        if small == 0.0 {
            return true;
        }
        self.cosine.is_some_and(|cosine| (cosine * large / small - 1.0).abs() <= tolerance)
    }
}

impl UpdatePair {
    /// Whether both updates are there and no cosine of them is.
    fn has_other_shapes(&self) -> bool {
        self.cosine.is_none() && self.norms.iter().all(|norm| *norm > 0.0)
    }
}

impl Relation {
    /// Its word, for a column and for JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::SameFile => "same file",
            Self::SameFactors => "same factors",
            Self::SameUpdate => "same update",
            Self::Scaled { .. } => "scaled",
            Self::Negated { .. } => "negated",
            Self::Resized { .. } => "resized",
            Self::StepsOfOneRun => "steps of one run",
            Self::Near { .. } => "nearly the same",
            Self::SharedInit => "same start",
            Self::Alike => "alike",
            Self::Opposed => "opposed",
            Self::Unrelated => "unrelated",
            Self::OtherShapes => "other shapes",
            Self::Unknown => "unknown",
        }
    }

    /// Whether one of the two adds nothing that the other does not have: a copy, another scale or sign, or a part of it.
    pub fn is_derived(self) -> bool {
        matches!(
            self,
            Self::SameFile
                | Self::SameFactors
                | Self::SameUpdate
                | Self::Scaled { .. }
                | Self::Negated { .. }
                | Self::Resized { .. }
        )
    }

    /// Whether the two come from one another or from one start: more than updates that point the same way.
    pub fn is_related(self) -> bool {
        self.is_derived() || matches!(self, Self::StepsOfOneRun | Self::Near { .. } | Self::SharedInit)
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameFile => f.write_str("same file: every byte is equal"),
            Self::SameFactors => f.write_str("same factors: every A, B and scaling is equal"),
            Self::SameUpdate => f.write_str("same update, up to the rounding of the storage type"),
            Self::Scaled { factor } => write!(f, "scaled: b is {factor:.6} times a"),
            Self::Negated { factor } => write!(f, "negated: b is -{factor:.6} times a"),
            Self::Resized { smaller_is_b, share } => {
                let [small, large] = if *smaller_is_b { ["b", "a"] } else { ["a", "b"] };
                write!(
                    f,
                    "resized: {small} is {large} at a lower rank, with {:.2} % of its energy",
                    100.0 * share
                )
            }
            Self::StepsOfOneRun => f.write_str("steps of one run, by their names"),
            Self::Near { difference } => {
                write!(
                    f,
                    "nearly the same update: {:.3} % apart, which is more than rounding",
                    100.0 * difference
                )
            }
            Self::SharedInit => f.write_str("same start: both were trained from the same random A"),
            Self::Alike => f.write_str("alike: the updates point the same way by more than chance"),
            Self::Opposed => f.write_str("opposed: the updates point opposite ways by more than chance"),
            Self::Unrelated => f.write_str("unrelated: the cosine of the updates is what chance gives"),
            Self::OtherShapes => f.write_str("unknown: the updates have different shapes"),
            Self::Unknown => f.write_str("unknown: an update is zero, or was not read"),
        }
    }
}

#[cfg(test)]
mod tests;
