//! The findings of a scan, in the form that JSON, tables and the text share.

use serde::Serialize;

use super::cluster::cluster;
use super::drift::{DriftPoint, drift};
use super::groups::{Groups, Sum};
use super::pairs::PairMean;
use super::rounding::{finite, rounded};
use super::scan::ScanSums;
use crate::figure::Merge;

/// An adapter is an outlier when its robust z passes this (Iglewicz and Hoaglin 1993).
const OUTLIER_Z: f64 = 3.5;
/// The fewest adapters among which one can stand apart.
const OUTLIERS_FROM: usize = 8;
/// Of a normal distribution the standard deviation is this many times the median absolute deviation.
const MAD_TO_SIGMA: f64 = 1.4826;

/// What a scan says.
#[derive(Debug, Serialize)]
pub(crate) struct Findings {
    pub(crate) schema: u32,
    pub(crate) version: &'static str,
    pub(crate) scan: String,
    pub(crate) counts: ReportCounts,
    /// Means over the pairs that count, of each pair's mean over modules.
    pub(crate) mean_phi: Option<f64>,
    pub(crate) mean_excess: Option<f64>,
    pub(crate) most_alike: Vec<PairLine>,
    pub(crate) least_alike: Vec<PairLine>,
    pub(crate) layers: Vec<GroupLine>,
    pub(crate) projections: Vec<GroupLine>,
    pub(crate) layer_projections: Vec<GroupLine>,
    /// In the order of the picture's rows.
    pub(crate) adapters: Vec<AdapterLine>,
    /// Groups 1 to n are the picture's rows, n + k is what merge k made.
    pub(crate) merges: Vec<MergeLine>,
    pub(crate) drift: Vec<DriftPoint>,
    #[serde(skip)]
    pub(super) order: Vec<usize>,
    #[serde(skip)]
    pub(super) tree: Vec<Merge>,
    #[serde(skip)]
    pub(super) groups: Groups,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct ReportCounts {
    /// Those that were compared.
    pub(crate) adapters: usize,
    pub(crate) adapters_without_pairs: usize,
    /// Those with modules that have no basis.
    pub(crate) adapters_with_problems: usize,
    pub(crate) pairs: u64,
    /// (module, a, b).
    pub(crate) rows: u64,
    /// Rows without a finite φ(r, r).
    pub(crate) skipped_rows: u64,
    pub(crate) shared_init_pairs: u64,
    pub(crate) other_base_pairs: u64,
    /// Pairs that averages, lists and outliers leave out.
    pub(crate) left_out_pairs: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct PairLine {
    pub(crate) a: i64,
    pub(crate) b: i64,
    pub(crate) path_a: String,
    pub(crate) path_b: String,
    pub(crate) n_modules: u32,
    pub(crate) mean_phi: f64,
    pub(crate) mean_excess: f64,
    pub(crate) shared_init: bool,
    pub(crate) other_base: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct GroupLine {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) layer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) projection: Option<String>,
    /// (module, a, b).
    pub(crate) n_rows: u64,
    pub(crate) mean_phi: f64,
    pub(crate) mean_excess: f64,
    pub(crate) mean_linear_cka: Option<f64>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct AdapterLine {
    /// Its row in the picture, from 1.
    pub(crate) position: usize,
    pub(crate) id: i64,
    pub(crate) path: String,
    pub(crate) run: String,
    pub(crate) step: Option<i64>,
    pub(crate) base_model: Option<String>,
    /// Pairs that count.
    pub(crate) n_pairs: u64,
    /// Mean over these.
    pub(crate) mean_excess: Option<f64>,
    /// (mean − median) / (1.4826 · median absolute deviation), over all adapters.
    pub(crate) robust_z: Option<f64>,
    /// |robust z| > 3.5.
    pub(crate) outlier: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct MergeLine {
    pub(crate) merge: usize,
    pub(crate) first: usize,
    pub(crate) second: usize,
    /// Of the pairs across the two groups.
    pub(crate) mean_excess: f64,
}

/// What a scan says, with the `top` most and least alike pairs.
pub(crate) fn findings(scan: &ScanSums, top: usize) -> Findings {
    let mut counts = ReportCounts {
        adapters: scan.adapters.len(),
        adapters_without_pairs: scan.n_alone,
        adapters_with_problems: scan.n_problems,
        pairs: 0,
        rows: scan.n_rows,
        skipped_rows: scan.n_skipped,
        shared_init_pairs: 0,
        other_base_pairs: 0,
        left_out_pairs: 0,
    };
    for pair in scan.pairs.iter() {
        counts.pairs += 1;
        counts.shared_init_pairs += u64::from(pair.has_shared_init());
        counts.other_base_pairs += u64::from(pair.has_other_base());
        counts.left_out_pairs += u64::from(scan.spoils(&pair));
    }
    // Marked pairs are better than none.
    let with_marked = counts.left_out_pairs == counts.pairs;
    if with_marked {
        counts.left_out_pairs = 0;
    }
    let pairs = || scan.pairs.iter().filter(|pair| with_marked || !scan.spoils(pair));

    let (mut n, mut phi, mut excess) = (0.0, 0.0, 0.0);
    let mut of_adapter = vec![(0u64, 0.0); scan.adapters.len()];
    for pair in pairs() {
        n += 1.0;
        phi += pair.phi;
        excess += pair.excess;
        for place in [pair.a, pair.b] {
            of_adapter[place].0 += 1;
            of_adapter[place].1 += pair.excess;
        }
    }
    let line = |pair: &PairMean| pair_line(scan, pair);
    let groups = scan.groups.finish(with_marked);
    let clustering = cluster(&scan.pairs);
    Findings {
        schema: 1,
        version: env!("CARGO_PKG_VERSION"),
        scan: scan.path.display().to_string(),
        counts,
        mean_phi: finite(phi / n),
        mean_excess: finite(excess / n),
        most_alike: first(pairs(), top, |pair| -pair.excess).iter().map(line).collect(),
        least_alike: first(pairs(), top, |pair| pair.excess).iter().map(line).collect(),
        layers: groups.layers.iter().map(|(layer, sum)| group_line(Some(layer.name()), None, sum)).collect(),
        projections: groups
            .projections
            .iter()
            .map(|(projection, sum)| group_line(None, Some(projection.name()), sum))
            .collect(),
        layer_projections: groups
            .cells
            .iter()
            .map(|((layer, projection), sum)| group_line(Some(layer.name()), Some(projection.name()), sum))
            .collect(),
        adapters: adapter_lines(scan, &clustering.order, &of_adapter),
        merges: merge_lines(&clustering.merges),
        drift: drift(&scan.adapters, &scan.pairs),
        order: clustering.order,
        tree: clustering.merges,
        groups,
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

fn pair_line(scan: &ScanSums, pair: &PairMean) -> PairLine {
    let (a, b) = (&scan.adapters[pair.a], &scan.adapters[pair.b]);
    PairLine {
        a: a.id,
        b: b.id,
        path_a: a.path.clone(),
        path_b: b.path.clone(),
        n_modules: pair.n_modules,
        mean_phi: rounded(pair.phi),
        mean_excess: rounded(pair.excess),
        shared_init: pair.has_shared_init(),
        other_base: pair.has_other_base(),
    }
}

fn group_line(layer: Option<String>, projection: Option<&str>, sum: &Sum) -> GroupLine {
    GroupLine {
        layer,
        projection: projection.map(str::to_owned),
        n_rows: sum.n,
        mean_phi: rounded(sum.mean_phi()),
        mean_excess: rounded(sum.mean_excess()),
        mean_linear_cka: finite(sum.mean_linear_cka()),
    }
}

fn adapter_lines(scan: &ScanSums, order: &[usize], sums: &[(u64, f64)]) -> Vec<AdapterLine> {
    let mean = |place: usize| finite(sums[place].1 / sums[place].0 as f64);
    let scores = robust_z(&(0..sums.len()).map(mean).collect::<Vec<_>>());
    let line = |(row, &place): (usize, &usize)| {
        let adapter = &scan.adapters[place];
        AdapterLine {
            position: row + 1,
            id: adapter.id,
            path: adapter.path.clone(),
            run: adapter.run.clone(),
            step: adapter.step,
            base_model: adapter.base_model.clone(),
            n_pairs: sums[place].0,
            mean_excess: mean(place),
            robust_z: scores[place].and_then(finite),
            outlier: scores[place].is_some_and(|z| z.abs() > OUTLIER_Z),
        }
    };
    order.iter().enumerate().map(line).collect()
}

/// How many robust standard deviations each value lies from the median; `None` for all where most are equal, or under
/// eight are there.
fn robust_z(values: &[Option<f64>]) -> Vec<Option<f64>> {
    let known: Vec<f64> = values.iter().copied().flatten().collect();
    let middle = median(known.clone());
    let spread = MAD_TO_SIGMA * median(known.iter().map(|value| (value - middle).abs()).collect());
    let has_scale = spread > 1e-9 && known.len() >= OUTLIERS_FROM;
    values.iter().map(|value| value.filter(|_| has_scale).map(|value| (value - middle) / spread)).collect()
}

/// NaN for no values.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    match n {
        0 => f64::NAN,
        _ => 0.5 * (values[(n - 1) / 2] + values[n / 2]),
    }
}

fn merge_lines(merges: &[Merge]) -> Vec<MergeLine> {
    let line = |(k, merge): (usize, &Merge)| MergeLine {
        merge: k + 1,
        first: merge.first + 1,
        second: merge.second + 1,
        mean_excess: rounded(merge.similarity),
    };
    merges.iter().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_robust_z_is_by_median_and_mad() {
        let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 100.0].map(Some);
        let scores = robust_z(&[&values[..], &[None]].concat());
        assert!((scores[7].unwrap() - 95.5 / (2.0 * 1.4826)).abs() < 1e-9);
        assert!(scores[0].unwrap() < 0.0 && scores[8].is_none());
        assert_eq!(robust_z(&values[1..]), [None; 7], "too few");
        // Most are equal: there is no scale to measure by.
        assert_eq!(robust_z(&[&[Some(1.0); 8][..], &[Some(9.0)]].concat()), [None; 9]);
        assert_eq!(robust_z(&[]), []);
    }

    #[test]
    fn the_first_pairs_are_those_of_a_sort() {
        let pair = |b: usize, excess: f64| PairMean { a: 0, b, phi: 0.0, excess, n_modules: 1, marks: 0 };
        let pairs: Vec<_> = (1..40).map(|b| pair(b, ((b * 7) % 11) as f64)).collect();
        for top in [0, 1, 5, 100] {
            let mut expected = pairs.clone();
            expected.sort_by(|a, b| a.excess.total_cmp(&b.excess));
            expected.truncate(top);
            assert_eq!(first(pairs.iter().copied(), top, |pair| pair.excess), expected);
        }
    }
}
