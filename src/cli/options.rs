//! The command line's grammar and its help texts.

use std::path::{Path, PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args as ArgGroup, CommandFactory, Parser, Subcommand, ValueEnum, value_parser};
use clap_complete::Shell;

use super::cache::{CACHE_HELP, CacheArgs};
use super::devices::{DEVICES_HELP, DevicesArgs};
use super::inspect::{INSPECT_HELP, InspectArgs};
use super::matches::MatchArg;
use super::output::{self, Output};
use super::report::{REPORT_HELP, ReportArgs};
use super::scan::{SCAN_HELP, ScanArgs};
use super::status::{STATUS_HELP, StatusArgs};
use crate::engine::{EngineChoice, GpuChoice, Precision, Request};
use crate::figure::{Palette, Style};
use crate::{Adapter, OpenOptions, Selection, Side};

/// The version with the commit that it was built from, where the source was a checkout.
const VERSION: &str = git_version::git_version!(
    prefix = concat!(env!("CARGO_PKG_VERSION"), " (commit "),
    suffix = ")",
    args = ["--always", "--dirty=-modified", "--abbrev=10", "--exclude=*"],
    fallback = "unknown"
);

/// Shows how much LoRA checkpoints agree: the subspace similarity φ(i, j) of the LoRA paper (Hu et al. 2021), for every
/// (i, j), as numbers and as the paper's figure.
#[derive(Debug, Parser)]
#[command(name = "lorascope", version = VERSION, after_help = AFTER_HELP, arg_required_else_help = true)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Command,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

const AFTER_HELP: &str = "\
Examples:
  lorascope demo
  lorascope figure runs/seed0 runs/seed1 -o fig4.png
  lorascope figure runs/seed0 runs/seed1 --layer 47 --projections q,v -o fig4.png
  lorascope compare runs/seed0 runs/seed1
  lorascope scan runs/ -o out

Results go to stdout, everything else to stderr. NO_COLOR=1 turns colours off.
Exit codes: 0 done, 1 failed, 2 usage, 3 finished with skipped inputs,
130 and 143 stopped by Ctrl-C and SIGTERM.";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Draw the paper's figure from two real adapters that are built in
    #[command(after_help = DEMO_HELP)]
    Demo(DemoArgs),
    /// Draw the paper's figure from two checkpoints, and say in words what it shows
    #[command(after_help = FIGURE_HELP)]
    Figure(FigureArgs),
    /// Compare two checkpoints in numbers: a row for each module that both have
    #[command(after_help = COMPARE_HELP)]
    Compare(CompareArgs),
    /// Compare every pair of a folder of checkpoints, into a table that other tools read
    #[command(after_help = SCAN_HELP)]
    Scan(ScanArgs),
    /// Say how far a scan is, who did what of it, and what is missing
    #[command(after_help = STATUS_HELP)]
    Status(StatusArgs),
    /// Say what checkpoints hold: format, base model, modules, ranks, shapes, types, scaling
    #[command(after_help = INSPECT_HELP)]
    Inspect(InspectArgs),
    /// List the GPUs, test every kernel on each, and say which engine auto takes and why
    #[command(after_help = DEVICES_HELP)]
    Devices(DevicesArgs),
    /// Sum up a scan in tables and pictures: what is alike, where in the model, what stands apart
    #[command(after_help = REPORT_HELP)]
    Report(ReportArgs),
    /// Say what the cache of bases holds, or empty it
    #[command(after_help = CACHE_HELP)]
    Cache(CacheArgs),
    /// Print a script that completes this command line in a shell
    #[command(
        after_help = "Example: lorascope completions bash > ~/.local/share/bash-completion/completions/lorascope"
    )]
    Completions {
        /// The shell
        shell: Shell,
    },
}

const DEMO_HELP: &str = "\
The two adapters were trained on the same task from the same base model (all-MiniLM-L6-v2, d = 384) with two seeds, at \
rank 64. The panels are the query and value projections of layer 5, and a Gaussian control.";

const FIGURE_HELP: &str = "\
A RUN is a checkpoint of any kind that inspect lists: a PEFT or MLX folder, or a file (safetensors, .bin, .pt, .npz) with \
the names of PEFT, loralib, diffusers, kohya, MLX, TorchTune, Megatron, cloneofsimo or Sam_LoRA. Without --layer and --module the panels are q and v of the middle block.

Each panel is a heatmap of φ(i, j): how far the first i directions of A's module lie within the first j of B's, or the \
other way round. 1: one span holds the other; 0: orthogonal; max(i, j)/d: two random spans, as the control shows.

The summary has a column for each panel: peaks of φ and of its excess over the baseline max(i, j)/d; the horizontal \
band (mean of φ(1, j)) and the vertical one (mean of φ(i, 1)), strong from an excess of 0.20, weak from 0.05, none below \
or where chance alone would do it once in a million; the share of cells with an excess under 0.05; the depth to which \
z(k, k) stays over 3; and φ, baseline and z of three diagonal cells.

Examples:
  lorascope figure runs/seed0 runs/seed1 -o fig4.png
  lorascope figure a.safetensors b.safetensors --module '*.11.*.[qv]_proj' --vmax auto -o qv.png
  lorascope figure runs/seed0 runs/seed1 --side b --json -o b.png > b.json
  lorascope figure out --pair checkpoint-100 checkpoint-200 --layer 3";

const COMPARE_HELP: &str = "\
A RUN is as for figure. Without --layer, --projections and --module every module that both runs have is compared.

A row has the ranks r_a and r_b, the dimension d, φ(k, k) at powers of two and at r = min(r_a, r_b) (of the directions \
that rounding left), the baseline max(i, j)/d there, which two random spaces give, and z, how many standard deviations \
φ(r, r) lies above it. – stands for what does not exist; z is left out for two runs that share their random start.

Examples:
  lorascope compare runs/seed0 runs/seed1
  lorascope compare runs/seed0 runs/seed1 --side b --module '*.v_proj'
  lorascope compare runs/seed0 runs/seed1 --json --grids -o pair.json
  lorascope compare runs/seed0 runs/seed1 --save grids.npz";

#[derive(Debug, ArgGroup)]
pub(super) struct CompareArgs {
    /// First checkpoint: its directions are the rows, i
    #[arg(value_name = "RUN_A")]
    pub(super) run_a: PathBuf,
    /// Second checkpoint: its directions are the columns, j
    #[arg(value_name = "RUN_B")]
    pub(super) run_b: PathBuf,
    /// Where to write the table or the JSON: a file, or - for stdout
    #[arg(short, long, value_name = "FILE", default_value = "-", value_parser = output_text())]
    pub(super) output: Output,
    /// Write all grids and singular values too: a .npz file, with phi/MODULE, sigma_a/MODULE, sigma_b/MODULE
    /// and meta
    #[arg(long, value_name = "FILE", value_parser = output_npz())]
    pub(super) save: Option<Output>,
    /// With --json: the whole grid of each module
    #[arg(long, requires = "json")]
    pub(super) grids: bool,
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
    #[command(flatten)]
    pub(super) compute: ComputeArgs,
}

#[derive(Debug, ArgGroup)]
pub(super) struct CommonArgs {
    /// Print errors and results alone
    #[arg(short, long, global = true, conflicts_with = "verbose", display_order = 100)]
    pub(super) quiet: bool,
    /// Print what is read, compared and timed
    #[arg(short, long, global = true, display_order = 100)]
    pub(super) verbose: bool,
    /// Threads of the CPU stages [default: the cores that this process may use]
    #[arg(long, global = true, value_name = "N", display_order = 100, value_parser = value_parser!(u16).range(1..=1024))]
    pub(super) threads: Option<u16>,
}

#[derive(Debug, ArgGroup)]
pub(super) struct DemoArgs {
    /// Where to write the picture: a .png file, or - for stdout
    #[arg(short, long, value_name = "FILE", default_value = "lorascope-demo.png", value_parser = output_png())]
    pub(super) output: Output,
    #[command(flatten)]
    pub(super) compute: ComputeArgs,
    #[command(flatten)]
    pub(super) control: ControlArgs,
    #[command(flatten)]
    pub(super) picture: PictureArgs,
}

#[derive(Debug, ArgGroup)]
pub(super) struct FigureArgs {
    /// First checkpoint: its directions are the rows, i. With --pair: the output folder of a scan
    #[arg(value_name = "RUN_A")]
    pub(super) run_a: PathBuf,
    /// Second checkpoint: its directions are the columns, j
    #[arg(value_name = "RUN_B", required_unless_present = "pair", conflicts_with = "pair")]
    pub(super) run_b: Option<PathBuf>,
    /// Two checkpoints of a scan, by number or by the end of their paths: on the scan's side, with bases from the cache
    #[arg(long, value_names = ["A", "B"], num_args = 2)]
    pub(super) pair: Option<Vec<String>>,
    /// The cache that the scan used [default: the user's cache folder]
    #[arg(long, value_name = "DIR", requires = "pair")]
    pub(super) cache: Option<PathBuf>,
    /// Where to write the picture: a .png file, or - for stdout
    #[arg(short, long, value_name = "FILE", default_value = "lorascope-figure.png", value_parser = output_png())]
    pub(super) output: Output,
    /// Write all grids and singular values too: a .npz file, with phi/MODULE, sigma_a/MODULE, sigma_b/MODULE
    /// and meta; the control's are phi/control and so on
    #[arg(long, value_name = "FILE", value_parser = output_npz())]
    pub(super) save: Option<Output>,
    #[command(flatten)]
    pub(super) selection: SelectionArgs,
    #[command(flatten)]
    pub(super) compute: ComputeArgs,
    #[command(flatten)]
    pub(super) control: ControlArgs,
    #[command(flatten)]
    pub(super) picture: PictureArgs,
}

#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "Which modules")]
pub(super) struct SelectionArgs {
    /// The layer, by its number in the tensor names, from 0
    #[arg(long, value_name = "N")]
    pub(super) layer: Option<usize>,
    /// Projections, found across naming habits (q: query, q_proj, q_lin, to_q, ...)
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = projection)]
    pub(super) projections: Vec<String>,
    /// Modules whose name matches, with * ? and [...]; may be given several times
    #[arg(long, value_name = "GLOB")]
    pub(super) module: Vec<String>,
    /// Which modules of two files are the same: canonical, by their names without wrapper prefixes; exact, by the names
    /// that the files have; or a .csv file with a line FIRST,SECOND for each pair that canonical names do not find
    #[arg(long = "match", value_name = "HOW", default_value = "canonical")]
    pub(super) matching: MatchArg,
    /// The adapter of this name, in files that hold several
    #[arg(long, value_name = "NAME")]
    pub(super) adapter_name: Option<String>,
}

impl SelectionArgs {
    /// The adapter in the file or folder.
    pub(super) fn open(&self, run: &Path) -> crate::Result<Adapter> {
        open_options(self.adapter_name.as_deref()).open(run)
    }

    /// What these select, of `selection`.
    pub(super) fn of(&self, selection: Selection) -> anyhow::Result<Selection> {
        let selection = selection.projections(&self.projections).modules(&self.module)?;
        let selection = selection.matching(self.matching.read()?);
        Ok(match self.layer {
            Some(layer) => selection.layer(layer),
            None => selection,
        })
    }
}

/// Options that choose the adapter of this name.
pub(super) fn open_options(adapter_name: Option<&str>) -> OpenOptions {
    match adapter_name {
        Some(name) => OpenOptions::new().adapter_name(name),
        None => OpenOptions::new(),
    }
}

#[derive(Debug, Clone, ArgGroup)]
#[command(next_help_heading = "What is computed")]
pub(super) struct ComputeArgs {
    /// Which subspace: a, right-singular vectors of A (the paper's); b, left-singular vectors of B; dw-right and
    /// dw-left, those of ΔW
    #[arg(long, value_name = "SIDE", default_value = "a")]
    pub(super) side: Side,
    /// What computes: auto takes a GPU where there is one and the work is worth opening it
    #[arg(long, value_enum, default_value = "auto")]
    pub(super) engine: EngineArg,
    /// Which GPU: auto, its index, a part of its name, or PCI:ADDRESS, all as `lorascope devices` lists them. auto
    /// never takes a software one, and honours CUDA_VISIBLE_DEVICES, ROCR_VISIBLE_DEVICES and SLURM_STEP_GPUS
    #[arg(long, value_name = "GPU", default_value = "auto")]
    pub(super) gpu: GpuChoice,
    /// What bases are kept in for the products: f32, φ within 1e-5; f16, half the memory of a GPU, within
    /// 5e-4. Sums are in f32
    #[arg(long, value_name = "TYPE", default_value = "f32")]
    pub(super) precision: Precision,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl ComputeArgs {
    /// The engine that these ask for.
    pub(super) fn request(&self) -> Request {
        if matches!(self.engine, EngineArg::Cpu) && self.gpu != GpuChoice::Auto {
            let message = "--engine cpu and --gpu contradict each other";
            Args::command().error(ErrorKind::ArgumentConflict, message).exit();
        }
        Request {
            engine: self.engine.into(),
            gpu: self.gpu.clone(),
            precision: self.precision,
            ..Request::default()
        }
    }
}

#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "What is computed")]
pub(super) struct ControlArgs {
    /// The last panel: two random Gaussian matrices of the first panel's shape
    #[arg(long, value_enum, default_value = "gaussian")]
    pub(super) control: Control,
    /// Seed of the control
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) seed: u64,
}

#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "How it is drawn")]
pub(super) struct PictureArgs {
    /// Value at the dark end of the colours
    #[arg(long, value_name = "PHI", default_value = "0.0", allow_negative_numbers = true, value_parser = phi)]
    pub(super) vmin: f64,
    /// Value at the light end of the colours, or auto for the largest one
    #[arg(long, value_name = "PHI", default_value = "0.5", allow_negative_numbers = true)]
    pub(super) vmax: Vmax,
    /// Colours: rocket, viridis, magma, inferno, cividis or grey
    #[arg(long, value_name = "NAME", default_value = "rocket")]
    pub(super) palette: Palette,
    /// Width of the picture in inches [default: 4 for each panel in a row]
    #[arg(long, value_name = "INCHES", value_parser = positive)]
    pub(super) width_in: Option<f64>,
    /// Pixels an inch
    #[arg(long, default_value = "300", value_parser = positive)]
    pub(super) dpi: f64,
}

impl PictureArgs {
    /// The style of a picture whose largest value is this.
    pub(super) fn style(&self, largest: f64) -> Style {
        let style = Style::new().palette(self.palette).dpi(self.dpi);
        let style = match self.width_in {
            Some(width_in) => style.width_in(width_in),
            None => style,
        };
        match self.vmax {
            Vmax::Auto => style.range_up_to(self.vmin, largest),
            Vmax::Value(vmax) => style.range(self.vmin, vmax),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Control {
    Gaussian,
    None,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum EngineArg {
    Auto,
    Gpu,
    Cpu,
}

impl From<EngineArg> for EngineChoice {
    fn from(engine: EngineArg) -> Self {
        match engine {
            EngineArg::Auto => Self::Auto,
            EngineArg::Gpu => Self::Gpu,
            EngineArg::Cpu => Self::Cpu,
        }
    }
}

/// The upper end of the colours.
#[derive(Debug, Clone, Copy)]
pub(super) enum Vmax {
    Auto,
    Value(f64),
}

impl std::str::FromStr for Vmax {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        phi(text).map(Self::Value).map_err(|expected| format!("{expected}, or auto"))
    }
}

fn output_text() -> impl TypedValueParser<Value = Output> {
    OsStringValueParser::new().try_map(output::text)
}

fn output_npz() -> impl TypedValueParser<Value = Output> {
    OsStringValueParser::new().try_map(output::npz)
}

fn output_png() -> impl TypedValueParser<Value = Output> {
    OsStringValueParser::new().try_map(output::png)
}

pub(super) fn glob(text: &str) -> Result<glob::Pattern, glob::PatternError> {
    glob::Pattern::new(text)
}

pub(super) fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= 1e5 => Ok(value),
        _ => Err("expected a number over 0, at most 100000".to_owned()),
    }
}

fn phi(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.abs() <= 1000.0 => Ok(value),
        _ => Err("expected a number from -1000 to 1000".to_owned()),
    }
}

fn projection(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("expected names such as q,v".to_owned()),
        name => Ok(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Args::command().debug_assert();
    }
}
