//! Adapters, their modules and factors: the domain's nouns, without any reading of files.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

pub use crate::factor::Factor;
pub(crate) use crate::factor::{Source, Stamp};
use crate::names::{canonical, natural_cmp};

/// One LoRA checkpoint: the names and shapes of its factor pairs, and where their numbers lie.
///
/// Made by [`Adapter::open`] from headers alone; the numbers are read by [`Factor::read`].
#[derive(Debug, Clone)]
pub struct Adapter {
    pub(crate) path: PathBuf,
    pub(crate) base_model: Option<String>,
    pub(crate) recorded: Recorded,
    pub(crate) format: Format,
    pub(crate) method: Method,
    pub(crate) container: Container,
    pub(crate) adapter_name: Option<String>,
    /// In natural order of the names, each name once.
    pub(crate) modules: Vec<Module>,
    pub(crate) n_other: usize,
    pub(crate) n_magnitudes: usize,
    pub(crate) source: Source,
}

impl Adapter {
    /// The file or folder, as the user named it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The base model that the adapter's config names, or the file's metadata.
    pub fn base_model(&self) -> Option<&str> {
        self.base_model.as_deref()
    }

    /// Who trained it and when, as far as the files say.
    pub fn recorded(&self) -> &Recorded {
        &self.recorded
    }

    /// What the update is made of beside A and B.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The adapter's name, where the tensors' names have it.
    pub fn adapter_name(&self) -> Option<&str> {
        self.adapter_name.as_deref()
    }

    /// How many tensors of the file belong to no module: classifiers and other `modules_to_save`, token vectors, biases.
    pub fn n_other_tensors(&self) -> usize {
        self.n_other
    }

    /// How many of DoRA's magnitude vectors the file has. They are left out: subspaces here are those of s·B·A.
    pub fn n_magnitudes(&self) -> usize {
        self.n_magnitudes
    }

    /// Size of the file that holds the tensors.
    pub fn n_bytes(&self) -> u64 {
        match self.source.whole() {
            Source::File(file) => file.stamp.n_bytes,
            Source::Memory(_, bytes) => bytes.len() as u64,
            Source::Deflated(part) => part.n_bytes,
        }
    }

    /// When that file was last written, where the system says it.
    pub fn modified(&self) -> Option<SystemTime> {
        match self.source.whole() {
            Source::File(file) => file.stamp.modified,
            Source::Memory(..) | Source::Deflated(_) => None,
        }
    }

    /// Whose names the tensors have.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The kind of file that holds the tensors.
    pub fn container(&self) -> Container {
        self.container
    }

    /// Every module with a factor pair, in natural order of the names (layer 2 before layer 10).
    pub fn modules(&self) -> &[Module] {
        &self.modules
    }

    /// The module of this canonical name, or of one that [`names::canonical`](crate::names::canonical) makes of this path,
    /// or that the file itself calls so.
    pub fn module(&self, name: &str) -> Option<&Module> {
        let find = |name: &str| {
            let at = self.modules.binary_search_by(|module| natural_cmp(&module.name, name)).ok()?;
            self.modules.get(at)
        };
        let original = || self.modules.iter().find(|module| module.original == name);
        find(name).or_else(original).or_else(|| find(&canonical(name)))
    }
}

/// A naming scheme of tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// `base_model.model.MODULE.lora_A.weight`.
    Peft,
    /// `MODULE.lora_A`, of the LoRA authors' own library.
    Loralib,
    /// `unet.MODULE.lora.down.weight` and its older forms.
    Diffusers,
    /// `lora_unet_MODULE.lora_down.weight`, of kohya's sd-scripts and what follows them.
    Kohya,
    /// `MODULE.lora_a`, transposed.
    Mlx,
    /// `MODULE.lora_a.weight`.
    TorchTune,
    /// `MODULE.adapter.linear_in.weight`.
    Megatron,
    /// `unet:17:down`, numbered.
    Cloneofsimo,
    /// `w_a_000`, numbered.
    SamLora,
}

impl Format {
    /// Whether modules have numbers for names, in the order in which the trainer walked the model: the same number may be
    /// another module in another file.
    pub fn is_numbered(self) -> bool {
        matches!(self, Self::Cloneofsimo | Self::SamLora)
    }

    /// Whether module names have underscores where their paths have dots.
    pub(crate) fn is_joined(self) -> bool {
        self == Self::Kohya
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Peft => "PEFT",
            Self::Loralib => "loralib",
            Self::Diffusers => "diffusers",
            Self::Kohya => "kohya",
            Self::Mlx => "MLX",
            Self::TorchTune => "TorchTune",
            Self::Megatron => "Megatron",
            Self::Cloneofsimo => "cloneofsimo",
            Self::SamLora => "Sam_LoRA",
        })
    }
}

/// What an update is made of beside s, B and A.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// ΔW = s·B·A.
    Lora,
    /// Weight-decomposed: W + s·B·A, each row then scaled to a learnt magnitude, which is left out here.
    Dora,
    /// ΔW = s·B·E·A with a diagonal E; A's rows are read scaled by it.
    AdaLora,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Lora => "LoRA",
            Self::Dora => "DoRA",
            Self::AdaLora => "AdaLoRA",
        })
    }
}

/// What the files say about their training.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Recorded {
    /// The program, with its version where that is known.
    pub trainer: Option<String>,
    /// When training began, in seconds since 1970.
    pub started_s: Option<f64>,
    /// When it ended.
    pub finished_s: Option<f64>,
}

/// A kind of file that holds tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Container {
    /// A JSON header and raw numbers.
    Safetensors,
    /// What `torch.save` writes: a zip archive of a pickle and raw numbers.
    TorchZip,
    /// What `torch.save` wrote before torch 1.6: pickles, and raw numbers behind them.
    TorchLegacy,
    /// What `numpy.savez` writes: a zip archive of arrays.
    Npz,
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safetensors => "safetensors",
            Self::TorchZip => "torch zip",
            Self::TorchLegacy => "torch legacy",
            Self::Npz => "npz",
        })
    }
}

/// A weight that an adapter changes: ΔW = s·B·A.
#[derive(Debug, Clone)]
pub struct Module {
    /// Canonical name: the dotted path without wrapper prefixes, see [`names::canonical`](crate::names::canonical). The
    /// parts of a fused weight have `.q`, `.k` and `.v` behind it. Where two modules of a file would share a name, both
    /// have their original one.
    pub name: String,
    /// The path that the file has for it, with the part of a fused weight behind it.
    pub original: String,
    /// Factor A, (rank, d_in).
    pub a: Factor,
    /// Factor B, (d_out, rank).
    pub b: Factor,
    /// The config's alpha for this module: `lora_alpha`, or what `alpha_pattern` has for it. `None` where no config says
    /// it, or a pattern is a regular expression that is not understood.
    pub alpha: Option<f64>,
    /// s in ΔW = s·B·A: alpha/r, or alpha/√r with `use_rslora`, where r is what `rank_pattern` has for the module, else
    /// the rank. `None` where alpha is.
    pub scaling: Option<f64>,
}

impl Module {
    /// The rank: the rows of A.
    pub fn rank(&self) -> usize {
        self.a.rows
    }

    /// Columns of A.
    pub fn d_in(&self) -> usize {
        self.a.cols
    }

    /// Rows of B.
    pub fn d_out(&self) -> usize {
        self.b.rows
    }
}

/// The stored type of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// IEEE double precision.
    F64,
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of a single.
    Bf16,
}

impl Dtype {
    /// Size of one number.
    pub fn size_bytes(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F64 => "F64",
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
        })
    }
}

/// A factor's numbers, widened to f64, row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub cols: usize,
    /// The type that the numbers were stored in, which sets their rounding noise.
    pub dtype: Dtype,
    /// rows × cols numbers, row after row.
    pub values: Vec<f64>,
}
