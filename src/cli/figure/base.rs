//! `figure --kind base`: φ(i, j) of the directions of a base model's weights and those of updates, the paper's figure 8.

use anyhow::Result;
use serde::Serialize;
use serde_json::{Map, Value};

use super::FigureArgs;
use super::weights::{Weights, titles};
use crate::changes::{Change, ChangeNumbers, Each};
use crate::cli::adapters::AdapterFacts;
use crate::cli::arrangement::Arrangement;
use crate::cli::console::Console;
use crate::cli::kind::Kind;
use crate::cli::options::Control;
use crate::cli::picture::over_vmax;
use crate::cli::summary_table::{Column, EngineFacts, table};
use crate::cli::target::Target;
use crate::cli::tuned::{self, args::Of};
use crate::cli::usage::Usage;
use crate::engine::{self, Pair, Work};
use crate::error::Fault;
use crate::figure::{Figure, Panel};
use crate::{Basis, Grid, ModulePair, Side};

/// A module's weight, and the update of each checkpoint.
struct OfModule<'a> {
    change: &'a Change,
    directions: Directions,
}

struct Directions {
    weight: Basis,
    /// `None` where the update has no direction.
    updates: Vec<Option<Basis>>,
    control: Option<Basis>,
}

/// What a panel is of.
struct Shown<'a> {
    module: &'a OfModule<'a>,
    /// The number of the checkpoint; `None` for the control.
    run: Option<usize>,
    update: &'a Basis,
}

/// A panel's summary.
#[derive(Debug, Serialize)]
struct Described<'a> {
    checkpoint: Option<&'a str>,
    #[serde(flatten)]
    column: &'a Column,
}

pub(super) fn run(args: &FigureArgs, recipe: Option<&str>, console: &Console) -> Result<()> {
    if matches!(args.compute.side(), Side::A | Side::B) {
        return Err(Usage(
            "sides a and b are of an adapter's factors, which the weight W does not have: --side dw-right or dw-left",
        )
        .into());
    }
    if args.picture.show_ties {
        return Err(Usage("--show-ties is for --kind seeds and ranks").into());
    }
    args.picture.axes.check_cells()?;
    let target = Target::open(&args.output, &args.shown, args.picture.page.style.dpi, recipe)?;
    let weights = Weights::open(args, console)?;
    let is_one = weights.adapters.all.len() == 1;
    let pairs = pairs(&weights);
    let arrangement = Arrangement::of(Kind::Base, &pairs);
    let has_control = match args.control.control {
        Some(control) => control == Control::Gaussian,
        None => !(is_one && arrangement.has_rows()),
    };
    let Each { done, left_out, .. } =
        tuned::each(&weights.changes[0], console, |change| directions(args, &weights, change, has_control))?;
    let names = weights.adapters.short_names();
    for without in &left_out {
        console.note("left out", without.to_string());
    }
    let mut modules: Vec<OfModule<'_>> = left_in(done, &weights, &names, console)?;
    if is_one {
        // One, of the first module, is enough for all.
        modules.iter_mut().skip(1).for_each(|module| module.directions.control = None);
    }
    let warnings = weights.adapters.own_cautions(console);
    warnings.iter().for_each(|caution| console.warning(&caution.message));

    let shown = shown(&modules, is_one);
    let work =
        shown.iter().map(|one| 2.0 * (one.module.directions.weight.rows().len() * one.update.q()) as f64);
    let opened = engine::open(&args.compute.request(), Work { flop: work.sum(), max_numbers: 0 }).wait()?;
    console.engine(opened.engine.info(), opened.reason.as_deref(), opened.warning.as_ref());
    let engine = opened.engine.as_ref();
    let of_engine: Vec<Pair<'_>> =
        shown.iter().map(|one| Pair { a: &one.module.directions.weight, b: one.update }).collect();
    let grids = engine.grids(&of_engine)?;
    engine.take_warnings().into_iter().for_each(|warning| console.warning(warning));

    let columns = columns(&shown, &grids, &names);
    let figure = figure(args, &modules, &shown, &grids, &names)?;
    if let Some(note) = over_vmax(&figure, &columns, &grids.iter().collect::<Vec<_>>()) {
        console.note("note", note);
    }
    let panels: Vec<Described<'_>> = columns
        .iter()
        .zip(&shown)
        .map(|(column, one)| Described { checkpoint: one.run.map(|run| names[run].as_str()), column })
        .collect();
    let mut facts = Map::new();
    facts.insert("engine".to_owned(), serde_json::to_value(EngineFacts::from(engine.info()))?);
    facts.insert("base".to_owned(), Value::from(weights.base.path().display().to_string()));
    facts.insert("checkpoints".to_owned(), serde_json::to_value(AdapterFacts::of(&weights.adapters.all))?);
    facts.insert("side".to_owned(), Value::from(args.compute.side.to_string()));
    facts.insert("of".to_owned(), Value::from(args.weights.of().key()));
    facts.insert("seed".to_owned(), Value::from(args.control.seed));
    facts.insert("panels".to_owned(), serde_json::to_value(&panels)?);
    facts.insert("warnings".to_owned(), serde_json::to_value(&warnings)?);
    target.fill_with(&figure, engine, (&table(&columns), facts), args.compute.json, console)
}

/// The first checkpoint's modules, as an arrangement has them.
fn pairs(weights: &Weights) -> Vec<ModulePair> {
    let module = |change: &Change| {
        let module = std::sync::Arc::new(change.module().clone());
        ModulePair { first: module.clone(), second: module }
    };
    weights.changes[0].changes.iter().map(module).collect()
}

/// The directions of a weight, and of what each checkpoint makes of it.
fn directions(
    args: &FigureArgs,
    weights: &Weights,
    change: &Change,
    has_control: bool,
) -> crate::Result<Option<Directions>> {
    let (side, seed) = (args.compute.side(), args.control.seed);
    let mut updates = vec![];
    let mut first: Option<ChangeNumbers> = None;
    for changes in &weights.changes {
        let Some(own) = changes.changes.iter().find(|own| own.name() == change.name()) else {
            updates.push(None);
            continue;
        };
        let numbers = own.read()?;
        updates.push(numbers.update_basis(side, args.selection.rank())?.map(|update| update.basis));
        first.get_or_insert(numbers);
    }
    let largest = updates.iter().flatten().map(Basis::q).max();
    let (Some(largest), Some(numbers)) = (largest, first) else { return Ok(None) };
    let n = args.weights.directions.map_or(largest, std::num::NonZeroUsize::get);
    let Some(weight) = numbers.weight_basis(side, args.weights.of().directions(seed), n)? else {
        return Ok(None);
    };
    let control = has_control.then(|| random(largest, weight.basis.d(), side, seed)).transpose()?;
    Ok(Some(Directions { weight: weight.basis, updates, control }))
}

/// A random update. Random directions in W's place have the other stream of numbers of each side.
fn random(r: usize, d: usize, side: Side, seed: u64) -> crate::Result<Basis> {
    match side {
        Side::DwLeft => Basis::gaussian_other(r, d, seed),
        _ => Basis::gaussian(r, d, seed),
    }
}

/// The modules that have directions; says which have not.
fn left_in<'a>(
    modules: Vec<Option<Option<Directions>>>,
    weights: &'a Weights,
    names: &[String],
    console: &Console,
) -> Result<Vec<OfModule<'a>>> {
    let mut left = vec![];
    for (module, change) in modules.into_iter().zip(&weights.changes[0].changes) {
        let Some(directions) = module else { continue };
        let Some(directions) = directions else {
            console.note("left out", format!("{}: the weight or all updates are zeros", change.name()));
            continue;
        };
        for (name, update) in names.iter().zip(&directions.updates) {
            if update.is_none() {
                console.note("left out", format!("{name}: {}: no update with a direction", change.name()));
            }
        }
        left.push(OfModule { change, directions });
    }
    if left.is_empty() {
        let fault = Fault::new("zeros", "a weight and an update with directions").at(weights.base.path());
        return Err(fault.invalid().into());
    }
    Ok(left)
}

/// What the panels are of: for each module the updates and then a control, or for one checkpoint the control at the end.
fn shown<'a>(modules: &'a [OfModule<'a>], is_one: bool) -> Vec<Shown<'a>> {
    let mut shown = vec![];
    for module in modules {
        for (run, update) in module.directions.updates.iter().enumerate() {
            shown.extend(update.as_ref().map(|update| Shown { module, run: Some(run), update }));
        }
        if !is_one {
            shown.extend(module.directions.control.as_ref().map(|update| Shown {
                module,
                run: None,
                update,
            }));
        }
    }
    if let (true, Some(module)) = (is_one, modules.first()) {
        shown.extend(module.directions.control.as_ref().map(|update| Shown { module, run: None, update }));
    }
    shown
}

fn columns(shown: &[Shown<'_>], grids: &[Grid], names: &[String]) -> Vec<Column> {
    let of_modules: Vec<&str> = shown.iter().map(|one| one.module.change.name()).collect();
    let modules = distinct(&of_modules);
    let column = |((one, grid), module): ((&Shown<'_>, &Grid), String)| {
        let (title, name) = match one.run {
            None if names.len() == 1 => ("Random ΔW".to_owned(), None),
            None => (format!("Random ΔW_{module}"), None),
            Some(_) if names.len() == 1 => (format!("ΔW_{module}"), Some(one.module.change.name())),
            Some(run) => (format!("{}, ΔW_{module}", names[run]), Some(one.module.change.name())),
        };
        Column::of_weight(title, name, [&one.module.directions.weight, one.update], grid)
    };
    shown.iter().zip(grids).zip(modules).map(column).collect()
}

/// The projection of each module, with the layer where there are several modules of one name.
fn distinct(names: &[&str]) -> Vec<String> {
    let label = crate::names::label;
    let is_other = |name: &str, other: &&str| *other != name && label(other) == label(name);
    let mut titles = titles(names).into_iter().zip(names);
    let short = |(title, name): (String, &&str)| match names.iter().any(|other| is_other(name, other)) {
        true => title,
        false => label(name).to_owned(),
    };
    titles.by_ref().map(short).collect()
}

/// The panels in their places: for one checkpoint as those of two, for several a row for each module and a column for each.
fn figure(
    args: &FigureArgs,
    modules: &[OfModule<'_>],
    shown: &[Shown<'_>],
    grids: &[Grid],
    names: &[String],
) -> Result<Figure> {
    let of_rows = match args.weights.of() {
        Of::Top => "W",
        Of::Bottom => "W, the weakest first",
        Of::Random => "random",
    };
    let shape = |grid: &Grid| (grid.n_rows(), grid.n_cols());
    let are_equal = grids.windows(2).all(|two| shape(&two[0]) == shape(&two[1]));
    let is_square = grids.iter().all(|grid| grid.n_rows() == grid.n_cols());
    let mut titles_of_user = args.picture.panel_title.iter();
    let mut panels: Vec<Panel> = vec![];
    for (one, grid) in shown.iter().zip(grids) {
        let panel = match one.run {
            Some(_) => Panel::module(one.module.change.name(), grid.clone()),
            None => Panel::control(grid.clone()).title("Random ΔW"),
        };
        let mut panel = panel.axes(of_rows, "ΔW").quantity(args.picture.quantity());
        if !(are_equal && is_square) {
            panel = panel.stretched();
        }
        let own = match one.run {
            Some(run) if names.len() > 1 => Some(format!("{}, r = {}", names[run], one.update.q())),
            _ => None,
        };
        panels.push(match titles_of_user.next().cloned().or(own) {
            Some(title) => panel.title(title),
            None => panel,
        });
    }
    let symbol = args.compute.side().symbol();
    let figure = if names.len() == 1 {
        let control = (shown.len() > modules.len()).then(|| panels.pop()).flatten();
        let module = |one: &OfModule<'_>| {
            let module = std::sync::Arc::new(one.change.module().clone());
            ModulePair { first: module.clone(), second: module }
        };
        let pairs: Vec<ModulePair> = modules.iter().map(module).collect();
        let pairs_by_place: Vec<&ModulePair> = pairs.iter().collect();
        Arrangement::of(Kind::Base, &pairs).figure(symbol, &pairs_by_place, panels, control)?
    } else {
        in_rows(Figure::new(symbol), modules, shown, panels)
    };
    let figure = figure.rows_of(if args.weights.of() == Of::Random { "R" } else { "W" });
    // φ with a weight is far below that of two runs, so that colours end at the next tenth.
    let largest = figure.largest();
    let vmax = ((10.0 * largest - 1e-3).ceil() / 10.0).max(0.1);
    let style = args.picture.style(vmax, largest);
    Ok(args.picture.with_lines(figure.style(style))?)
}

/// A row for each module, a column for each checkpoint and one for the control.
fn in_rows(mut figure: Figure, modules: &[OfModule<'_>], shown: &[Shown<'_>], panels: Vec<Panel>) -> Figure {
    let names: Vec<&str> = modules.iter().map(|module| module.change.name()).collect();
    let mut left = shown.iter().zip(panels).peekable();
    for (module, title) in modules.iter().zip(titles(&names)) {
        let n_cols = module.directions.updates.len() + usize::from(module.directions.control.is_some());
        let mut row: Vec<Option<Panel>> = vec![None; n_cols];
        while let Some((one, panel)) = left.next_if(|(one, _)| std::ptr::eq(one.module, module)) {
            row[one.run.unwrap_or(n_cols - 1)] = Some(panel);
        }
        figure = figure.row(title, row);
    }
    figure
}
