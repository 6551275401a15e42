//! The order of the adapters in tables and pictures: a hierarchical clustering.
//!
//! Average linkage on 1 − excess, so that two groups are joined where the mean excess of the pairs across is the largest.
//! A pair that was not compared counts as chance, an excess of 0.

use kodama::{Method, linkage};

use super::pairs::PairSums;
use crate::figure::Merge;

/// Adapters by their places, in the order of the tree's leaves from the top, and its merges by rows of that order.
#[derive(Debug, PartialEq)]
pub(super) struct Clustering {
    pub(super) order: Vec<usize>,
    pub(super) merges: Vec<Merge>,
}

/// Clusters the adapters where at least half of their pairs were compared; else they stay in the order of their numbers,
/// without a tree.
pub(super) fn cluster(pairs: &PairSums) -> Clustering {
    let n = pairs.n();
    let n_pairs = n * n.saturating_sub(1) / 2;
    if n < 2 || 2 * pairs.iter().count() < n_pairs {
        return Clustering { order: (0..n).collect(), merges: vec![] };
    }
    let distance = |a: usize, b: usize| 1.0 - pairs.get(a, b).map_or(0.0, |pair| pair.excess);
    let mut distances: Vec<f64> =
        (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b))).map(|(a, b)| distance(a, b)).collect();
    let tree = linkage(&mut distances, n, Method::Average);
    let joined: Vec<_> =
        tree.steps().iter().map(|step| (step.cluster1, step.cluster2, step.dissimilarity)).collect();
    let order = leaves(n, &joined);
    let mut rows = vec![0; n];
    order.iter().enumerate().for_each(|(row, &adapter)| rows[adapter] = row);
    let group = |cluster: usize| rows.get(cluster).copied().unwrap_or(cluster);
    let merges = joined.iter().map(|&(first, second, distance)| Merge {
        first: group(first),
        second: group(second),
        similarity: 1.0 - distance,
    });
    Clustering { merges: merges.collect(), order }
}

/// The leaves of a tree from the top: of two groups, the one with the lowest number in it first.
fn leaves(n: usize, joined: &[(usize, usize, f64)]) -> Vec<usize> {
    let mut lowest: Vec<usize> = (0..n).collect();
    for &(first, second, _) in joined {
        lowest.push(lowest[first].min(lowest[second]));
    }
    let mut order = Vec::with_capacity(n);
    let mut stack = vec![n + joined.len() - 1];
    while let Some(cluster) = stack.pop() {
        match cluster.checked_sub(n) {
            None => order.push(cluster),
            Some(merge) => {
                let (first, second, _) = joined[merge];
                let (upper, lower) =
                    if lowest[first] < lowest[second] { (first, second) } else { (second, first) };
                stack.extend([lower, upper]);
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three groups whose members are dealt out in turn, alike by 0.8 within and by 0.1 across, but for the first two
    /// groups, which are alike by 0.4.
    fn planted(n: usize) -> PairSums {
        let mut pairs = PairSums::new(n);
        for b in 0..n {
            for a in 0..b {
                let excess = match (a % 3, b % 3) {
                    (x, y) if x == y => 0.8,
                    (0, 1) | (1, 0) => 0.4,
                    _ => 0.1,
                };
                pairs.add(a, b, excess, excess, 0);
            }
        }
        pairs
    }

    #[test]
    fn planted_groups_stand_together_and_join_at_their_mean() {
        let clustering = cluster(&planted(9));
        assert_eq!(clustering.order, [0, 3, 6, 1, 4, 7, 2, 5, 8]);
        let joined: Vec<f64> = clustering.merges.iter().map(|merge| merge.similarity).collect();
        let expected = [0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.4, 0.1];
        assert!(joined.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{joined:?}");
        // Merges name rows: those of one group are neighbours.
        for merge in &clustering.merges[..3] {
            assert!(merge.first < 9 && merge.second < 9 && merge.first / 3 == merge.second / 3, "{merge:?}");
        }
    }

    #[test]
    fn few_pairs_leave_the_order_as_it_is() {
        let mut pairs = PairSums::new(4);
        pairs.add(0, 3, 0.5, 0.5, 0);
        pairs.add(1, 2, 0.5, 0.5, 0);
        assert_eq!(cluster(&pairs), Clustering { order: vec![0, 1, 2, 3], merges: vec![] });
        pairs.add(0, 2, 0.2, 0.2, 0);
        let clustering = cluster(&pairs);
        assert_eq!((clustering.order, clustering.merges.len()), (vec![0, 3, 1, 2], 3));
        for n in [0, 1] {
            assert_eq!(cluster(&PairSums::new(n)).order.len(), n);
        }
    }
}
