//! `lorascope report`: a scan in tables and pictures.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args as ArgGroup, value_parser};

use super::console::Console;
use super::options::{StyleArgs, glob};
use super::write_stdout;
use crate::report::Report;

pub(super) const REPORT_HELP: &str = "\
OUT is the output folder of a finished scan. The excess of a pair is φ(r, r) − baseline, averaged over its modules; the \
baseline is the mean for two random subspaces.

Pairs with a shared start (on sides a and dw-right, where that is enough to make φ high) and pairs of two base models are \
marked. Averages, lists and outliers leave them out unless there are no others; pictures and drift show all pairs. An outlier \
is an adapter, among eight or more, whose mean excess to the others lies more than 3.5 robust standard deviations (1.4826 · the \
median absolute deviation) from the median.

Written into DIR:
  adapters.png            the excess of every pair, in the order of a hierarchical clustering,
                          average linkage on 1 − excess, with its tree; up to 5,000 adapters
  layers.png              mean excess by layer and projection
  drift.png               1 − φ(r, r) from each checkpoint of a run to the next
  pairs.csv               every pair; the paths are in adapters.csv
  adapters.csv            the rows of adapters.png from the top, with outliers
  merges.csv              the tree of adapters.png
  most_alike.csv, least_alike.csv, layers.csv, projections.csv, layer_projections.csv, drift.csv
  report.json             everything except pairs.csv

Examples:
  lorascope report out/
  lorascope report out/ --adapter '*/seed0/*' -o seed0-report";

#[derive(Debug, ArgGroup)]
pub(super) struct ReportArgs {
    /// Output folder of a scan
    #[arg(value_name = "OUT")]
    pub(super) scan: PathBuf,
    /// Folder to write to; created if missing [default: OUT/report]
    #[arg(short, long, value_name = "DIR")]
    pub(super) output: Option<PathBuf>,
    /// Only adapters whose path matches this glob
    ///
    /// With * ? [...]; may be given several times.
    #[arg(long, value_name = "GLOB", value_parser = glob)]
    pub(super) adapter: Vec<glob::Pattern>,
    /// Number of pairs in the lists of the most and the least alike
    #[arg(long, value_name = "N", default_value = "100", value_parser = value_parser!(u16).range(1..=10000))]
    pub(super) top: u16,
    /// Print report.json instead of the summary
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) style: StyleArgs,
}

pub(super) fn run(args: &ReportArgs, console: &Console) -> Result<()> {
    let dir = args.output.clone().unwrap_or_else(|| args.scan.join("report"));
    let report = Report::of(&args.scan).adapters(args.adapter.iter().map(glob::Pattern::as_str))?;
    let written = report.top(args.top.into()).style(args.style.style()).write(&dir)?;
    let names = [&written.pictures[..], &["report.json".to_owned()]].concat().join(", ");
    console.note("wrote", format!("{names} and {} tables in {}", written.tables.len(), dir.display()));
    let printed = if args.json { &written.json } else { &written.text };
    write_stdout(|stdout| stdout.write_all(printed.as_bytes()))
}
