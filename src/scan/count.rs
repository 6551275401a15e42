//! How many pairs of adapters a plan compares, whatever the number of their modules.

use std::collections::HashMap;

use super::pairing::PairingRule;
use super::plan::Plan;
use crate::error::Result;

impl Plan {
    /// Pairs of adapters that have a module to compare: each gives a row for each of those.
    ///
    /// # Errors
    /// `Invalid` when a reference or a side's glob names no adapter, or when the pairs of an earlier generation are none any
    /// more.
    pub fn n_pairs(&self) -> Result<u64> {
        Ok(Classes::of(self).n_pairs(PairingRule::of(self)?))
    }
}

/// Adapters that have the same modules, and the same base model where that counts: pairs are counted by class, since there
/// are few of them.
pub(super) struct Classes {
    pub(super) of_adapter: Vec<usize>,
    /// The modules of each, in order, and its base model.
    pub(super) kinds: Vec<(Vec<u32>, Option<Option<u32>>)>,
}

impl Classes {
    pub(super) fn of(plan: &Plan) -> Self {
        let modules = plan.layouts.iter().map(|layout| {
            let mut modules: Vec<u32> = layout.modules.iter().map(|&(module, _)| module).collect();
            modules.sort_unstable();
            modules
        });
        let modules: Vec<Vec<u32>> = modules.collect();
        let mut kinds = vec![];
        let mut places = HashMap::new();
        let of_adapter = plan.adapters.iter().map(|adapter| {
            let base_model = plan.options.same_base.then_some(adapter.base_model);
            let kind = (&modules[adapter.layout as usize], base_model);
            *places.entry(kind).or_insert_with(|| {
                kinds.push((kind.0.clone(), base_model));
                kinds.len() - 1
            })
        });
        let of_adapter = of_adapter.collect();
        Self { of_adapter, kinds }
    }

    fn n_pairs(&self, rule: PairingRule) -> u64 {
        match rule {
            PairingRule::Symmetric => self.n_within(&self.sizes(0..self.of_adapter.len() as u32)),
            PairingRule::Bipartite(rows, cols) => {
                let (n_rows, n_cols) = (self.sizes(rows.iter().copied()), self.sizes(cols.iter().copied()));
                let both = self.sizes(rows.iter().copied().filter(|row| cols.binary_search(row).is_ok()));
                let ordered: u64 = self.comparable(|i, j| n_rows[i] * n_cols[j]).sum();
                // Those that stand on both sides were counted with themselves, and with each other twice.
                let selves: u64 = self.comparable(|i, j| if i == j { both[i] } else { 0 }).sum();
                ordered - selves - self.n_within(&both)
            }
            PairingRule::Pairs(pairs) => {
                let class = |adapter: u32| self.of_adapter[adapter as usize];
                pairs.iter().filter(|&&(a, b)| self.are_comparable(class(a), class(b))).count() as u64
            }
        }
    }

    /// How many of these adapters are in each class.
    pub(super) fn sizes(&self, adapters: impl IntoIterator<Item = u32>) -> Vec<u64> {
        let mut sizes = vec![0; self.kinds.len()];
        adapters.into_iter().for_each(|adapter| sizes[self.of_adapter[adapter as usize]] += 1);
        sizes
    }

    /// Whether adapters of the two classes have a module to compare.
    fn are_comparable(&self, i: usize, j: usize) -> bool {
        let ((first, first_base), (second, second_base)) = (&self.kinds[i], &self.kinds[j]);
        let (mut first, mut second) = (first.iter().peekable(), second.iter().peekable());
        let mut has_common = false;
        while let (Some(x), Some(y)) = (first.peek(), second.peek()) {
            match x.cmp(y) {
                std::cmp::Ordering::Less => _ = first.next(),
                std::cmp::Ordering::Greater => _ = second.next(),
                std::cmp::Ordering::Equal => {
                    has_common = true;
                    break;
                }
            }
        }
        has_common && first_base == second_base
    }

    /// A number for each two classes, in either order, that can be compared.
    fn comparable(&self, number: impl Fn(usize, usize) -> u64) -> impl Iterator<Item = u64> {
        let n = self.kinds.len();
        let pairs = (0..n).flat_map(move |i| (0..n).map(move |j| (i, j)));
        pairs.filter(|&(i, j)| self.are_comparable(i, j)).map(move |(i, j)| number(i, j))
    }

    /// Pairs, each once, among so many adapters of each class.
    fn n_within(&self, n: &[u64]) -> u64 {
        let twice: u64 =
            self.comparable(|i, j| if i == j { n[i] * n[i].saturating_sub(1) } else { n[i] * n[j] }).sum();
        twice / 2
    }
}
