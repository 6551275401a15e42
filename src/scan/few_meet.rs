//! The pairs of a plan most of whose modules do not meet.

use std::collections::HashMap;
use std::path::PathBuf;

use super::count::Classes;
use super::pairing::PairingRule;
use super::plan::Plan;
use crate::error::Result;
use crate::select::FewMeet;

/// Pairs of adapters that fewer than half of the modules of the smaller one are compared in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FewMeetPairs {
    /// How many pairs that are.
    pub n: u64,
    /// How many of these have no module in common, so that they are no pairs of the table.
    pub n_without: u64,
    /// The adapters of the first of them.
    pub paths: [PathBuf; 2],
    /// What holds for these.
    pub first: FewMeet,
}

impl Plan {
    /// Whether most modules of two adapters have another name in the other one. Numbered modules have no names.
    pub(crate) fn few_meet(&self, a: u32, b: u32) -> Option<FewMeet> {
        let [a, b] = [a, b].map(|adapter| self.names(adapter));
        let (a, b) = (a?, b?);
        let is_in = |name: &&str, other: &[&str]| other.binary_search(name).is_ok();
        let left = [(&a, &b), (&b, &a)].map(|(names, other)| {
            names.iter().filter(|name| !is_in(name, other)).copied().collect::<Vec<&str>>()
        });
        FewMeet::of(a.len() - left[0].len(), left)
    }

    /// The same for all pairs of the plan.
    ///
    /// # Errors
    /// As [`Plan::n_pairs`].
    pub(super) fn few_meet_pairs(&self) -> Result<Option<FewMeetPairs>> {
        let mut found: Option<FewMeetPairs> = None;
        for (n, [a, b]) in Classes::of(self).between(&PairingRule::of(self)?) {
            let Some(first) = self.few_meet(a, b) else { continue };
            let paths = [a, b].map(|adapter| self.adapters[adapter as usize].path.clone());
            let n_without = if first.n_met == 0 { n } else { 0 };
            let found = found.get_or_insert(FewMeetPairs { n: 0, n_without: 0, paths, first });
            found.n += n;
            found.n_without += n_without;
        }
        Ok(found)
    }

    /// The names of an adapter's modules, sorted, if they are names.
    fn names(&self, adapter: u32) -> Option<Vec<&str>> {
        let layout = self.layout(adapter);
        let modules = layout.modules.iter().map(|&(module, _)| &self.modules[module as usize]);
        let names = modules.map(|module| (!module.is_numbered).then_some(module.name.as_str()));
        let mut names = names.collect::<Option<Vec<&str>>>()?;
        names.sort_unstable();
        Some(names)
    }
}

impl Classes {
    /// For each two classes, in the order of their first adapters: how many pairs there are between them, and the first.
    fn between(&self, rule: &PairingRule) -> Vec<(u64, [u32; 2])> {
        let n = self.kinds.len();
        let mut found: Vec<(u64, [u32; 2])> = vec![];
        let same_base = |i: usize, j: usize| self.kinds[i].1 == self.kinds[j].1;
        let classes =
            || (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j))).filter(|&(i, j)| same_base(i, j));
        match rule {
            PairingRule::Symmetric => {
                let all = 0..self.of_adapter.len() as u32;
                let (sizes, firsts) = (self.sizes(all.clone()), self.firsts(all));
                for (i, j) in classes() {
                    if let (Some(a), Some(b)) = (firsts[i], firsts[j]) {
                        found.push((sizes[i] * sizes[j], [a, b]));
                    }
                }
            }
            PairingRule::Bipartite(rows, cols) => {
                let both: Vec<u32> =
                    rows.iter().copied().filter(|row| cols.binary_search(row).is_ok()).collect();
                let sizes = [rows, cols, &both].map(|list| self.sizes(list.iter().copied()));
                let [row, col] = [rows, cols].map(|list| self.firsts(list.iter().copied()));
                let [n_rows, n_cols, n_both] = sizes;
                for (i, j) in classes() {
                    // Pairs whose adapters stand on both sides were counted twice.
                    let n = n_rows[i] * n_cols[j] + n_rows[j] * n_cols[i] - n_both[i] * n_both[j];
                    let first = row[i].zip(col[j]).or(row[j].zip(col[i]));
                    found.extend(first.map(|(a, b)| (n, [a, b])));
                }
            }
            PairingRule::Pairs(pairs) => {
                let mut places: HashMap<[usize; 2], usize> = HashMap::new();
                for &(a, b) in pairs {
                    let mut key = [a, b].map(|adapter| self.of_adapter[adapter as usize]);
                    key.sort_unstable();
                    if key[0] == key[1] || !same_base(key[0], key[1]) {
                        continue;
                    }
                    let place = *places.entry(key).or_insert(found.len());
                    if place == found.len() {
                        found.push((0, [a, b]));
                    }
                    found[place].0 += 1;
                }
            }
        }
        found
    }

    /// The first of these adapters in each class.
    fn firsts(&self, adapters: impl IntoIterator<Item = u32>) -> Vec<Option<u32>> {
        let mut firsts = vec![None; self.kinds.len()];
        for adapter in adapters {
            firsts[self.of_adapter[adapter as usize]].get_or_insert(adapter);
        }
        firsts
    }
}
