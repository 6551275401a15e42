//! `lorascope figure`: the paper's figure from two checkpoints, or from a pair of a scan.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args as ArgGroup;

use super::console::Console;
use super::options::{ComputeArgs, ControlArgs, PictureArgs, SelectionArgs};
use super::output::{self, Destination, PictureOutput};
use super::picture::Picture;
use crate::error::Remedy;
use crate::formats::listed_suffixes;
use crate::names::layer;
use crate::scan::cache::Cache;
use crate::scan::finished::{CachedPair, FinishedScan};
use crate::{Adapter, Basis, ModulePair, Selection, Side};

const FIGURE_HELP: &str = "\
Each panel is a heatmap of φ(i, j), which compares the first i directions of CHECKPOINT_A with the first j of CHECKPOINT_B. \
φ = 1: the smaller subspace lies inside the larger. φ = 0: they are orthogonal. Two random subspaces give max(i, j)/d on \
average, as the control shows.

The summary has one column for each panel. The baseline is max(i, j)/d, and the excess is φ minus the baseline. Rows: the \
peaks of φ and of the excess; the means of φ(1, j) (horizontal band) and of φ(i, 1) (vertical band), called strong from an \
excess of 0.20, weak from 0.05, and none below that or where chance would give the same more than once in a million; the share \
of cells with an excess below 0.05; the depth to which z(k, k) stays above 3; and φ, baseline and z of three diagonal cells.

Examples:
  lorascope figure runs/seed0 runs/seed1 -o fig4.png
  lorascope figure a.safetensors b.safetensors --module '*.11.*.[qv]_proj' --vmax auto -o qv.png
  lorascope figure runs/seed0 runs/seed1 --side b --json -o b.png > b.json
  lorascope figure out --pair checkpoint-100 checkpoint-200 --layer 3";

/// What `--help` ends with.
pub(super) fn figure_help() -> String {
    let suffixes = listed_suffixes();
    format!(
        "A CHECKPOINT is anything that inspect lists: a PEFT or MLX folder, or a file ({suffixes}) with the tensor names of \
         PEFT, loralib, diffusers, kohya, llama.cpp, MLX, TorchTune, Megatron, cloneofsimo or Sam_LoRA. Without --layer and --module, \
         the panels are q and v of the middle block, or of the nearest to it that has a subspace on the side.\n\n{FIGURE_HELP}"
    )
}

#[derive(Debug, ArgGroup)]
pub(super) struct FigureArgs {
    /// First checkpoint: its directions are the rows, i
    ///
    /// With --pair: the output folder of a scan.
    #[arg(value_name = "CHECKPOINT_A")]
    checkpoint_a: PathBuf,
    /// Second checkpoint: its directions are the columns, j
    #[arg(value_name = "CHECKPOINT_B", required_unless_present = "pair", conflicts_with = "pair")]
    checkpoint_b: Option<PathBuf>,
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
    selection: SelectionArgs,
    #[command(flatten)]
    compute: ComputeArgs,
    #[command(flatten)]
    control: ControlArgs,
    #[command(flatten)]
    picture: PictureArgs,
}

pub(super) fn run(args: &FigureArgs, console: &Console) -> Result<()> {
    args.output.check(&args.compute)?;
    match (&args.pair, &args.checkpoint_b) {
        (Some(pair), _) => of_scan(args, pair, console),
        (None, Some(checkpoint_b)) => {
            let open = |path: &Path| args.selection.open(path);
            let runs = [open(&args.checkpoint_a)?, open(checkpoint_b)?];
            draw(args, &args.compute, runs, None, console)
        }
        (None, None) => unreachable!("the grammar asks for one of the two"),
    }
}

/// A pair of a scan, on the scan's side.
fn of_scan(args: &FigureArgs, pair: &[String], console: &Console) -> Result<()> {
    let scanned = FinishedScan::open(&args.checkpoint_a)?;
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
    let compute = ComputeArgs { side: scanned.plan.options.side, ..args.compute.clone() };
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
    draw(args, &compute, runs, cached.as_ref(), console)
}

fn draw(
    args: &FigureArgs,
    compute: &ComputeArgs,
    [a, b]: [Adapter; 2],
    cached: Option<&CachedPair<'_>>,
    console: &Console,
) -> Result<()> {
    let selection = args.selection.of(Selection::new())?;
    let has_basis = |pair: &ModulePair| has_basis(pair, compute.side);
    let selected = selection.select_usable(&a, &b, compute.side, &has_basis)?;
    if let Some(note) = &selected.note {
        console.note("note", note);
    }
    Picture {
        runs: [&a, &b],
        pairs: &selected.pairs,
        few_meet: selected.few_meet.as_ref(),
        cached,
        output: &args.output,
        save: args.save.as_ref(),
        compute,
        control: &args.control,
        picture: &args.picture,
        angles: args.angles,
        instead: &|| {
            Others { runs: [&a, &b], selection: &selection, side: compute.side }.near(&selected.pairs)
        },
    }
    .draw(console)
}

/// What else the two checkpoints have, for a figure none of whose modules can be compared.
struct Others<'a> {
    runs: [&'a Adapter; 2],
    selection: &'a Selection,
    side: Side,
}

/// Layers that are tried before there is no hint.
const N_TRIED: usize = 100;

impl Others<'_> {
    /// The nearest layer that the same choice can compare all of.
    fn near(&self, pairs: &[ModulePair]) -> Option<Remedy> {
        self.layer(pairs).map(|layer| Remedy::OtherLayer { layer })
    }

    fn layer(&self, pairs: &[ModulePair]) -> Option<usize> {
        let chosen = pairs.iter().find_map(ModulePair::layer)?;
        let mut layers: Vec<usize> = self.names().filter_map(layer).collect();
        layers.sort_unstable();
        layers.dedup();
        layers.retain(|layer| pairs.iter().all(|pair| pair.layer() != Some(*layer)));
        layers.sort_by_key(|layer| layer.abs_diff(chosen));
        let is_good = |layer: &usize| self.is_good(self.selection.clone().layer(*layer));
        layers.into_iter().take(N_TRIED).find(is_good)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.runs[0].modules().iter().map(|module| module.name.as_str())
    }

    /// Whether every module of the choice has a subspace in both.
    fn is_good(&self, selection: Selection) -> bool {
        let selected = selection.select(self.runs[0], self.runs[1], self.side);
        selected.is_ok_and(|selected| selected.pairs.iter().all(|pair| has_basis(pair, self.side)))
    }
}

/// Whether a module has a subspace in both.
fn has_basis(pair: &ModulePair, side: Side) -> bool {
    [&pair.first, &pair.second].into_iter().all(|module| Basis::of(module, side).is_ok())
}
