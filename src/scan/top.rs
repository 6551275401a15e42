//! `--keep top:K`: the pairs that are among the K most alike of either adapter, and how all of them are spread.
//!
//! A block keeps its own K most alike pairs of each adapter: whatever is among the K of the whole is among them. When the
//! last block is there, each file is cut down to the K of the whole. That may be done again at any time, after the folder
//! has grown too, since more pairs only push others out.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;

use super::blocks::BlockSpec;
use super::claim::Claim;
use super::folder::Folder;
use super::keep::Keep;
use super::survey::Survey;
use super::table::{N_CLASSES, PairRows, PairTable, StoredPairs, class_of, write_histograms};
use crate::error::Result;
use crate::sync::stop;

/// The rows of a block that are kept, with the histogram of all.
pub fn of_block(keep: &Keep, rows: PairRows) -> PairRows {
    let &Keep::Top(k) = keep else { return rows };
    let phi_r = rows.phi_r();
    let pairs = rows.a.iter().zip(&rows.b).zip(phi_r).map(|((&a, &b), &phi_r)| (a, b, phi_r));
    let places = most_alike(k, pairs);
    let histogram = Some(counts(phi_r));
    PairRows { histogram, ..rows.only(&places) }
}

/// The places of the pairs, each of two adapters and their φ, that are among the K most alike of either adapter.
pub(super) fn most_alike(k: usize, pairs: impl Iterator<Item = (i32, i32, f32)> + Clone) -> Vec<usize> {
    let mut tops = Tops::new(k);
    pairs.clone().for_each(|(a, b, phi_r)| tops.add(a, b, phi_r));
    tops.places(pairs)
}

/// Cuts every file down to the most alike pairs of the whole scan, and writes the histograms of all pairs.
///
/// # Errors
/// `Io` when the system refuses, `Malformed` when a file of the table is damaged, `Stopped` when it was told to stop; as
/// [`Claim::check`].
pub(super) fn finalise(
    survey: &Survey<'_>,
    folder: &Folder,
    claim: &Claim<'_>,
    stop: &AtomicBool,
) -> Result<()> {
    let plan = survey.blocks.plan();
    let Keep::Top(k) = plan.options.keep else { return Ok(()) };
    let table = PairTable::of(plan);
    let mut blocks: Vec<Vec<BlockSpec>> = vec![vec![]; plan.modules.len()];
    for block in survey.blocks.iter() {
        blocks[block.module as usize].push(block);
    }
    let read = |block: &BlockSpec| {
        survey.verify_one(block)?;
        StoredPairs::read(&folder.block_file(&block.name()), &table)
    };
    let mut histograms = vec![];
    for (module, blocks) in plan.modules.iter().zip(&blocks) {
        stop::check(stop)?;
        let mut tops = Tops::new(k);
        let mut counts = vec![0u64; N_CLASSES];
        for block in blocks {
            let stored = read(block)?;
            counts.iter_mut().zip(stored.histogram()?).for_each(|(sum, n)| *sum = sum.saturating_add(n));
            stored.pairs().for_each(|(a, b, phi_r)| tops.add(a, b, phi_r));
        }
        for block in blocks {
            let stored = read(block)?;
            let places = tops.places(stored.pairs());
            if places.len() < stored.n_rows() {
                stored.rewrite(&places, claim.refusal())?;
                survey.put(block);
            }
        }
        histograms.push((module.name.clone(), module.d, counts));
    }
    write_histograms(&folder.histograms_file(), &histograms, claim.refusal())
}

/// How many values of φ lie in each class; 1 is in the last.
fn counts(phi: &[f32]) -> Vec<u64> {
    let mut counts = vec![0; N_CLASSES];
    for phi in phi {
        counts[class_of(*phi)] += 1;
    }
    counts
}

/// The K most alike pairs of each adapter. Of pairs that are equally alike the one of smaller numbers counts.
struct Tops {
    k: usize,
    /// The best first.
    of_adapter: HashMap<i32, Vec<Candidate>>,
}

/// A pair, ordered by how early it is taken.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Candidate {
    phi: f32,
    a: i32,
    b: i32,
}

impl Candidate {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.phi.total_cmp(&self.phi).then((self.a, self.b).cmp(&(other.a, other.b)))
    }
}

impl Tops {
    fn new(k: usize) -> Self {
        Self { k, of_adapter: HashMap::new() }
    }

    fn add(&mut self, a: i32, b: i32, phi: f32) {
        let pair = Candidate { phi, a, b };
        for adapter in [a, b] {
            let best = self.of_adapter.entry(adapter).or_default();
            let place = best.partition_point(|other| other.cmp(&pair).is_lt());
            if place < self.k {
                best.truncate(self.k - 1);
                best.insert(place, pair);
            }
        }
    }

    /// The places of those that are among them.
    fn places(&self, pairs: impl Iterator<Item = (i32, i32, f32)>) -> Vec<usize> {
        let is_kept = |(_, (a, b, phi_r)): &(usize, (i32, i32, f32))| self.has(*a, *b, *phi_r);
        pairs.enumerate().filter(is_kept).map(|(place, _)| place).collect()
    }

    fn has(&self, a: i32, b: i32, phi: f32) -> bool {
        let pair = Candidate { phi, a, b };
        let among = |adapter: i32| {
            let best = self.of_adapter.get(&adapter).map_or(&[][..], Vec::as_slice);
            best.binary_search_by(|other| other.cmp(&pair)).is_ok()
        };
        among(a) || among(b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Kind, Values};

    fn rows() -> PairRows {
        let phi_r = Values::Floats(vec![0.9, 0.1, 0.2, 0.5, 0.4, 0.3]);
        PairRows {
            a: vec![0, 0, 0, 1, 1, 2],
            b: vec![1, 2, 3, 2, 3, 3],
            statistics: vec![("phi_r".to_owned(), Kind::Float, phi_r)],
            ..PairRows::default()
        }
    }

    #[test]
    fn keeps_the_most_alike_of_either_adapter_and_counts_all() {
        // 0: (0, 1); 1: (0, 1); 2: (1, 2); 3: (1, 3).
        let kept = of_block(&Keep::Top(1), rows());
        assert_eq!((kept.a, kept.b), (vec![0, 1, 1], vec![1, 2, 3]));
        assert_eq!(kept.histogram.unwrap().iter().sum::<u64>(), 6);
        assert_eq!(of_block(&Keep::Top(3), rows()).a.len(), 6);
        assert_eq!(of_block(&Keep::Powers, rows()).histogram, None);
    }

    #[test]
    fn of_equal_pairs_the_one_of_smaller_numbers_counts_in_any_order() {
        let pairs = [(0, 1), (0, 2), (0, 3), (2, 3)];
        for turn in 0..pairs.len() {
            let mut tops = Tops::new(1);
            for place in 0..pairs.len() {
                let (a, b) = pairs[(place + turn) % pairs.len()];
                tops.add(a, b, 0.5);
            }
            assert!(
                tops.has(0, 1, 0.5) && tops.has(0, 2, 0.5) && tops.has(0, 3, 0.5) && !tops.has(2, 3, 0.5)
            );
        }
    }

    #[test]
    fn every_pair_is_in_one_class() {
        let counts = counts(&[0.0, 0.005, 0.01, 0.999, 1.0]);
        assert_eq!(super::counts(&[0.29, 0.57])[28..31], [0, 1, 0]);
        assert_eq!((counts[0], counts[1], counts[99], counts.iter().sum::<u64>()), (2, 1, 2, 5));
    }
}
