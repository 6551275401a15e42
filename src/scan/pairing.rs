//! Who is paired with whom: from what was asked for to lists of adapters.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use super::naming::named;
use super::plan::{PairChoice, Plan};
use crate::error::{Fault, Remedy, Result};
use crate::names::by_nearness;
use crate::text::listed;

/// Who is paired with whom.
#[derive(Debug)]
pub(super) enum PairLists {
    /// Each member with each other.
    Symmetric { members: Vec<u32> },
    /// Each row with each column, but for itself, and each pair once.
    Bipartite { rows: Vec<u32>, cols: Vec<u32> },
    /// These.
    Pairs(Vec<(u32, u32)>),
}

/// Who is paired with whom, before it is asked who has a module.
pub(super) enum PairingRule {
    Symmetric,
    Bipartite(Vec<u32>, Vec<u32>),
    Pairs(Vec<(u32, u32)>),
}

impl PairingRule {
    /// # Errors
    /// `Invalid` when a reference or a side's glob names no adapter, or when the pairs of an earlier generation are none any
    /// more.
    pub(super) fn of(plan: &Plan) -> Result<Self> {
        let all = 0..plan.adapters.len() as u32;
        Ok(match &plan.options.pairs {
            PairChoice::All => Self::Symmetric,
            PairChoice::Against(references) => {
                let find = |path: &PathBuf| {
                    let missing = || Fault::stating("not an adapter of this scan").at(path).invalid();
                    plan.find(path).ok_or_else(missing)
                };
                let mut rows = references.iter().map(find).collect::<Result<Vec<u32>>>()?;
                rows.sort_unstable();
                rows.dedup();
                Self::Bipartite(rows, all.collect())
            }
            PairChoice::LeftRight(left, right) => {
                let matching = |glob: &str| -> Result<Vec<u32>> {
                    let paths = plan.adapters.iter().map(|adapter| adapter.path.as_path());
                    let found = named(paths, glob)?;
                    match found.is_empty() {
                        false => Ok(found.into_iter().map(|place| place as u32).collect()),
                        true => Err(Fault::new("no adapter whose path matches", "adapters on each side")
                            .of(glob.to_owned())
                            .hint(nearest(plan, glob))
                            .invalid()),
                    }
                };
                Self::Bipartite(matching(left)?, matching(right)?)
            }
            PairChoice::Consecutive => Self::Pairs(consecutive(plan)?),
        })
    }

    /// Of `n` adapters, those that have a module.
    pub(super) fn lists(&self, n: u32, has: impl Fn(u32) -> bool) -> PairLists {
        let members = |list: &[u32]| list.iter().copied().filter(|&adapter| has(adapter)).collect();
        match self {
            Self::Symmetric => {
                PairLists::Symmetric { members: (0..n).filter(|&adapter| has(adapter)).collect() }
            }
            Self::Bipartite(rows, cols) => PairLists::Bipartite { rows: members(rows), cols: members(cols) },
            Self::Pairs(pairs) => {
                PairLists::Pairs(pairs.iter().copied().filter(|&(a, b)| has(a) && has(b)).collect())
            }
        }
    }
}

/// Which paths are near to a glob that fits none.
fn nearest(plan: &Plan, glob: &str) -> String {
    let paths: Vec<String> = plan.adapters.iter().map(|adapter| adapter.path.display().to_string()).collect();
    let near = by_nearness(&format!("*{glob}"), paths.iter().map(String::as_str));
    format!("the nearest are {}", listed(near))
}

/// Each checkpoint of a run with the next one, in the order of generations and then of adapters.
fn consecutive(plan: &Plan) -> Result<Vec<(u32, u32)>> {
    let mut pairs: Vec<(u32, u32)> = vec![];
    for &end in &plan.generations {
        let now = consecutive_of(plan, end);
        if let Some((a, b)) = pairs.iter().find(|pair| now.binary_search(pair).is_err()) {
            let [a, b] = [a, b].map(|&adapter| plan.adapters[adapter as usize].path.display().to_string());
            return Err(Fault::new("a new step between two that are compared", format!("{a} before {b}"))
                .of("consecutive pairs")
                .remedy(Remedy::StartOver)
                .invalid());
        }
        let known: HashSet<(u32, u32)> = pairs.iter().copied().collect();
        pairs.extend(now.into_iter().filter(|pair| !known.contains(pair)));
    }
    if pairs.is_empty() {
        let found = "no two checkpoints of one run whose names say their steps";
        return Err(Fault::new(found, "names such as checkpoint-500 in one folder")
            .of("consecutive pairs")
            .invalid());
    }
    Ok(pairs)
}

/// The same among the first `end` adapters, sorted.
fn consecutive_of(plan: &Plan, end: u32) -> Vec<(u32, u32)> {
    let mut runs: HashMap<PathBuf, Vec<(u64, u32)>> = HashMap::new();
    for adapter in 0..end {
        if let Some(step) = plan.adapters[adapter as usize].step {
            runs.entry(plan.run(adapter)).or_default().push((step, adapter));
        }
    }
    let mut pairs: Vec<(u32, u32)> = vec![];
    for steps in runs.values_mut() {
        steps.sort_unstable();
        pairs.extend(steps.windows(2).map(|two| (two[0].1, two[1].1)));
    }
    pairs.sort_unstable();
    pairs
}
