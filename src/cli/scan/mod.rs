//! `lorascope scan`: every pair of a folder of checkpoints.

mod args;
mod dry_run;
mod engines;
mod plan;
mod progress;
mod signals;
mod size;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context as _, Result};
use glob::Pattern;

pub(super) use self::args::{SCAN_HELP, ScanArgs};
use self::plan::Planned;
use self::signals::Signals;
use super::Outcome;
use super::console::Console;
use super::warnings::shared_init_means;
use crate::error::Fault;
use crate::files::replace_with_bytes;
use crate::scan::bases::{Bases, Files, n_basis_bytes, n_header_bytes, n_in_flight};
use crate::scan::blocks::Blocks;
use crate::scan::cache::Cache;
use crate::scan::finish::{Counts, finish};
use crate::scan::folder::Folder;
use crate::scan::header::is_numbered;
use crate::scan::journal::log::{self, Log};
use crate::scan::journal::records::Journal;
use crate::scan::plan::Plan;
use crate::scan::profile::{Profile, Stage};
use crate::scan::run::{Progress, Run};
use crate::scan::selection::Selection;
use crate::scan::shard::{Shard, ShardChoice, from_environment};
use crate::text::counted;

pub(super) fn run(args: &ScanArgs, console: &Console) -> Result<Outcome> {
    let signals = Signals::catch().context("cannot listen for signals")?;
    if args.how.dry_run {
        return dry_run::run(args, console);
    }
    let selection = selection(args)?;
    let opened = plan::open_inputs(args, &selection, console)?;
    let folder = Folder::at(&args.output);
    let (shard, array_min) = shard(args, &folder)?;
    let n_bad = opened.n_bad;
    let Planned { plan, extension } = plan::settle(args, &selection, &folder, opened)?;
    let blocks = Blocks::of(&plan)?;
    let whole = Counts::of(&blocks, &folder, |_| true);
    let mine = match shard {
        Shard::WHOLE => whole,
        shard => Counts::of(&blocks, &folder, |place| shard.has(place)),
    };
    console.note("plan", plan::said(&plan, extension, whole, mine, shard));
    if plan.modules.iter().any(|module| is_numbered(&module.name)) {
        console.warning(
            "some files number their modules, and not all of them alike: these are paired only where every shape of the two \
             files agrees, and may be other modules even so",
        );
    }

    let mut n_done = 0;
    if !mine.is_complete() && signals.caught().is_none() {
        n_done = compute(
            args,
            console,
            &signals,
            Scan { folder: &folder, plan: &plan, blocks: &blocks, selection, shard, array_min, mine },
        )?;
    }
    if let Some(signal) = signals.caught() {
        let left = mine.n_blocks - mine.n_done - n_done;
        console.note(
            "stopped",
            format!("{} of {} blocks are left; the same command goes on", left, mine.n_blocks),
        );
        return Ok(Outcome::Stopped(signal));
    }
    end(args, console, &folder, &plan, &blocks, n_bad)
}

/// What is scanned.
struct Scan<'a> {
    folder: &'a Folder,
    plan: &'a Plan,
    blocks: &'a Blocks<'a>,
    selection: Selection,
    shard: Shard,
    array_min: Option<usize>,
    mine: Counts,
}

/// Does the blocks of the share, and returns how many.
fn compute(args: &ScanArgs, console: &Console, signals: &Signals, scan: Scan<'_>) -> Result<u64> {
    let Scan { folder, plan, blocks, selection, shard, array_min, mine } = scan;
    let opening = engines::open(args, plan, engines::work(plan, mine.n_pairs_left))?;
    let log = Log::begin(folder, shard, array_min)?;
    let profile = Profile::begin(args.how.profile.is_some());
    let memory_bytes = args.how.memory.unwrap_or_else(free_memory);
    let records = Journal::open(folder)?;
    let files = Files { plan, records, selection, profile: &profile };
    let is_passing = args.how.no_cache && shard == Shard::WHOLE && blocks.share_no_module();
    let bases = match is_passing && n_header_bytes(plan) <= memory_bytes / 8 {
        true => Bases::passing(files, mine.n_done > 0),
        false => Bases::cached(files, cache(args, plan, folder, console)?, shard),
    };
    let progress = Progress::default();
    let run = Run {
        plan,
        blocks,
        folder,
        bases: &bases,
        shard,
        n_in_flight: n_in_flight(plan, memory_bytes),
        strict: args.how.strict,
        stop: signals.stop(),
        log: &log,
        progress: &progress,
        profile: &profile,
    };
    let started = Instant::now();
    let open = || -> Result<_> {
        let engines = opening.wait(console)?;
        engines::record(engines[0].info(), folder, console)?;
        Ok(engines)
    };
    progress::watch(console, &progress, &bases, plan.adapters.len(), mine.n_pairs_left, || run.run(open))?;
    let n_pairs = progress.n_pairs.load(Ordering::Relaxed);
    console.detail("time", format!("{:.1?} for {}", started.elapsed(), counted(n_pairs, "row")));
    say_profile(args, &profile, &progress, console)?;
    for warning in unique(&progress.warnings) {
        console.warning(warning);
    }
    let n_factorised = bases.n_factorised();
    console.detail(
        "bases",
        format!("{} factorised, the others were in the cache", counted(n_factorised, "checkpoint")),
    );
    let (same, other) =
        (progress.n_shared_init.load(Ordering::Relaxed), progress.n_other_base.load(Ordering::Relaxed));
    let verb = |n: usize, one: &'static str, several: &'static str| if n == 1 { one } else { several };
    if same > 0 {
        let (share, rows) = (verb(same, "shares", "share"), counted(n_pairs, "row"));
        let meaning = shared_init_means(args.what.side);
        console.warning(format!(
            "{same} of {rows} {share} the random start of A (column shared_init), {meaning}"
        ));
    }
    if other > 0 {
        let (compare, rows) = (verb(other, "compares", "compare"), counted(n_pairs, "row"));
        console.warning(format!(
            "{other} of {rows} {compare} adapters of different base models (column other_base): --same-base leaves them out"
        ));
    }
    Ok(progress.n_blocks.load(Ordering::Relaxed) as u64)
}

/// The time of each stage, and the trace where one is asked for.
fn say_profile(args: &ScanArgs, profile: &Profile, progress: &Progress, console: &Console) -> Result<()> {
    let stages =
        Stage::ALL.map(|stage| format!("{} {:.2} s", stage.name(), profile.sum(stage).as_secs_f64()));
    let mut stages = format!("{} (of all threads)", stages.join(", "));
    if let Some(times) = *progress.gpu_times.lock().unwrap_or_else(PoisonError::into_inner) {
        let kernel =
            times.kernel.map_or("unknown".to_owned(), |kernel| format!("{:.2} s", kernel.as_secs_f64()));
        let (upload, read_back) = (times.upload.as_secs_f64(), times.read_back.as_secs_f64());
        stages += &format!("; GPU: upload {upload:.2} s, kernel {kernel}, read-back {read_back:.2} s");
    }
    match (&args.how.profile, profile.trace()) {
        (Some(path), Some(trace)) => {
            console.note("profile", stages);
            replace_with_bytes(path, trace.to_string().as_bytes())?;
            console.note("wrote", path.display());
        }
        _ => console.detail("time", stages),
    }
    Ok(())
}

/// Each line once.
fn unique(lines: &Mutex<Vec<String>>) -> BTreeSet<String> {
    lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
}

/// Finishes a scan whose last block is there, or says what is left to do.
fn end(
    args: &ScanArgs,
    console: &Console,
    folder: &Folder,
    plan: &Plan,
    blocks: &Blocks<'_>,
    n_bad: usize,
) -> Result<Outcome> {
    let whole = Counts::of(blocks, folder, |_| true);
    let out = args.output.display();
    // Whoever took up more checkpoints meanwhile finishes the scan.
    let _lock = folder.lock()?;
    if folder.read_plan()?.is_some_and(|now| now.adapters.len() > plan.adapters.len()) {
        console.note("left", format!("what another process has added meanwhile: lorascope status {out}"));
        return Ok(if n_bad > 0 { Outcome::Skipped } else { Outcome::Done });
    }
    if !whole.is_complete() {
        let left = whole.n_blocks - whole.n_done;
        console.note(
            "left",
            format!("{left} of {} blocks, to other shares: lorascope status {out}", whole.n_blocks),
        );
        return Ok(if n_bad > 0 { Outcome::Skipped } else { Outcome::Done });
    }
    let problems = finish(plan, blocks, folder)?;
    for (path, problem) in &problems {
        console.warning(format!("{path}: {problem}"));
    }
    let blocks = counted(whole.n_blocks as usize, "block");
    console.note("wrote", format!("{} ({blocks})", folder.pairs().display()));
    console.note("wrote", folder.adapters_file().display());
    Ok(if n_bad + problems.len() > 0 { Outcome::Skipped } else { Outcome::Done })
}

fn selection(args: &ScanArgs) -> Result<Selection> {
    let pattern = |glob: &String| {
        Pattern::new(glob).map_err(|error| {
            let found = format!("{} ({} at position {})", crate::text::quoted(glob), error.msg, error.pos);
            Fault::new(found, "a glob such as `*.layer.5.*.query`").of("module").invalid()
        })
    };
    let modules = args.which.module.iter().map(pattern).collect::<crate::Result<_, _>>()?;
    Ok(Selection { side: args.what.side, modules })
}

/// The share, and the first task id of the array that it came from.
fn shard(args: &ScanArgs, folder: &Folder) -> Result<(Shard, Option<usize>)> {
    let Some(choice) = args.how.shard else { return Ok((Shard::WHOLE, None)) };
    match choice {
        ShardChoice::Given(shard) => Ok((shard, None)),
        ShardChoice::Auto => {
            let before = log::numbering(&log::read(folder)?);
            let variable = |name: &str| std::env::var(name).ok();
            let shard = from_environment(args.how.shard_count.map(Into::into), before, variable)?;
            let id = variable("SLURM_ARRAY_TASK_ID").and_then(|id| id.trim().parse::<usize>().ok());
            Ok((shard, id.map(|id| (id + 1).saturating_sub(shard.k))))
        }
    }
}

/// The cache, with room for every basis of the plan.
fn cache(args: &ScanArgs, plan: &Plan, folder: &Folder, console: &Console) -> Result<Cache> {
    if args.how.no_cache {
        return Ok(Cache::open(folder.bases(), u64::MAX)?);
    }
    let dir: PathBuf = match &args.how.cache {
        Some(dir) => dir.clone(),
        None => Cache::default_dir()?,
    };
    let limit = args.how.cache_limit.unwrap_or(Cache::DEFAULT_LIMIT_BYTES);
    let needed = n_basis_bytes(plan);
    if needed > limit {
        console.warning(format!(
            "the bases of this scan take {needed} bytes, over the cache's limit of {limit}, which holds again after it"
        ));
    }
    let cache = Cache::open(dir, limit.max(needed))?;
    cache.check_writable()?;
    Ok(cache)
}

/// Half of the memory that is free here, in the system and in the control group.
fn free_memory() -> u64 {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    let free = system.available_memory();
    let free = system.cgroup_limits().map_or(free, |limits| limits.free_memory.min(free));
    free / 2
}
