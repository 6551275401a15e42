//! The pairs of one block, as numbers of adapters.

use std::collections::HashSet;

/// The pairs of a block, as adapters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockPairs {
    /// Adapters of the rows.
    pub a: Vec<u32>,
    /// Adapters of the columns; empty where they are those of the rows.
    pub b: Vec<u32>,
    /// Which of them are pairs.
    pub which: PairLayout,
}

/// As [`Pairs`](crate::engine::Pairs), owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PairLayout {
    /// Every row with every column.
    All,
    /// Every row with every later one.
    Upper,
    /// These places.
    List(Vec<(u32, u32)>),
}

impl BlockPairs {
    /// How many pairs there are.
    pub fn n_pairs(&self) -> usize {
        match &self.which {
            PairLayout::All => self.a.len() * self.b.len(),
            PairLayout::Upper => self.a.len() * self.a.len().saturating_sub(1) / 2,
            PairLayout::List(list) => list.len(),
        }
    }

    /// Every adapter of the block.
    pub fn adapters(&self) -> impl Iterator<Item = u32> {
        self.a.iter().chain(&self.b).copied()
    }
}

impl BlockPairs {
    /// The adapters that are in a pair.
    pub(super) fn paired(&self) -> HashSet<u32> {
        match &self.which {
            _ if self.n_pairs() == 0 => HashSet::new(),
            PairLayout::All | PairLayout::Upper => self.adapters().collect(),
            PairLayout::List(list) => {
                let b = if self.b.is_empty() { &self.a } else { &self.b };
                list.iter().flat_map(|&(x, y)| [self.a[x as usize], b[y as usize]]).collect()
            }
        }
    }

    /// The block without some adapters.
    pub(super) fn without(self, gone: &HashSet<u32>) -> Self {
        let Self { a, b, which } = self;
        let keep = |adapters: &[u32]| -> Vec<u32> {
            adapters.iter().copied().filter(|adapter| !gone.contains(adapter)).collect()
        };
        let which = match which {
            PairLayout::List(list) => {
                // How many adapters before each place stay.
                let places = |adapters: &[u32]| -> Vec<Option<u32>> {
                    let mut n = 0;
                    let place = |adapter: &u32| {
                        let stays = !gone.contains(adapter);
                        n += u32::from(stays);
                        stays.then(|| n - 1)
                    };
                    adapters.iter().map(place).collect()
                };
                let (of_a, of_b) = (places(&a), places(if b.is_empty() { &a } else { &b }));
                let moved = |(x, y): (u32, u32)| Some((of_a[x as usize]?, of_b[y as usize]?));
                PairLayout::List(list.into_iter().filter_map(moved).collect())
            }
            whole => whole,
        };
        Self { a: keep(&a), b: keep(&b), which }
    }
}
