//! `figure --kind layer-map`: one number of two checkpoints for every module, layers down and projections across.

use anyhow::Result;

use super::FigureArgs;
use crate::Selection;
use crate::cli::adapters::Adapters;
use crate::cli::console::Console;
use crate::cli::job::{Done, Extent, Job};
use crate::cli::listing::{Cell, Listing};
use crate::cli::places::Places;
use crate::cli::target::Target;
use crate::cli::usage::Usage;
use crate::error::Fault;
use crate::figure::{Heatmap, Palette};
use crate::names::layer;
use crate::text::{listed, quoted};

/// Values this far under zero, as a share of the largest, have a sign that counts.
const SIGNED: f32 = 0.05;

pub(super) fn run(args: &FigureArgs, recipe: Option<&str>, console: &Console) -> Result<()> {
    let target = Target::open(&args.output, &args.shown, args.picture.page.style.dpi, recipe)?;
    let adapters = Adapters::open(&args.checkpoints, &args.selection, console)?;
    let [a, b] = &adapters.all[..] else {
        return Err(Usage("this kind of figure takes two checkpoints").into());
    };
    let selected = args.selection.of(Selection::new().all())?.select(a, b, args.compute.side())?;
    if let Some(note) = &selected.note {
        console.note("note", note);
    }
    let extent = if args.statistic.starts_with("angle") { Extent::Angles } else { Extent::Statistics };
    let job = Job::of([a, b], &selected, &args.compute, extent);
    let done = job.run(console)?;
    let values = values(&done, &args.statistic)?;
    let names: Vec<&str> = done.comparisons.iter().map(|one| one.factorised.pair.name()).collect();
    let mut listing = Listing::new(&["module", "layer", "value"]);
    for (name, value) in names.iter().zip(&values) {
        let layer = layer(name).map_or(Cell::Text("–".to_owned()), |layer| Cell::Count(layer as u64));
        listing.row(vec![Cell::Text((*name).to_owned()), layer, Cell::Number(*value)]);
    }
    let runs = adapters.short_names();
    let side = match args.statistic.as_str() {
        // Of the updates, whatever the side.
        "cosine" => String::new(),
        _ => format!(", side {}", args.compute.side()),
    };
    let title = format!("{}{side}, {} and {}", words(&args.statistic), runs[0], runs[1]);
    let heatmap = heatmap(args, Places::of(&names), &values, &title)?;
    target.fill(&heatmap, done.engine.as_ref(), &listing, args.compute.side(), args.compute.json, console)
}

/// The number of each comparison; NaN for none.
fn values(done: &Done, name: &str) -> Result<Vec<f64>> {
    let cell = name.strip_prefix("phi_").and_then(|k| k.parse().ok()).filter(|k: &usize| *k > 0);
    if let Some(k) = cell {
        let value = |one: &crate::Comparison| one.grid.phi(k, k).unwrap_or(f64::NAN);
        return Ok(done.comparisons.iter().map(value).collect());
    }
    let known: Vec<&str> = done
        .statistics
        .first()
        .into_iter()
        .flat_map(|statistics| statistics.cells().map(|cell| cell.0))
        .collect();
    if !known.contains(&name) {
        let expected = format!("phi_K or one of {}", listed(known));
        return Err(Fault::new(quoted(name), expected).of("statistic").invalid().into());
    }
    Ok(done.statistics.iter().map(|statistics| statistics.number(name).unwrap_or(f64::NAN)).collect())
}

/// The statistic in a title.
fn words(name: &str) -> String {
    match name {
        "adjusted" => "Adjusted ϕ".to_owned(),
        "phi_full" => "ϕ at full ranks".to_owned(),
        "phi_r" => "ϕ(r, r)".to_owned(),
        "linear_cka" => "Linear CKA".to_owned(),
        "cosine" => "Cosine of the updates".to_owned(),
        name => match name.strip_prefix("phi_") {
            Some(k) => format!("ϕ({k}, {k})"),
            None => name.to_owned(),
        },
    }
}

/// The picture, with gaps where a layer has no such module. Values on both sides of 0 have a palette with a middle.
fn heatmap(args: &FigureArgs, places: Places, values: &[f64], title: &str) -> Result<Heatmap> {
    let Places { rows, cols, of } = places;
    let mut cells = vec![f32::NAN; rows.len() * cols.len()];
    for ((row, col), value) in of.into_iter().zip(values) {
        cells[row * cols.len() + col] = *value as f32;
    }
    let known = cells.iter().copied().filter(|value| value.is_finite());
    let (low, high) = known.fold((0.0f32, 0.0f32), |(low, high), x| (low.min(x), high.max(x)));
    // Small under zero is chance.
    let is_signed = -low > SIGNED * high.max(-low);
    let default = if is_signed { Palette::Coolwarm } else { Palette::default() };
    args.picture.axes.check_named()?;
    let style = args.picture.page.map_style(title, default, is_signed, (low.into(), high.into()));
    let style = args.picture.axes.on(style);
    let number = |value: &f32| match format!("{value:.2}").as_str() {
        "NaN" => String::new(),
        "-0.00" => "0.00".to_owned(),
        text => text.replace('-', "−"),
    };
    let numbers = cells.iter().map(number).collect();
    Ok(Heatmap::named(rows, cols, cells)?.axes("layer", "projection").numbers(numbers).style(style))
}
