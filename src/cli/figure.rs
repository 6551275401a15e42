//! `lorascope figure`: the paper's figure from two checkpoints, or from a pair of a scan.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::console::Console;
use super::options::{ComputeArgs, FigureArgs};
use super::picture::{Picture, check_usage};
use crate::Selection;
use crate::scan::cache::Cache;
use crate::scan::finished::{CachedPair, FinishedScan};

pub(super) fn run(args: &FigureArgs, console: &Console) -> Result<()> {
    check_usage(&args.output, &args.compute);
    match (&args.pair, &args.run_b) {
        (Some(pair), _) => of_scan(args, pair, console),
        (None, Some(run_b)) => draw(args, &args.compute, [&args.run_a, run_b], None, console),
        (None, None) => unreachable!("the grammar asks for one of the two"),
    }
}

/// A pair of a scan, on the scan's side.
fn of_scan(args: &FigureArgs, pair: &[String], console: &Console) -> Result<()> {
    let scanned = FinishedScan::open(&args.run_a)?;
    let numbers = [scanned.find(&pair[0])?, scanned.find(&pair[1])?];
    let dir: PathBuf = match &args.cache {
        Some(dir) => dir.clone(),
        None => Cache::default_dir()?,
    };
    let cached = scanned.cached(&Cache::open(dir, Cache::DEFAULT_LIMIT_BYTES)?, numbers)?;
    console
        .detail("bases", if cached.is_some() { "from the cache" } else { "not in the cache, so made again" });
    let compute = ComputeArgs { side: scanned.plan.options.side, ..args.compute.clone() };
    let runs = numbers.map(|number| scanned.plan.adapters[number as usize].path.as_path());
    draw(args, &compute, runs, cached.as_ref(), console)
}

fn draw(
    args: &FigureArgs,
    compute: &ComputeArgs,
    runs: [&Path; 2],
    cached: Option<&CachedPair<'_>>,
    console: &Console,
) -> Result<()> {
    let (a, b) = (args.selection.open(runs[0])?, args.selection.open(runs[1])?);
    let selection = args.selection.of(Selection::new())?;
    let selected = selection.select(&a, &b, compute.side)?;
    if let Some(note) = &selected.note {
        console.note("note", note);
    }
    Picture {
        runs: [&a, &b],
        pairs: &selected.pairs,
        cached,
        output: &args.output,
        save: args.save.as_ref(),
        compute,
        control: &args.control,
        picture: &args.picture,
        angles: args.angles,
    }
    .draw(console)
}
