//! Runs a plan: a few blocks in flight, bases made ahead of them, each result in place before it counts.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::bases::Bases;
use super::blocks::{BlockPairs, BlockSpec, PairLayout};
use super::cache::CachedModule;
use super::claim::Claim;
use super::folder::Folder;
use super::journal::log::Log;
use super::kept_rows::{KeptRows, PairCounts, kept_rows};
use super::left_out::LeftOut;
use super::plan::Plan;
use super::profile::{Profile, Stage};
use super::shard::Shard;
use super::survey::{self, Survey};
use super::table::{BlockNote, MakeGrids, PairRows, PairTable};
use crate::engine::{Engine, StageTimes};
use crate::error::{Error, Fault, Remedy, Result};
use crate::sync::{into_inner, lock};
use crate::text::quoted;

/// What a run needs.
pub(super) struct Run<'a> {
    /// What to do.
    pub plan: &'a Plan,
    /// The plan, cut, and what of it is done.
    pub survey: &'a Survey<'a>,
    /// Where to.
    pub folder: &'a Folder,
    /// The right to write there.
    pub claim: &'a Claim<'a>,
    /// The bases.
    pub bases: &'a Bases<'a>,
    /// Which blocks.
    pub shard: Shard,
    /// Whether a module without a basis is an error.
    pub strict: bool,
    /// Blocks in flight for each engine.
    pub n_in_flight: NonZeroUsize,
    /// Set when no further block is to be begun.
    pub stop: &'a AtomicBool,
    /// Who did what and when.
    pub log: &'a Log,
    /// Counts of what is done.
    pub tally: &'a Tally,
    /// Where the time goes.
    pub profile: &'a Profile,
}

/// What has been done so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Blocks that this run has done.
    pub n_blocks: AtomicUsize,
    /// Rows of these: a pair of adapters in a module each.
    pub n_rows: AtomicUsize,
    /// Of these, those that share their random start.
    pub n_shared_init: AtomicUsize,
    /// Of these, those of different base models.
    pub n_other_base: AtomicUsize,
    /// Of these, those of an update that is not known.
    pub n_unknown_updates: AtomicUsize,
    /// What engines mended by smaller work or on the CPU, one line each.
    pub warnings: Mutex<Vec<String>>,
    /// Where the GPUs' time went, all of them together.
    pub gpu_times: Mutex<Option<StageTimes>>,
}

/// Stops the other threads when its own one panics.
struct HaltByPanic<'a>(&'a AtomicBool);

impl Drop for HaltByPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// A block to do.
type Job = (BlockSpec, BlockPairs);

impl Run<'_> {
    /// Does every block of the share whose file is not there. Ends early, without an error, when `stop` is set.
    ///
    /// `open` gives one engine for each GPU, or the CPU engine; blocks are taken from one queue. It is waited for while the
    /// first bases are made.
    ///
    /// # Errors
    /// Those of `open`, and the first error of any block; the others in flight are finished.
    pub fn run(&self, open: impl FnOnce() -> Result<Vec<Box<dyn Engine>>>) -> Result<()> {
        let queue = Mutex::new(self.jobs());
        let failed: Mutex<Option<Error>> = Mutex::new(None);
        let halt = AtomicBool::new(false);
        let ended = || self.stop.load(Ordering::Relaxed) || halt.load(Ordering::Relaxed);
        let fail = |error: Error| {
            halt.store(true, Ordering::Relaxed);
            // Who stopped it knows.
            if !matches!(error, Error::Stopped) {
                lock(&failed).get_or_insert(error);
            }
        };
        let opened: Result<()> = thread::scope(|scope| {
            scope.spawn(|| {
                let _halt = HaltByPanic(&halt);
                // Bases are made in the order of the blocks while earlier blocks are computed.
                let made = self.jobs().take_while(|_| !ended()).try_for_each(|(block, pairs)| {
                    self.ensure(&pairs).or_else(|error| self.unless_done(&block, error))
                });
                made.unwrap_or_else(fail);
            });
            let engines = open().inspect_err(|_| halt.store(true, Ordering::Relaxed))?;
            let work = |engine: &dyn Engine| {
                let _halt = HaltByPanic(&halt);
                while !ended() {
                    let job = lock(&queue).next();
                    let Some((block, pairs)) = job else { return };
                    self.block(engine, &block, &pairs)
                        .or_else(|error| self.unless_done(&block, error))
                        .unwrap_or_else(fail);
                }
            };
            thread::scope(|scope| {
                let workers =
                    engines.iter().flat_map(|engine| (0..self.n_in_flight.get()).map(move |_| engine));
                for engine in workers {
                    scope.spawn(|| work(engine.as_ref()));
                }
            });
            let mut gpu_times = lock(&self.tally.gpu_times);
            for times in engines.iter().filter_map(|engine| engine.stage_times()) {
                *gpu_times.get_or_insert_default() += times;
            }
            // Nothing is left to make bases for.
            halt.store(true, Ordering::Relaxed);
            Ok(())
        });
        opened?;
        into_inner(failed).map_or(Ok(()), Err)
    }

    /// The blocks of the share that are not done.
    fn jobs(&self) -> impl Iterator<Item = Job> + Send {
        let blocks = self.survey.blocks;
        let mine = blocks.iter().enumerate().filter(|(place, _)| self.shard.has(*place));
        let missing = mine.filter(|(_, block)| !self.survey.is_done(block));
        missing.map(|(_, block)| {
            let pairs = blocks.pairs(&block);
            (block, pairs)
        })
    }

    /// No error where another process has done the block: the one that does the last removes the bases that a scan without
    /// a cache keeps, and a share may be done twice at once.
    fn unless_done(&self, block: &BlockSpec, error: Error) -> Result<()> {
        if self.survey.is_done(block) { Ok(()) } else { Err(error) }
    }

    fn ensure(&self, pairs: &BlockPairs) -> Result<()> {
        if pairs.n_pairs() == 0 {
            return Ok(());
        }
        let adapters: Vec<u32> = pairs.adapters().collect();
        self.bases.ensure(&adapters)
    }

    fn block(&self, engine: &dyn Engine, block: &BlockSpec, pairs: &BlockPairs) -> Result<()> {
        let (name, profile) = (block.name(), self.profile);
        let label = || name.clone();
        profile.time(Stage::Wait, label, || self.ensure(pairs))?;
        let (records_a, records_b) =
            profile.time(Stage::Load, label, || self.records(block.module, pairs))?;
        if self.strict {
            self.refuse_missing(block.module, pairs, &records_a, &records_b)?;
        }
        let table = PairTable::of(self.plan);
        let records = [records_a.as_slice(), records_b.as_slice()];
        let decide = |pairs: &[[u32; 2]], cosines: &mut [f64]| {
            self.bases.decide_starts(block.module, pairs, cosines);
        };
        let of_those_left;
        let compute = |pairs, records| {
            let of_pairs = || kept_rows(engine, self.plan, &table, block.module, pairs, records, &decide);
            profile.time(Stage::Compute, label, of_pairs)
        };
        let mut kept = compute(pairs, records)?;
        let pairs_now = self.pairs_now(block, pairs)?;
        if pairs_now.n_pairs() < pairs.n_pairs() {
            of_those_left = self.records(block.module, &pairs_now)?;
            kept = compute(&pairs_now, [&of_those_left.0, &of_those_left.1])?;
        }
        let KeptRows { rows, grids_of, counts } = kept;
        let warnings = engine.take_warnings();
        lock(&self.tally.warnings).extend(warnings);

        profile.time(Stage::Write, label, || {
            let rows = PairRows { note: Some(self.note(block, pairs, &pairs_now, records)), ..rows };
            let grids = grids_of.as_ref().map(|pairs| move |rows| pairs.grids(engine, rows));
            let grids = grids.as_ref().map(|grids| grids as &MakeGrids<'_>);
            table.write_unless(&self.folder.block_file(&name), rows, grids, self.claim.refusal())
        })?;
        self.survey.put(block);
        self.log.block(&name);
        let PairCounts { n_pairs, n_shared_init, n_other_base, n_unknown_updates } = counts;
        self.tally.n_shared_init.fetch_add(n_shared_init, Ordering::Relaxed);
        self.tally.n_other_base.fetch_add(n_other_base, Ordering::Relaxed);
        self.tally.n_unknown_updates.fetch_add(n_unknown_updates, Ordering::Relaxed);
        self.tally.n_rows.fetch_add(n_pairs, Ordering::Relaxed);
        self.tally.n_blocks.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// The pairs of a block without those of adapters that another process has gone on without meanwhile.
    fn pairs_now(&self, block: &BlockSpec, pairs: &BlockPairs) -> Result<BlockPairs> {
        let Some(now) = self.claim.check()? else { return Ok(pairs.clone()) };
        let name = block.name();
        let gone: HashSet<u32> = LeftOut::of(&now)
            .iter()
            .filter_map(|left| left.of_block(&name, pairs))
            .flatten()
            .copied()
            .collect();
        Ok(pairs.clone().without(&gone))
    }

    /// What the file of a block says of itself.
    fn note(
        &self,
        block: &BlockSpec,
        pairs: &BlockPairs,
        pairs_now: &BlockPairs,
        records: [&[CachedModule]; 2],
    ) -> BlockNote {
        let adapters = pairs.a.iter().zip(records[0]).chain(pairs.b.iter().zip(records[1]));
        let missing = adapters.filter_map(|(&adapter, record)| match record {
            CachedModule::Missing(reason) => Some((adapter, reason.clone())),
            CachedModule::Basis { .. } => None,
        });
        let mut without_basis: Vec<(u32, String)> = missing.collect();
        without_basis.sort();
        without_basis.dedup();
        let inputs = survey::inputs(pairs_now, |adapter| self.bases.digest(adapter));
        let inputs = inputs.expect("what was read of a block's adapters has a digest");
        BlockNote { mark: self.survey.blocks.mark(block), inputs, without_basis }
    }

    /// The records of the rows and of the columns; none for a block without pairs.
    fn records(&self, module: u32, pairs: &BlockPairs) -> Result<(Vec<CachedModule>, Vec<CachedModule>)> {
        if pairs.n_pairs() == 0 {
            return Ok((vec![], vec![]));
        }
        let columns: &[u32] = match pairs.which {
            PairLayout::Upper => &[],
            _ => &pairs.b,
        };
        Ok((self.bases.read(module, &pairs.a)?, self.bases.read(module, columns)?))
    }

    fn refuse_missing(
        &self,
        module: u32,
        pairs: &BlockPairs,
        a: &[CachedModule],
        b: &[CachedModule],
    ) -> Result<()> {
        for (adapter, record) in pairs.a.iter().zip(a).chain(pairs.b.iter().zip(b)) {
            if let CachedModule::Missing(reason) = record {
                let name = &self.plan.modules[module as usize].name;
                return Err(Fault::new(
                    format!("no basis ({reason})"),
                    "one of every module, since the scan is strict",
                )
                .at(&self.plan.adapters[*adapter as usize].path)
                .of(format!("module {}", quoted(name)))
                .remedy(Remedy::AllowMissing)
                .invalid());
            }
        }
        Ok(())
    }
}
