//! Adapters, their modules and factors: the domain's nouns, without any reading of files.

use std::fmt;
use std::path::{Path, PathBuf};

pub use crate::factor::Factor;
pub(crate) use crate::factor::{Source, Stamp};
use crate::names::natural_cmp;

/// One LoRA checkpoint: the names and shapes of its factor pairs, and where their numbers lie.
///
/// Made by [`Adapter::open`] from headers alone; the numbers are read by [`Factor::read`].
#[derive(Debug, Clone)]
pub struct Adapter {
    pub(crate) path: PathBuf,
    pub(crate) base_model: Option<String>,
    pub(crate) format: Format,
    pub(crate) container: Container,
    /// In natural order of the names, each name once.
    pub(crate) modules: Vec<Module>,
}

impl Adapter {
    /// The file or folder, as the user named it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The base model that the adapter's config names.
    pub fn base_model(&self) -> Option<&str> {
        self.base_model.as_deref()
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

    /// The module of this canonical name.
    pub fn module(&self, name: &str) -> Option<&Module> {
        let at = self.modules.binary_search_by(|module| natural_cmp(&module.name, name)).ok()?;
        self.modules.get(at)
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
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Peft => "PEFT",
            Self::Loralib => "loralib",
        })
    }
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
    /// Canonical name: the dotted path without wrapper prefixes.
    pub name: String,
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
