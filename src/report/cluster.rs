//! The order of the adapters in tables and pictures: a hierarchical clustering.
//!
//! Average linkage: two groups are joined where the mean over the pairs across that were compared is the largest. Adapters
//! that no compared pair connects are never joined: they stand next to each other with a tree each.

use super::pairs::PairSums;
use crate::figure::Merge;

/// Adapters by their places, in the order of the trees' leaves from the top, and the merges by rows of that order.
#[derive(Debug, PartialEq)]
pub(super) struct Clustering {
    pub(super) order: Vec<usize>,
    pub(super) merges: Vec<Merge>,
    /// Where the rows of each tree end.
    pub(super) ends: Vec<usize>,
}

impl Clustering {
    /// Adapters in the order of their numbers, none of them joined.
    pub(super) fn none(n: usize) -> Self {
        Self { order: (0..n).collect(), merges: vec![], ends: vec![] }
    }
}

/// Clusters the adapters by the quantity that the report compares by.
pub(super) fn cluster(pairs: &PairSums) -> Clustering {
    let n = pairs.n();
    let mut joined = Linkage::new(pairs).run();
    joined.sort_by(|x, y| y.similarity.total_cmp(&x.similarity));

    // From members to groups: 0 to n − 1 are adapters, n + k is what merge k made.
    let mut group_of: Vec<usize> = (0..n + joined.len()).collect();
    let root = |group_of: &[usize], mut group: usize| {
        while group_of[group] != group {
            group = group_of[group];
        }
        group
    };
    let mut lowest: Vec<usize> = (0..n).collect();
    for (k, merge) in joined.iter_mut().enumerate() {
        (merge.first, merge.second) = (root(&group_of, merge.first), root(&group_of, merge.second));
        (group_of[merge.first], group_of[merge.second]) = (n + k, n + k);
        lowest.push(lowest[merge.first].min(lowest[merge.second]));
    }

    let mut roots: Vec<usize> = (0..n + joined.len()).filter(|&group| group_of[group] == group).collect();
    roots.sort_by_key(|&root| lowest[root]);
    let (mut order, mut ends) = (Vec::with_capacity(n), vec![]);
    for root in roots {
        leaves(root, n, &joined, &lowest, &mut order);
        ends.push(order.len());
    }
    let mut rows = vec![0; n];
    order.iter().enumerate().for_each(|(row, &adapter)| rows[adapter] = row);
    let group = |cluster: usize| rows.get(cluster).copied().unwrap_or(cluster);
    let merges =
        joined.iter().map(|merge| Merge { first: group(merge.first), second: group(merge.second), ..*merge });
    Clustering { merges: merges.collect(), order, ends }
}

/// Adds the leaves of a tree from the top: of two groups, the one with the lowest number in it first.
fn leaves(root: usize, n: usize, joined: &[Merge], lowest: &[usize], order: &mut Vec<usize>) {
    let mut stack = vec![root];
    while let Some(group) = stack.pop() {
        match group.checked_sub(n) {
            None => order.push(group),
            Some(merge) => {
                let Merge { first, second, .. } = joined[merge];
                let (upper, lower) =
                    if lowest[first] < lowest[second] { (first, second) } else { (second, first) };
                stack.extend([lower, upper]);
            }
        }
    }
}

/// The nearest-neighbour chain (Murtagh 1983) on sums and numbers of compared pairs, in time and memory of order n². A mean
/// over more pairs lies between the means that it is made of, and a group without a compared pair to another is as far as
/// can be, so the chain finds the same tree as joining the nearest two again and again.
struct Linkage {
    n: usize,
    /// Of each pair of groups, in the upper triangle: the sum over compared pairs across, and how many there are.
    sums: Vec<f64>,
    counts: Vec<u32>,
    /// Groups that are not joined to another yet, each in the slot of one of its members.
    active: Vec<usize>,
}

impl Linkage {
    fn new(pairs: &PairSums) -> Self {
        let n = pairs.n();
        let n_pairs = n * n.saturating_sub(1) / 2;
        let (sums, counts) = (vec![0.0; n_pairs], vec![0; n_pairs]);
        let mut linkage = Self { n, sums, counts, active: (0..n).collect() };
        for pair in pairs.iter() {
            let place = linkage.place(pair.a, pair.b);
            (linkage.sums[place], linkage.counts[place]) = (pair.value(), 1);
        }
        linkage
    }

    fn place(&self, a: usize, b: usize) -> usize {
        let (a, b) = (a.min(b), a.max(b));
        a * (2 * self.n - a - 1) / 2 + b - a - 1
    }

    /// The mean over compared pairs across two groups; the least of all numbers without any.
    fn similarity(&self, a: usize, b: usize) -> f64 {
        let place = self.place(a, b);
        match self.counts[place] {
            0 => f64::NEG_INFINITY,
            count => self.sums[place] / f64::from(count),
        }
    }

    /// All merges, each of the slots of two members.
    fn run(mut self) -> Vec<Merge> {
        let (mut merges, mut chain) = (vec![], vec![]);
        while let Some(&start) = self.active.first() {
            let end = *chain.last().unwrap_or(&start);
            if chain.is_empty() {
                chain.push(end);
            }
            // Of equally near ones the one before in the chain, so that the chain ends.
            let before = chain.len().checked_sub(2).map(|at| chain[at]);
            let mut nearest = before.map(|before| (before, self.similarity(end, before)));
            for &other in self.active.iter().filter(|&&other| other != end) {
                let similarity = self.similarity(end, other);
                if nearest.is_none_or(|(_, best)| similarity > best) {
                    nearest = Some((other, similarity));
                }
            }
            match nearest {
                Some((other, similarity)) if similarity > f64::NEG_INFINITY => {
                    if Some(other) == before {
                        chain.truncate(chain.len() - 2);
                        self.join(other, end);
                        merges.push(Merge { first: other, second: end, similarity });
                    } else {
                        chain.push(other);
                    }
                }
                // Connected with nothing that is left: a whole tree.
                _ => {
                    chain.pop();
                    self.active.retain(|&group| group != end);
                }
            }
        }
        merges
    }

    /// Puts two groups into the slot of the first.
    fn join(&mut self, a: usize, b: usize) {
        self.active.retain(|&group| group != b);
        for at in 0..self.active.len() {
            let other = self.active[at];
            if other != a {
                let (to, from) = (self.place(a, other), self.place(b, other));
                self.sums[to] += self.sums[from];
                self.counts[to] += self.counts[from];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use kodama::{Method, linkage};
    use proptest::prelude::*;

    use super::*;
    use crate::report::By;
    use crate::report::pairs::tests::row;

    /// Pairs with these values; NaN for none.
    fn pairs(n: usize, value: impl Fn(usize, usize) -> f64) -> PairSums {
        let mut pairs = PairSums::new(n, By::Adjusted);
        for b in 0..n {
            for a in 0..b {
                if !value(a, b).is_nan() {
                    pairs.add(a, b, &row(value(a, b)));
                }
            }
        }
        pairs
    }

    /// Three groups whose members are dealt out in turn, alike by 0.8 within and by 0.1 across, but for the first two
    /// groups, which are alike by 0.4.
    fn planted(a: usize, b: usize) -> f64 {
        match (a % 3, b % 3) {
            (x, y) if x == y => 0.8,
            (0, 1) | (1, 0) => 0.4,
            _ => 0.1,
        }
    }

    fn similarities(clustering: &Clustering) -> Vec<f64> {
        clustering.merges.iter().map(|merge| merge.similarity).collect()
    }

    #[test]
    fn planted_groups_stand_together_and_join_at_their_mean() {
        let clustering = cluster(&pairs(9, planted));
        assert_eq!(
            (&clustering.order[..], &clustering.ends[..]),
            (&[0, 3, 6, 1, 4, 7, 2, 5, 8][..], &[9][..])
        );
        let expected = [0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.4, 0.1];
        let joined = similarities(&clustering);
        assert!(joined.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{joined:?}");
        // Merges name rows: those of one group are neighbours, and are joined before others.
        let mut groups: Vec<Vec<usize>> = (0..9).map(|row| vec![row]).collect();
        for merge in &clustering.merges {
            groups.push([&groups[merge.first][..], &groups[merge.second][..]].concat());
        }
        for group in &groups[9..15] {
            assert!(group.iter().all(|row| row / 3 == group[0] / 3), "{group:?}");
        }
        assert!(groups[15].len() == 6 && groups[15].iter().all(|row| *row < 6), "{:?}", groups[15]);
    }

    #[test]
    fn what_was_not_compared_is_no_reason_to_join_and_none_to_part() {
        // Two groups of which a few pairs within were compared, and none across.
        let within = [(0, 2, 0.9), (2, 4, 0.7), (1, 3, 0.5)];
        let value =
            |a, b| within.iter().find(|pair| (pair.0, pair.1) == (a, b)).map_or(f64::NAN, |pair| pair.2);
        let clustering = cluster(&pairs(5, value));
        assert_eq!((&clustering.order[..], &clustering.ends[..]), (&[0, 2, 4, 1, 3][..], &[3, 5][..]));
        // 4 joins {0, 2} by the one pair that was compared.
        assert_eq!(similarities(&clustering), [0.9, 0.7, 0.5]);
        assert_eq!(
            (
                clustering.merges[1].first.min(clustering.merges[1].second),
                clustering.merges[1].first.max(clustering.merges[1].second)
            ),
            (2, 5)
        );
        for n in [0, 1, 3] {
            let alone = cluster(&pairs(n, |_, _| f64::NAN));
            assert_eq!((alone.order.len(), alone.merges.len(), alone.ends.len()), (n, 0, n));
        }
    }

    proptest! {
        #[test]
        fn a_whole_matrix_gives_the_tree_of_another_program(values in proptest::collection::vec(-1.0..1.0f64, 300), n in 2usize..25) {
            let value = |a: usize, b: usize| values[a * (2 * n - a - 1) / 2 + b - a - 1];
            let clustering = cluster(&pairs(n, value));
            let mut distances: Vec<f64> =
                (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b))).map(|(a, b)| 1.0 - value(a, b)).collect();
            let tree = linkage(&mut distances, n, Method::Average);
            let expected: Vec<f64> = tree.steps().iter().map(|step| 1.0 - step.dissimilarity).collect();
            let found = similarities(&clustering);
            prop_assert!(found.len() == n - 1 && found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-9));
            // The same groups, by their members.
            let members = |merges: Vec<(usize, usize)>, leaf: &dyn Fn(usize) -> usize| {
                let mut groups: Vec<Vec<usize>> = (0..n).map(|place| vec![leaf(place)]).collect();
                for (first, second) in merges {
                    let mut both = [&groups[first][..], &groups[second][..]].concat();
                    both.sort_unstable();
                    groups.push(both);
                }
                groups.split_off(n)
            };
            let of = members(clustering.merges.iter().map(|merge| (merge.first, merge.second)).collect(), &|row| clustering.order[row]);
            let theirs = members(tree.steps().iter().map(|step| (step.cluster1, step.cluster2)).collect(), &|place| place);
            prop_assert_eq!(of, theirs);
        }
    }
}
