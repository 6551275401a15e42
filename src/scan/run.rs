//! Runs a plan: a few blocks in flight, bases made ahead of them, each result in place before it counts.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use super::bases::Bases;
use super::blocks::{BlockPairs, BlockSpec, Blocks, Which};
use super::cache::Record;
use super::compute;
use super::folder::Folder;
use super::log::Log;
use super::plan::Plan;
use super::shard::Shard;
use super::table::PairTable;
use super::top;
use crate::engine::Engine;
use crate::error::{Error, Fault, Result};
use crate::listing::quoted;

/// What a run needs.
pub struct Run<'a> {
    /// What to do.
    pub plan: &'a Plan,
    /// The plan, cut.
    pub blocks: &'a Blocks<'a>,
    /// Where to.
    pub folder: &'a Folder,
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
    /// Counts, for whoever watches.
    pub progress: &'a Progress,
}

/// What has been done so far; read by whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Blocks that this run has done.
    pub n_blocks: AtomicUsize,
    /// Pairs of these.
    pub n_pairs: AtomicUsize,
    /// Of these, those that share their random start.
    pub n_same_start: AtomicUsize,
    /// Of these, those of different base models.
    pub n_other_base: AtomicUsize,
    /// Nanoseconds of all threads in waiting for and reading bases, in the engine, and in writing.
    pub times_ns: [AtomicUsize; 3],
}

impl Progress {
    fn spent(&self, stage: usize, since: Instant) {
        let ns = usize::try_from(since.elapsed().as_nanos()).unwrap_or(usize::MAX);
        self.times_ns[stage].fetch_add(ns, Ordering::Relaxed);
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
    /// Whatever `open` returns, and the first error of any block; the others in flight are finished.
    pub fn run<E: From<Error>>(
        &self,
        open: impl FnOnce() -> Result<Vec<Box<dyn Engine>>, E>,
    ) -> Result<(), E> {
        let queue = Mutex::new(self.jobs());
        let failed: Mutex<Option<Error>> = Mutex::new(None);
        let halt = AtomicBool::new(false);
        let ended = || self.stop.load(Ordering::Relaxed) || halt.load(Ordering::Relaxed);
        let fail = |error: Error| {
            halt.store(true, Ordering::Relaxed);
            failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        };
        let opened: Result<(), E> = thread::scope(|scope| {
            scope.spawn(|| {
                // Bases are made in the order of the blocks while earlier blocks are computed.
                let made =
                    self.jobs().take_while(|_| !ended()).try_for_each(|(_, pairs)| self.ensure(&pairs));
                made.unwrap_or_else(fail);
            });
            let engines = open().inspect_err(|_| halt.store(true, Ordering::Relaxed))?;
            let work = |engine: &dyn Engine| {
                while !ended() {
                    let job = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((block, pairs)) = job else { return };
                    self.block(engine, &block, &pairs).unwrap_or_else(fail);
                }
            };
            thread::scope(|scope| {
                let workers =
                    engines.iter().flat_map(|engine| (0..self.n_in_flight.get()).map(move |_| engine));
                for engine in workers {
                    scope.spawn(|| work(engine.as_ref()));
                }
            });
            // Nothing is left to make bases for.
            halt.store(true, Ordering::Relaxed);
            Ok(())
        });
        opened?;
        failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), |error| Err(error.into()))
    }

    /// The blocks of the share that are not done.
    fn jobs(&self) -> impl Iterator<Item = Job> + Send {
        let mine = self.blocks.iter().enumerate().filter(|(place, _)| self.shard.has(*place));
        let missing = mine.filter(|(_, block)| !self.folder.block_file(&block.name()).exists());
        missing.map(|(_, block)| {
            let pairs = self.blocks.pairs(&block);
            (block, pairs)
        })
    }

    fn ensure(&self, pairs: &BlockPairs) -> Result<()> {
        if pairs.n_pairs() == 0 {
            return Ok(());
        }
        let adapters: Vec<u32> = pairs.adapters().collect();
        self.bases.ensure(&adapters)
    }

    fn block(&self, engine: &dyn Engine, block: &BlockSpec, pairs: &BlockPairs) -> Result<()> {
        let started = Instant::now();
        self.ensure(pairs)?;
        let (records_a, records_b) = match pairs.n_pairs() {
            0 => (vec![], vec![]),
            _ => {
                let records_a = self.bases.read(block.module, &pairs.a)?;
                let records_b = match pairs.which {
                    Which::Upper => vec![],
                    _ => self.bases.read(block.module, &pairs.b)?,
                };
                (records_a, records_b)
            }
        };
        if self.strict {
            self.refuse_missing(block.module, pairs, &records_a, &records_b)?;
        }
        self.progress.spent(0, started);

        let started = Instant::now();
        let table = PairTable::of(self.plan);
        let records = [records_a.as_slice(), records_b.as_slice()];
        let rows = compute::rows(engine, self.plan, &table, block.module, pairs, records)?;
        self.progress.spent(1, started);

        let started = Instant::now();
        let (name, n_pairs) = (block.name(), rows.a.len());
        let n_same_start = rows.same_start.iter().filter(|&&same| same).count();
        let n_other_base = rows.other_base.iter().filter(|&&other| other == Some(true)).count();
        let rows = top::kept(self.folder, &name, &self.plan.options.keep, rows)?;
        table.write(&self.folder.block_file(&name), rows)?;
        self.log.block(&name);
        self.progress.spent(2, started);
        self.progress.n_same_start.fetch_add(n_same_start, Ordering::Relaxed);
        self.progress.n_other_base.fetch_add(n_other_base, Ordering::Relaxed);
        self.progress.n_pairs.fetch_add(n_pairs, Ordering::Relaxed);
        self.progress.n_blocks.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn refuse_missing(&self, module: u32, pairs: &BlockPairs, a: &[Record], b: &[Record]) -> Result<()> {
        for (adapter, record) in pairs.a.iter().zip(a).chain(pairs.b.iter().zip(b)) {
            if let Record::Missing(reason) = record {
                let name = &self.plan.modules[module as usize].name;
                return Err(Fault::new(
                    format!("no basis ({reason})"),
                    "one of every module, since --strict was given",
                )
                .at(&self.plan.adapters[*adapter as usize].path)
                .of(format!("module {}", quoted(name)))
                .hint("without --strict it is left out of the table")
                .invalid());
            }
        }
        Ok(())
    }
}
