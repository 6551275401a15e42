//! The findings of a scan, in the form that JSON, tables, pictures and the text share.

use super::MAX_ADAPTERS;
use super::cluster::{Clustering, cluster};
use super::counts::{LeftOut, ReportCounts};
use super::drift::{DriftPoint, has_unequal_steps};
use super::groups::Groups;
use super::label_stats::{LabelStats, label_stats};
use super::labels::{Labels, LabelsByNumber};
use super::outliers::{is_outlier, robust_z};
use super::pairs::{N_QUANTITIES, PairMean};
use super::rounding::finite;
use super::scan::ScanSums;
use super::warnings::{Warning, warnings};

/// What a scan says.
pub(crate) struct Findings {
    pub(crate) counts: ReportCounts,
    pub(crate) warnings: Vec<Warning>,
    /// Means over the pairs that count, of each pair's mean over modules, for each quantity.
    pub(crate) means: [Option<f64>; N_QUANTITIES],
    /// Of all pairs, marked ones too, and of those that count.
    pub(super) most_alike: Vec<PairMean>,
    pub(super) most_alike_unmarked: Vec<PairMean>,
    /// Of those that count.
    pub(super) least_alike: Vec<PairMean>,
    pub(super) groups: Groups,
    /// Of each adapter by its place.
    pub(super) adapters: Vec<AdapterFinding>,
    pub(super) clustering: Clustering,
    pub(crate) drift: Vec<DriftPoint>,
    pub(super) labels: Option<(Labels, LabelStats)>,
}

/// What is found of an adapter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct AdapterFinding {
    /// Pairs that count.
    pub(crate) n_pairs: u64,
    /// The mean of the chosen quantity over these.
    pub(crate) mean: Option<f64>,
    /// (mean − median) / (1.4826 · median absolute deviation), over all adapters.
    pub(crate) robust_z: Option<f64>,
    /// |robust z| > 3.5.
    pub(crate) is_outlier: bool,
}

/// What a scan says, with the `top` most and least alike pairs.
pub(crate) fn findings(scan: &ScanSums, top: usize, labels: Option<&LabelsByNumber>) -> Findings {
    let mut left_out = LeftOut::default();
    let (mut n_pairs, mut n_shared, mut n_other) = (0, 0, 0);
    for pair in scan.pairs.iter() {
        n_pairs += 1;
        n_shared += u64::from(pair.has_shared_init());
        n_other += u64::from(pair.has_other_base());
        if scan.spoils(&pair) {
            let by_start = scan.start_shows() && pair.has_shared_init();
            match (by_start, pair.has_other_base()) {
                (true, true) => left_out.both += 1,
                (true, false) => left_out.shared_init += 1,
                (false, _) => left_out.other_base += 1,
            }
        }
    }
    // Marked pairs are better than none.
    let with_marked = left_out.total() == n_pairs;
    if with_marked {
        left_out = LeftOut::default();
    }
    let pairs = || scan.pairs.iter().filter(|pair| with_marked || !scan.spoils(pair));
    // Those that were kept are the most alike: no mean over pairs is that of all.
    let of_all = || pairs().filter(|_| scan.cut.is_none());

    let (mut n, mut sums) = (0.0, [0.0; N_QUANTITIES]);
    let mut of_adapter = vec![(0u64, 0.0); scan.adapters.len()];
    for pair in of_all() {
        n += 1.0;
        sums.iter_mut().zip(pair.means).for_each(|(sum, mean)| *sum += mean);
        for place in [pair.a, pair.b] {
            of_adapter[place].0 += 1;
            of_adapter[place].1 += pair.value();
        }
    }
    let groups = match scan.cut {
        None => scan.groups.finish(&scan.modules, with_marked),
        Some(_) => Groups::none(),
    };
    let labels = labels.filter(|_| scan.cut.is_none());
    let labels = labels.map(|labels| Labels::of(labels, &scan.adapters));
    let counts = ReportCounts {
        adapters: scan.adapters.len(),
        adapters_without_pairs: scan.n_alone,
        adapters_with_problems: scan.problems.len(),
        left_out_modules: scan.problems.iter().map(|adapter| adapter.n_left_out).sum(),
        modules: scan.modules.len(),
        pairs: n_pairs,
        rows: scan.n_rows,
        skipped_rows: scan.n_skipped,
        shared_init_pairs: n_shared,
        other_base_pairs: n_other,
        left_out_pairs: left_out,
        not_compared_pairs: scan.absent.iter().map(|(why, n)| (why.key(), *n)).collect(),
    };
    let drift = scan.drift.finish(&scan.modules);
    Findings {
        warnings: warnings(scan, &counts, !drift.is_empty()),
        means: sums.map(|sum| finite(sum / n)),
        most_alike: first(scan.pairs.iter(), top, |pair| -pair.value()),
        most_alike_unmarked: first(pairs(), top, |pair| -pair.value()),
        least_alike: first(of_all(), top, PairMean::value),
        groups,
        adapters: adapters(&of_adapter, |place| scan.derived.stands_for(place).is_none()),
        clustering: match scan.adapters.len() {
            n if n <= MAX_ADAPTERS => cluster(&scan.pairs),
            n => Clustering::none(n),
        },
        drift,
        labels: labels.map(|labels| {
            let stats = label_stats(&labels, pairs());
            (labels, stats)
        }),
        counts,
    }
}

impl Findings {
    /// Whether the steps of some run are not all of one length.
    pub(super) fn has_unequal_steps(&self) -> bool {
        has_unequal_steps(&self.drift)
    }
}

/// The `top` pairs by a rising key, in order; the first of equal ones stays.
fn first(pairs: impl Iterator<Item = PairMean>, top: usize, key: impl Fn(&PairMean) -> f64) -> Vec<PairMean> {
    let mut kept: Vec<PairMean> = vec![];
    for pair in pairs {
        if kept.len() == top && kept.last().is_none_or(|last| key(last) <= key(&pair)) {
            continue;
        }
        let at = kept.partition_point(|other| key(other) <= key(&pair));
        kept.insert(at, pair);
        kept.truncate(top);
    }
    kept
}

fn adapters(sums: &[(u64, f64)], counts: impl Fn(usize) -> bool) -> Vec<AdapterFinding> {
    let means: Vec<Option<f64>> = sums.iter().map(|&(n, sum)| finite(sum / n as f64)).collect();
    let scores = robust_z(&means, counts);
    let finding = |(place, &(n_pairs, _)): (usize, &(u64, f64))| AdapterFinding {
        n_pairs,
        mean: means[place],
        robust_z: scores[place].and_then(finite),
        is_outlier: scores[place].is_some_and(is_outlier),
    };
    sums.iter().enumerate().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pairs_are_those_of_a_sort() {
        let pair =
            |b: usize, value: f64| PairMean { a: 0, b, means: [value; N_QUANTITIES], n_modules: 1, marks: 0 };
        let pairs: Vec<_> = (1..40).map(|b| pair(b, ((b * 7) % 11) as f64)).collect();
        for top in [0, 1, 5, 100] {
            let mut expected = pairs.clone();
            expected.sort_by(|a, b| a.value().total_cmp(&b.value()));
            expected.truncate(top);
            assert_eq!(first(pairs.iter().copied(), top, PairMean::value), expected);
        }
    }
}
