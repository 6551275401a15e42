//! `lorascope shared`: how much of several checkpoints lies in one space.

use std::num::NonZeroUsize;
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
use super::side;
use super::sink::Sink;
use super::summary_table::{MISSING, numbers};
use super::usage::Usage;
use super::{Outcome, progress, write_json, write_text};
use crate::error::Error;
use crate::figure::{Line, LineChart};
use crate::hub;
use crate::names::{label, layer};
use crate::shared_space::{Chance, ModuleSpace, SharedSpace, shared_space};
use crate::text::{counted, printable};
use crate::{Selection, Side};

pub(super) const SHARED_HELP: &str = "\
A CHECKPOINT is a file or folder as for figure, a folder to search for checkpoints, or a glob. Modules that not all of them \
have are left out.

For each module, λ₁ is the largest eigenvalue of the mean projector (1/N)·Σ V·Vᵀ: the mean over the checkpoints of cos² \
between the most shared direction and their subspaces. 1: all hold it. 1/N: no two share anything. `by chance` is what random \
subspaces of these ranks would give. `shared` counts the directions whose eigenvalue random subspaces reach once in a hundred \
times. 50 %, 90 %, 95 % and 99 %: so many directions hold that share of all subspaces; the column after them has 90 % by chance.

`held out` is the share of a checkpoint's subspace that k directions of the other checkpoints hold, without its own part in \
them: k/d by chance, and at most k over its rank. With more than 8 checkpoints, they are held out in 8 groups. k is the \
largest rank in the module, or -k, or what the others have.

Examples:
  lorascope shared runs/seed*
  lorascope shared runs/ --side b -k 32 -o scree.png
  lorascope shared runs/ --side b --save shared.safetensors";

/// The shares of all subspaces for which directions are counted.
const SHARES: [f64; 4] = [0.5, 0.9, 0.95, 0.99];

#[derive(Debug, ArgGroup)]
pub(super) struct SharedArgs {
    /// Checkpoints, folders of them, or globs: two checkpoints or more
    #[arg(value_name = "CHECKPOINT", required = true)]
    checkpoints: Vec<PathBuf>,
    /// Number of shared directions [default: the largest rank]
    ///
    /// The largest rank of the module's checkpoints.
    #[arg(short = 'k', long, value_name = "N")]
    directions: Option<NonZeroUsize>,
    /// Subspace to compare: a, b, dw-right or dw-left
    ///
    /// a: right-singular vectors of A, the paper's choice. b: left-singular vectors of B. dw-right and dw-left: right- and
    /// left-singular vectors of ΔW.
    #[arg(long, value_name = "SIDE", default_value = "a", value_parser = side::of_update)]
    side: Side,
    /// Draw the eigenvalues, with those of random subspaces, to this file
    ///
    /// A .png, .pdf or .svg file, or - for stdout.
    #[arg(short, long, value_name = "FILE", value_parser = output::picture())]
    output: Option<PictureOutput>,
    /// Write the shared directions to this .safetensors file
    ///
    /// For each module a tensor (k, d) of its name, in f32.
    #[arg(long, value_name = "FILE", value_parser = output::safetensors())]
    save: Option<Destination>,
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

pub(super) fn run(args: &SharedArgs, console: &Console) -> Result<Outcome> {
    let to_stdout = args.output.as_ref().is_some_and(|output| output.to == Destination::Stdout);
    if args.json && to_stdout {
        return Err(Usage("--json and -o - would both write to stdout").into());
    }
    let adapters = Adapters::open(&args.checkpoints, &args.selection, console)?;
    let selection = args.selection.of(Selection::new().all())?;
    let modules = selection.select_in_all(&adapters.all, args.side)?;
    adapters.report_left_out(&modules, console);
    let picture = args.output.as_ref().map(|output| output.open(args.shown.format)).transpose()?;
    let save = args.save.as_ref().map(Sink::open).transpose()?;

    let flop = modules.modules.iter().flatten().map(|module| {
        let (r, d) = (module.rank() as f64, args.side.d(module) as f64);
        (20.0 + 2.0 * adapters.all.len() as f64) * r * r * d
    });
    let bar = progress::bar(console, "modules", modules.modules.len(), flop.sum());
    let directions = args.directions.map(NonZeroUsize::get);
    let shared = shared_space(&adapters.all, &modules, args.side, directions, || bar.inc(1));
    bar.finish_and_clear();
    let shared = shared?;

    let without_basis = LeftOut::of_modules(&adapters.all, &shared.without_basis);
    left_out::details(&without_basis, console);
    let mut cautions = adapters.cautions(&without_basis, &modules, console);
    cautions.extend(shared_init(&shared));
    cautions.iter().for_each(|caution| console.warning(&caution.message));

    if picture.is_some() || args.shown.preview {
        let chart = scree(&shared)?.style(args.style.style().title(title(&shared)));
        args.shown.draw(&chart, picture, console)?;
        if let Some(Destination::File(path)) = args.output.as_ref().map(|output| &output.to) {
            console.note("wrote", path.display());
        }
    }
    if let (Some(sink), Some(Destination::File(path))) = (save, &args.save) {
        sink.fill(|writer| {
            shared.write_directions(writer).map_err(|error| Error::io("write", "directions", error))
        })?;
        console.note("wrote", path.display());
    }
    if args.json {
        let document = Document::of(&adapters, &shared, &without_basis, &cautions);
        write_json(&document)?;
    } else {
        write_text(&text(&shared), to_stdout, console)?;
    }
    Ok(adapters.outcome)
}

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    version: &'static str,
    side: String,
    adapters: Vec<AdapterFacts<'a>>,
    modules: Vec<ModuleFacts<'a>>,
    /// Modules that not all adapters have.
    left_out: &'a [String],
    /// Modules in which some adapter has no subspace.
    without_basis: &'a [LeftOut],
    warnings: &'a [Caution],
}

#[derive(Serialize)]
struct ModuleFacts<'a> {
    #[serde(flatten)]
    space: &'a ModuleSpace,
    directions_for: Vec<DirectionsFor>,
}

/// How many directions hold a share of all subspaces.
#[derive(Serialize)]
struct DirectionsFor {
    share: f64,
    directions: usize,
    by_chance: Option<usize>,
}

impl<'a> Document<'a> {
    fn of(
        adapters: &'a Adapters,
        shared: &'a SharedSpace,
        without_basis: &'a [LeftOut],
        warnings: &'a [Caution],
    ) -> Self {
        let needed = |space: &ModuleSpace, share: f64| DirectionsFor {
            share,
            directions: space.directions_for(share),
            by_chance: space.chance.as_ref().map(|chance| chance.directions_for(share)),
        };
        let facts = |space: &'a ModuleSpace| ModuleFacts {
            space,
            directions_for: SHARES.map(|share| needed(space, share)).into(),
        };
        Self {
            schema: 1,
            version: env!("CARGO_PKG_VERSION"),
            side: shared.side.to_string(),
            adapters: AdapterFacts::of(&adapters.all),
            modules: shared.modules.iter().map(facts).collect(),
            left_out: &shared.left_out,
            without_basis,
            warnings,
        }
    }
}

/// A start that adapters share makes their subspaces alike on the sides that A decides.
fn shared_init(shared: &SharedSpace) -> Option<Caution> {
    let n_adapters = shared.adapters.len();
    let is_marked = |at: &usize| shared.modules.iter().any(|module| module.coverage[*at].shared_init);
    let n = (0..n_adapters).filter(is_marked).count();
    (n > 0).then(|| Caution {
        code: "shared-init",
        message: format!(
            "{n} of {n_adapters} adapters share the random start of A with another one, so what they share on this side says \
             little about what was learnt: compare --side b, since B starts at zero"
        ),
    })
}

/// A row for each module, then one for each adapter.
fn text(shared: &SharedSpace) -> String {
    let header = ["module", "d", "q", "λ₁", "by chance", "shared", "50 %", "90 %", "95 %", "99 %"];
    let mut rows = vec![header.map(String::from).to_vec()];
    rows[0].extend(["90 % by chance", "k", "held out", "at most", "by chance"].map(String::from));
    rows.extend(shared.modules.iter().map(module_row));
    let mut text = numbers(&rows);

    let header = ["adapter", "held out", "at most", "by chance", "least", "in"];
    let mut rows = vec![header.map(String::from).to_vec()];
    for (at, path) in shared.adapters.iter().enumerate() {
        let coverage = shared.modules.iter().map(|module| &module.coverage[at]);
        let n = shared.modules.len() as f64;
        let mean = |of: fn(&crate::shared_space::Coverage) -> f64| coverage.clone().map(of).sum::<f64>() / n;
        let by_share =
            |a: &&ModuleSpace, b: &&ModuleSpace| a.coverage[at].held_out.total_cmp(&b.coverage[at].held_out);
        let Some(least) = shared.modules.iter().min_by(by_share) else { continue };
        rows.push(vec![
            printable(&hub::display(path), 200),
            format!("{:.3}", mean(|one| one.held_out)),
            format!("{:.3}", mean(|one| one.most)),
            format!("{:.3}", mean(|one| one.chance)),
            format!("{:.3}", least.coverage[at].held_out),
            printable(&least.name, 100),
        ]);
    }
    text.push('\n');
    text += &numbers(&rows);
    text
}

fn module_row(module: &ModuleSpace) -> Vec<String> {
    let chance = |of: &dyn Fn(&Chance) -> String| module.chance.as_ref().map_or(MISSING.to_owned(), of);
    let n = module.coverage.len() as f64;
    let mean =
        |of: fn(&crate::shared_space::Coverage) -> f64| module.coverage.iter().map(of).sum::<f64>() / n;
    let (least, most) = (module.q.iter().min(), module.q.iter().max());
    let q = match (least, most) {
        (Some(least), Some(most)) if least != most => format!("{least}–{most}"),
        _ => module.q[0].to_string(),
    };
    let mut row = vec![
        printable(&module.name, 100),
        module.d.to_string(),
        q,
        format!("{:.3}", module.eigenvalues[0]),
        chance(&|chance| format!("{:.3}", chance.largest)),
        module.n_above_chance.map_or(MISSING.to_owned(), |n| n.to_string()),
    ];
    row.extend(SHARES.map(|share| module.directions_for(share).to_string()));
    row.push(chance(&|chance| chance.directions_for(0.9).to_string()));
    row.push(module.k.to_string());
    let held_out = [mean(|one| one.held_out), mean(|one| one.most), mean(|one| one.chance)];
    row.extend(held_out.map(|mean| format!("{mean:.3}")));
    row
}

/// So many lines have colours that can be told apart, with the one of chance.
const MAX_LINES: usize = 6;

fn title(shared: &SharedSpace) -> String {
    let symbol = match shared.side {
        Side::A => "A",
        Side::B => "B",
        Side::DwRight => "the right side of ΔW",
        Side::DwLeft => "the left side of ΔW",
    };
    format!("Shared directions of {}, {symbol}", counted(shared.adapters.len(), "adapter"))
}

/// The eigenvalues over their numbers: a line for each module, or the means of each projection, or of all; and chance.
fn scree(shared: &SharedSpace) -> crate::Result<LineChart> {
    let modules: Vec<&ModuleSpace> = shared.modules.iter().collect();
    let mut groups: Vec<(String, Vec<&ModuleSpace>)> = vec![];
    let by_module = modules.len() <= MAX_LINES;
    for module in &modules {
        let name = match layer(&module.name) {
            Some(layer) if by_module => format!("{} of layer {layer}", label(&module.name)),
            _ => label(&module.name).to_owned(),
        };
        match groups.iter_mut().find(|(other, _)| !by_module && *other == name) {
            Some((_, group)) => group.push(module),
            None => groups.push((name, vec![module])),
        }
    }
    if groups.len() > MAX_LINES {
        groups = vec![("all modules".to_owned(), modules.clone())];
    }
    for (name, group) in &mut groups {
        if group.len() > 1 {
            *name += &format!(", mean of {}", group.len());
        }
    }
    // What is past almost all of every module's subspaces is flat.
    let n_shown = modules.iter().map(|module| module.directions_for(0.99)).max().unwrap_or(1);
    let line = |name: String, values: Vec<&[f64]>| Line {
        name,
        points: (0..n_shown)
            .map(|k| {
                let sum: f64 = values.iter().map(|values| values.get(k).copied().unwrap_or(0.0)).sum();
                ((k + 1) as f64, sum / values.len() as f64)
            })
            .collect(),
    };
    let of_group = |(name, group): (String, Vec<&ModuleSpace>)| {
        line(name, group.iter().map(|module| module.eigenvalues.as_slice()).collect())
    };
    let mut lines: Vec<Line> = groups.into_iter().map(of_group).collect();
    let chance: Vec<&[f64]> =
        modules.iter().filter_map(|module| Some(module.chance.as_ref()?.eigenvalues.as_slice())).collect();
    if !chance.is_empty() {
        lines.push(line("random subspaces".to_owned(), chance));
    }
    Ok(LineChart::new(lines)?.axes("direction", "eigenvalue of the mean projector"))
}
