//! Averages over the rows of a block, of a projection, and of both.

use std::collections::BTreeMap;

use super::pairs::N_QUANTITIES;
use super::places::{Block, Kind, places};

/// Sums over the rows of some modules.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sum {
    pub(super) n_rows: u64,
    pub(super) n_modules: u64,
    /// The fewest and the most pairs that a module has.
    pub(super) n_pairs: [u64; 2],
    sums: [f64; N_QUANTITIES],
}

impl Default for Sum {
    fn default() -> Self {
        Self { n_rows: 0, n_modules: 0, n_pairs: [u64::MAX, 0], sums: [0.0; N_QUANTITIES] }
    }
}

impl Sum {
    fn merge(&mut self, other: &Self) {
        self.n_rows += other.n_rows;
        self.n_modules += other.n_modules;
        let ([least, most], [other_least, other_most]) = (self.n_pairs, other.n_pairs);
        self.n_pairs = [least.min(other_least), most.max(other_most)];
        self.sums.iter_mut().zip(other.sums).for_each(|(sum, other)| *sum += other);
    }

    /// Of each quantity, the chosen one first.
    pub(super) fn means(&self) -> [f64; N_QUANTITIES] {
        self.sums.map(|sum| sum / self.n_rows as f64)
    }

    /// The mean of the chosen quantity.
    pub(super) fn value(&self) -> f64 {
        self.means()[0]
    }
}

/// The rows of a module that were added so far.
#[derive(Debug, Clone, Copy, Default)]
struct ModuleSum {
    n: u64,
    sums: [f64; N_QUANTITIES],
    /// Of which pairs: equal for equal sets of pairs, in any order.
    pairs: u64,
}

impl ModuleSum {
    fn merge(&mut self, other: &Self) {
        self.n += other.n;
        self.sums.iter_mut().zip(other.sums).for_each(|(sum, other)| *sum += other);
        self.pairs = self.pairs.wrapping_add(other.pairs);
    }
}

/// Sums by module, of the pairs that are not marked and of those that are.
#[derive(Default)]
pub(super) struct GroupSums {
    modules: Vec<[ModuleSum; 2]>,
}

impl GroupSums {
    /// Adds a row of a module, by its number, of a pair of adapters, by their places.
    pub(super) fn add(
        &mut self,
        module: usize,
        pair: (usize, usize),
        is_marked: bool,
        row: &[f64; N_QUANTITIES],
    ) {
        if module >= self.modules.len() {
            self.modules.resize(module + 1, <[ModuleSum; 2]>::default());
        }
        let sum = &mut self.modules[module][usize::from(is_marked)];
        sum.n += 1;
        sum.sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        sum.pairs = sum.pairs.wrapping_add(mixed(pair));
    }

    /// The averages of the pairs that are not marked, or of all; `names` are those of the modules.
    pub(super) fn finish(&self, names: &[String], with_marked: bool) -> Groups {
        let mut groups = Groups { same_pairs: true, ..Groups::default() };
        let mut first = None;
        for ((block, kind), [unmarked, marked]) in places(names).into_iter().zip(&self.modules) {
            let mut module = *unmarked;
            if with_marked {
                module.merge(marked);
            }
            if module.n == 0 {
                continue;
            }
            let pairs = (module.n, module.pairs);
            groups.same_pairs &= *first.get_or_insert(pairs) == pairs;
            let sum = Sum { n_rows: module.n, n_modules: 1, n_pairs: [module.n; 2], sums: module.sums };
            groups.layers.entry(block.clone()).or_default().merge(&sum);
            groups.kinds.entry(kind.clone()).or_default().merge(&sum);
            groups.cells.entry((block, kind)).or_default().merge(&sum);
        }
        groups
    }
}

/// A number for a pair, such that the sums of different sets of pairs are hardly ever equal.
fn mixed((a, b): (usize, usize)) -> u64 {
    // SplitMix64 (Steele, Lea and Flood 2014).
    let mut z = ((a.min(b) as u64) << 32 | a.max(b) as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Averages over the rows of blocks, of projections, and of both.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Groups {
    pub(super) cells: BTreeMap<(Block, Kind), Sum>,
    pub(super) layers: BTreeMap<Block, Sum>,
    pub(super) kinds: BTreeMap<Kind, Sum>,
    /// Whether every module was compared in the same pairs, so that all averages are over these.
    pub(super) same_pairs: bool,
}

impl Groups {
    /// Of no rows.
    pub(super) fn none() -> Self {
        Self { cells: BTreeMap::new(), layers: BTreeMap::new(), kinds: BTreeMap::new(), same_pairs: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn row(value: f64) -> [f64; N_QUANTITIES] {
        [value, 0.25, f64::NAN, f64::NAN]
    }

    #[test]
    fn averages_are_by_block_and_by_projection() {
        let mut sums = GroupSums::default();
        let modules = ["layers.10.attn.v_proj", "layers.9.attn.q_proj", "layers.9.attn.v_proj", "lm_head"];
        for module in 0..4 {
            sums.add(module, (0, 1), false, &row(module as f64));
            sums.add(module, (0, 2), false, &row(module as f64 + 1.0));
        }
        let groups = sums.finish(&names(&modules), false);
        assert!(groups.same_pairs);
        let layers: Vec<_> = groups.layers.iter().map(|(block, sum)| (block.path(), sum.value())).collect();
        assert_eq!(layers, [("layers.9", 2.0), ("layers.10", 0.5), ("lm_head", 3.5)]);
        let kinds: Vec<_> = groups.kinds.iter().map(|(kind, sum)| (kind.name(), sum.value())).collect();
        assert_eq!(kinds, [("q", 1.5), ("v", 1.5), ("–", 3.5)]);
        let nine = groups.layers.values().next().unwrap();
        assert_eq!((nine.n_rows, nine.n_modules, nine.n_pairs), (4, 2, [2, 2]));
        assert!(nine.means()[1] == 0.25 && nine.means()[2].is_nan());
    }

    #[test]
    fn modules_in_other_pairs_are_told_apart_by_which_and_by_how_many() {
        let of_pairs = |second: &[(usize, usize)]| {
            let mut sums = GroupSums::default();
            [(0, 1), (2, 3)].iter().for_each(|&pair| sums.add(0, pair, false, &row(0.5)));
            second.iter().for_each(|&pair| sums.add(1, pair, false, &row(0.5)));
            sums.finish(&names(&["layers.0.q_proj", "layers.0.k_proj"]), false)
        };
        assert!(of_pairs(&[(3, 2), (0, 1)]).same_pairs, "in any order");
        assert!(!of_pairs(&[(0, 1), (1, 3)]).same_pairs);
        let fewer = of_pairs(&[(0, 1)]);
        assert!(!fewer.same_pairs);
        assert_eq!(fewer.layers.values().next().unwrap().n_pairs, [1, 2]);
    }

    #[test]
    fn marked_rows_count_when_asked_for() {
        let mut sums = GroupSums::default();
        sums.add(0, (0, 1), false, &row(0.2));
        sums.add(0, (0, 2), true, &row(1.0));
        sums.add(1, (0, 2), true, &row(1.0));
        let modules = names(&["layers.0.q_proj", "layers.1.q_proj"]);
        let (unmarked, all) = (sums.finish(&modules, false), sums.finish(&modules, true));
        let values = |groups: &Groups| groups.layers.values().map(Sum::value).collect::<Vec<_>>();
        assert_eq!(values(&unmarked), [0.2]);
        assert_eq!(values(&all), [0.6, 1.0]);
    }
}
