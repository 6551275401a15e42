//! `lorascope merge-check`: what becomes of checkpoints when they are merged or stacked.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ArgGroup;
use serde::Serialize;

use super::adapters::{AdapterFacts, Adapters, Caution};
use super::console::Console;
use super::destination::Destination;
use super::drawing::{ShownArgs, StyleArgs};
use super::left_out::{self, LeftOut};
use super::options::SelectionArgs;
use super::output::{self, PictureOutput};
use super::summary_table::{Align, MISSING, aligned_by, numbers, shown_z};
use super::usage::Usage;
use super::{Outcome, progress, write_stdout, write_text};
use crate::error::Fault;
use crate::figure::{Heatmap, Palette};
use crate::hub;
use crate::measure::update::norm_text;
use crate::merge_check::{Merge, MergeCheck, ModuleMerge, Verdict, Word, merge_check, pairs};
use crate::text::printable;
use crate::{Selection, Side};

pub(super) const MERGE_CHECK_HELP: &str = "\
A CHECKPOINT is a file or folder as for figure, a folder to search for checkpoints, or a glob. Modules that not all of them \
have are left out, and so are those with a number that is not finite in one of them. An update of zeros adds nothing.

`energy` is ‖Σ w·ΔW‖² / Σ ‖w·ΔW‖²: 1 for orthogonal updates, `at most` if all pointed the same way (N for N equally large \
ones), below 1 if they cancel, 0 if they undo each other. `cosine` is that of two updates, and z = cosine·√(d_in·d_out) its \
distance from independent ones. `left` and `right` are the overlaps of their output and input spaces, φ at full rank corrected \
for chance: 1 if one contains the other, 0 for random ones.

The word, by the first that holds:
  no update      no checkpoint changes anything, as in a module that was not trained
  cancelling     two updates are opposite: cosine -0.99995 or less
  redundant      two updates are the same but for their size: cosine 0.99995 or more
  one dominates  the norm of one is 3 times those of all others together, or more
  cancelling     a cosine of -0.1 or less that chance does not make, z of -5 or less
  reinforcing    a cosine of 0.1 or more that chance does not make, z of 5 or more
  independent    none of these

Examples:
  lorascope merge-check runs/math runs/code
  lorascope merge-check runs/math runs/code runs/chat --weights 0.5,0.3,0.2
  lorascope merge-check runs/ -o cosines.png --json > merge.json";

#[derive(Debug, ArgGroup)]
pub(super) struct MergeCheckArgs {
    /// Checkpoints, folders of them, or globs: two checkpoints or more
    #[arg(value_name = "CHECKPOINT", required = true)]
    checkpoints: Vec<PathBuf>,
    /// A weight for each checkpoint, in their order [default: 1 for each]
    #[arg(long, value_name = "W,...", value_delimiter = ',', allow_hyphen_values = true)]
    weights: Vec<f64>,
    /// Draw the cosines to this file
    ///
    /// A .png, .pdf or .svg file, or - for stdout. Modules × pairs, or all pairs of the whole model if there are more than 60.
    #[arg(short, long, value_name = "FILE", value_parser = output::picture())]
    output: Option<PictureOutput>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    style: StyleArgs,
    #[command(flatten)]
    shown: ShownArgs,
}

pub(super) fn run(args: &MergeCheckArgs, console: &Console) -> Result<Outcome> {
    let to_stdout = args.output.as_ref().is_some_and(|output| output.to == Destination::Stdout);
    if args.json && to_stdout {
        return Err(Usage("--json and -o - would both write to stdout").into());
    }
    let adapters = Adapters::open(&args.checkpoints, &args.selection, console)?;
    let n = adapters.all.len();
    let weights = if args.weights.is_empty() { vec![1.0; n] } else { args.weights.clone() };
    if weights.len() != n {
        let found = format!("{} for {n} checkpoints", weights.len());
        return Err(Fault::new(found, "one for each").of("--weights").invalid().into());
    }
    let selection = args.selection.of(Selection::new().all())?;
    let modules = selection.select_in_all(&adapters.all, Side::A)?;
    adapters.report_left_out(&modules, console);
    let picture = args.output.as_ref().map(|output| output.open(args.shown.format)).transpose()?;

    let flop = modules.modules.iter().flatten().map(|module| {
        let (r, d) = (module.rank() as f64, (module.d_in() + module.d_out()) as f64);
        (20.0 + n as f64) * r * r * d
    });
    let bar = progress::bar(console, "modules", modules.modules.len(), flop.sum());
    let check = merge_check(&adapters.all, &modules, &weights, || bar.inc(1));
    bar.finish_and_clear();
    let check = check?;

    let without_update = LeftOut::of_modules(&adapters.all, &check.without_update);
    left_out::details(&without_update, console);
    let mut cautions = adapters.cautions(&without_update, &modules, console);
    cautions.extend(assumed_scaling(&check));
    cautions.extend(shared_init(&check));
    cautions.iter().for_each(|caution| console.warning(&caution.message));
    if picture.is_some() || args.shown.preview {
        let heatmap = heatmap(&check, &adapters.short_names(), &args.style)?;
        args.shown.draw(&heatmap, picture, console)?;
        if let Some(Destination::File(path)) = args.output.as_ref().map(|output| &output.to) {
            console.note("wrote", path.display());
        }
    }
    if args.json {
        let document = Document::of(&adapters, &check, &without_update, &cautions);
        write_stdout(|stdout| {
            serde_json::to_writer(&mut *stdout, &document)?;
            writeln!(stdout)
        })?;
    } else {
        write_text(&text(&check), to_stdout, console)?;
    }
    Ok(adapters.outcome)
}

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    version: &'static str,
    adapters: Vec<AdapterFacts<'a>>,
    weights: &'a [f64],
    modules: Vec<ModuleFacts<'a>>,
    whole_model: MergeFacts<'a>,
    /// Modules that not all adapters have.
    left_out: &'a [String],
    /// Modules in which an update is not known.
    without_update: &'a [LeftOut],
    warnings: &'a [Caution],
}

#[derive(Serialize)]
struct ModuleFacts<'a> {
    name: &'a str,
    d_in: usize,
    d_out: usize,
    #[serde(flatten)]
    merge: MergeFacts<'a>,
    overlap_left: Matrix,
    overlap_right: Matrix,
    shared_init: &'a [bool],
    assumed_scaling: &'a [bool],
}

#[derive(Serialize)]
struct MergeFacts<'a> {
    #[serde(flatten)]
    verdict: Verdict,
    energy_ratio: f64,
    energy_ratio_at_most: f64,
    norms: &'a [f64],
    cosine: Matrix,
    z: Matrix,
}

/// N × N, symmetric; null where there is no value, and on the diagonal of what is about two adapters.
type Matrix = Vec<Vec<Option<f64>>>;

fn matrix(values: &[f64], n: usize, diagonal: impl Fn(usize) -> Option<f64>) -> Matrix {
    let mut matrix = vec![vec![None; n]; n];
    for (at, row) in matrix.iter_mut().enumerate() {
        row[at] = diagonal(at);
    }
    for (&value, [a, b]) in values.iter().zip(pairs(n)) {
        let value = value.is_finite().then_some(value);
        (matrix[a][b], matrix[b][a]) = (value, value);
    }
    matrix
}

impl<'a> MergeFacts<'a> {
    fn of(merge: &'a Merge) -> Self {
        let n = merge.norms.len();
        let itself = |at: usize| (merge.norms[at] > 0.0).then_some(1.0);
        Self {
            verdict: merge.verdict,
            energy_ratio: merge.energy_ratio,
            energy_ratio_at_most: merge.most,
            norms: &merge.norms,
            cosine: matrix(&merge.cosine, n, itself),
            z: matrix(&merge.z, n, |_| None),
        }
    }
}

impl<'a> Document<'a> {
    fn of(
        adapters: &'a Adapters,
        check: &'a MergeCheck,
        without_update: &'a [LeftOut],
        warnings: &'a [Caution],
    ) -> Self {
        let n = check.weights.len();
        let facts = |module: &'a ModuleMerge| ModuleFacts {
            name: &module.name,
            d_in: module.d_in,
            d_out: module.d_out,
            merge: MergeFacts::of(&module.merge),
            overlap_left: matrix(&module.overlap_left, n, |_| None),
            overlap_right: matrix(&module.overlap_right, n, |_| None),
            shared_init: &module.shared_init,
            assumed_scaling: &module.assumed_scaling,
        };
        Self {
            schema: 1,
            version: env!("CARGO_PKG_VERSION"),
            adapters: AdapterFacts::of(&adapters.all),
            weights: &check.weights,
            modules: check.modules.iter().map(facts).collect(),
            whole_model: MergeFacts::of(&check.whole),
            left_out: &check.left_out,
            without_update,
            warnings,
        }
    }
}

/// Norms depend on a scaling that the files do not determine.
fn assumed_scaling(check: &MergeCheck) -> Option<Caution> {
    let n_of = |at: usize| check.modules.iter().filter(|module| module.assumed_scaling[at]).count();
    let marked: Vec<usize> = (0..check.adapters.len()).filter(|&at| n_of(at) > 0).collect();
    let first = *marked.first()?;
    let more = match marked.len() - 1 {
        0 => String::new(),
        n => format!(" and {n} more adapters"),
    };
    Some(Caution {
        code: "scaling-assumed",
        message: format!(
            "{}{more}: the files do not determine the scaling (no alpha), so 1 is assumed; a module's cosines hold, norms and \
             energies depend on it",
            check.adapters[first].display()
        ),
    })
}

/// A start that adapters share makes their input spaces alike.
fn shared_init(check: &MergeCheck) -> Option<Caution> {
    let n_adapters = check.adapters.len();
    let is_marked = |at: &usize| check.modules.iter().any(|module| module.shared_init[*at]);
    let n = (0..n_adapters).filter(is_marked).count();
    (n > 0).then(|| Caution {
        code: "shared-init",
        message: format!(
            "{n} of {n_adapters} adapters share the random start of A with another one, so the right overlap says little about \
             what was learnt; cosines and the left overlap hold"
        ),
    })
}

/// The adapters, a row for each module and one for the whole model, and what the word for that is.
fn text(check: &MergeCheck) -> String {
    let n = check.weights.len();
    let mut rows = vec![["", "weight", "norm", "adapter"].map(String::from).to_vec()];
    for (at, path) in check.adapters.iter().enumerate() {
        rows.push(vec![
            (at + 1).to_string(),
            check.weights[at].to_string(),
            norm_text(check.whole.norms[at], 4),
            printable(&hub::display(path), 200),
        ]);
    }
    let mut text = aligned_by(&rows, &[Align::Right, Align::Right, Align::Right, Align::Left]);
    text.push('\n');
    text += &if n == 2 { of_two(check) } else { of_many(check) };
    if n > 2 {
        text.push('\n');
        text += &whole_pairs(check);
    }
    text.push('\n');
    let Verdict { word, reason } = check.whole.verdict;
    text += &format!("{} as one update: {word} ({reason})\n", whole_name(check));
    let mut words: BTreeMap<Word, usize> = BTreeMap::new();
    check.modules.iter().for_each(|module| *words.entry(module.merge.verdict.word).or_default() += 1);
    let words: Vec<String> = words.iter().map(|(word, n)| format!("{n} {word}")).collect();
    text + &format!("modules: {}\n", words.join(", "))
}

fn shown(value: f64) -> String {
    if value.is_finite() { format!("{value:.3}") } else { MISSING.to_owned() }
}

/// The rows of modules, then the one of the whole model, each with its merge and the module's own facts.
fn rows(check: &MergeCheck, row: impl Fn(&Merge, Option<&ModuleMerge>) -> Vec<String>) -> Vec<Vec<String>> {
    let named = |name: &str, cells: Vec<String>| [vec![printable(name, 100)], cells].concat();
    let modules = check.modules.iter().map(|module| named(&module.name, row(&module.merge, Some(module))));
    modules.chain([named(&whole_name(check), row(&check.whole, None))]).collect()
}

/// `whole model`, and how many modules that is where an update is not known in some.
fn whole_name(check: &MergeCheck) -> String {
    let n = check.modules.len();
    match check.n_without_update() {
        0 => "whole model".to_owned(),
        n_unknown => format!("whole model ({n} of {} modules)", n + n_unknown),
    }
}

fn of_two(check: &MergeCheck) -> String {
    let header = ["module", "‖ΔW₁‖", "‖ΔW₂‖", "cosine", "z", "left", "right", "energy", "at most", "word"];
    let mut table = vec![header.map(String::from).to_vec()];
    table.extend(rows(check, |merge, module| {
        let overlap = |of: fn(&ModuleMerge) -> f64| module.map_or(MISSING.to_owned(), |one| shown(of(one)));
        vec![
            norm_text(merge.norms[0], 3),
            norm_text(merge.norms[1], 3),
            shown(merge.cosine[0]),
            shown_z(merge.z[0].is_finite().then_some(merge.z[0])),
            overlap(|module| module.overlap_left[0]),
            overlap(|module| module.overlap_right[0]),
            shown(merge.energy_ratio),
            shown(merge.most),
            merge.verdict.word.to_string(),
        ]
    }));
    with_word(&table)
}

/// Of many pairs, a row shows the lowest and the highest cosine.
fn of_many(check: &MergeCheck) -> String {
    let n = check.weights.len();
    let header = ["module", "energy", "at most", "lowest cosine", "of", "highest cosine", "of", "word"];
    let mut table = vec![header.map(String::from).to_vec()];
    table.extend(rows(check, |merge, _| {
        let known = pairs(n).zip(&merge.cosine).filter(|(_, cosine)| cosine.is_finite());
        let lowest = known.clone().min_by(|a, b| a.1.total_cmp(b.1));
        let highest = known.max_by(|a, b| a.1.total_cmp(b.1));
        let cells = |found: Option<([usize; 2], &f64)>| match found {
            Some((pair, cosine)) => [shown(*cosine), pair_name(pair)],
            None => [MISSING, MISSING].map(String::from),
        };
        let mut row = vec![shown(merge.energy_ratio), shown(merge.most)];
        row.extend(cells(lowest));
        row.extend(cells(highest));
        row.push(merge.verdict.word.to_string());
        row
    }));
    with_word(&table)
}

/// A table whose last column is a word.
fn with_word(table: &[Vec<String>]) -> String {
    let n_columns = table.first().map_or(0, Vec::len);
    let align = |at: usize| if at == 0 || at + 1 == n_columns { Align::Left } else { Align::Right };
    aligned_by(table, &(0..n_columns).map(align).collect::<Vec<_>>())
}

/// Pairs that a table for people shows.
const MAX_ROWS: usize = 20;

fn pair_name([a, b]: [usize; 2]) -> String {
    format!("{}·{}", a + 1, b + 1)
}

/// The pairs of the whole model, the largest cosines first, whatever their sign.
fn whole_pairs(check: &MergeCheck) -> String {
    let n = check.weights.len();
    let mut order: Vec<(usize, [usize; 2])> = pairs(n).enumerate().collect();
    let size = |at: usize| {
        let cosine = check.whole.cosine[at].abs();
        if cosine.is_finite() { cosine } else { -1.0 }
    };
    order.sort_by(|a, b| size(b.0).total_cmp(&size(a.0)));
    let header = ["pair", "cosine", "z", "left", "right"];
    let mut table = vec![header.map(String::from).to_vec()];
    for &(at, pair) in order.iter().take(MAX_ROWS) {
        let mean = |of: fn(&ModuleMerge) -> &[f64]| {
            let known: Vec<f64> =
                check.modules.iter().map(|module| of(module)[at]).filter(|x| x.is_finite()).collect();
            shown(known.iter().sum::<f64>() / known.len() as f64)
        };
        let z = check.whole.z[at];
        table.push(vec![
            pair_name(pair),
            shown(check.whole.cosine[at]),
            shown_z(z.is_finite().then_some(z)),
            mean(|module| &module.overlap_left),
            mean(|module| &module.overlap_right),
        ]);
    }
    let mut text = numbers(&table);
    if order.len() > MAX_ROWS {
        text += &format!("and {} more pairs with smaller cosines (--json has all)\n", order.len() - MAX_ROWS);
    }
    text
}

/// Pairs that have room next to each other.
const MAX_PAIRS: usize = 60;

/// Modules × pairs, the whole model in the last row; of many pairs only the whole model, adapter × adapter.
fn heatmap(check: &MergeCheck, names: &[String], drawn: &StyleArgs) -> crate::Result<Heatmap> {
    let n = check.weights.len();
    let all: Vec<[usize; 2]> = pairs(n).collect();
    let cosines = check.modules.iter().map(|module| &module.merge.cosine).chain([&check.whole.cosine]);
    let largest = |values: &mut dyn Iterator<Item = f64>| {
        let largest = values.filter(|x| x.is_finite()).fold(0.0, |largest: f64, x| largest.max(x.abs()));
        // Up to a whole tenth.
        (10.0 * largest - 1e-9).ceil().max(1.0) / 10.0
    };
    let style =
        |title: &str, largest: f64| drawn.style_with(Palette::Coolwarm).title(title).range(-largest, largest);
    if all.len() <= MAX_PAIRS {
        let mut rows: Vec<String> = check.modules.iter().map(|module| module.name.clone()).collect();
        rows.push(whole_name(check));
        let values: Vec<f64> = cosines.flatten().copied().collect();
        let end = largest(&mut values.iter().copied());
        let values = values.into_iter().map(|x| x as f32).collect();
        let legend: Vec<String> =
            names.iter().enumerate().map(|(at, name)| format!("{}: {name}", at + 1)).collect();
        let columns = all.into_iter().map(pair_name).collect();
        let heatmap = Heatmap::named(rows, columns, values)?.note(legend.join("   "));
        return Ok(heatmap.axes("module", "pair").style(style("Cosine of the updates", end)));
    }
    let mut values = vec![1.0f32; n * n];
    for (&cosine, [a, b]) in check.whole.cosine.iter().zip(all) {
        (values[a * n + b], values[b * n + a]) = (cosine as f32, cosine as f32);
    }
    let end = largest(&mut check.whole.cosine.iter().copied());
    let heatmap = Heatmap::square(names.to_vec(), values)?.note("Columns in the order of the rows.");
    Ok(heatmap.style(style("Cosine of the updates, whole model", end)))
}
