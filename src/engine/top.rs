//! The most alike pairs of a block: what an engine may leave out of its numbers where only these are wanted.

use crate::measure::{BlockStats, PHI_R};

/// Which pairs of a block are wanted, by φ(m, m) with m = min(q_a, q_b), clamped to \[0, 1\].
#[derive(Debug, Clone, Copy)]
pub struct TopRule<'a> {
    /// Those among the `k` most alike of either basis, at least.
    pub k: usize,
    /// Where the classes of the histogram but the first begin, in ascending order.
    pub edges: &'a [f32],
}

/// Pairs of a block: all that may be among the k most alike of either basis, and others.
#[derive(Debug, Clone, PartialEq)]
pub struct TopStats {
    /// Their places in the block's order of pairs, ascending.
    pub places: Vec<usize>,
    /// What was made of each.
    pub stats: BlockStats,
    /// How many pairs of the block have φ in each class.
    pub counts: Vec<u64>,
}

impl TopStats {
    /// With every pair.
    pub(crate) fn of_all(rule: &TopRule<'_>, stats: BlockStats) -> Self {
        let mut counts = vec![0; rule.edges.len() + 1];
        stats.pairs().for_each(|pair| counts[rule.class_of(pair.sum(PHI_R))] += 1);
        Self { places: (0..stats.n_pairs()).collect(), stats, counts }
    }
}

impl TopRule<'_> {
    /// The class of a φ, as an engine makes it.
    pub(crate) fn class_of(&self, phi: f32) -> usize {
        let phi = phi.clamp(0.0, 1.0);
        self.edges.partition_point(|edge| *edge <= phi)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::N_PRODUCT_SUMS;

    #[test]
    fn a_class_begins_at_its_edge_and_what_rounding_left_outside_is_in_the_first_or_the_last() {
        let rule = TopRule { k: 1, edges: &[0.25, 0.5] };
        let phi = [-1e-9f32, 0.25f32.next_down(), 0.25, 0.5, 1.0f32.next_up()];
        let values = phi.iter().flat_map(|&phi| [phi; N_PRODUCT_SUMS]).collect();
        let top = TopStats::of_all(&rule, BlockStats::new(0, values));
        assert_eq!((top.counts, top.places), (vec![2, 1, 2], vec![0, 1, 2, 3, 4]));
    }
}
