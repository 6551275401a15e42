//! Why two adapters of a scan have no row.

use std::collections::HashSet;

use super::keep::Keep;
use super::pairing::{PairLists, PairingRule};
use super::plan::Plan;
use crate::error::Result;

/// Why two adapters have no row, the first reason that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum WhyAbsent {
    /// The scan was asked for other pairs.
    NotAsked,
    /// Only pairs of one base model were asked for.
    OtherBase,
    /// They have no module in common whose space has the same dimension.
    NoCommonModule,
    /// Their blocks are not there yet.
    NotYet,
    /// Only the most alike pairs were kept.
    NotAmongTop,
    /// The modules that they have in common have no basis in one of them.
    NoBasis,
    /// None of these.
    Unknown,
}

impl WhyAbsent {
    /// For machines.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::NotAsked => "not_asked",
            Self::OtherBase => "other_base",
            Self::NoCommonModule => "no_common_module",
            Self::NotYet => "not_yet",
            Self::NotAmongTop => "not_among_top",
            Self::NoBasis => "no_basis",
            Self::Unknown => "unknown",
        }
    }

    /// After a number of pairs.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::NotAsked => "not asked for",
            Self::OtherBase => "of two base models",
            Self::NoCommonModule => "without a module in common",
            Self::NotYet => "not computed yet",
            Self::NotAmongTop => "not among the most alike, which are all that the scan kept",
            Self::NoBasis => "without a basis in common",
            Self::Unknown => "not in the table",
        }
    }
}

/// What tells why pairs of a plan are absent.
pub(crate) struct Absences<'a> {
    plan: &'a Plan,
    asked: Asked,
    /// A bit for each module of each layout.
    layouts: Vec<Vec<u64>>,
    is_complete: bool,
    has_problem: Vec<bool>,
}

enum Asked {
    All,
    Across(Vec<bool>, Vec<bool>),
    These(HashSet<(u32, u32)>),
}

impl<'a> Absences<'a> {
    /// # Errors
    /// As [`PairingRule::of`].
    pub(super) fn of(plan: &'a Plan, has_problem: impl Fn(u32) -> bool, is_complete: bool) -> Result<Self> {
        let n = plan.adapters.len() as u32;
        let is_among = |list: Vec<u32>| {
            let mut is_among = vec![false; n as usize];
            list.into_iter().for_each(|adapter| is_among[adapter as usize] = true);
            is_among
        };
        let asked = match PairingRule::of(plan)?.lists(n, |_| true) {
            PairLists::Symmetric { .. } => Asked::All,
            PairLists::Bipartite { rows, cols } => Asked::Across(is_among(rows), is_among(cols)),
            PairLists::Pairs(pairs) => Asked::These(pairs.into_iter().collect()),
        };
        let bits = |modules: &[(u32, u32)]| {
            let mut bits = vec![0u64; plan.modules.len().div_ceil(64)];
            modules.iter().for_each(|&(module, _)| bits[module as usize / 64] |= 1 << (module % 64));
            bits
        };
        Ok(Self {
            plan,
            asked,
            layouts: plan.layouts.iter().map(|layout| bits(&layout.modules)).collect(),
            is_complete,
            has_problem: (0..n).map(has_problem).collect(),
        })
    }

    /// The reason for two adapters, by their numbers.
    pub(crate) fn why(&self, a: u32, b: u32) -> WhyAbsent {
        let is_asked = match &self.asked {
            Asked::All => true,
            Asked::Across(rows, cols) => {
                let across = |a: u32, b: u32| rows[a as usize] && cols[b as usize];
                across(a, b) || across(b, a)
            }
            Asked::These(pairs) => pairs.contains(&(a, b)) || pairs.contains(&(b, a)),
        };
        let [x, y] = [a, b].map(|adapter| &self.plan.adapters[adapter as usize]);
        let [modules_x, modules_y] = [x, y].map(|adapter| &self.layouts[adapter.layout as usize]);
        let has_common = modules_x.iter().zip(modules_y).any(|(x, y)| x & y != 0);
        match () {
            () if !is_asked => WhyAbsent::NotAsked,
            () if self.plan.options.same_base && x.base_model != y.base_model => WhyAbsent::OtherBase,
            () if !has_common => WhyAbsent::NoCommonModule,
            () if !self.is_complete => WhyAbsent::NotYet,
            () if matches!(self.plan.options.keep, Keep::Top(_)) => WhyAbsent::NotAmongTop,
            () if self.has_problem[a as usize] || self.has_problem[b as usize] => WhyAbsent::NoBasis,
            () => WhyAbsent::Unknown,
        }
    }
}
