//! `lorascope atlas`: every module of two checkpoints on one sheet.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args as ArgGroup;

use super::adapters::Adapters;
use super::console::Console;
use super::drawing::{PageArgs, ShownArgs};
use super::job::{Extent, Job};
use super::listing::{Cell, Listing};
use super::options::{ComputeArgs, SelectionArgs};
use super::output::{self, PictureOutput};
use super::places::Places;
use super::recipe_args::RecipeArgs;
use super::target::Target;
use super::usage::Usage;
use crate::Selection;
use crate::figure::Atlas;
use crate::measure::summary::Summary;
use crate::names::layer;

pub(super) const ATLAS_HELP: &str = "\
A small heatmap of φ(i, j) for every module that both checkpoints have, in the colours of figure: layers down, projections \
across. A bar over a heatmap stands for its horizontal band, φ(1, j), one at its left for its vertical band, φ(i, 1): thick where \
the band is strong, thin where it is weak, as figure has these words. All heatmaps are squares of one size, whatever the ranks.

At 300 dpi, 32 layers × 7 projections take a sheet of A2; --width chooses another size. A PNG is written a few rows at a time; a \
PDF has the cells of each heatmap as an image of its own.

Examples:
  lorascope atlas runs/seed0 runs/seed1 -o atlas.pdf
  lorascope atlas runs/seed0 runs/seed1 --side b --vmax auto --projections q,k,v,o -o attention.png";

#[derive(Debug, ArgGroup)]
pub(super) struct AtlasArgs {
    /// Two checkpoints: directions of the first are the rows of every heatmap
    #[arg(value_name = "CHECKPOINT", required_unless_present = "recipe")]
    checkpoints: Vec<PathBuf>,
    #[arg(short, long, value_name = "FILE", default_value = "lorascope-atlas.png")]
    #[arg(value_parser = output::picture(), help = output::picture_help())]
    output: PictureOutput,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    compute: ComputeArgs,
    #[command(flatten)]
    page: PageArgs,
    #[command(flatten)]
    shown: ShownArgs,
    #[command(flatten)]
    recipe: RecipeArgs,
}

pub(super) fn run(args: &AtlasArgs, recipe: Option<&str>, console: &Console) -> Result<()> {
    args.output.check(&args.compute)?;
    args.compute.check_side()?;
    let target = Target::open(&args.output, &args.shown, args.page.style.dpi, recipe)?;
    let adapters = Adapters::open(&args.checkpoints, &args.selection, console)?;
    let [a, b] = &adapters.all[..] else {
        return Err(Usage("an atlas takes two checkpoints").into());
    };
    let selected = args.selection.of(Selection::new().all())?.select(a, b, args.compute.side())?;
    if let Some(note) = &selected.note {
        console.note("note", note);
    }
    let job = Job::of([a, b], &selected, &args.compute, Extent::Grids);
    let done = job.run_in_parts(console)?;
    let names: Vec<&str> = done.comparisons.iter().map(|one| one.factorised.pair.name()).collect();
    let places = Places::of(&names);

    let headings = ["module", "layer", "phi 1", "phi r", "horizontal", "vertical", "sparsity", "depth"];
    let mut listing = Listing::new(&headings);
    let mut atlas = Atlas::new(places.rows.clone(), places.cols.clone())?;
    for ((one, name), &(row, col)) in done.comparisons.iter().zip(&names).zip(&places.of) {
        let mut summary = Summary::of(&one.grid);
        if one.factorised.has_shared_init() {
            summary = summary.of_dependent();
        }
        let [horizontal, vertical] = [summary.horizontal, summary.vertical].map(|band| band.strength);
        listing.row(vec![
            Cell::Text((*name).to_owned()),
            layer(name).map_or(Cell::Text("–".to_owned()), |layer| Cell::Count(layer as u64)),
            Cell::Number(summary.phi_1_1.phi),
            Cell::Number(summary.phi_r_r.phi),
            Cell::Text(horizontal.to_string()),
            Cell::Text(vertical.to_string()),
            Cell::Number(summary.sparsity),
            summary.depth.map_or(Cell::Text("–".to_owned()), |depth| Cell::Count(depth as u64)),
        ]);
        atlas = atlas.grid(row, col, one.grid.clone(), &summary)?;
    }
    let runs = adapters.short_names();
    let symbol = args.compute.side().symbol();
    let title = format!("ϕ({symbol}, {symbol}′, i, j), {} and {}", runs[0], runs[1]);
    let style = args.page.style(0.5, atlas.largest());
    let style = if args.page.has_title() { style } else { style.title(title) };
    let atlas = atlas
        .axis("layer")
        .note("Bar over a heatmap: horizontal band; at its left: vertical band. Thick: strong, thin: weak.")
        .style(style);
    target.fill(&atlas, done.engine.as_ref(), &listing, args.compute.side(), args.compute.json, console)?;
    Ok(args.recipe.save(recipe)?)
}
