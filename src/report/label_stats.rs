//! Whether adapters of one label are more alike than others: means within and between labels, a permutation test, and
//! silhouettes.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use rayon::prelude::*;

use super::labels::Labels;
use super::pairs::PairMean;

/// Permutations of a test, and the additions that all of them together may take.
const MOST_PERMUTATIONS: usize = 9999;
const FEWEST_PERMUTATIONS: usize = 199;
const MOST_ADDITIONS: usize = 2_000_000_000;

/// What labels say of the pairs that count.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LabelStats {
    pub(crate) n_labelled: usize,
    /// Means over the pairs of one label, and over those of two.
    pub(crate) within: Option<f64>,
    pub(crate) between: Option<f64>,
    /// How often labels that are dealt out anew part the pairs at least as well (Monte Carlo, Phipson and Smyth 2010), and of
    /// how many times.
    pub(crate) p_value: Option<f64>,
    pub(crate) n_permutations: usize,
    /// Mean over adapters (Rousseeuw 1987), with 1 − the value as the distance.
    pub(crate) silhouette: Option<f64>,
    /// Of each adapter by its place.
    pub(crate) silhouettes: Vec<Option<f64>>,
    /// Of each label.
    pub(crate) labels: Vec<OneLabel>,
    /// Of each two labels, a ≤ b: how many pairs and their mean.
    pub(crate) means: Vec<(usize, usize, u64, Option<f64>)>,
}

/// What is known of one label.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OneLabel {
    pub(crate) name: String,
    pub(crate) n_adapters: usize,
    pub(crate) silhouette: Option<f64>,
}

/// Sums and numbers of pairs, within labels and between them.
#[derive(Debug, Clone, Copy, Default)]
struct Parted {
    sums: [f64; 2],
    counts: [u64; 2],
}

impl Parted {
    /// The mean within and between; `None` without a pair.
    fn means(&self) -> [Option<f64>; 2] {
        [0, 1].map(|k| (self.counts[k] > 0).then(|| self.sums[k] / self.counts[k] as f64))
    }

    fn difference(&self) -> Option<f64> {
        let [within, between] = self.means();
        Some(within? - between?)
    }
}

/// What the labels say of these pairs.
pub(super) fn label_stats(labels: &Labels, pairs: impl Iterator<Item = PairMean>) -> LabelStats {
    let members: Vec<usize> = (0..labels.of.len()).filter(|&place| labels.of[place].is_some()).collect();
    let mut row_of = vec![None; labels.of.len()];
    members.iter().enumerate().for_each(|(row, &place)| row_of[place] = Some(row as u32));
    let numbers: Vec<u32> =
        members.iter().filter_map(|&place| labels.of[place]).map(|label| label as u32).collect();
    let listed: Vec<(u32, u32, f64)> =
        pairs.filter_map(|pair| Some((row_of[pair.a]?, row_of[pair.b]?, pair.value()))).collect();

    let parted = part(&listed, &numbers);
    let n_permutations = (MOST_ADDITIONS / listed.len().max(1)).clamp(FEWEST_PERMUTATIONS, MOST_PERMUTATIONS);
    let p_value = parted.difference().map(|observed| {
        let reaches = |seed: &usize| {
            let mut dealt = numbers.clone();
            shuffle(&mut dealt, &mut ChaCha8Rng::seed_from_u64(*seed as u64));
            // Sums of the same numbers in another order differ in the last digits.
            part(&listed, &dealt).difference().is_none_or(|other| other >= observed - 1e-12)
        };
        let n = (0..n_permutations).into_par_iter().filter(reaches).count();
        (n + 1) as f64 / (n_permutations + 1) as f64
    });

    let n_labels = labels.names.len();
    let of_members = silhouettes(&listed, &numbers, n_labels);
    let mut silhouettes = vec![None; labels.of.len()];
    members.iter().zip(&of_members).for_each(|(&place, value)| silhouettes[place] = *value);
    let of_label = |label: usize| {
        let is_it = |n: &usize| numbers[*n] as usize == label;
        OneLabel {
            name: labels.names[label].clone(),
            n_adapters: numbers.iter().filter(|&&other| other as usize == label).count(),
            silhouette: mean((0..numbers.len()).filter(is_it).filter_map(|n| of_members[n])),
        }
    };
    let [within, between] = parted.means();
    LabelStats {
        n_labelled: members.len(),
        within,
        between,
        p_value,
        n_permutations,
        silhouette: mean(of_members.iter().copied().flatten()),
        silhouettes,
        labels: (0..n_labels).map(of_label).collect(),
        means: means_of_labels(&listed, &numbers, n_labels),
    }
}

fn part(pairs: &[(u32, u32, f64)], labels: &[u32]) -> Parted {
    let mut parted = Parted::default();
    for &(a, b, value) in pairs {
        let k = usize::from(labels[a as usize] != labels[b as usize]);
        parted.sums[k] += value;
        parted.counts[k] += 1;
    }
    parted
}

/// Fisher and Yates.
fn shuffle(list: &mut [u32], random: &mut ChaCha8Rng) {
    for n in (1..list.len()).rev() {
        // The bias of a remainder of 64 random bits is under 1e-12 for any list that fits in memory.
        let k = (random.next_u64() % (n as u64 + 1)) as usize;
        list.swap(n, k);
    }
}

fn means_of_labels(
    pairs: &[(u32, u32, f64)],
    labels: &[u32],
    n_labels: usize,
) -> Vec<(usize, usize, u64, Option<f64>)> {
    let mut sums = vec![(0u64, 0.0); n_labels * n_labels];
    for &(a, b, value) in pairs {
        let (a, b) = (labels[a as usize] as usize, labels[b as usize] as usize);
        let sum = &mut sums[a.min(b) * n_labels + a.max(b)];
        *sum = (sum.0 + 1, sum.1 + value);
    }
    let places = (0..n_labels).flat_map(|a| (a..n_labels).map(move |b| (a, b)));
    let of = |(a, b): (usize, usize)| {
        let (n, sum) = sums[a * n_labels + b];
        (a, b, n, (n > 0).then(|| sum / n as f64))
    };
    places.map(of).collect()
}

/// (b − a)/max(a, b) of each, with a the mean distance to its own label and b the least of those to the others. 0 for the only
/// one of a label, `None` where no pair says it.
fn silhouettes(pairs: &[(u32, u32, f64)], labels: &[u32], n_labels: usize) -> Vec<Option<f64>> {
    let mut sums = vec![(0u32, 0.0); labels.len() * n_labels];
    for &(a, b, value) in pairs {
        for (x, y) in [(a, b), (b, a)] {
            let sum = &mut sums[x as usize * n_labels + labels[y as usize] as usize];
            *sum = (sum.0 + 1, sum.1 + 1.0 - value);
        }
    }
    let of = |(own, sums): (&u32, &[(u32, f64)])| {
        let distance = |label: usize| (sums[label].0 > 0).then(|| sums[label].1 / f64::from(sums[label].0));
        let others = (0..n_labels).filter(|&label| label != *own as usize);
        let nearest = others.filter_map(distance).min_by(f64::total_cmp)?;
        if labels.iter().filter(|&other| other == own).count() == 1 {
            return Some(0.0);
        }
        let own = distance(*own as usize)?;
        let most = own.max(nearest);
        Some(if most > 0.0 { (nearest - own) / most } else { 0.0 })
    };
    labels.iter().zip(sums.chunks(n_labels.max(1))).map(of).collect()
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (n, sum) = values.fold((0u64, 0.0), |(n, sum), value| (n + 1, sum + value));
    (n > 0).then(|| sum / n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::pairs::N_QUANTITIES;

    fn labels(of: &[Option<usize>]) -> Labels {
        let n = of.iter().flatten().max().map_or(0, |most| most + 1);
        Labels { names: (0..n).map(|label| format!("label {label}")).collect(), of: of.to_vec() }
    }

    fn stats(of: &[Option<usize>], value: impl Fn(usize, usize) -> f64) -> LabelStats {
        let n = of.len();
        let pair = |(a, b): (usize, usize)| PairMean {
            a,
            b,
            means: [value(a, b); N_QUANTITIES],
            n_modules: 1,
            marks: 0,
        };
        let places = (0..n).flat_map(|a| (a + 1..n).map(move |b| (a, b)));
        label_stats(&labels(of), places.map(pair).filter(|pair| !pair.value().is_nan()))
    }

    fn two(n: usize) -> Vec<Option<usize>> {
        (0..n).map(|place| Some(place % 2)).collect()
    }

    #[test]
    fn planted_groups_are_found_and_chance_is_not() {
        let planted = stats(&two(12), |a, b| if a % 2 == b % 2 { 0.6 } else { 0.1 });
        let near = |found: Option<f64>, expected: f64| {
            assert!((found.unwrap() - expected).abs() < 1e-12, "{found:?}")
        };
        near(planted.within, 0.6);
        near(planted.between, 0.1);
        // (0.9 − 0.4)/0.9, of every adapter.
        near(planted.silhouette, 5.0 / 9.0);
        near(planted.labels[1].silhouette, 5.0 / 9.0);
        assert!(planted.p_value.unwrap() < 0.01, "{:?}", planted.p_value);
        assert_eq!(planted.means.iter().map(|mean| mean.2).collect::<Vec<_>>(), [15, 36, 15]);

        // Values that know nothing of the labels.
        let noise = |a: usize, b: usize| ((a * 7919 + b * 104_729) % 1000) as f64 / 1000.0;
        let p = stats(&two(12), noise).p_value.unwrap();
        assert!((0.02..=1.0).contains(&p), "{p}");
        // Against the labels: those of one label are the least alike.
        let p = stats(&two(12), |a, b| if a % 2 == b % 2 { 0.1 } else { 0.6 }).p_value.unwrap();
        assert!(p > 0.99, "{p}");
    }

    #[test]
    fn the_p_value_is_that_of_all_permutations() {
        // Of 6 adapters in two labels of 3 there are 10 ways to part them, of which one is the best.
        let found = stats(&two(6), |a, b| if a % 2 == b % 2 { 1.0 } else { 0.0 });
        assert!((found.p_value.unwrap() - 0.1).abs() < 0.01, "{:?}", found.p_value);
        assert_eq!(found, stats(&two(6), |a, b| if a % 2 == b % 2 { 1.0 } else { 0.0 }));
    }

    #[test]
    fn what_has_no_label_and_what_was_not_compared_does_not_count() {
        let of = [Some(0), None, Some(0), Some(1), None, Some(2)];
        let found = stats(&of, |a, b| match (a, b) {
            (0, 2) => 0.8,
            (0, 3) => 0.2,
            (2, 3) | (2, 5) => f64::NAN,
            (_, 5) => 0.4,
            _ => 0.9,
        });
        assert_eq!((found.n_labelled, found.within), (4, Some(0.8)));
        assert!((found.between.unwrap() - (0.2 + 0.4 + 0.4) / 3.0).abs() < 1e-12);
        // 0: (0.6 − 0.2)/0.6; 2: compared with no other label; 3 and 5: the only ones of theirs.
        let expected = [Some(2.0 / 3.0), None, None, Some(0.0), None, Some(0.0)];
        for (found, expected) in found.silhouettes.iter().zip(expected) {
            assert!(
                found.zip(expected).is_none_or(|(a, b)| (a - b).abs() < 1e-12)
                    && found.is_some() == expected.is_some()
            );
        }
    }

    #[test]
    fn one_label_and_none_have_nothing_to_be_told_from() {
        for of in [vec![Some(0); 4], vec![None; 4], vec![]] {
            let found = stats(&of, |_, _| 0.5);
            assert_eq!((found.p_value, found.silhouette, found.between), (None, None, None));
        }
    }
}
