//! What a merge of some updates does, in a word, and why.

use std::fmt;

use serde::{Serialize, Serializer};

/// Two updates whose cosine is at least this far from 0 are one update but for its size: each differs from a multiple of the
/// other by at most √(1 − cos²) = 1 % of its norm.
pub const COPY_COSINE: f64 = 0.99995;

/// A cosine under this changes the norm of a merge of two equally large updates by less than 5 %: √(1 + cos) ≈ 1 + cos/2.
pub const NOTABLE_COSINE: f64 = 0.1;

/// Nor is a cosine notable that is fewer standard deviations from chance: under one in a million for many directions, where
/// the cosine is close to normal; three in a thousand for two updates of rank 1.
pub const NOTABLE_Z: f64 = 5.0;

/// An update dominates if its norm is so many times the norms of all others together. The merge then lies within
/// asin(1/3) = 19.5° of it, whatever the cosines are.
pub const DOMINANCE: f64 = 3.0;

/// What a merge does to its updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Word {
    /// Two updates point in opposite directions, so they undo each other.
    Cancelling,
    /// Two updates are the same, but for their size.
    Redundant,
    /// One update is so much larger than the others that the merge is nearly it.
    OneDominates,
    /// Two updates point in similar directions, so the merge is larger than of independent ones.
    Reinforcing,
    /// No two updates have much to do with each other.
    Independent,
    /// All updates are zero, as in a module that no adapter has trained.
    NoUpdate,
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Cancelling => "cancelling",
            Self::Redundant => "redundant",
            Self::OneDominates => "one dominates",
            Self::Reinforcing => "reinforcing",
            Self::Independent => "independent",
            Self::NoUpdate => "no update",
        })
    }
}

/// A word with its reason.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Verdict {
    /// The word.
    pub word: Word,
    /// What it follows from. As JSON it is a sentence.
    pub reason: Reason,
}

/// What a word follows from. Adapters count from 0; [`Display`](fmt::Display) counts them from 1.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// No adapter changes anything.
    NoUpdate,
    /// One adapter's norm is this many times those of all others together; infinite where only it changes anything.
    Norms {
        /// The adapter.
        adapter: usize,
        /// Its norm over the others'.
        times: f64,
    },
    /// The second of a pair, weighted, is this many times the first.
    Multiple {
        /// The pair.
        pair: [usize; 2],
        /// Negative for opposite directions.
        factor: f64,
    },
    /// The pair that the word is about, or the one with the largest cosine of pairs that are not notable.
    Cosine {
        /// The pair.
        pair: [usize; 2],
        /// Of the weighted updates.
        cosine: f64,
        /// Its distance from chance.
        z: f64,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoUpdate => f.write_str("no adapter changes anything"),
            Self::Norms { adapter, times } if times.is_infinite() => {
                write!(f, "only {} changes anything", adapter + 1)
            }
            Self::Norms { adapter, times } => {
                write!(f, "the norm of {} is {times:.1} times those of all others together", adapter + 1)
            }
            Self::Multiple { pair: [a, b], factor } => write!(f, "{} is {factor:.3} × {}", b + 1, a + 1),
            Self::Cosine { pair: [a, b], cosine, z } => {
                write!(f, "{} and {}: cosine {cosine:.3}, z {z:.1}", a + 1, b + 1)
            }
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A pair of weighted updates that are not zero.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weighted {
    pub(super) pair: [usize; 2],
    /// With the sign of the weights.
    pub(super) cosine: f64,
    pub(super) z: f64,
}

impl Verdict {
    /// Of updates with these weighted norms, |w|·‖ΔW‖, and of all pairs of those that are not zero.
    pub(super) fn of(norms: &[f64], pairs: impl Iterator<Item = Weighted> + Clone) -> Self {
        let by_cosine = |a: &Weighted, b: &Weighted| a.cosine.total_cmp(&b.cosine);
        let (lowest, highest) = (pairs.clone().min_by(by_cosine), pairs.clone().max_by(by_cosine));
        let multiple = |found: Weighted| {
            let [a, b] = found.pair;
            let factor = found.cosine.signum() * norms[b] / norms[a];
            Reason::Multiple { pair: found.pair, factor }
        };
        let cosine = |found: Weighted| {
            let Weighted { pair, cosine, z } = found;
            Reason::Cosine { pair, cosine, z }
        };
        let is_notable =
            |found: &Weighted| found.cosine.abs() >= NOTABLE_COSINE && found.z.abs() >= NOTABLE_Z;
        let verdict = |word, reason| Self { word, reason };

        let Some((adapter, largest)) = norms.iter().copied().enumerate().max_by(|a, b| a.1.total_cmp(&b.1))
        else {
            return verdict(Word::NoUpdate, Reason::NoUpdate);
        };
        if largest <= 0.0 {
            return verdict(Word::NoUpdate, Reason::NoUpdate);
        }
        if let Some(copy) = lowest.filter(|found| found.cosine <= -COPY_COSINE) {
            return verdict(Word::Cancelling, multiple(copy));
        }
        if let Some(copy) = highest.filter(|found| found.cosine >= COPY_COSINE) {
            return verdict(Word::Redundant, multiple(copy));
        }
        let others = norms.iter().sum::<f64>() - largest;
        if largest >= DOMINANCE * others {
            return verdict(Word::OneDominates, Reason::Norms { adapter, times: largest / others });
        }
        if let Some(found) = lowest.filter(|found| found.cosine < 0.0 && is_notable(found)) {
            return verdict(Word::Cancelling, cosine(found));
        }
        if let Some(found) = highest.filter(|found| found.cosine > 0.0 && is_notable(found)) {
            return verdict(Word::Reinforcing, cosine(found));
        }
        let strongest = pairs.max_by(|a, b| a.cosine.abs().total_cmp(&b.cosine.abs()));
        verdict(Word::Independent, strongest.map_or(Reason::NoUpdate, cosine))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(norms: &[f64], cosines: &[(usize, usize, f64)], d: f64) -> (Word, String) {
        let pairs = cosines.iter().map(|&(a, b, cosine)| Weighted { pair: [a, b], cosine, z: cosine * d });
        let Verdict { word, reason } = Verdict::of(norms, pairs);
        (word, reason.to_string())
    }

    #[test]
    fn each_word_has_its_reason() {
        let of = |norms: [f64; 2], cosine: f64| judged(&norms, &[(0, 1, cosine)], 400.0);
        let text = |word, reason: &str| (word, reason.to_owned());
        assert_eq!(of([1.0, 2.0], 1.0), text(Word::Redundant, "2 is 2.000 × 1"));
        assert_eq!(of([2.0, 1.0], -1.0), text(Word::Cancelling, "2 is -0.500 × 1"));
        assert_eq!(of([1.0, 1.0], 0.3), text(Word::Reinforcing, "1 and 2: cosine 0.300, z 120.0"));
        assert_eq!(of([1.0, 1.0], -0.2), text(Word::Cancelling, "1 and 2: cosine -0.200, z -80.0"));
        assert_eq!(of([1.0, 1.0], -0.09), text(Word::Independent, "1 and 2: cosine -0.090, z -36.0"));
        let largest = "the norm of 2 is 3.0 times those of all others together";
        assert_eq!(of([1.0, 3.0], -0.5), text(Word::OneDominates, largest));
        assert_eq!(of([1.0, 2.9], -0.5).0, Word::Cancelling);
        assert_eq!(judged(&[0.0, 2.0], &[], 9.0), text(Word::OneDominates, "only 2 changes anything"));
        assert_eq!(judged(&[0.0, 0.0], &[], 9.0), text(Word::NoUpdate, "no adapter changes anything"));
        // A cosine that chance makes in a small module is not notable.
        assert_eq!(judged(&[1.0, 1.0], &[(0, 1, 0.4)], 12.0).0, Word::Independent);
    }

    #[test]
    fn one_pair_decides_among_many() {
        let pairs = [(0, 1, 0.9), (0, 2, 0.0), (1, 2, -0.3)];
        assert_eq!(
            judged(&[1.0; 3], &pairs, 400.0),
            (Word::Cancelling, "2 and 3: cosine -0.300, z -120.0".into())
        );
        let pairs = [(0, 1, 0.0), (0, 2, 0.99999), (1, 2, -0.3)];
        assert_eq!(judged(&[1.0; 3], &pairs, 400.0), (Word::Redundant, "3 is 1.000 × 1".into()));
    }
}
