//! Adapters, their modules and factors: the domain's nouns, without any reading of files.

mod dtype;
pub(crate) mod factor;
mod format;
pub(crate) mod side;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

pub use self::dtype::{Dtype, Matrix};
pub use self::factor::Factor;
pub(crate) use self::factor::{Source, Stamp};
pub use self::format::{FileFormat, Method, NamingScheme, TrainingInfo};
pub use self::side::Side;
use crate::names::{canonical, natural_cmp};

/// One LoRA checkpoint: the names and shapes of its factor pairs, and where their numbers lie.
///
/// Made by [`Adapter::open`] from headers alone; the numbers are read by [`Factor::read`].
#[derive(Debug, Clone)]
pub struct Adapter {
    pub(crate) path: PathBuf,
    pub(crate) base_model: Option<String>,
    pub(crate) training: TrainingInfo,
    pub(crate) format: NamingScheme,
    pub(crate) method: Method,
    pub(crate) container: FileFormat,
    pub(crate) adapter_name: Option<String>,
    /// In natural order of the names, each name once.
    pub(crate) modules: Vec<Arc<Module>>,
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
    pub fn training(&self) -> &TrainingInfo {
        &self.training
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
    pub fn format(&self) -> NamingScheme {
        self.format
    }

    /// The kind of file that holds the tensors.
    pub fn container(&self) -> FileFormat {
        self.container
    }

    /// Every module with a factor pair, in natural order of the names (layer 2 before layer 10). Results share them, so that
    /// they outlive the adapter.
    pub fn modules(&self) -> &[Arc<Module>] {
        &self.modules
    }

    /// The module of this canonical name, or of one that [`names::canonical`](crate::names::canonical) makes of this path,
    /// or that the file itself calls so.
    pub fn module(&self, name: &str) -> Option<&Arc<Module>> {
        let find = |name: &str| {
            let at = self.modules.binary_search_by(|module| natural_cmp(&module.name, name)).ok()?;
            self.modules.get(at)
        };
        let original = || self.modules.iter().find(|module| module.original == name);
        find(name).or_else(original).or_else(|| find(&canonical(name)))
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
