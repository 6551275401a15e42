//! `lorascope figure`: the paper's figures from checkpoints, or from a pair of a scan.

mod base;
mod intruders;
mod layer_map;
mod near;
mod spectra;
mod trajectory;
mod weights;

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args as ArgGroup;

use self::near::Others;
pub(in crate::cli) use self::near::has_basis;
use self::weights::WeightArgs;
use super::console::Console;
use super::destination::Destination;
use super::drawing::{PictureArgs, ShownArgs};
use super::kind::Kind;
use super::options::{ComputeArgs, ControlArgs, SelectionArgs};
use super::output::{self, PictureOutput};
use super::picture::{Arrangement, Picture};
use super::recipe_args::RecipeArgs;
use super::side::SideArg;
use super::usage::Usage;
use crate::formats::listed_suffixes;
use crate::scan::cache::Cache;
use crate::scan::finished::{CachedPair, FinishedScan};
use crate::{Adapter, ModulePair, Selection};

const FIGURE_HELP: &str = "\
Each panel is a heatmap of φ(i, j), which compares the first i directions of one checkpoint with the first j of the other. \
φ = 1: the smaller subspace lies inside the larger. φ = 0: they are orthogonal. Two random subspaces give max(i, j)/d on \
average, as the control shows.

The summary has one column for each panel. The baseline is max(i, j)/d, and the excess is φ minus the baseline. Rows: the \
peaks of φ and of the excess; the means of φ(1, j) (horizontal band) and of φ(i, 1) (vertical band), called strong from an \
excess of 0.20, weak from 0.05, and none below that or where chance would give the same more than once in a million; the share \
of cells with an excess below 0.05; the depth to which z(k, k) stays above 3; and φ, baseline and z of three diagonal cells.

Examples:
  lorascope figure runs/seed0 runs/seed1 -o fig4.pdf --width text
  lorascope figure --kind ranks runs/r8 runs/r64 -o fig3.pdf
  lorascope figure --kind layer-map runs/seed0 runs/seed1 --statistic linear_cka -o map.svg
  lorascope figure --kind spectra runs/r8 runs/r64 --side b -o spectra.pdf
  lorascope figure --kind base models/base runs/r8 runs/r64 -o fig8.pdf
  lorascope figure --kind intruders models/base runs/r8 --layers all -o intruders.pdf
  lorascope figure --kind trajectory 'runs/seed0/checkpoint-*' -o trajectory.pdf
  lorascope figure runs/seed0 runs/seed1 --layers 0,31,63,95 -o fig7.pdf
  lorascope figure a.safetensors b.safetensors --module '*.11.*.[qv]_proj' --vmax auto -o qv.png
  lorascope figure runs/seed0 runs/seed1 --side b --json -o b.png > b.json
  lorascope figure out --pair checkpoint-100 checkpoint-200 --layer 3";

/// What `--help` ends with.
pub(super) fn figure_help() -> String {
    let suffixes = listed_suffixes();
    format!(
        "A CHECKPOINT is anything that inspect lists: a PEFT or MLX folder, or a file ({suffixes}) with the tensor names of \
         PEFT, loralib, diffusers, kohya, llama.cpp, MLX, TorchTune, Megatron, cloneofsimo or Sam_LoRA; or hf://ORG/NAME[@REVISION][/FOLDER] \
         in the cache of the Hugging Face Hub, from which nothing is downloaded. Without --layer and --module, \
         the panels are q and v of the middle block, or of the nearest to it that has a subspace on the side.\n\n{FIGURE_HELP}"
    )
}

#[derive(Debug, ArgGroup)]
pub(super) struct FigureArgs {
    /// Two checkpoints, or as many as --kind takes
    ///
    /// spectra and trajectory take any number; base and intruders take the base model first. Directions of the first are the rows, i, of the second the columns, j. With --pair: the output folder of a scan.
    #[arg(value_name = "CHECKPOINT", required_unless_present = "recipe")]
    checkpoints: Vec<PathBuf>,
    /// What to draw: seeds, ranks, spectra, base and others
    ///
    /// seeds: φ(i, j) of two checkpoints with a random control, the paper's figure 4. ranks: φ(i, j) of two checkpoints of different
    /// ranks, the smaller down and the larger across, and the first 8 × 8 cells of each, figure 3. Several --layers make a row of
    /// panels each, as figures 6 and 7 have them. layer-map: one number of two checkpoints (--statistic) for every module, layers
    /// down and projections across. spectra: singular values of any number of checkpoints, with the noise floor and k90. trajectory:
    /// φ, cosine and angles of a run's checkpoints with its first and its last. base: φ(i, j) of directions of a base model's weight
    /// and those of the updates of any number of checkpoints, with a random update, figure 8, of --side dw-right unless
    /// dw-left is given. intruders: how far the strongest directions of W + ΔW are those of W.
    #[arg(long, value_enum, default_value = "seeds", hide_possible_values = true)]
    #[arg(default_value_ifs = [("side", "w-right", "base"), ("side", "w-left", "base")])]
    kind: Kind,
    /// Number that --kind layer-map shows
    ///
    /// adjusted, cosine, linear_cka, or any other that compare --json has, or phi_K for φ(K, K).
    #[arg(long, value_name = "NAME", default_value = "adjusted")]
    statistic: String,
    /// Two checkpoints of a scan
    ///
    /// By number or by the end of their paths; uses the scan's side and its cached bases.
    #[arg(long, value_names = ["A", "B"], num_args = 2)]
    pair: Option<Vec<String>>,
    /// Cache that the scan used [default: the user's cache folder]
    #[arg(long, value_name = "DIR", requires = "pair")]
    cache: Option<PathBuf>,
    #[arg(short, long, value_name = "FILE", default_value = "lorascope-figure.png")]
    #[arg(value_parser = output::picture(), help = output::picture_help())]
    output: PictureOutput,
    /// Also write all grids to this .npz file
    ///
    /// With singular values: phi/MODULE, sigma_a/MODULE, sigma_b/MODULE and meta, and phi/control and so on for the control.
    #[arg(long, value_name = "FILE", value_parser = output::npz())]
    save: Option<Destination>,
    /// Add the principal angles, and distances from them
    ///
    /// The angles in degrees; the geodesic distance ‖θ‖₂ in radians and the chordal one √Σ sin²θ. Takes an SVD for each panel.
    #[arg(long)]
    angles: bool,
    #[command(flatten)]
    weights: WeightArgs,
    #[command(flatten)]
    selection: SelectionArgs,
    #[command(flatten)]
    compute: ComputeArgs,
    #[command(flatten)]
    control: ControlArgs,
    #[command(flatten)]
    picture: PictureArgs,
    #[command(flatten)]
    shown: ShownArgs,
    #[command(flatten)]
    recipe: RecipeArgs,
}

pub(super) fn run(args: &FigureArgs, recipe: Option<&str>, console: &Console) -> Result<()> {
    args.output.check(&args.compute)?;
    if args.kind != Kind::Base {
        args.compute.check_side()?;
    }
    if !matches!(args.kind, Kind::Base | Kind::Intruders) {
        args.selection.check()?;
    }
    args.weights.check(args.kind)?;
    let drawn = draw_kind(args, recipe, console);
    drawn.and_then(|()| Ok(args.recipe.save(recipe)?))
}

fn draw_kind(args: &FigureArgs, recipe: Option<&str>, console: &Console) -> Result<()> {
    if !matches!(args.kind, Kind::Seeds | Kind::Ranks) {
        return other_kind(args, recipe, console);
    }
    match (&args.pair, &args.checkpoints[..]) {
        (Some(pair), [scan]) => of_scan(args, scan, pair, recipe, console),
        (Some(_), _) => {
            Err(Usage("--pair takes the output folder of a scan, and no other checkpoint").into())
        }
        (None, [first, second]) => {
            let open = |path: &Path| args.selection.open(path);
            let runs = [open(first)?, open(second)?];
            draw(args, &args.compute, runs, None, recipe, console)
        }
        (None, _) => Err(Usage("this kind of figure takes two checkpoints").into()),
    }
}

/// A kind of figure that is not made of grids.
fn other_kind(args: &FigureArgs, recipe: Option<&str>, console: &Console) -> Result<()> {
    if args.pair.is_some() || args.save.is_some() || args.angles {
        return Err(Usage("--pair, --save and --angles belong to --kind seeds and ranks").into());
    }
    match args.kind {
        Kind::LayerMap => layer_map::run(args, recipe, console),
        Kind::Base => base::run(args, recipe, console),
        Kind::Intruders => intruders::run(args, recipe, console),
        Kind::Spectra => spectra::run(args, recipe, console),
        _ => trajectory::run(args, recipe, console),
    }
}

/// A pair of a scan, on the scan's side.
fn of_scan(
    args: &FigureArgs,
    scan: &Path,
    pair: &[String],
    recipe: Option<&str>,
    console: &Console,
) -> Result<()> {
    let scanned = FinishedScan::open(scan)?;
    let numbers = [scanned.find(&pair[0])?, scanned.find(&pair[1])?];
    let dir: PathBuf = match &args.cache {
        Some(dir) => dir.clone(),
        None => Cache::default_dir()?,
    };
    let cached = scanned.cached(&Cache::open(dir, Cache::DEFAULT_LIMIT_BYTES)?, numbers)?;
    console.detail(
        "bases",
        if cached.is_some() { "from the cache" } else { "not in the cache, so computed again" },
    );
    let compute = ComputeArgs { side: SideArg::Update(scanned.plan.options.side), ..args.compute.clone() };
    let runs = numbers.map(|number| scanned.plan.adapters[number as usize].path.as_path());
    // Against the base model that they were scanned against.
    let options = scanned.open_options()?;
    let options = match args.selection.adapter_name() {
        Some(name) => options.adapter_name(name),
        None => options,
    };
    let runs = [options.open(runs[0])?, options.open(runs[1])?];
    for (number, run) in numbers.into_iter().zip(&runs) {
        scanned.check_unchanged(number, run)?;
    }
    draw(args, &compute, runs, cached.as_ref(), recipe, console)
}

fn draw(
    args: &FigureArgs,
    compute: &ComputeArgs,
    [a, b]: [Adapter; 2],
    cached: Option<&CachedPair<'_>>,
    recipe: Option<&str>,
    console: &Console,
) -> Result<()> {
    let selection = args.selection.of(Selection::new())?;
    let has_basis = |pair: &ModulePair| has_basis(pair, compute.side());
    let selected = selection.select_usable(&a, &b, compute.side(), &has_basis)?;
    if let Some(note) = &selected.note {
        console.note("note", note);
    }
    let is_turned = args.kind == Kind::Ranks && selected.pairs.iter().all(is_falling);
    let turned: Vec<ModulePair> = selected.pairs.iter().map(turned).collect();
    Picture {
        recipe,
        arrangement: Arrangement::of(args.kind, &selected.pairs),
        runs: if is_turned { [&b, &a] } else { [&a, &b] },
        pairs: if is_turned { &turned } else { &selected.pairs },
        few_meet: selected.few_meet.as_ref(),
        // Kept in the order in which the two were named.
        cached: cached.filter(|_| !is_turned),
        output: &args.output,
        save: args.save.as_ref(),
        compute,
        control: &args.control,
        picture: &args.picture,
        shown: &args.shown,
        angles: args.angles,
        instead: &|| {
            Others { runs: [&a, &b], selection: &selection, side: compute.side() }.near(&selected.pairs)
        },
    }
    .draw(console)
}

/// Whether the first has the larger rank.
fn is_falling(pair: &ModulePair) -> bool {
    pair.first.rank() > pair.second.rank()
}

fn turned(pair: &ModulePair) -> ModulePair {
    ModulePair { first: pair.second.clone(), second: pair.first.clone() }
}
