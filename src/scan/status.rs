//! How far a scan is, and who did what of it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::blocks::Blocks;
use super::digest::Fingerprint;
use super::finish::BlockCounts;
use super::finished::FinishedScan;
use super::journal::log::LogLine;
use crate::error::Result;

/// The state of an output folder.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// Of the plan.
    pub digest: Fingerprint,
    /// How many checkpoints.
    pub n_adapters: usize,
    /// Checkpoints whose files are gone and that the scan goes on without.
    pub n_forgotten: usize,
    /// How many modules.
    pub n_modules: usize,
    /// Pairs of checkpoints that have a module to compare; each gives a row for each of those.
    pub n_pairs: u64,
    /// Blocks and rows, done and to do.
    pub counts: BlockCounts,
    /// Stems of the blocks that are not there, in the order of the plan.
    pub missing: Vec<String>,
    /// Of the last run with shares: how many it had, and those with missing blocks.
    pub shares: Option<Shares>,
    /// What each process did.
    pub processes: Vec<Process>,
}

/// The shares of a scan.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Shares {
    /// How many.
    pub n: usize,
    /// Those with missing blocks, from 1.
    pub unfinished: Vec<usize>,
}

/// One process, by the side log.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Process {
    /// The machine.
    pub host: String,
    /// Its number there.
    pub pid: u32,
    /// Its share, K of N.
    pub shard: (usize, usize),
    /// Blocks that it did.
    pub n_blocks: usize,
    /// When it began, in seconds since 1970.
    pub began_s: u64,
    /// When it was done with its last block.
    pub last_s: u64,
}

impl Status {
    /// Of the scan in this output folder.
    ///
    /// # Errors
    /// `NotFound` and `Invalid` when it holds no scan; `Malformed` and `Unsupported` for a plan that cannot be read; `Io`
    /// when the system refuses.
    pub fn read(output: impl AsRef<Path>) -> Result<Self> {
        Self::of(&FinishedScan::open(output.as_ref())?)
    }

    /// Looks at every block of the plan.
    ///
    /// # Errors
    /// As [`Blocks::of`]; `Io` when the system refuses.
    fn of(scanned: &FinishedScan) -> Result<Self> {
        let FinishedScan { plan, .. } = scanned;
        let blocks = Blocks::of(plan)?;
        let lines = super::journal::log::read(scanned.folder())?;
        let processes = processes(&lines);
        let n = processes.iter().max_by_key(|process| process.began_s).map_or(1, |process| process.shard.1);
        let mut missing = vec![];
        let mut unfinished: Vec<usize> = vec![];
        let survey = scanned.survey(&blocks)?;
        let counts = BlockCounts::with_missing(
            &survey,
            |_| true,
            |place, name| {
                missing.push(name);
                unfinished.push(place % n + 1);
            },
        );
        unfinished.sort_unstable();
        unfinished.dedup();
        Ok(Self {
            digest: plan.digest(),
            n_adapters: plan.adapters.len(),
            n_forgotten: plan.n_forgotten(),
            n_modules: plan.modules.len(),
            n_pairs: plan.n_pairs()?,
            counts,
            missing,
            shares: (n > 1).then_some(Shares { n, unfinished }),
            processes,
        })
    }
}

fn processes(lines: &[LogLine]) -> Vec<Process> {
    let mut all: BTreeMap<(&str, u32, (usize, usize)), Process> = BTreeMap::new();
    for line in lines {
        let process = all.entry((&line.host, line.pid, line.shard)).or_insert_with(|| Process {
            host: line.host.clone(),
            pid: line.pid,
            shard: line.shard,
            n_blocks: 0,
            began_s: line.time_s,
            last_s: line.time_s,
        });
        process.n_blocks += usize::from(line.block.is_some());
        process.last_s = process.last_s.max(line.time_s);
    }
    let mut all: Vec<Process> = all.into_values().collect();
    all.sort_by_key(|process| process.began_s);
    all
}
