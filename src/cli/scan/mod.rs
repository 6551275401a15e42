//! `lorascope scan`: every pair of a folder of checkpoints.

mod args;
mod dry_run;
mod events;
mod inputs;
mod progress;
mod signals;
pub(super) mod size;

use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result};

pub(super) use self::args::{SCAN_HELP, ScanArgs};
use self::events::Events;
use self::signals::Signals;
use super::Outcome;
use super::console::Console;
use super::limits::limits;
use crate::error::Error;
use crate::scan::without_basis::{WithoutBasis, line};
use crate::scan::{Event, MissingBases, Progress, Scan, ScanEnd, ScanOutcome};
use crate::text::counted;

pub(super) fn run(args: &ScanArgs, console: &Console) -> Result<Outcome> {
    args.check()?;
    let signals = Signals::catch().context("cannot listen for signals")?;
    let scan = match (planned(args, signals.stop()), signals.caught()) {
        (Err(error), Some(code)) if matches!(error.downcast_ref(), Some(Error::Stopped)) => {
            console.note("stopped", "before anything was done");
            return Ok(Outcome::Stopped(code));
        }
        (scan, _) => scan?,
    };
    let mut events = Events::new(console);
    if args.how.dry_run {
        let facts = scan.on_event(|event| events.print(event)).dry_run()?;
        dry_run::print(&facts)?;
        return Ok(if facts.skipped.is_empty() { Outcome::Done } else { Outcome::Skipped });
    }
    let ended = scan.on_event(|event| events.print(event)).stop(signals.stop()).run();
    events.end();
    match (ended, signals.caught()) {
        (Err(Error::Stopped), Some(code)) => {
            console.note("stopped", "the same command goes on");
            Ok(Outcome::Stopped(code))
        }
        (ended, _) => {
            let outcome = ended?;
            print_end(&outcome, args, console);
            match outcome.end {
                ScanEnd::Stopped { .. } => {
                    Ok(Outcome::Stopped(signals.caught().context("the scan was stopped without a signal")?))
                }
                _ if outcome.has_gaps() => Ok(Outcome::Skipped),
                _ => Ok(Outcome::Done),
            }
        }
    }
}

/// The scan that the arguments ask for.
fn planned<'a>(args: &ScanArgs, stop: &AtomicBool) -> Result<Scan<'a>> {
    let (named, pairs) = inputs::named(args, stop)?;
    Ok(args.scan(Scan::new(named, &args.output).pairs(pairs).limits(limits())))
}

/// Scans within another program, which may stop it.
pub(super) fn perform(
    args: &ScanArgs,
    stop: &AtomicBool,
    console: &Console,
    mut on_progress: impl FnMut(&Progress) + Send,
) -> Result<ScanOutcome> {
    let mut events = Events::new(console);
    let outcome = planned(args, stop)?
        .on_event(|event| match event {
            Event::Progress(progress) => on_progress(progress),
            event => events.print(event),
        })
        .stop(stop)
        .run()?;
    print_end(&outcome, args, console);
    Ok(outcome)
}

/// Prints how the scan ended, and what it wrote.
fn print_end(outcome: &ScanOutcome, args: &ScanArgs, console: &Console) {
    let (out, counts) = (args.output.display(), outcome.plan.whole);
    match &outcome.end {
        ScanEnd::Stopped { n_left } => {
            let n_blocks = outcome.plan.mine.n_blocks;
            console
                .note("stopped", format!("{n_left} of {n_blocks} blocks are left; the same command goes on"));
        }
        ScanEnd::Extended => {
            console.note("left", format!("what another process has added meanwhile: lorascope status {out}"))
        }
        ScanEnd::Share { n_left } => console.note(
            "left",
            format!("{n_left} of {} blocks, to other shares: lorascope status {out}", counts.n_blocks),
        ),
        ScanEnd::Complete { problems } => {
            warn_of_problems(problems, outcome.plan.n_adapters, console);
            let blocks = counted(counts.n_blocks as usize, "block");
            console.note("wrote", format!("{} ({blocks})", outcome.pairs().display()));
            console.note("wrote", outcome.adapters_file().display());
        }
    }
}

/// What is not in the table: modules without a basis in one line, and with -v those of each checkpoint.
fn warn_of_problems(problems: &[MissingBases], n_adapters: usize, console: &Console) {
    let (without_basis, others): (Vec<_>, Vec<_>) =
        problems.iter().partition(|missing| missing.n_modules > 0);
    for missing in others {
        console.warning(format!("{}: {}", missing.path, missing.problem));
    }
    for missing in &without_basis {
        console.detail("left out", format!("{}: {}", missing.path, missing.problem));
    }
    let adapters: Vec<WithoutBasis<'_>> = without_basis
        .iter()
        .map(|missing| WithoutBasis {
            path: &missing.path,
            problem: &missing.problem,
            n_modules: missing.n_modules,
        })
        .collect();
    if let Some(line) = line(&adapters, n_adapters) {
        console.warning(line);
    }
}
