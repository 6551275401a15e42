//! The groups of options that several commands share, and what parses their values.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use clap::{Args as ArgGroup, ValueEnum, value_parser};

use super::base::{self, BaseArgs};
use super::limits::limits;
use super::matches::MatchArg;
use super::side::SideArg;
use super::usage::Usage;
use crate::Error;
use crate::engine::{EngineChoice, GpuChoice, Precision, Request};
use crate::figure::{Figure, Look, Output, Palette, Quantity, Style};
use crate::{Adapter, BaseModel, Layers, OpenOptions, Selection, Side};

/// Over this, a palette is cut, which leaves a line that is not a colour or too many.
const MAX_PALETTE_BYTES: u64 = 1 << 16;

/// What narrows the modules of a checkpoint.
#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "Which modules")]
pub(super) struct ModuleArgs {
    /// Layers: 5, 0-5, 0,2,5 or all
    ///
    /// By their numbers in the tensor names, from 0. A layer that is named by itself must be there; of a range, some.
    #[arg(long, visible_alias = "layers", value_name = "LAYERS")]
    pub(super) layer: Option<Layers>,
    /// Projections, such as q,v
    ///
    /// Whatever the model calls them (q: query, q_proj, q_lin, to_q, ...), or last parts of module names. figure and compare
    /// keep their order.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = projection)]
    pub(super) projections: Vec<String>,
    /// Modules whose name matches this glob
    ///
    /// With * ? [...]; may be given several times.
    #[arg(long, value_name = "GLOB")]
    pub(super) module: Vec<String>,
}

#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "Which modules")]
pub(super) struct SelectionArgs {
    #[command(flatten)]
    modules: ModuleArgs,
    /// Match modules: canonical, exact, or a .csv file
    ///
    /// canonical: by name without wrapper prefixes. exact: by the names in the files. A .csv file has a line FIRST,SECOND for each
    /// pair that canonical names do not match.
    #[arg(long = "match", value_name = "HOW", default_value = "canonical")]
    pub(super) matching: MatchArg,
    /// Name of the adapter, for files that hold several
    #[arg(long, value_name = "NAME")]
    pub(super) adapter_name: Option<String>,
    #[command(flatten)]
    base: BaseArgs,
}

impl ModuleArgs {
    /// What these select, of `selection`.
    pub(super) fn of(&self, selection: Selection) -> crate::Result<Selection> {
        let selection = selection.projections(&self.projections).modules(&self.module)?;
        Ok(match &self.layer {
            Some(layers) => selection.layers(layers.clone()),
            None => selection,
        })
    }
}

impl SelectionArgs {
    /// The adapter that was named, of files that hold several.
    pub(super) fn adapter_name(&self) -> Option<&str> {
        self.adapter_name.as_deref()
    }

    /// The base model that was named.
    pub(super) fn base(&self) -> Option<&Path> {
        self.base.base.as_deref()
    }

    /// The modules that are narrowed to, where nothing is matched.
    pub(super) fn modules(&self) -> &ModuleArgs {
        &self.modules
    }

    /// How a checkpoint is opened whose changes of a base model are read whole.
    pub(super) fn against(&self, base: &Arc<BaseModel>) -> OpenOptions {
        open_options(self.adapter_name.as_deref()).base(Arc::clone(base), base::WHOLE)
    }

    /// Directions of each weight's change that are kept, at most.
    pub(super) fn rank(&self) -> usize {
        self.base.rank().at_most()
    }

    /// As [`BaseArgs::check`].
    pub(super) fn check(&self) -> Result<(), Usage> {
        self.base.check()
    }

    /// The adapter in the file or folder.
    pub(super) fn open(&self, run: &Path) -> crate::Result<Adapter> {
        self.options()?.open(run)
    }

    /// Options that open what these name.
    pub(super) fn options(&self) -> crate::Result<OpenOptions> {
        self.base.of(open_options(self.adapter_name.as_deref()))
    }

    /// What these select, of `selection`.
    pub(super) fn of(&self, selection: Selection) -> anyhow::Result<Selection> {
        Ok(self.modules.of(selection)?.matching(self.matching.read()?))
    }
}

/// Options that choose the adapter of this name.
pub(super) fn open_options(adapter_name: Option<&str>) -> OpenOptions {
    let options = OpenOptions::new().limits(limits().clone());
    match adapter_name {
        Some(name) => options.adapter_name(name),
        None => options,
    }
}

#[derive(Debug, Clone, ArgGroup)]
#[command(next_help_heading = "What is computed")]
pub(super) struct ComputeArgs {
    /// Subspace: a, b, dw-right, dw-left, w-right or w-left
    ///
    /// a: right-singular vectors of A, the paper's choice. b: left-singular vectors of B. dw-right and dw-left: right- and
    /// left-singular vectors of ΔW. w-right and w-left, with a base model: those of its weight W, next to those of ΔW (compare, and
    /// figure, whose --kind they make base).
    #[arg(long, value_name = "SIDE", default_value = "a")]
    #[arg(default_value_ifs = [("kind", "base", "dw-right"), ("kind", "intruders", "dw-left")])]
    pub(super) side: SideArg,
    /// What computes: auto, gpu or cpu
    ///
    /// auto takes a GPU if there is one and the work is large enough to pay for opening it.
    #[arg(long, value_enum, default_value = "auto", hide_possible_values = true)]
    pub(super) engine: EngineArg,
    /// GPU to use, as `lorascope devices` lists it
    ///
    /// auto, or an index, a part of a name, or PCI:ADDRESS. auto never takes a software GPU, and honours CUDA_VISIBLE_DEVICES,
    /// ROCR_VISIBLE_DEVICES and SLURM_STEP_GPUS.
    #[arg(long, value_name = "GPU", default_value = "auto")]
    pub(super) gpu: GpuChoice,
    /// Storage type of the bases: f32 or f16
    ///
    /// f32: φ is accurate to 1e-5. f16: half the GPU memory, accurate to 1e-3 where i = j, and to
    /// 5e-4·(1 + √(max(i, j)/min(i, j))) elsewhere. Sums are in f32.
    #[arg(long, value_name = "TYPE", default_value = "f32")]
    pub(super) precision: Precision,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl ComputeArgs {
    /// The side of an update that is compared.
    pub(super) fn side(&self) -> Side {
        self.side.of_update()
    }

    /// Checks that the side is one of an update.
    ///
    /// # Errors
    /// When it is one of a base model's weight.
    pub(super) fn check_side(&self) -> Result<(), Usage> {
        match self.side.is_of_weight() {
            true => Err(Usage(
                "--side w-right and w-left are directions of a base model's weight: compare BASE CHECKPOINT and figure --kind base \
                 BASE CHECKPOINT have them",
            )),
            false => Ok(()),
        }
    }

    /// Checks what the grammar cannot.
    ///
    /// # Errors
    /// When a GPU is chosen for the CPU engine.
    pub(super) fn check(&self) -> Result<(), Usage> {
        match (self.engine, &self.gpu) {
            (EngineArg::Cpu, gpu) if *gpu != GpuChoice::Auto => {
                Err(Usage("--engine cpu and --gpu exclude each other"))
            }
            _ => Ok(()),
        }
    }

    /// The engine that these ask for.
    pub(super) fn request(&self) -> Request {
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
    /// Last panel: gaussian, a random pair, or none
    ///
    /// Two random Gaussian matrices of the first panel's shape. Default: gaussian, but none for several layers and for --kind ranks.
    #[arg(long, value_enum, hide_possible_values = true)]
    pub(super) control: Option<Control>,
    /// Random seed of the control
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) seed: u64,
}

#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "How it is drawn")]
pub(super) struct PictureArgs {
    #[command(flatten)]
    pub(super) page: PageArgs,
    /// What cells show: phi, excess, adjusted or z [default: phi]
    ///
    /// excess: φ − max(i, j)/d, what is over chance. adjusted: the same as a share of what is left, 1 where one subspace contains the
    /// other. z: standard deviations over chance. All three have 0 in the middle of their colours (coolwarm).
    #[arg(long, value_name = "VALUE")]
    value: Option<Quantity>,
    /// Contour lines at these values, such as 0.1,0.2,0.3
    #[arg(long, value_name = "LIST", value_delimiter = ',', allow_negative_numbers = true, value_parser = phi)]
    contours: Vec<f64>,
    /// Draw the line i = j
    #[arg(long)]
    diagonal: bool,
    /// Hatch cells that are arbitrary
    ///
    /// Those that part directions of equal singular values, which rounding to the stored type could have turned into each other.
    #[arg(long)]
    pub(super) show_ties: bool,
    /// Title of a panel; may be given several times, for one after another
    #[arg(long, value_name = "TEXT")]
    pub(super) panel_title: Vec<String>,
    /// Panels side by side at most [default: 4, or fewer on a narrow page]
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..=100))]
    columns: Option<u16>,
}

/// What holds for every picture of two checkpoints.
#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "How it is drawn")]
pub(super) struct PageArgs {
    /// Value at the dark end of the colours [default: 0]
    #[arg(long, value_name = "PHI", allow_negative_numbers = true, value_parser = phi)]
    vmin: Option<f64>,
    /// Value at the light end, or auto [default: 0.5; 1 for --kind ranks]
    ///
    /// auto: the largest value of the modules, rounded up to a tenth.
    #[arg(long, value_name = "PHI", allow_negative_numbers = true)]
    vmax: Option<Vmax>,
    /// Width in print: column, text or full, or 3.25in, 90mm, 234pt
    ///
    /// column, text and full are 3.25, 5.5 and 7 in. A number alone is in inches. Under 10 in, type and lines shrink with the width.
    /// Default: 4 in for each panel in a row, or 3 where every layer has a row.
    #[arg(long, value_name = "WIDTH")]
    width: Option<Width>,
    /// Title of the whole
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
    #[command(flatten)]
    pub(super) style: StyleArgs,
}

/// What holds for every picture.
#[derive(Debug, ArgGroup)]
#[command(next_help_heading = "How it is drawn")]
pub(super) struct StyleArgs {
    /// Colours, such as viridis or coolwarm [default: rocket]
    ///
    /// rocket, viridis, magma, inferno, cividis, grey or coolwarm; viridis, magma, inferno, cividis and grey can be read with colour
    /// blindness too. Or a .txt file with a colour RRGGBB on each line, 2 to 256 from the low end to the high end.
    #[arg(long, value_name = "NAME", value_parser = palette)]
    palette: Option<Palette>,
    /// For a paper, slides or a dark screen
    ///
    /// paper, slides (larger type), or dark (the same on a dark ground).
    #[arg(long, value_name = "LOOK", default_value = "paper")]
    style: Look,
    /// Format: png, pdf or svg [default: by the suffix of -o, else png]
    #[arg(long, value_name = "FORMAT")]
    pub(super) format: Option<Output>,
    /// Pixels per inch
    ///
    /// Of a PNG, and of the cells' images in PDF and SVG, which are as sharp at any size.
    #[arg(long, default_value = "300", value_parser = positive)]
    pub(super) dpi: f64,
}

impl StyleArgs {
    /// The style that these ask for.
    pub(super) fn style(&self) -> Style {
        Style::new().palette(self.palette.unwrap_or_default()).dpi(self.dpi).look(self.style)
    }
}

impl PictureArgs {
    /// The style of a picture whose largest value is this, and whose colours end at `vmax` by default.
    pub(super) fn style(&self, vmax: f64, largest: f64) -> Style {
        let style = match self.quantity() {
            Quantity::Phi => self.page.style(vmax, largest),
            // Tens of standard deviations are not rare.
            Quantity::Z => self.page.around_zero((largest / 10.0).ceil().max(1.0) * 10.0),
            _ => self.page.around_zero(vmax),
        };
        match self.columns {
            Some(columns) => style.columns(columns.into()),
            None => style,
        }
    }

    /// What cells show.
    pub(super) fn quantity(&self) -> Quantity {
        self.value.unwrap_or_default()
    }

    /// The figure with the lines that are asked for.
    pub(super) fn with_lines(&self, figure: Figure) -> Figure {
        figure.contours(self.contours.clone()).diagonal(self.diagonal)
    }
}

impl PageArgs {
    /// The style of a figure whose colours go as far to either side of 0, by default to this.
    fn around_zero(&self, end: f64) -> Style {
        self.map_style("", Palette::Coolwarm, true, (-end, end))
    }

    /// The style of a picture whose largest value is this, and whose colours end at `vmax` by default.
    pub(super) fn style(&self, vmax: f64, largest: f64) -> Style {
        let (style, vmin) = (self.chart_style(""), self.vmin.unwrap_or(0.0));
        match self.vmax.unwrap_or(Vmax::Value(vmax)) {
            Vmax::Auto => style.range_up_to(vmin, largest),
            Vmax::Value(vmax) => style.range(vmin, vmax),
        }
    }

    /// Whether the user has given a title.
    pub(super) fn has_title(&self) -> bool {
        self.title.is_some()
    }

    /// The style of a matrix with these least and largest values, on both sides of 0 or not.
    pub(super) fn map_style(
        &self,
        title: &str,
        palette: Palette,
        is_signed: bool,
        (least, largest): (f64, f64),
    ) -> Style {
        let style = self.chart_style(title).palette(self.style.palette.unwrap_or(palette));
        let style = if is_signed {
            let end = ((10.0 * largest.max(-least) - 1e-3).ceil() / 10.0).max(0.1);
            style.range(-end, end)
        } else {
            style.range_up_to(0.0, largest)
        };
        match (self.vmin, self.vmax) {
            (Some(vmin), Some(Vmax::Value(vmax))) => style.range(vmin, vmax),
            (Some(vmin), _) => style.range_up_to(vmin, largest),
            (None, Some(Vmax::Value(vmax))) => style.range(if is_signed { -vmax } else { 0.0 }, vmax),
            (None, _) => style,
        }
    }

    /// The style of a matrix whose colours go from `low` to `high` unless the user says otherwise.
    pub(super) fn style_from(&self, title: &str, palette: Palette, (low, high): (f64, f64)) -> Style {
        let high = match self.vmax {
            Some(Vmax::Value(vmax)) => vmax,
            _ => high,
        };
        let style = self.chart_style(title).palette(self.style.palette.unwrap_or(palette));
        style.range(self.vmin.unwrap_or(low), high)
    }

    /// The style of a chart, with this title if the user has none.
    pub(super) fn chart_style(&self, title: &str) -> Style {
        let mut style = self.style.style();
        if !title.is_empty() {
            style = style.title(title);
        }
        if let Some(width) = self.width {
            style = style.print_width_in(width.inches);
        }
        if let Some(title) = &self.title {
            style = style.title(title);
        }
        style
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

/// A width in print.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Width {
    inches: f64,
}

impl std::str::FromStr for Width {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let inches = match text {
            "column" => 3.25,
            "text" => 5.5,
            "full" => 7.0,
            text => {
                let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
                let unit = match &text[number.len()..] {
                    "" | "in" => 1.0,
                    "cm" => 1.0 / 2.54,
                    "mm" => 1.0 / 25.4,
                    "pt" => 1.0 / 72.0,
                    _ => f64::NAN,
                };
                number.trim().parse::<f64>().unwrap_or(f64::NAN) * unit
            }
        };
        // NaN is neither.
        if inches > 0.0 && inches <= 1e5 {
            Ok(Self { inches })
        } else {
            Err("expected column, text or full, or a length such as 3.25in, 90mm or 234pt".to_owned())
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

/// A palette by its name, or from a file.
fn palette(text: &str) -> Result<Palette, String> {
    if !text.to_ascii_lowercase().ends_with(".txt") {
        return text.parse().map_err(|error: Error| format!("{error}, or a .txt file"));
    }
    // 256 short lines; a file of another kind is not read whole.
    let mut colors = String::new();
    let read = File::open(text).and_then(|file| file.take(MAX_PALETTE_BYTES).read_to_string(&mut colors));
    read.map_err(|error| error.to_string())?;
    Palette::of_text(&colors).map_err(|error| error.to_string())
}

pub(super) fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= 1e5 => Ok(value),
        _ => Err("expected a number above 0, at most 100000".to_owned()),
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
