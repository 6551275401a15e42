//! `shaders/top_keys.wgsl`, `shaders/top_thresholds.wgsl` and `shaders/top_gather.wgsl`, all with
//! `shaders/shared/top_pairs.wgsl`: which pairs of a dispatch may be among the k of either basis with the largest
//! φ(m, m), m = min(q_a, q_b), and how φ of all of them is spread, so that the other pairs stay on the GPU.

use bytemuck::{Pod, Zeroable};

use super::pair_stats::{Dispatch, SQUARE_UNIT};
use super::{Binding, Kernel, Source, sources};
use crate::measure::{BlockStats, PHI_R};

/// φ of each pair as a key, the histogram, and the check of all sums.
pub const KEYS: Kernel = kernel("top_keys", sources::TOP_KEYS);

/// The least key of a pair that may be among the k of a basis.
pub const THRESHOLDS: Kernel = kernel("top_thresholds", sources::TOP_THRESHOLDS);

/// The pairs that may be among the k, one after another.
pub const GATHER: Kernel = kernel("top_gather", sources::TOP_GATHER);

const fn kernel(name: &'static str, source: Source) -> Kernel {
    Kernel { name, source, bindings: &BINDINGS, overrides: &[] }
}

const BINDINGS: [Binding; 6] = [
    Binding::Read,
    Binding::Read,
    Binding::Uniform,
    Binding::ReadWrite,
    Binding::ReadWrite,
    Binding::ReadWrite,
];

/// Pairs along each side of a workgroup.
const LANES: usize = 16;

/// Classes of the histogram, at most.
const MAX_CLASSES: usize = 128;

/// Different ranks in a dispatch, at most: each has edges of its own.
const MAX_RANKS: usize = 64;

/// Words of `top` before the classes: how many pairs there are, and the check.
const BEFORE_CLASSES: usize = 2;

/// Pairs that are kept for each of the k of a basis: more than one, since some are within rounding of the k-th.
const SPARE: usize = 8;

/// The uniforms of all three kernels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Params {
    /// How many a bases.
    pub n_a: u32,
    /// How many b bases.
    pub n_b: u32,
    /// 1 where pairs are a before b of one list.
    pub is_upper: u32,
    /// Numbers of a pair.
    pub n_values: u32,
    /// Words of each.
    pub n_words: u32,
    /// Which of them is φ(m, m).
    pub value: u32,
    /// How many pairs are wanted of each basis.
    pub k: u32,
    /// Edges between the classes of the histogram.
    pub n_edges: u32,
    /// Where the first rank begins in the lists.
    pub ranks: u32,
    /// Pairs that there is room for.
    pub capacity: u32,
    /// Where they begin.
    pub pairs: u32,
    /// Where their sums begin.
    pub words: u32,
}

/// One dispatch of the pair statistics, looked through for its most alike pairs. Sizes are checked here: the kernels are loaded
/// without bounds checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopDispatch {
    /// The uniform.
    pub params: Params,
    /// Ranks of the bases, and for each rank the scale and the edges.
    pub lists: Vec<u32>,
}

impl TopDispatch {
    /// For bases of these ranks; `None` where it is not worth it or not possible: for listed pairs, more ranks than 64, and where
    /// most pairs are wanted.
    ///
    /// `edges` are the values of φ at which the classes of the histogram but the first begin, in ascending order.
    pub fn new(
        dispatch: &Dispatch,
        ranks: [&[usize]; 2],
        n_cells: usize,
        k: usize,
        edges: &[f32],
    ) -> Option<Self> {
        let [n_a, n_b] = ranks.map(<[usize]>::len);
        let is_upper = match dispatch.params.pairs {
            0 => false,
            1 => true,
            _ => return None,
        };
        let n_pairs = if is_upper { n_a * n_a.saturating_sub(1) / 2 } else { n_a * n_b };
        let n_lines = if is_upper { n_a } else { n_a + n_b };
        let capacity = k.checked_mul(n_lines)?.checked_add(n_lines / SPARE + SPARE)?;
        let mut distinct: Vec<usize> = ranks.concat();
        distinct.sort_unstable();
        distinct.dedup();
        if 2 * capacity >= n_pairs || edges.len() >= MAX_CLASSES || distinct.len() > MAX_RANKS {
            return None;
        }
        let place = |rank: &usize| distinct.partition_point(|other| other < rank) as u32;
        let mut lists: Vec<u32> = ranks.into_iter().flatten().map(place).collect();
        let first_rank = lists.len();
        for &rank in &distinct {
            lists.push(((SQUARE_UNIT / rank as f64) as f32).to_bits());
            lists.extend(edges.iter().flat_map(|&edge| {
                let sum = least_sum(rank, edge);
                [(sum >> 16) as u32, (sum & 0xffff) as u32]
            }));
        }
        let pairs = BEFORE_CLASSES + edges.len() + 1;
        let params = Params {
            n_a: n_a as u32,
            n_b: n_b as u32,
            is_upper: is_upper.into(),
            n_values: BlockStats::n_numbers(n_cells) as u32,
            n_words: dispatch.params.n_words,
            value: (n_cells + PHI_R.place()) as u32,
            k: k as u32,
            n_edges: edges.len() as u32,
            ranks: first_rank as u32,
            capacity: capacity as u32,
            pairs: pairs as u32,
            words: (pairs + 2 * capacity) as u32,
        };
        Some(Self { params, lists })
    }

    /// Words of keys.
    pub fn n_keys(&self) -> usize {
        (self.params.n_a * self.params.n_b) as usize
    }

    /// Words of thresholds: one a line.
    pub fn n_lines(&self) -> usize {
        let Params { n_a, n_b, is_upper, .. } = self.params;
        (if is_upper == 1 { n_a } else { n_a + n_b }) as usize
    }

    /// Words of `top`.
    pub fn n_words(&self) -> usize {
        let Params { words, capacity, n_values, n_words, .. } = self.params;
        (words + capacity * n_values * n_words) as usize
    }

    /// The dispatch sizes of [`KEYS`], [`THRESHOLDS`] and [`GATHER`].
    pub fn sizes(&self) -> [(u32, u32); 3] {
        let [x, y] = [self.params.n_b, self.params.n_a].map(|n| n.div_ceil(LANES as u32));
        [(x, y), (self.n_lines() as u32, 1), (x, y)]
    }

    /// What the kernels left in `top`.
    pub fn read<'a>(&self, top: &'a [u32]) -> Top<'a> {
        let Params { n_edges, capacity, pairs, words, .. } = self.params;
        let n_found = top[0] as usize;
        let n = n_found.min(capacity as usize);
        Top {
            n_found,
            is_whole: n_found <= capacity as usize,
            check: top[1],
            counts: &top[BEFORE_CLASSES..][..n_edges as usize + 1],
            pairs: top[pairs as usize..][..2 * n].as_chunks().0,
            sums: &top[words as usize..],
        }
    }
}

/// What the kernels left.
#[derive(Debug)]
pub struct Top<'a> {
    /// How many pairs may be among the k.
    pub n_found: usize,
    /// Whether there was room for all of them.
    pub is_whole: bool,
    /// Of all sums, each times an odd number of its place.
    pub check: u32,
    /// How many pairs have φ in each class.
    pub counts: &'a [u32],
    /// The a and the b of each pair that may be among the k.
    pub pairs: &'a [[u32; 2]],
    /// Their sums, as [`Dispatch::read`] takes those of all pairs.
    pub sums: &'a [u32],
}

/// The least sum of squares in units that makes a φ of at least `edge` at this rank, by the arithmetic of [`Dispatch::read`].
fn least_sum(rank: usize, edge: f32) -> u64 {
    let unit = SQUARE_UNIT / rank as f64;
    let phi = |sum: u64| ((sum as f64 * unit) as f32).clamp(0.0, 1.0);
    // Twice what orthonormal rows give at most; a φ that nothing reaches has no sum.
    let (mut low, mut high) = (0, (2.0 / unit) as u64);
    while low < high {
        let middle = low.midpoint(high);
        if phi(middle) >= edge { high = middle } else { low = middle + 1 }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_sum_of_an_edge_is_the_first_that_rounds_to_it() {
        for rank in [1, 3, 8, 64, 700] {
            let unit = SQUARE_UNIT / rank as f64;
            let phi = |sum: u64| (sum as f64 * unit) as f32;
            for edge in (1..100).map(|k| (f64::from(k) / 100.0) as f32).chain([1.0]) {
                let sum = least_sum(rank, edge);
                assert!(phi(sum) >= edge && phi(sum - 1) < edge, "{rank}, {edge}");
            }
        }
        assert_eq!(least_sum(8, 0.0), 0);
    }
}
