//! A scan from its inputs to its table.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::bases::{Bases, Files, Stores, n_basis_bytes};
use super::blocks::Blocks;
use super::builder::{CacheChoice, Scan};
use super::cache::Cache;
use super::claim::Claim;
use super::engines;
use super::event::{Computed, Event, ModulesOf, PlanFacts, ScanWarning};
use super::finish::{BlockCounts, Finish};
use super::folder::Folder;
use super::inputs::NamedInputs;
use super::journal::log::{self, Log};
use super::journal::records::Journal;
use super::memory::{Memory, largest};
use super::module_size::ModuleSize;
use super::outcome::{ScanEnd, ScanOutcome};
use super::plan::{Extension, PairChoice, Plan, PlannedAdapter, ScanOptions};
use super::profile::{Profile, Stage};
use super::restore;
use super::run::{Run, Tally};
use super::settle::{Settled, Settling};
use super::shard::{Shard, ShardChoice, from_environment};
use super::side_modules::SideModules;
use super::survey::{BlockState, Survey};
use super::watch::Watch;
use crate::adapter::unread;
use crate::engine::{Engine, Opening};
use crate::error::{Error, Result};
use crate::files::{remove, replace_with_bytes};
use crate::select::Layers;
use crate::sync::{FewThreads, Room, lock};

/// What this process does of a plan.
struct Job<'a> {
    folder: &'a Folder,
    plan: &'a Plan,
    survey: &'a Survey<'a>,
    claim: &'a Claim<'a>,
    records: Journal,
    modules: SideModules,
    shard: Shard,
    /// The task id that the first share had, where the share came from an array.
    array_min: Option<usize>,
    mine: BlockCounts,
    memory: Memory,
}

impl Scan<'_> {
    /// Finds the inputs, plans, computes what is not there, and completes the table if nothing else is left to do.
    ///
    /// # Errors
    /// - `NotFound` and `Invalid` for inputs, options or an output folder that do not go together.
    /// - `Malformed`, `Unsupported` and `Limit` for a bad checkpoint of a [strict](Scan::strict) scan, or a damaged output
    ///   folder.
    /// - `Gpu` when a GPU is asked for that is not there or fails.
    /// - `Io` when the system refuses to read or to write.
    /// - `Stopped` when it was told to stop before it had a plan.
    pub fn run(&self) -> Result<ScanOutcome> {
        let modules = self.side_modules()?;
        let found = self.find_inputs(&modules)?;
        let folder = Folder::at(&self.output);
        let (shard, array_min) = self.share(&folder)?;
        let settling = self.settling(&modules);
        let largest = largest(&found.opened);
        let memory = |plan: &Plan| self.memory(plan, largest);
        let settled = settling.put_in_place(&folder, self.options(found.pairs), found.opened, &memory);
        let (Settled { plan, extension, forgotten, presence: _presence }, memory) = settled?;
        let claim = Claim::of(&folder, &plan);
        if !forgotten.is_empty() {
            let paths = forgotten.iter().map(|&number| plan.adapters[number as usize].path.clone()).collect();
            self.listener.emit(&Event::Forgotten { paths });
        }
        let blocks = Blocks::of(&plan)?;
        let records = self.restored_records(&plan, &blocks, &folder, &modules)?;
        let survey = Survey::of(&blocks, &folder).with_records(&records);
        survey.verify(|place| shard.has(place), self.stop_flag())?;
        let facts = PlanFacts::of(&plan, extension, &survey, shard)?;
        self.listener.emit(&Event::Planned(facts));
        self.warn_of_damage(&survey);
        self.warn_of_plan(&plan)?;

        let mut mine = facts.mine;
        let mut records = Some(records);
        let mut n_blocks = 0;
        let mut mended = HashSet::new();
        let end = loop {
            let mut n_now = 0;
            if !mine.is_complete() && !self.is_stopped() {
                let records = records.take().map_or_else(|| Journal::open(&folder, &plan.id), Ok)?;
                let job = Job {
                    folder: &folder,
                    plan: &plan,
                    survey: &survey,
                    claim: &claim,
                    records,
                    modules: modules.clone(),
                    shard,
                    array_min,
                    mine,
                    memory,
                };
                n_now = self.compute(job).map_err(|error| claim.explain(error))?;
                n_blocks += n_now;
            }
            if self.is_stopped() {
                break ScanEnd::Stopped { n_left: mine.n_blocks - mine.n_done - n_now };
            }
            match self.end(&plan, &survey, &claim, &folder, memory) {
                Err(Error::Stopped) => break ScanEnd::Stopped { n_left: 0 },
                Err(error) => {
                    if !self.takes_away(&error, &survey, shard, &claim, &mut mended)? {
                        return Err(claim.explain(error));
                    }
                    mine = BlockCounts::of(&survey, |place| shard.has(place));
                }
                Ok(end) => break end,
            }
        };
        drop(claim);
        drop(survey);
        Ok(ScanOutcome { end, plan: facts, n_blocks, skipped: found.skipped, folder })
    }

    /// What is read of each checkpoint.
    pub(super) fn side_modules(&self) -> Result<SideModules> {
        Ok(self.options(PairChoice::All).side_modules()?.within(self.limits.clone()))
    }

    /// How the plan is settled.
    pub(super) fn settling<'m>(&'m self, modules: &'m SideModules) -> Settling<'m> {
        Settling {
            modules,
            fresh: self.fresh,
            is_share: self.shard.is_some(),
            forget: self.forget,
            stop: self.stop_flag(),
        }
    }

    /// The checkpoints and what to pair; those that cannot be read are told.
    pub(super) fn find_inputs(&self, modules: &SideModules) -> Result<NamedInputs> {
        let plan = if self.forget { Folder::at(&self.output).read_plan()? } else { None };
        let (inputs, pairs) = (&self.inputs, self.pairs.clone());
        NamedInputs::find(modules, inputs, pairs, plan.as_ref(), self.strict, self.stop_flag(), |event| {
            self.listener.emit(event);
        })
    }

    /// What changes the table.
    pub(super) fn options(&self, pairs: PairChoice) -> ScanOptions {
        ScanOptions {
            side: self.side,
            pairs,
            same_base: self.same_base,
            modules: self.modules.clone(),
            layers: self.layers.as_ref().map(Layers::to_string),
            projections: self.projections.clone(),
            keep: self.keep.clone(),
            angles: self.angles,
            update: self.update,
            precision: self.engine.precision,
            base: self.base.clone(),
        }
    }

    /// The share, and the task id that the first one had in the array that it came from.
    pub(super) fn share(&self, folder: &Folder) -> Result<(Shard, Option<usize>)> {
        match self.shard {
            None => Ok((Shard::WHOLE, None)),
            Some(ShardChoice::Given(shard)) => Ok((shard, None)),
            Some(ShardChoice::Auto) => {
                let before = log::numbering(&log::read(folder)?);
                let variable = |name: &str| std::env::var(name).ok();
                let shard = from_environment(self.n_shards, before, variable)?;
                let id = variable("SLURM_ARRAY_TASK_ID").and_then(|id| id.trim().parse::<usize>().ok());
                Ok((shard, id.map(|id| (id + 1).saturating_sub(shard.k))))
            }
        }
    }

    /// How memory is used, for checkpoints whose largest module is this.
    pub(super) fn memory(&self, plan: &Plan, largest: ModuleSize) -> Result<Memory> {
        Memory::of(plan, largest, self.memory_bytes, self.engine.n_engines()?)
    }

    /// Does the blocks of the share, and returns how many.
    fn compute(&self, job: Job<'_>) -> Result<u64> {
        let Job { folder, plan, survey, claim, records, modules, shard, array_min, mine, memory } = job;
        let blocks = survey.blocks;
        let opening = self.engine.open(plan, engines::work(plan, mine.n_rows_left))?;
        let log = Log::begin(folder, shard, array_min)?;
        let profile = Profile::begin(self.profile.is_some());
        let room = Room::of(memory.room_bytes);
        let threads = FewThreads::new(memory.n_factor_threads);
        let files =
            Files { plan, records, modules, profile: &profile, stop: self.stop_flag(), room, threads };
        let is_on_demand =
            self.cache == CacheChoice::None && shard == Shard::WHOLE && blocks.share_no_module();
        let n_kept_modules = if memory.holds_headers { u64::MAX } else { memory.n_modules_of_two };
        let bases = match is_on_demand && memory.holds_headers {
            true => Bases::on_demand(files, mine.n_done > 0, memory.n_modules_of_two),
            false => Bases::cached(files, self.open_stores(plan, folder)?, shard, n_kept_modules),
        };
        let tally = Tally::default();
        let run = Run {
            plan,
            survey,
            folder,
            claim,
            bases: &bases,
            shard,
            n_in_flight: memory.n_in_flight,
            strict: self.strict,
            stop: self.stop_flag(),
            log: &log,
            tally: &tally,
            profile: &profile,
        };
        let (n_adapters, n_rows) = (plan.adapters.len() - plan.n_forgotten(), mine.n_rows_left);
        let watch = Watch { listener: &self.listener, tally: &tally, bases: &bases, n_adapters, n_rows };
        let started = Instant::now();
        watch.during(|| run.run(|| self.wait_for(opening, folder, claim)))?;
        // Who is told to stop has a few seconds left; what the disk does not have then is made again.
        if !self.is_stopped() {
            survey.sync()?;
        }
        let elapsed = started.elapsed();
        if let (Some(path), Some(trace)) = (&self.profile, profile.trace()) {
            replace_with_bytes(path, trace.as_bytes())?;
        }
        let (n_blocks, n_rows) =
            (tally.n_blocks.load(Ordering::Relaxed) as u64, tally.n_rows.load(Ordering::Relaxed) as u64);
        self.listener.emit(&Event::Computed(Computed {
            elapsed,
            n_blocks,
            n_rows,
            n_factorised: bases.n_factorised(),
            stages: Stage::ALL.map(|stage| (stage, profile.sum(stage))).into(),
            gpu_times: *lock(&tally.gpu_times),
            profile: self.profile.clone(),
        }));
        if let Some(cause) = bases.cache_refusal() {
            self.listener.warn(ScanWarning::CacheRefused { cause: cause.to_owned() });
        }
        self.warn_of(&tally, n_rows);
        Ok(n_blocks)
    }

    /// Waits for the engines, tells what they are, and records what was taken first.
    fn wait_for(
        &self,
        opening: Vec<Opening>,
        folder: &Folder,
        claim: &Claim<'_>,
    ) -> Result<Vec<Box<dyn Engine>>> {
        let engines = self.wait(opening)?;
        if let Some(warning) = engines::record(engines[0].info(), folder, claim, self.stop_flag())? {
            self.listener.warn(warning);
        }
        Ok(engines)
    }

    /// Waits for the engines, and tells what they are.
    pub(super) fn wait(&self, opening: Vec<Opening>) -> Result<Vec<Box<dyn Engine>>> {
        let mut engines = vec![];
        for opening in opening {
            let opened = opening.wait()?;
            let info = opened.engine.info().clone();
            self.listener.emit(&Event::Engine { info, reason: opened.reason, warning: opened.warning });
            engines.push(opened.engine);
        }
        Ok(engines)
    }

    /// The cache, with room for every basis of the plan, and what takes its place.
    fn open_stores(&self, plan: &Plan, folder: &Folder) -> Result<Stores> {
        let spare = Cache::open(folder.bases(), u64::MAX)?;
        let dir = match &self.cache {
            CacheChoice::None => return Ok(Stores::only(spare)),
            CacheChoice::Dir(dir) => dir.clone(),
            CacheChoice::OfUser => match Cache::default_dir() {
                Ok(dir) => dir,
                Err(error) => {
                    self.listener.warn(ScanWarning::CacheRefused { cause: error.to_string() });
                    return Ok(Stores::only(spare));
                }
            },
        };
        let limit_bytes = self.cache_limit_bytes.unwrap_or(Cache::DEFAULT_LIMIT_BYTES);
        let needed_bytes = n_basis_bytes(plan);
        if needed_bytes > limit_bytes {
            self.listener.warn(ScanWarning::CacheLimit { needed_bytes, limit_bytes });
        }
        let cache = Cache::open(dir, limit_bytes.max(needed_bytes))?;
        let checked = cache.check_writable();
        let is_writable = checked.is_ok();
        match checked {
            Ok(()) => {}
            // What cannot be a folder was named by mistake.
            Err(error @ Error::Invalid(_)) if matches!(self.cache, CacheChoice::Dir(_)) => return Err(error),
            Err(error) => self.listener.warn(ScanWarning::CacheRefused { cause: error.to_string() }),
        }
        Ok(Stores::with_spare(cache, spare, is_writable))
    }

    /// Completes a table whose last block is there, or finds what is left to do.
    fn end(
        &self,
        plan: &Plan,
        survey: &Survey<'_>,
        claim: &Claim<'_>,
        folder: &Folder,
        memory: Memory,
    ) -> Result<ScanEnd> {
        let whole = BlockCounts::of(survey, |_| true);
        // A process that has added checkpoints in the meantime completes the table.
        let _lock = folder.lock(self.stop_flag())?;
        // One that has forgotten some leaves names and places of blocks as they are.
        let now = claim.check()?;
        if now.as_ref().is_some_and(|now| now.adapters.len() > plan.adapters.len()) {
            return Ok(ScanEnd::Extended);
        }
        if !whole.is_complete() {
            return Ok(ScanEnd::Share { n_left: whole.n_blocks - whole.n_done });
        }
        let plan = now.as_deref().unwrap_or(plan);
        let blocks = Blocks::of(plan)?;
        let room = Room::of(memory.room_bytes);
        let survey = Survey::of(&blocks, folder).knowing(survey.verified());
        let stop = self.stop_flag();
        let finish = Finish { plan, survey: &survey, folder, claim, stop, room: &room };
        Ok(ScanEnd::Complete { problems: finish.run()? })
    }

    /// Whether a block of the share was found to be damaged only when the table was completed: it is then taken away, to be made
    /// again. No block is made so twice.
    fn takes_away(
        &self,
        error: &Error,
        survey: &Survey<'_>,
        shard: Shard,
        claim: &Claim<'_>,
        mended: &mut HashSet<PathBuf>,
    ) -> Result<bool> {
        let Error::Malformed(fault) = error else { return Ok(false) };
        let is_mine = |path: &Path| {
            let mut blocks = survey.blocks.iter().enumerate();
            blocks.any(|(place, block)| shard.has(place) && survey.file(&block) == path)
        };
        let Some(path) = fault.path.as_ref().filter(|path| is_mine(path)) else { return Ok(false) };
        if !mended.insert(path.clone()) {
            return Ok(false);
        }
        claim.check()?;
        remove(path)?;
        self.listener.warn(ScanWarning::DamagedBlocks { n: 1, first: error.to_string() });
        Ok(true)
    }

    /// The records of the scan's checkpoints. Those of checkpoints that blocks were made of, and that were lost or damaged, are
    /// made again.
    fn restored_records(
        &self,
        plan: &Plan,
        blocks: &Blocks<'_>,
        folder: &Folder,
        modules: &SideModules,
    ) -> Result<Journal> {
        let records = Journal::open(folder, &plan.id)?;
        let survey = Survey::of(blocks, folder);
        let lost = restore::lost(&survey, &records);
        if !lost.is_empty() {
            let restored = restore::records(plan, folder, modules, &records, &lost, self.stop_flag())?;
            self.listener.warn(ScanWarning::RecordsLost { n: lost.len(), n_restored: restored });
        }
        Ok(records)
    }

    /// Warns of blocks that are done again, since their files are not whole or not of this scan.
    fn warn_of_damage(&self, survey: &Survey<'_>) {
        let damaged = |block| match survey.state(&block) {
            BlockState::Damaged(error) => Some(error),
            BlockState::Absent | BlockState::Done(_) => None,
        };
        let mut damaged = survey.blocks.iter().filter_map(damaged);
        if let Some(first) = damaged.next() {
            let n = damaged.count() + 1;
            self.listener.warn(ScanWarning::DamagedBlocks { n, first });
        }
    }

    /// Warns of what would mislead a reader of the table, as far as headers show it.
    ///
    /// # Errors
    /// `Limit` for more modules or pairs than can be counted.
    pub(super) fn warn_of_plan(&self, plan: &Plan) -> Result<()> {
        if plan.has_numbered_modules() {
            self.listener.warn(ScanWarning::NumberedModules);
        }
        let adapters = plan.adapters.iter();
        let parts: Vec<_> =
            adapters.filter_map(|one| Some((one.path.display(), one.unread.as_deref()?))).collect();
        if let Some(summary) = unread::of_all(&parts, plan.adapters.len()) {
            self.listener.warn(ScanWarning::PartsUnread { n_adapters: parts.len(), summary });
        }
        if let Some(found) = ModulesOf::of(plan, |adapter| adapter.n_turned) {
            self.listener.warn(ScanWarning::Transposed(found));
        }
        if let Some(found) = ModulesOf::of(plan, |adapter| adapter.n_above_size) {
            self.listener.warn(ScanWarning::RankAboveSize(found));
        }
        if let Some(pairs) = plan.few_meet_pairs()? {
            self.listener.warn(ScanWarning::FewMeet(pairs));
        }
        Ok(())
    }

    /// Warns of what the work itself has shown.
    fn warn_of(&self, tally: &Tally, n_rows: u64) {
        let fallbacks: BTreeSet<String> = lock(&tally.warnings).drain(..).collect();
        for text in fallbacks {
            self.listener.warn(ScanWarning::Fallback(text));
        }
        let n_shared_init = tally.n_shared_init.load(Ordering::Relaxed) as u64;
        if n_shared_init > 0 {
            let side = self.side;
            self.listener.warn(ScanWarning::SharedInit { n: n_shared_init, n_rows, side });
        }
        let n_unknown = tally.n_unknown_updates.load(Ordering::Relaxed) as u64;
        if n_unknown > 0 {
            self.listener.warn(ScanWarning::UnknownUpdates { n: n_unknown, n_rows });
        }
        let n_other_base = tally.n_other_base.load(Ordering::Relaxed) as u64;
        if n_other_base > 0 {
            self.listener.warn(ScanWarning::OtherBase { n: n_other_base, n_rows });
        }
    }
}

impl ModulesOf {
    fn of(plan: &Plan, n_modules: impl Fn(&PlannedAdapter) -> usize) -> Option<Self> {
        let mut found = plan.adapters.iter().map(|one| (one, n_modules(one))).filter(|(_, n)| *n > 0);
        let (first, n) = found.next()?;
        let start = Self { n_modules: n, n_adapters: 1, first: first.path.clone() };
        Some(found.fold(start, |so_far, (_, n)| Self {
            n_modules: so_far.n_modules + n,
            n_adapters: so_far.n_adapters + 1,
            ..so_far
        }))
    }
}

impl PlanFacts {
    pub(super) fn of(plan: &Plan, extension: Extension, survey: &Survey<'_>, shard: Shard) -> Result<Self> {
        let whole = BlockCounts::of(survey, |_| true);
        let mine = match shard {
            Shard::WHOLE => whole,
            shard => BlockCounts::of(survey, |place| shard.has(place)),
        };
        Ok(Self {
            n_adapters: plan.adapters.len(),
            n_added: extension.n_added,
            n_modules: plan.modules.len(),
            n_forgotten: plan.n_forgotten(),
            n_pairs: plan.n_pairs()?,
            whole,
            mine,
            shard,
        })
    }
}
