//! `lorascope compare`: two checkpoints in numbers, a row for each module that both have.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ArgGroup;
use serde::Serialize;

use super::console::Console;
use super::job::{Done, Extent, Job};
use super::meta::{Meta, save};
use super::options::{ComputeArgs, SelectionArgs};
use super::output::{self, Destination};
use super::sink::Sink;
use super::summary_table::{MISSING, numbers, shown_z};
use super::warnings::Warning;
use crate::measure::update::{self, WholeUpdate};
use crate::measure::{PairStatistics, chance};
use crate::relation::Relation;
use crate::text::{counted, printable};
use crate::{Comparison, Selection, Side, relation_of};

pub(super) const COMPARE_HELP: &str = "\
A CHECKPOINT is as for figure. Without --layer, --projections and --module, every module that both have is compared.

Each row shows the ranks r_a and r_b, the dimension d, and φ(k, k) at powers of two and at r = min(r_a, r_b), counting only \
directions above the rounding of the file. The baseline is r/d, the mean for two random subspaces, and z is how many standard \
deviations φ(r, r) lies above it. φ(q_a, q_b) is how much of the smaller subspace the larger one contains, and adjusted is the \
same corrected for chance: 0 for random subspaces, 1 for the same or a contained one. The linear CKA of the two factors weighs \
each direction by its singular value.

cos ΔW is the cosine of the two updates s·B·A themselves, from -1 (opposite) over 0 (unrelated) to 1 (the same direction), on \
every side, with its z; ‖ΔW‖ are their norms. The last row takes all modules as one vector. The init cosine is the cosine of the \
two A as they are stored, near 1 for checkpoints that share the random start of A; z is left out for such checkpoints. – means that \
there is no value. The line after the table says what the two are to each other: a copy (same file, same factors, same update, \
scaled, negated, resized), steps of one run, nearly the same, same start, or by the z of the whole model, alike, opposed or unrelated.

Examples:
  lorascope compare runs/seed0 runs/seed1
  lorascope compare runs/seed0 runs/seed1 --side b --module '*.v_proj'
  lorascope compare runs/seed0 runs/seed1 --json --grids -o pair.json
  lorascope compare runs/seed0 runs/seed1 --save grids.npz";

#[derive(Debug, ArgGroup)]
pub(super) struct CompareArgs {
    /// First checkpoint: its directions are the rows, i
    #[arg(value_name = "CHECKPOINT_A")]
    checkpoint_a: PathBuf,
    /// Second checkpoint: its directions are the columns, j
    #[arg(value_name = "CHECKPOINT_B")]
    checkpoint_b: PathBuf,
    /// Where to write the table or the JSON: a file, or - for stdout
    #[arg(short, long, value_name = "FILE", default_value = "-", value_parser = output::text())]
    output: Destination,
    /// Also write all grids and singular values to this .npz file: phi/MODULE, sigma_a/MODULE, sigma_b/MODULE and meta
    #[arg(long, value_name = "FILE", value_parser = output::npz())]
    save: Option<Destination>,
    /// With --json: add the whole grid of each module
    #[arg(long, requires = "json")]
    grids: bool,
    /// Add the principal angles in degrees: an SVD for each module
    #[arg(long)]
    angles: bool,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    compute: ComputeArgs,
}

pub(super) fn run(args: &CompareArgs, console: &Console) -> Result<()> {
    args.compute.check()?;
    let (a, b) = (args.selection.open(&args.checkpoint_a)?, args.selection.open(&args.checkpoint_b)?);
    let selection = args.selection.of(Selection::new().all())?;
    let side = args.compute.side;
    let selected = selection.select(&a, &b, side)?;
    if let Some(note) = &selected.note {
        console.note("note", note);
    }
    for (run, only) in [&a, &b].into_iter().zip(&selected.only) {
        if !only.is_empty() && selected.note.is_none() {
            console
                .note("note", format!("{} only in {}", counted(only.len(), "module"), run.path().display()));
        }
        for module in only {
            console.detail("only", format!("{}: {}", run.path().display(), module.name));
        }
    }
    let sink = Sink::open_text(&args.output)?;
    let grids = args.save.as_ref().map(Sink::open).transpose()?;

    let job = Job {
        runs: [&a, &b],
        pairs: &selected.pairs,
        cached: None,
        compute: &args.compute,
        control: None,
        extent: if args.angles { Extent::Angles } else { Extent::Statistics },
    };
    let done = job.run(console)?;
    let same_modules = selected.only.iter().all(Vec::is_empty);
    let relation = relation_of([&a, &b], &done.comparisons, same_modules)?;
    // Digests read the files whole, so only where they are kept.
    let meta = if args.compute.json || grids.is_some() {
        Some(Meta::new([&a, &b], side, None, done.engine.info())?)
    } else {
        None
    };
    if let (Some(grids), Some(meta)) = (grids, &meta) {
        save(grids, &done, meta)?;
    }
    match meta.filter(|_| args.compute.json) {
        Some(meta) => {
            let modules = done.comparisons.iter().zip(&done.statistics);
            let modules =
                modules.map(|(one, statistics)| Row::new(one, statistics, side, args.grids)).collect();
            let document = Document {
                relation: relation.into(),
                schema: 1,
                modules,
                whole: whole(&done).into(),
                warnings: &done.warnings,
                made_by: &meta,
            };
            let mut text = serde_json::to_string_pretty(&document)?;
            text.push('\n');
            sink.fill_text(&text)?;
        }
        None => sink.fill_text(&format!("{}relation: {relation}\n", table(&done)))?,
    }
    Ok(())
}

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    modules: Vec<Row<'a>>,
    whole: Whole,
    relation: Related,
    warnings: &'a [Warning],
    made_by: &'a Meta,
}

/// What the two checkpoints are to each other.
#[derive(Serialize)]
struct Related {
    word: &'static str,
    text: String,
}

impl From<Relation> for Related {
    fn from(relation: Relation) -> Self {
        Self { word: relation.word(), text: relation.to_string() }
    }
}

/// The updates of all modules as one vector.
#[derive(Serialize)]
struct Whole {
    cosine: Option<f64>,
    cosine_z: Option<f64>,
    norm_a: f64,
    norm_b: f64,
    /// ‖ΔW_b‖ / ‖ΔW_a‖.
    norm_ratio: Option<f64>,
}

impl From<WholeUpdate> for Whole {
    fn from(WholeUpdate { cosine, norms: [norm_a, norm_b], z }: WholeUpdate) -> Self {
        let norm_ratio = Some(norm_b / norm_a).filter(|ratio| ratio.is_finite());
        Self { cosine, cosine_z: z, norm_a, norm_b, norm_ratio }
    }
}

fn whole(done: &Done) -> WholeUpdate {
    update::whole(done.comparisons.iter().filter_map(|comparison| comparison.factorised.update))
}

/// One module, as `--json` has it.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    /// Original tensor names, joined by a comma where a side needs both factors.
    name_a: String,
    name_b: String,
    n_uncertain_a: usize,
    n_uncertain_b: usize,
    sigma_a: &'a [f64],
    sigma_b: &'a [f64],
    #[serde(flatten)]
    statistics: &'a PairStatistics,
    /// φ(k, k) at powers of two and at min(q_a, q_b).
    diagonal: Vec<Cell>,
    /// The whole grid, row by row.
    #[serde(skip_serializing_if = "Option::is_none")]
    phi: Option<Vec<Vec<f64>>>,
}

#[derive(Serialize)]
struct Cell {
    k: usize,
    phi: f64,
    baseline: f64,
    z: Option<f64>,
}

impl<'a> Row<'a> {
    fn new(comparison: &'a Comparison, statistics: &'a PairStatistics, side: Side, with_grid: bool) -> Self {
        let Comparison { factorised, grid } = comparison;
        let (a, b) = (&factorised.a, &factorised.b);
        let names = |module: &crate::Module| {
            let names: Vec<&str> = side.factors(module).iter().map(|factor| factor.name.as_str()).collect();
            names.join(",")
        };
        let last = grid.n_rows().min(grid.n_cols());
        let mut depths: Vec<usize> = powers(last).collect();
        if depths.last() != Some(&last) {
            depths.push(last);
        }
        let phi = |i: usize| (1..=grid.n_cols()).filter_map(|j| grid.phi(i, j)).collect();
        Self {
            name: factorised.pair.name(),
            name_a: names(&factorised.pair.first),
            name_b: names(&factorised.pair.second),
            n_uncertain_a: a.n_uncertain(),
            n_uncertain_b: b.n_uncertain(),
            sigma_a: a.sigma(),
            sigma_b: b.sigma(),
            statistics,
            diagonal: depths.into_iter().filter_map(|k| cell(comparison, k)).collect(),
            phi: with_grid.then(|| (1..=grid.n_rows()).map(phi).collect()),
        }
    }
}

fn cell(comparison: &Comparison, k: usize) -> Option<Cell> {
    let grid = &comparison.grid;
    let phi = grid.phi(k, k)?;
    // z tests independence, which a shared start rules out.
    let z = chance::z(grid, k, k).filter(|_| !comparison.factorised.has_shared_init());
    Some(Cell { k, phi, baseline: chance::baseline(k, k, grid.d()), z })
}

/// 1, 2, 4, ... up to `last`.
fn powers(last: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(1), |k| Some(2 * k)).take_while(move |&k| k <= last)
}

/// The row of the whole model, which has the update only.
fn whole_row(whole: WholeUpdate, header: &[String]) -> Vec<String> {
    let cell = |heading: &String| match heading.as_str() {
        "module" => "whole model".to_owned(),
        heading if heading == update::COSINE_HEADING => match (whole.cosine, whole.z) {
            (Some(cosine), Some(z)) => update::cosine_text(&[cosine, z]),
            _ => MISSING.to_owned(),
        },
        heading if heading == update::NORMS_HEADING => update::norms_text(&whole.norms),
        _ => String::new(),
    };
    header.iter().map(cell).collect()
}

fn table(done: &Done) -> String {
    let last = |one: &Comparison| one.grid.n_rows().min(one.grid.n_cols());
    let deepest = done.comparisons.iter().map(last).max().unwrap_or(0);
    let depths: Vec<usize> = powers(deepest).collect();
    let mut header: Vec<String> = ["module", "r_a", "r_b", "d"].map(String::from).into();
    header.extend(depths.iter().map(|k| format!("φ({k}, {k})")));
    header.extend(["φ(r, r)", "baseline", "z"].map(String::from));
    let texts = done.statistics.first().into_iter().flat_map(PairStatistics::texts);
    header.extend(texts.map(|(text, _)| text.heading.to_owned()));
    let mut rows = vec![header];
    for (one, statistics) in done.comparisons.iter().zip(&done.statistics) {
        let both = &one.factorised;
        let mut row = vec![
            printable(both.pair.name(), 100),
            both.a.r().to_string(),
            both.b.r().to_string(),
            one.grid.d().to_string(),
        ];
        let phi = |k: usize| one.grid.phi(k, k).map_or(MISSING.to_owned(), |phi| format!("{phi:.3}"));
        row.extend(depths.iter().map(|&k| phi(k)));
        let full = cell(one, last(one));
        row.push(phi(last(one)));
        row.push(full.as_ref().map_or(MISSING.to_owned(), |cell| format!("{:.3}", cell.baseline)));
        row.push(shown_z(full.and_then(|cell| cell.z)));
        row.extend(statistics.texts().map(|(_, text)| text.unwrap_or_else(|| MISSING.to_owned())));
        rows.push(row);
    }
    rows.push(whole_row(whole(done), &rows[0]));
    numbers(&rows)
}
