//! `figure --kind trajectory`: how a run's checkpoints agree with its first and with its last one.

use anyhow::Result;

use super::FigureArgs;
use crate::cli::adapters::Adapters;
use crate::cli::console::Console;
use crate::cli::listing::{Cell, Listing};
use crate::cli::steps::in_order;
use crate::cli::target::Target;
use crate::cli::usage::Usage;
use crate::compare::{compare, statistics};
use crate::engine::{self, Engine, Work};
use crate::error::Fault;
use crate::figure::{Line, LineChart, LinePanel, Plot};
use crate::formats::run_and_step;
use crate::{Adapter, Basis, Error, Selection, Side};

/// φ(k, k) is that of so many directions, or of all where there are fewer.
const K: usize = 8;

/// What is drawn of each pair.
const QUANTITIES: [&str; 4] = ["ϕ(k, k)", "cosine of ΔW", "smallest angle", "largest angle"];

/// One checkpoint and one of the two ends of its run.
struct Point {
    step: u64,
    module: String,
    /// Of [`QUANTITIES`]; NaN for none.
    values: [f64; 4],
    k: usize,
}

pub(super) fn run(args: &FigureArgs, recipe: Option<&str>, console: &Console) -> Result<()> {
    let target = Target::open(&args.output, &args.shown, args.picture.page.style.dpi, recipe)?;
    let adapters = Adapters::open(&args.checkpoints, &args.selection, console)?;
    if adapters.all.len() < 2 {
        return Err(Usage("a trajectory takes two or more checkpoints of a run").into());
    }
    let selection = args.selection.of(Selection::new())?;
    let mut run = vec![];
    for (step, adapter) in in_order(&adapters.all)? {
        // B has no subspace before training: then the run starts at the next checkpoint.
        match without_basis(&selection, adapter, args.compute.side())? {
            Some(flaw) => console.note("left out", flaw),
            None => run.push((step, adapter)),
        }
    }
    if run.len() < 2 {
        let fault = Fault::new("fewer than two checkpoints with a subspace", "two or more of a run");
        return Err(fault.of(format!("side {}", args.compute.side())).unsupported().into());
    }
    let opened = engine::open(&args.compute.request(), Work { flop: 0.0, max_numbers: 0 }).wait()?;
    console.engine(opened.engine.info(), opened.reason.as_deref(), opened.warning.as_ref());
    let engine = opened.engine.as_ref();

    let mut listing =
        Listing::new(&["to", "module", "step", "k", "phi k k", "cosine", "angle min", "angle max"]);
    let mut panels = vec![];
    for (to, end) in [("the last", run[run.len() - 1].1), ("the first", run[0].1)] {
        let mut points = vec![];
        for &(step, adapter) in &run {
            points.extend(compared(engine, args, &selection, (step, adapter), end)?);
        }
        for point in &points {
            let [phi, cosine, least, most] = point.values.map(Cell::Number);
            let (module, step) = (Cell::Text(point.module.clone()), Cell::Count(point.step));
            let k = Cell::Count(point.k as u64);
            listing.row(vec![Cell::Text(to.to_owned()), module, step, k, phi, cosine, least, most]);
        }
        for (n, quantity) in QUANTITIES.into_iter().enumerate() {
            panels.push(panel(&points, n, format!("with {to}"), quantity));
        }
    }
    let name = run_and_step(run[0].1.path()).0;
    let name = name.file_name().map_or(String::new(), |name| format!(" of {}", name.to_string_lossy()));
    let chart = LineChart::of_panels(panels)?
        .x("step")
        .note("k = 8, or the rank where it is smaller. Angles in degrees, of all directions.")
        .style(args.picture.chart_style(&format!("Run{name}, side {}", args.compute.side()))?);
    chart.scene()?;
    target.fill(&chart, engine, &listing, args.compute.side(), args.compute.json, console)
}

/// What is wrong with the first module that has no subspace in a checkpoint; `None` where one has.
fn without_basis(selection: &Selection, adapter: &Adapter, side: Side) -> Result<Option<String>> {
    let mut first = None;
    for pair in selection.select(adapter, adapter, side)?.pairs {
        match Basis::of(&pair.first, side) {
            Ok(_) => return Ok(None),
            Err(error @ (Error::Io { .. } | Error::Limit(_))) => return Err(error.into()),
            Err(error) => first = first.or(Some(error.to_string())),
        }
    }
    Ok(first)
}

fn compared(
    engine: &dyn Engine,
    args: &FigureArgs,
    selection: &Selection,
    (step, adapter): (u64, &Adapter),
    end: &Adapter,
) -> Result<Vec<Point>> {
    let side = args.compute.side();
    let selected = selection.select(adapter, end, side)?;
    let compared = compare(engine, &selected.pairs, side)?;
    let numbers = statistics(engine, &compared, [adapter, end], true)?;
    let point = |(one, numbers): (&crate::Comparison, &crate::measure::PairStatistics)| {
        let pair = &one.factorised.pair;
        let k = K.min(one.grid.n_rows()).min(one.grid.n_cols());
        let angles = numbers.numbers("angles");
        let end = |angle: Option<&f64>| angle.copied().unwrap_or(f64::NAN);
        let values = [
            one.grid.phi(k, k).unwrap_or(f64::NAN),
            numbers.number("cosine").unwrap_or(f64::NAN),
            end(angles.first()),
            end(angles.last()),
        ];
        let module = match pair.layer() {
            Some(layer) => format!("{}, layer {layer}", pair.label()),
            None => pair.name().to_owned(),
        };
        Point { step, module, values, k }
    };
    Ok(compared.iter().zip(&numbers).map(point).collect())
}

/// A line for each module.
fn panel(points: &[Point], quantity: usize, title: String, y_name: &str) -> LinePanel {
    let mut lines: Vec<Line> = vec![];
    for point in points {
        let at = (point.step as f64, point.values[quantity]);
        match lines.iter_mut().find(|line| line.name == point.module) {
            Some(line) => line.points.push(at),
            None => lines.push(Line { name: point.module.clone(), points: vec![at] }),
        }
    }
    LinePanel { title: format!("{y_name} {title}"), y_name: y_name.to_owned(), lines, ..LinePanel::default() }
}
