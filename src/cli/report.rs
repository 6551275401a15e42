//! `lorascope report`: a scan in tables and pictures.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args as ArgGroup, value_parser};

use super::console::Console;
use super::drawing::StyleArgs;
use super::drawing_values::Vmax;
use super::write_stdout;
use crate::figure::Output;
use crate::report::{By, End, Report};

pub(super) const REPORT_HELP: &str = "\
OUT is the output folder of a finished scan. Pairs are compared by one quantity, averaged over their modules: adjusted, φ at \
full ranks corrected for chance (0 at chance, 1 where one subspace contains the other), unless --by asks for another. cosine, \
that of the updates ΔW with its sign, needs a scan that kept it; the cosine of a pair is that of the whole updates.

Pairs with a shared start (where that is enough to make the quantity high: on sides a and dw-right, but not for the cosine) and \
pairs of two base models are marked. Averages, outliers and the list of the least alike leave them out unless there are no \
others; the list of the most alike, pictures and drift have all pairs. An outlier is an adapter, among eight or more, whose mean \
lies more than 3.5 robust standard deviations (1.4826 · the median absolute deviation) from the median.

Rows of layers.png are the blocks of the model, and modules that stand in none; its columns are what modules are in their \
block. Where modules were not compared in the same pairs, each cell says in how many.

Labels: means within a label and between labels, silhouettes (1 − the quantity is the distance), and how often labels that are \
dealt out by chance part the pairs as well.

Written into DIR, where --format puts .pdf or .svg in the place of .png:
  adapters.png            every pair, in the order of a hierarchical clustering (average
                          linkage), with its tree; up to 5,000 adapters
  layers.png              means by layer and projection
  drift.png               1 − the quantity, from each checkpoint of a run to the next, from its
                          first and to its last
  drift_projections.png   the same by projection
  pairs.csv, edges.csv    every pair by the adapters' numbers, and by their paths
  matrix.npy, names.txt   the matrix of adapters.png and the path of each row
  adapters.csv            the rows of adapters.png from the top, with outliers
  merges.csv              the tree of adapters.png
  most_alike.csv, most_alike_unmarked.csv, least_alike.csv, layers.csv, projections.csv,
  layer_projections.csv, drift.csv, label_means.csv
  report.md               the pictures, each with how to read it, and the summary
  report.json             everything except pairs.csv, edges.csv and the matrix

Examples:
  lorascope report out/
  lorascope report out/ --by linear_cka --adapter '*/seed0/*' -o seed0-report
  lorascope report out/ --labels tasks.csv";

#[derive(Debug, ArgGroup)]
pub(super) struct ReportArgs {
    /// Output folder of a scan
    #[arg(value_name = "OUT")]
    pub(super) scan: PathBuf,
    /// Folder to write to; created if missing [default: OUT/report]
    #[arg(short, long, value_name = "DIR")]
    pub(super) output: Option<PathBuf>,
    /// What to compare by: adjusted, cosine, linear_cka, phi_full, phi_1, phi_8 ...
    ///
    /// phi_N is a cell that the scan kept. adjusted is φ_full corrected for chance; cosine needs a scan with --update.
    #[arg(long, value_name = "QUANTITY", default_value = "adjusted")]
    pub(super) by: By,
    /// Only these adapters
    ///
    /// A path, the end of one, a glob (* ? [...]) on the path or its end, or a number; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub(super) adapter: Vec<String>,
    /// Labels of checkpoints: a .csv file
    ///
    /// A line CHECKPOINT,LABEL for each; a checkpoint is named as for --adapter.
    #[arg(long, value_name = "FILE")]
    pub(super) labels: Option<PathBuf>,
    /// Report on what is there of a scan that is not finished
    #[arg(long)]
    pub(super) partial: bool,
    /// Number of pairs in the lists of the most and the least alike
    #[arg(long, value_name = "N", default_value = "100", value_parser = value_parser!(u16).range(1..=10000))]
    pub(super) top: u16,
    /// Print report.json instead of the summary
    #[arg(long)]
    pub(super) json: bool,
    /// Dark end of the colours: a value, or auto
    ///
    /// auto is the least value; by default 0, or below it for cosines.
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true, help_heading = "How it is drawn")]
    pub(super) vmin: Option<Vmax>,
    /// Value at the light end of the colours, or auto for the largest value [default: auto]
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true, help_heading = "How it is drawn")]
    pub(super) vmax: Option<Vmax>,
    #[command(flatten)]
    pub(super) style: StyleArgs,
    /// Format of the pictures: png, pdf or svg [default: png]
    #[arg(long, value_name = "FORMAT", help_heading = "How it is drawn")]
    pub(super) format: Option<Output>,
}

pub(super) fn run(args: &ReportArgs, console: &Console) -> Result<()> {
    let dir = args.output.clone().unwrap_or_else(|| args.scan.join("report"));
    let mut report =
        Report::of(&args.scan).adapters(args.adapter.iter().cloned()).by(args.by).partial(args.partial);
    if let Some(labels) = &args.labels {
        report = report.labels(labels);
    }
    let end = |end: Vmax| match end {
        Vmax::Auto => End::Data,
        Vmax::Value(value) => End::At(value),
    };
    if let Some(vmin) = args.vmin {
        report = report.vmin(end(vmin));
    }
    if let Some(vmax) = args.vmax {
        report = report.vmax(end(vmax));
    }
    let written = report
        .top(args.top.into())
        .style(args.style.style())
        .output(args.format.unwrap_or_default())
        .write(&dir)?;
    let names = [&written.pictures[..], &["report.md", "report.json"].map(str::to_owned)].concat().join(", ");
    console.note("wrote", format!("{names} and {} tables in {}", written.tables.len(), dir.display()));
    let printed = if args.json { &written.json } else { &written.text };
    write_stdout(|stdout| stdout.write_all(printed.as_bytes()))
}
