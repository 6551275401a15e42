//! `figure --kind intruders`: how far the strongest directions of W + ΔW are directions of W, for each module of a checkpoint.

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::FigureArgs;
use super::weights::{Weights, titles};
use crate::Side;
use crate::changes::{Change, Each};
use crate::cli::adapters::AdapterFacts;
use crate::cli::console::Console;
use crate::cli::listing::{Cell, Listing};
use crate::cli::target::Target;
use crate::cli::tuned;
use crate::cli::usage::Usage;
use crate::engine::CpuPainter;
use crate::error::Fault;
use crate::figure::{Heatmap, Line, LineChart, LinePanel, Palette, Plot};
use crate::measure::against_base::{IntruderOptions, Intruders};
use crate::text::counted;

/// Modules that have a line each. Of more, lines could not be told apart.
const MOST_LINES: usize = 8;

/// One module's directions.
struct Found<'a> {
    module: &'a str,
    intruders: Intruders,
}

pub(super) fn run(args: &FigureArgs, recipe: Option<&str>, console: &Console) -> Result<()> {
    if args.compute.side() != Side::DwLeft {
        return Err(Usage("intruders are counted by left-singular vectors, which are --side dw-left").into());
    }
    let target = Target::open(&args.output, &args.shown, args.picture.page.style.dpi, recipe)?;
    let weights = Weights::open(args, console)?;
    let [changes] = &weights.changes[..] else {
        return Err(Usage("--kind intruders takes a base model and one checkpoint").into());
    };
    let options = args.weights.intruders();
    let Each { done, left_out, .. } = tuned::each(changes, console, |change| intruders(change, options))?;
    for without in &left_out {
        console.note("left out", without.to_string());
    }
    let mut all = vec![];
    for (change, intruders) in changes.changes.iter().zip(done) {
        match intruders {
            None => {}
            Some(Some(intruders)) => all.push(Found { module: change.name(), intruders }),
            Some(None) => console.note("left out", format!("{}: the weight is zeros", change.name())),
        }
    }
    if all.is_empty() {
        let fault = Fault::new("weights of zeros", "a weight with directions").at(weights.base.path());
        return Err(fault.invalid().into());
    }
    let warnings = tuned::cautions(&weights.adapters, &weights.changes, &[], console);

    let name = weights.adapters.short_names().swap_remove(0);
    let (n, n_all) = all
        .iter()
        .fold((0, 0), |(n, n_all), one| (n + one.intruders.count(), n_all + one.intruders.cosines.len()));
    let title = format!("{}: {n} of {n_all} directions are intruders", name);
    let picture: Box<dyn Plot> = match all.len() {
        ..=MOST_LINES => Box::new(lines(args, &all, options, &title)?),
        _ => Box::new(heatmap(args, &all, options, &title)?),
    };
    let mut facts = Map::new();
    facts.insert("base".to_owned(), Value::from(weights.base.path().display().to_string()));
    facts.insert("checkpoints".to_owned(), serde_json::to_value(AdapterFacts::of(&weights.adapters.all))?);
    facts.insert("epsilon".to_owned(), Value::from(options.epsilon));
    facts.insert("rows".to_owned(), all.iter().map(Found::json).collect());
    facts.insert("warnings".to_owned(), serde_json::to_value(&warnings)?);
    let text = text(&all);
    target.fill_with(picture.as_ref(), &CpuPainter, (&text, facts), args.compute.json, console)
}

/// `None` for a weight of zeros.
fn intruders(change: &Change, options: IntruderOptions) -> crate::Result<Option<Intruders>> {
    let numbers = change.read()?;
    let own = numbers.weight_vectors(None)?;
    if own.n() == 0 {
        return Ok(None);
    }
    Intruders::of(&own, &numbers.tuned_vectors(options.top)?, options).map(Some)
}

impl Found<'_> {
    /// The smallest cosine and the direction, from 1, that has it.
    fn least(&self) -> (usize, f64) {
        let all = (1..).zip(self.intruders.cosines.iter().copied());
        all.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((0, f64::NAN))
    }

    fn json(&self) -> Value {
        let Intruders { cosines, .. } = &self.intruders;
        json!({
            "module": self.module,
            "layer": crate::names::layer(self.module),
            "count": self.intruders.count(),
            "cosines": cosines,
        })
    }
}

/// A row for each module.
fn text(all: &[Found<'_>]) -> String {
    let mut listing = Listing::new(&["module", "intruders", "of", "least cosine", "of direction"]);
    for one in all {
        let (at, least) = one.least();
        let [n, of, at] =
            [one.intruders.count(), one.intruders.cosines.len(), at].map(|n| Cell::Count(n as u64));
        listing.row(vec![Cell::Text(one.module.to_owned()), n, of, Cell::Number(least), at]);
    }
    listing.text()
}

/// A name for each module, with how many of its directions are intruders.
fn named(all: &[Found<'_>]) -> Vec<String> {
    let names: Vec<&str> = all.iter().map(|one| one.module).collect();
    let count = |one: &Found<'_>| format!("{} of {}", one.intruders.count(), one.intruders.cosines.len());
    titles(&names).into_iter().zip(all).map(|(title, one)| format!("{title}: {}", count(one))).collect()
}

/// A line for each module, with ε, and rings on intruders.
fn lines(args: &FigureArgs, all: &[Found<'_>], options: IntruderOptions, title: &str) -> Result<LineChart> {
    let mut panel = LinePanel::default();
    let mut longest = 0;
    for (n_line, (name, one)) in named(all).into_iter().zip(all).enumerate() {
        let cosines = &one.intruders.cosines;
        longest = longest.max(cosines.len());
        let points: Vec<(f64, f64)> = (1..).map(f64::from).zip(cosines.iter().copied()).collect();
        let below = points.iter().filter(|(_, cosine)| *cosine < options.epsilon);
        panel.marks.extend(below.map(|&(k, cosine)| (n_line, k, cosine)));
        panel.lines.push(Line { name, points });
    }
    let ends = [1.0, longest as f64];
    panel.behind.push(Line { name: String::new(), points: ends.map(|k| (k, options.epsilon)).to_vec() });
    let style = args.picture.chart_style(title)?.range(0.0, 1.0);
    let chart = LineChart::of_panels(vec![panel])?
        .axes("left-singular vector of W + ΔW, by its strength", "largest |cosine| with W's")
        .note(format!(
            "Grey: ε = {}. Rings: below it, intruders, directions that W does not have.",
            options.epsilon
        ));
    Ok(chart.style(style))
}

/// A row for each module, a column for each direction, in colours with ε in their middle; intruders have their numbers.
fn heatmap(args: &FigureArgs, all: &[Found<'_>], options: IntruderOptions, title: &str) -> Result<Heatmap> {
    let IntruderOptions { epsilon, .. } = options;
    let n_cols = all.iter().map(|one| one.intruders.cosines.len()).max().unwrap_or(0);
    let cells: Vec<Option<f64>> =
        all.iter().flat_map(|one| (0..n_cols).map(|k| one.intruders.cosines.get(k).copied())).collect();
    let number = |cosine: &Option<f64>| match cosine {
        Some(cosine) if *cosine < epsilon => format!("{cosine:.2}"),
        _ => String::new(),
    };
    let numbers = cells.iter().map(number).collect();
    let values = cells.iter().map(|cosine| cosine.map_or(f32::NAN, |cosine| cosine as f32)).collect();
    // Both ends as far from ε: what is past one end has its colour, and the bar an arrow.
    let to_end = epsilon.min(1.0 - epsilon).max(0.1);
    let range = (epsilon - to_end, epsilon + to_end);
    args.picture.axes.check_named()?;
    let style = args.picture.page.style_from(title, Palette::Coolwarm, range);
    let style = args.picture.axes.on(style);
    let note = format!(
        "The largest |cosine| with W's left-singular vectors. With a number: below ε = {epsilon}, intruders, in {} of {}.",
        all.iter().filter(|one| one.intruders.count() > 0).count(),
        counted(all.len(), "module")
    );
    let cols = (1..=n_cols).map(|k| k.to_string()).collect();
    let map = Heatmap::named(named(all), cols, values)?.axes("module", "left-singular vector of W + ΔW");
    Ok(map.numbers(numbers).note(note).style(style))
}
