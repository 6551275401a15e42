//! The groups of options that several commands share, and what parses their values.

use std::path::Path;
use std::sync::Arc;

use clap::{Args as ArgGroup, ValueEnum};

use super::base::{self, BaseArgs};
use super::host;
use super::limits::limits;
use super::matches::MatchArg;
use super::side::SideArg;
use super::usage::Usage;
use crate::engine::{EngineChoice, GpuChoice, Precision, Request};
use crate::{Adapter, BaseModel, Layers, OpenOptions, Selection, Side};

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
    let options = OpenOptions::new().limits(limits()).given(host::given());
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

fn projection(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("expected names such as q,v".to_owned()),
        name => Ok(name.to_owned()),
    }
}
