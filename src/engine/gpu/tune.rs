//! Which pair statistics kernel is the fastest on this GPU: timed once for each kind of work, and kept in a small file.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use super::GpuEngine;
use super::pair_stats::{Work, kernels_of};
use super::rates::measure;
use crate::basis::Basis;
use crate::engine::{Block, CardRates, Engine, GpuChoice, Pairs, Precision, Timing, Tuning};
use crate::error::{Error, Result};
use crate::files::{Durability, replace_atomically};
use crate::kernels::pair_stats::{Wanted, stack_words};

/// Runs of each candidate, of which the fastest counts: the first one also compiles.
const N_RUNS: usize = 3;

/// What the file holds: for each GPU, driver and version, the kernel for each precision and kind of work.
type Winners = BTreeMap<String, BTreeMap<String, String>>;

/// Cells of φ that are asked for of every pair.
const CELLS: [(usize, usize); 3] = [(1, 1), (8, 8), (64, 64)];

/// Times every kernel for every precision and kind of work on one GPU, and keeps the fastest in `file`.
///
/// # Errors
/// `Gpu` when the GPU cannot be opened or fails; `Io` when the file cannot be written.
pub fn tune(gpu: &GpuChoice, file: Option<&Path>) -> Result<Tuning> {
    let mut runs = vec![];
    let mut rates = None;
    for precision in Precision::ALL {
        let mut engine = GpuEngine::open(gpu, precision)?;
        // Right before the kernels, so that one clock is measured.
        if rates.is_none() {
            rates = Some(measure(&engine.device, engine.is_software)?);
        }
        runs.extend(engine.tune(file)?);
    }
    let rates = rates.unwrap_or(CardRates { fma_gflop_per_s: f64::NAN, copy_gb_per_s: f64::NAN });
    Ok(Tuning { rates, kernels: runs.iter().map(|run| run.timing(rates)).collect() })
}

/// One kernel's fastest run of one kind of work.
struct Run {
    precision: Precision,
    work: Work,
    kernel: &'static str,
    time: Duration,
    flop: f64,
    /// If every basis is read and every number written once.
    bytes: f64,
    is_fastest: bool,
}

impl Run {
    fn timing(&self, rates: CardRates) -> Timing {
        let seconds = self.time.as_secs_f64();
        let gflop_per_s = self.flop / seconds / 1e9;
        Timing {
            precision: self.precision.to_string(),
            work: self.work.name(),
            kernel: self.kernel,
            seconds,
            gflop_per_s,
            share_of_fma: gflop_per_s / rates.fma_gflop_per_s,
            share_of_copy: self.bytes / seconds / 1e9 / rates.copy_gb_per_s,
            is_fastest: self.is_fastest,
        }
    }
}

impl GpuEngine {
    /// Takes the kernels that `file` names for this GPU; where it names none, times them first and adds the fastest.
    ///
    /// The numbers are the same bits whichever is taken. A file that cannot be read or written is a warning.
    pub(crate) fn tuned(mut self, file: &Path) -> Self {
        let known = read(file).remove(&self.key()).unwrap_or_default();
        let find = |work: Work| {
            let name = known.get(&place(self.info().precision, work))?;
            kernels_of(&self.device).find(|(_, variant)| variant.kernel.name == name)
        };
        if let [Some((few, _)), Some((many, _))] = Work::ALL.map(find) {
            self.pair_stats.fastest = [few, many];
        } else if let Err(error) = self.tune(Some(file)) {
            self.warn(Some(format!("kernels in their usual order, for they could not be timed: {error}")));
        }
        self
    }

    fn tune(&mut self, file: Option<&Path>) -> Result<Vec<Run>> {
        let precision = self.info().precision;
        let mut runs = vec![];
        let mut winners = BTreeMap::new();
        for (at, work) in Work::ALL.into_iter().enumerate() {
            let bases = work.bases(self.is_software)?;
            let bases: Vec<&Basis> = bases.iter().collect();
            let block = Block { a: &bases, b: &bases, pairs: Pairs::All, cells: &CELLS };
            let candidates: Vec<_> = kernels_of(&self.device).collect();
            let mut times = vec![];
            for &(kernel, _) in &candidates {
                times.push(self.time(&block, kernel)?);
            }
            let fastest = (0..times.len()).min_by_key(|&k| times[k]).unwrap_or(0);
            self.pair_stats.fastest[at] = candidates[fastest].0;
            winners.insert(place(precision, work), candidates[fastest].1.kernel.name.to_owned());
            let rows: usize = bases.iter().map(|basis| basis.q()).sum();
            let flop = 2.0 * (rows * rows * bases[0].d()) as f64;
            let words = rows * stack_words(precision, bases[0].d())
                + bases.len().pow(2) * Wanted::Statistics(&CELLS).n_numbers();
            runs.extend(candidates.iter().zip(&times).enumerate().map(|(k, ((_, variant), &time))| Run {
                precision,
                work,
                kernel: variant.kernel.name,
                time,
                flop,
                bytes: 4.0 * words as f64,
                is_fastest: k == fastest,
            }));
        }
        if let Some(file) = file {
            let mut all = read(file);
            all.entry(self.key()).or_default().extend(winners);
            write(file, &all)?;
        }
        Ok(runs)
    }

    /// The fastest of a few runs: by the GPU's clock where it has one.
    fn time(&mut self, block: &Block<'_>, kernel: usize) -> Result<Duration> {
        let only = self.pair_stats.only.replace(kernel);
        let mut fastest = Duration::MAX;
        for _ in 0..N_RUNS {
            let (before, started) = (self.pair_stats.times().kernel, Instant::now());
            self.run_pair_stats(block, self.device.limits())?;
            let by_gpu = self.pair_stats.times().kernel.map(|after| after - before.unwrap_or_default());
            fastest = fastest.min(by_gpu.unwrap_or_else(|| started.elapsed()));
        }
        self.pair_stats.only = only;
        // A clock of coarse ticks may show none.
        Ok(fastest.max(Duration::from_nanos(1)))
    }

    fn key(&self) -> String {
        let info = self.info();
        format!("{}, {}, lorascope {}", info.device, info.driver, env!("CARGO_PKG_VERSION"))
    }
}

impl Work {
    /// Bases of rank 64 whose pairs are such work; on a software driver fewer.
    fn bases(self, is_software: bool) -> Result<Vec<Basis>> {
        let n = match (self, is_software) {
            (Self::FewPairs, _) => 4,
            (Self::ManyPairs, true) => 8,
            (Self::ManyPairs, false) => 64,
        };
        // One basis, often: what the numbers are takes no time or takes none away.
        let basis = Basis::gaussian(64, 768, 0)?;
        Ok(vec![basis; n])
    }
}

fn place(precision: Precision, work: Work) -> String {
    format!("{precision}, {}", work.name())
}

/// Nothing where there is no such file or it is none of ours: it can be made again.
fn read(file: &Path) -> Winners {
    fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

fn write(file: &Path, winners: &Winners) -> Result<()> {
    let io = |error| Error::io("write", file, error);
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(io)?;
    }
    let json = serde_json::to_vec_pretty(winners).unwrap_or_default();
    replace_atomically(file, Durability::Process, |to| to.write_all(&json).map_err(io))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::gpu::test_engines::open_software;

    #[test]
    fn kernels_are_timed_once_and_the_file_says_which_was_the_fastest() {
        let Some(engine) = open_software() else { return };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cache/kernels.json");
        let mut engine = engine.tuned(&file);
        let winners = read(&file);
        let names: Vec<&str> = winners[&engine.key()].values().map(String::as_str).collect();
        let taken = engine.pair_stats.fastest.map(|at| crate::kernels::pair_stats::VARIANTS[at].kernel.name);
        assert_eq!(names, taken);
        assert_eq!(engine.take_warnings(), [""; 0]);

        // From then on it is only read, whatever it says.
        let swapped = [1, 0].map(|k| names[k].to_owned());
        let places = Work::ALL.map(|work| place(Precision::F32, work));
        let other = BTreeMap::from([(engine.key(), places.into_iter().zip(swapped.clone()).collect())]);
        write(&file, &other).unwrap();
        engine = engine.tuned(&file);
        let taken = engine.pair_stats.fastest.map(|at| crate::kernels::pair_stats::VARIANTS[at].kernel.name);
        assert_eq!(taken, swapped);
        assert_eq!(read(&file), other);
    }

    #[test]
    fn a_share_is_of_what_the_card_reached() {
        let run = Run {
            precision: Precision::F32,
            work: Work::ManyPairs,
            kernel: "pair_stats_128",
            time: Duration::from_millis(10),
            flop: 5e9,
            bytes: 2e8,
            is_fastest: true,
        };
        let timing = run.timing(CardRates { fma_gflop_per_s: 1000.0, copy_gb_per_s: 80.0 });
        assert_eq!((timing.gflop_per_s, timing.share_of_fma, timing.share_of_copy), (500.0, 0.5, 0.25));
    }

    #[test]
    fn a_file_that_cannot_be_used_is_a_warning_and_no_failure() {
        let Some(engine) = open_software() else { return };
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "no JSON").unwrap();
        let engine = engine.tuned(&folder.path().join("file/kernels.json"));
        let warnings = engine.take_warnings();
        assert!(warnings.len() == 1 && warnings[0].contains("kernels.json"), "{warnings:?}");
    }
}
