//! `lorascope compare`: two checkpoints in numbers, a row for each module that both have.

mod csv;
mod sides;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ArgGroup;
use serde::Serialize;

use self::sides::Compare;
use super::Outcome;
use super::console::Console;
use super::destination::Destination;
use super::diagonal::{self, Cell, powers};
use super::job::{Done, Extent, Job};
use super::left_out::LeftOut;
use super::meta::{Meta, save};
use super::options::{ComputeArgs, SelectionArgs};
use super::output::{self, TextFormat, TextOutput};
use super::sink::Sink;
use super::summary_table::{MISSING, numbers, shown_z};
use super::tuned::against::{self, Asked};
use super::tuned::args::AgainstArgs;
use super::tuned::weight_sides;
use super::usage::Usage;
use super::warnings::Warning;
use crate::measure::PairStatistics;
use crate::measure::k90::K90;
use crate::measure::update::{self, WholeUpdate};
use crate::relation::Relation;
use crate::text::{counted, printable};
use crate::{Adapter, Compared, Comparison, Selection, Side, relation_of};

pub(super) const COMPARE_HELP: &str = "\
A CHECKPOINT is as for figure. Without --layer, --projections and --module, every module that both have is compared. If the \
first one is a base model, see the end.

Each row shows the ranks r_a and r_b, the dimension d, and φ(k, k) at powers of two and at r = min(r_a, r_b), counting only \
directions above the rounding of the file. The baseline is r/d, the mean for two random subspaces, and z is how many standard \
deviations φ(r, r) lies above it. k90 is the fewest directions with 90 % of the energy Σσ². φ(q_a, q_b) is how much of the smaller \
subspace the larger one contains, and adjusted is the same corrected for chance: 0 for random subspaces, 1 for the same or a \
contained one. The linear CKA of the two factors weighs each direction by its singular value.

cos ΔW is the cosine of the two updates s·B·A themselves, from -1 (opposite) over 0 (unrelated) to 1 (the same direction), on \
every side, with its z; ‖ΔW‖ are their norms. The last row takes all modules as one vector. The init cosine is the cosine of the \
two A as they are stored, near 1 for checkpoints that share the random start of A; z is left out for such checkpoints. – means that \
there is no value. The line after the table says what the two are to each other: a copy (same file, same factors, same update, \
scaled, negated, resized), steps of one run, nearly the same, same start, or by the z of the whole model, alike, opposed or unrelated.

compare BASE CHECKPOINT... shows what training changed of each weight W of a base model, which is a file or folder of a full \
model: the norms ‖W‖ and ‖ΔW‖, the stable rank ‖ΔW‖²/σ₁², the fewest directions with 90, 95 and 99 % of the energy, the effective rank \
exp(−Σ p·ln p) with p = σ/Σσ, q directions above the noise floor, which is what rounding to the stored types could have made of a \
singular value, and that floor. A checkpoint is an adapter, a folder of them or a full model. In the row of the whole model, all \
modules are one vector. Pairs of numbers are those of the right side (inputs) and of the left side (outputs). With --side w-right or \
w-left the rows are φ of the weight's own directions, i, with those of the update, j, instead.

Examples:
  lorascope compare runs/seed0 runs/seed1
  lorascope compare runs/seed0 runs/seed1 --side b --module '*.v_proj'
  lorascope compare runs/seed0 runs/seed1 --json --grids -o pair.json
  lorascope compare runs/seed0 runs/seed1 -o pair.csv
  lorascope compare runs/seed0 runs/seed1 --save grids.npz
  lorascope compare models/base runs/seed0 --intruders
  lorascope compare models/base models/finetuned --alignment -o changes.csv
  lorascope compare models/base runs/seed0 --side w-right --of bottom";

#[derive(Debug, ArgGroup)]
pub(super) struct CompareArgs {
    /// First checkpoint, whose directions are the rows, i; or a base model
    #[arg(value_name = "CHECKPOINT_A")]
    first: PathBuf,
    /// Second checkpoint, whose directions are the columns, j
    ///
    /// With a base model: the checkpoints that were trained from it.
    #[arg(value_name = "CHECKPOINT_B", required_unless_present = "base")]
    others: Vec<PathBuf>,
    /// .txt, .csv or .json file, or - for stdout
    ///
    /// Where to write the result, in the format that the suffix names.
    #[arg(short, long, value_name = "FILE", default_value = "-", value_parser = output::text())]
    output: TextOutput,
    /// Also write all grids to this .npz file
    ///
    /// With singular values: phi/MODULE, sigma_a/MODULE, sigma_b/MODULE and meta.
    #[arg(long, value_name = "FILE", value_parser = output::npz())]
    save: Option<Destination>,
    /// With --json: add the whole grid of each module
    #[arg(long)]
    grids: bool,
    /// Print the result as CSV
    ///
    /// With the mean over the modules as the last row.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Add the principal angles, and distances from them
    ///
    /// The angles in degrees; the geodesic distance ‖θ‖₂ in radians and the chordal one √Σ sin²θ. Takes an SVD for each module.
    #[arg(long)]
    angles: bool,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    compute: ComputeArgs,
    #[command(flatten)]
    against: AgainstArgs,
}

impl CompareArgs {
    /// Checks what the grammar cannot, and returns the format that the options and the output's suffix name.
    ///
    /// # Errors
    /// When they name two, or exclude each other.
    pub(super) fn check(&self) -> Result<TextFormat, Usage> {
        self.compute.check()?;
        self.against.check(self.compute.side.is_of_weight())?;
        let by_option = match (self.compute.json, self.csv) {
            (true, _) => Some(TextFormat::Json),
            (_, true) => Some(TextFormat::Csv),
            _ => None,
        };
        let two = "--json or --csv, and the suffix of -o, name two formats";
        let format = self.output.format(by_option, two)?;
        match self.grids && format != TextFormat::Json {
            true => Err(Usage("--grids is for JSON: add --json, or name a .json file with -o")),
            false => Ok(format),
        }
    }
}

pub(super) fn run(args: &CompareArgs, console: &Console) -> Result<Outcome> {
    let format = args.check()?;
    let is_of_weight = args.compute.side.is_of_weight();
    let runs = match args.sides()? {
        Compare::Two(both) => *both,
        Compare::Against(base, checkpoints) => {
            let (against, selection, output) = (&args.against, &args.selection, &args.output);
            let asked = Asked { base, checkpoints, args: against, selection, output, format };
            return match is_of_weight {
                true => weight_sides::run(asked, &args.compute, args.grids, console),
                false => against::run(asked, console),
            };
        }
    };
    let sink = Sink::open_text(&args.output.to)?;
    let grids = args.save.as_ref().map(Sink::open).transpose()?;
    let measured = Measured::of(runs, args, console)?;
    // Digests read the files whole, so only where they are kept.
    let is_kept = format == TextFormat::Json || grids.is_some();
    let meta = is_kept.then(|| measured.meta()).transpose()?;
    if let (Some(grids), Some(meta)) = (grids, &meta) {
        save(grids, &measured.done, meta)?;
    }
    let text = match (format, &meta) {
        (TextFormat::Json, Some(meta)) => measured.json(args.grids, Some(meta))? + "\n",
        (TextFormat::Csv, _) => csv::text(&measured.rows(args.grids).collect::<Vec<_>>())?,
        _ => {
            let (done, relation) = (&measured.done, measured.relation);
            format!("{}relation: {relation}{}\n", table(done), of_some(done, relation))
        }
    };
    sink.fill_text(&text)?;
    Ok(Outcome::Done)
}

/// Two checkpoints, compared.
pub(super) struct Measured {
    pub(super) runs: [Adapter; 2],
    pub(super) side: Side,
    pub(super) done: Done,
    pub(super) relation: Relation,
}

impl Measured {
    /// Compares what is selected, and says which modules are only in one.
    pub(super) fn of(runs: [Adapter; 2], args: &CompareArgs, console: &Console) -> Result<Self> {
        let [a, b] = &runs;
        let selection = args.selection.of(Selection::new().all())?;
        let side = args.compute.side();
        let selected = selection.select(a, b, side)?;
        if let Some(note) = &selected.note {
            console.note("note", note);
        }
        for (run, only) in [a, b].into_iter().zip(&selected.only) {
            if !only.is_empty() && selected.note.is_none() {
                let n = counted(only.len(), "module");
                console.note("note", format!("{n} only in {}", run.path().display()));
            }
            for module in only {
                console.detail("only", format!("{}: {}", run.path().display(), module.name));
            }
        }
        let extent = if args.angles { Extent::Angles } else { Extent::Statistics };
        let done = Job::of([a, b], &selected, &args.compute, extent).run(console)?;
        let same_modules = selected.only.iter().all(Vec::is_empty);
        let relation = relation_of([a, b], &done.comparisons, same_modules)?;
        Ok(Self { runs, side, done, relation })
    }

    /// What it was made of and by; reads both files whole, for their digests.
    pub(super) fn meta(&self) -> Result<Meta> {
        let [a, b] = &self.runs;
        Meta::new([a, b], self.side, None, self.done.engine.info())
    }

    fn rows(&self, with_grids: bool) -> impl Iterator<Item = Row<'_>> {
        let modules = self.done.comparisons.iter().zip(&self.done.statistics);
        modules.map(move |(one, statistics)| Row::new(one, statistics, self.side, with_grids))
    }

    /// What `--json` prints; without the files' digests if they are not given.
    pub(super) fn json(&self, with_grids: bool, made_by: Option<&Meta>) -> Result<String> {
        let document = Document {
            schema: 1,
            relation: self.relation.into(),
            modules: self.rows(with_grids).collect(),
            left_out: &self.done.left_out,
            whole: whole(&self.done).into(),
            warnings: &self.done.warnings,
            made_by,
        };
        Ok(serde_json::to_string_pretty(&document)?)
    }
}

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    modules: Vec<Row<'a>>,
    /// Modules that both have and that have no subspace in one of the two.
    left_out: &'a [LeftOut],
    whole: Whole,
    relation: Related,
    warnings: &'a [Warning],
    #[serde(skip_serializing_if = "Option::is_none")]
    made_by: Option<&'a Meta>,
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
    /// Modules whose updates are known, which may be more than there are rows.
    n_modules: usize,
    cosine: Option<f64>,
    cosine_z: Option<f64>,
    norm_a: f64,
    norm_b: f64,
    /// ‖ΔW_b‖ / ‖ΔW_a‖.
    norm_ratio: Option<f64>,
}

impl From<WholeUpdate> for Whole {
    fn from(WholeUpdate { n_modules, cosine, norms: [norm_a, norm_b], z }: WholeUpdate) -> Self {
        let norm_ratio = Some(norm_b / norm_a).filter(|ratio| ratio.is_finite());
        Self { n_modules, cosine, cosine_z: z, norm_a, norm_b, norm_ratio }
    }
}

fn whole(done: &Done) -> WholeUpdate {
    update::whole(done.comparisons.updates())
}

/// One module, as `--json` and `--csv` have it.
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
    #[serde(flatten)]
    k90: K90,
    /// φ(k, k) at powers of two and at min(q_a, q_b).
    diagonal: Vec<Cell>,
    /// The whole grid, row by row.
    #[serde(skip_serializing_if = "Option::is_none")]
    phi: Option<Vec<Vec<f64>>>,
}

impl<'a> Row<'a> {
    fn new(comparison: &'a Comparison, statistics: &'a PairStatistics, side: Side, with_grid: bool) -> Self {
        let Comparison { factorised, grid } = comparison;
        let (a, b) = (&factorised.a, &factorised.b);
        let names = |module: &crate::Module| {
            let names: Vec<&str> = side.factors(module).iter().map(|factor| factor.name.as_str()).collect();
            names.join(",")
        };
        Self {
            name: factorised.pair.name(),
            name_a: names(&factorised.pair.first),
            name_b: names(&factorised.pair.second),
            n_uncertain_a: a.n_uncertain(),
            n_uncertain_b: b.n_uncertain(),
            sigma_a: a.sigma(),
            sigma_b: b.sigma(),
            statistics,
            k90: K90::of(a, b, grid),
            diagonal: diagonal::diagonal(grid, is_independent(comparison)),
            phi: with_grid.then(|| diagonal::rows(grid)),
        }
    }
}

/// z tests independence, which a shared start rules out.
fn is_independent(comparison: &Comparison) -> bool {
    !comparison.factorised.has_shared_init()
}

/// How many modules the relation is judged from, where some updates are not known.
fn of_some(done: &Done, relation: Relation) -> String {
    let (n, n_asked) = (whole(done).n_modules, done.comparisons.n_asked());
    // Of equal files, all is known.
    if n < n_asked && relation != Relation::SameFile {
        format!(" (by {n} of {n_asked} modules)")
    } else {
        String::new()
    }
}

/// `whole model`, and how many modules that is where not all of them are rows.
fn whole_name(whole: &WholeUpdate, compared: &Compared) -> String {
    let n_asked = compared.n_asked();
    match (whole.n_modules, compared.len()) {
        (n, rows) if n == n_asked && rows == n_asked => "whole model".to_owned(),
        (n, _) if n == n_asked => format!("whole model (all {n} modules)"),
        (n, _) => format!("whole model ({n} of {n_asked} modules)"),
    }
}

/// The row of the whole model, which has the update only.
fn whole_row(whole: WholeUpdate, name: &str, header: &[String]) -> Vec<String> {
    let cell = |heading: &String| match heading.as_str() {
        "module" => name.to_owned(),
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
    header.extend(["φ(r, r)", "baseline", "z", "φ(k90_a, k90_b)"].map(String::from));
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
        let full = Cell::at(&one.grid, last(one), is_independent(one));
        row.push(phi(last(one)));
        row.push(full.as_ref().map_or(MISSING.to_owned(), |cell| format!("{:.3}", cell.baseline)));
        row.push(shown_z(full.and_then(|cell| cell.z)));
        let k90 = K90::of(&both.a, &both.b, &one.grid);
        row.push(format!("{:.3} at ({}, {})", k90.phi_k90, k90.k90_a, k90.k90_b));
        row.extend(statistics.texts().map(|(_, text)| text.unwrap_or_else(|| MISSING.to_owned())));
        rows.push(row);
    }
    let whole = whole(done);
    rows.push(whole_row(whole, &whole_name(&whole, &done.comparisons), &rows[0]));
    numbers(&rows)
}
