//! Adapters, their modules and factors. Nothing here reads files.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::indexing_slicing))]

pub(crate) mod by_method;
mod dtype;
pub(crate) mod factor;
mod format;
pub(crate) mod made;
pub(crate) mod magnitudes;
pub(crate) mod side;
pub(crate) mod unread;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

pub use self::dtype::{Dtype, Matrix, Quant};
pub use self::factor::Factor;
pub(crate) use self::factor::Source;
pub use self::format::{FileFormat, Method, NamingScheme, TrainingInfo};
pub use self::side::Side;
pub use self::unread::UnreadPart;
use crate::adapter::magnitudes::Magnitudes;
use crate::files::FileStamp;
use crate::names::{canonical, natural_cmp};

/// One LoRA checkpoint: the names and shapes of its factor pairs, and where their numbers lie.
///
/// Made by [`Adapter::open`] from headers only; [`Factor::read`] reads the numbers.
#[derive(Debug, Clone)]
pub struct Adapter {
    pub(crate) path: PathBuf,
    pub(crate) base_model: Option<String>,
    pub(crate) training: TrainingInfo,
    pub(crate) naming_scheme: NamingScheme,
    pub(crate) method: Method,
    pub(crate) file_format: FileFormat,
    pub(crate) adapter_name: Option<String>,
    /// In natural order of the names, each name once.
    pub(crate) modules: Vec<Arc<Module>>,
    pub(crate) unread: Vec<UnreadPart>,
    pub(crate) n_other: usize,
    pub(crate) n_magnitudes: usize,
    pub(crate) n_rescaled: usize,
    pub(crate) n_turned: usize,
    /// The files with the tensors: one, or the shards in natural order.
    pub(crate) sources: Vec<Source>,
    /// The files of a base model whose weights its updates are made of.
    pub(crate) base_sources: Vec<Source>,
}

impl Adapter {
    /// The file or folder, as the user named it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The base model, from the adapter's config or the file's metadata.
    pub fn base_model(&self) -> Option<&str> {
        self.base_model.as_deref()
    }

    /// The trainer, and when it ran, as far as the files record it.
    pub fn training(&self) -> &TrainingInfo {
        &self.training
    }

    /// What the update is made of, besides A and B.
    pub fn method(&self) -> Method {
        self.method
    }

    /// The adapter's name, if the names of the tensors contain it.
    pub fn adapter_name(&self) -> Option<&str> {
        self.adapter_name.as_deref()
    }

    /// Parts of the update that are in the file and are not read, in natural order of their names: modules of another method
    /// such as LoKr, modules whose tensors do not fit together, alphas that are not numbers.
    pub fn unread_parts(&self) -> &[UnreadPart] {
        &self.unread
    }

    /// The same, and a part for each magnitude vector of DoRA, which has no name of its own.
    #[cfg(feature = "scan")]
    pub(crate) fn unread_and_magnitudes(&self) -> Vec<UnreadPart> {
        let magnitude = UnreadPart {
            name: String::new(),
            reason: "a magnitude vector of DoRA (ΔW is s·B·A before the rows are rescaled)".to_owned(),
            found: None,
            n_tensors: 1,
        };
        let mut parts = self.unread.clone();
        parts.resize(parts.len() + self.n_magnitudes, magnitude);
        parts
    }

    /// How many tensors of the file belong to no update: classifiers and other `modules_to_save`, token vectors, biases.
    pub fn n_other_tensors(&self) -> usize {
        self.n_other
    }

    /// In how many modules the rows of B, or the columns of A, are multiplied by what DoRA makes of them with the weight of the base
    /// model ([`OpenOptions::base`](crate::OpenOptions::base)): mᵢ over the norm of row i of W + s·B·A.
    pub fn n_rescaled(&self) -> usize {
        self.n_rescaled
    }

    /// How many magnitude vectors of DoRA the file has. Without a base model they are ignored: the subspaces are those of s·B·A.
    pub fn n_magnitudes(&self) -> usize {
        self.n_magnitudes
    }

    /// How many modules have factors that lie the other way round than usual in their naming scheme, such as A as (d_in, rank)
    /// for (rank, d_in). They are read the right way, as far as shapes tell it.
    pub fn n_turned(&self) -> usize {
        self.n_turned
    }

    /// How many modules have a rank above their d_in or d_out: convolutions with few channels, or factors that were taken for
    /// each other's transposes.
    pub fn n_above_size(&self) -> usize {
        self.modules.iter().filter(|module| module.is_above_size()).count()
    }

    /// Size of the file that holds the tensors, or of all its shards.
    pub fn n_bytes(&self) -> u64 {
        stamps(&self.sources).map(|stamp| stamp.n_bytes).sum()
    }

    /// When that file, or the last of the shards, was last written, if the system knows.
    pub fn modified(&self) -> Option<SystemTime> {
        stamps(&self.sources).filter_map(|stamp| stamp.modified()).max()
    }

    /// Size and time of that file, or of all shards, when its header was read; of those of a base model that it is read against too.
    #[cfg(feature = "scan")]
    pub(crate) fn stamp(&self) -> FileStamp {
        FileStamp::of_all(stamps(&self.sources).chain(stamps(&self.base_sources)))
    }

    /// The naming scheme of the tensors.
    pub fn naming_scheme(&self) -> NamingScheme {
        self.naming_scheme
    }

    /// The kind of file that holds the tensors.
    pub fn file_format(&self) -> FileFormat {
        self.file_format
    }

    /// Every module with a factor pair, in natural order of the names (layer 2 before layer 10). Results share them, so that
    /// they outlive the adapter.
    pub fn modules(&self) -> &[Arc<Module>] {
        &self.modules
    }

    /// The module with this canonical name, or with this name in the file, or with the canonical name that
    /// [`names::canonical`](crate::names::canonical) makes from this path.
    pub fn module(&self, name: &str) -> Option<&Arc<Module>> {
        let find = |name: &str| {
            let at = self.modules.binary_search_by(|module| natural_cmp(&module.name, name)).ok()?;
            self.modules.get(at)
        };
        let original = || self.modules.iter().find(|module| module.original == name);
        find(name).or_else(original).or_else(|| find(&canonical(name)))
    }
}

/// Size and time of each file when its header was read.
fn stamps(sources: &[Source]) -> impl Iterator<Item = FileStamp> + '_ {
    let untimed = |n_bytes| FileStamp { n_bytes, modified_ns: None };
    sources.iter().map(move |source| match source.whole() {
        Source::File(file) => file.stamp,
        Source::Memory(_, bytes) => untimed(bytes.len() as u64),
        Source::Member(member) => untimed(member.n_bytes),
        Source::Quantised(part) => untimed(part.n_bytes()),
    })
}

/// A weight that an adapter changes: ΔW = s·B·A.
#[derive(Debug, Clone)]
pub struct Module {
    /// Canonical name: the dotted path without wrapper prefixes, see [`names::canonical`](crate::names::canonical). The
    /// parts of a fused weight end with `.q`, `.k` and `.v`. If two modules of a file would share a name, both keep their
    /// original one.
    pub name: String,
    /// The path in the file, with the part of a fused weight at its end.
    pub original: String,
    /// Factor A, (rank, d_in).
    pub a: Factor,
    /// Factor B, (d_out, rank).
    pub b: Factor,
    /// The alpha of this module: `lora_alpha` or what `alpha_pattern` has for it, or the alpha that is stored next to the
    /// factors. `None` if there is none, or a pattern is a regular expression that is not supported.
    pub alpha: Option<f64>,
    /// s in ΔW = s·B·A: alpha/r, or alpha/√r with `use_rslora`, where r is what `rank_pattern` has for the module, else
    /// the rank. `None` if the files do not determine it.
    pub scaling: Option<f64>,
    /// What DoRA scales the tuned weight to.
    pub(crate) magnitudes: Option<Box<Magnitudes>>,
}

impl Module {
    /// The rank: the rows of A.
    pub fn rank(&self) -> usize {
        self.a.rows
    }

    /// For an update that is not stored as A and B (LoHa, LoKr, a whole difference): the largest rank that it can have, of whose
    /// directions [`Module::rank`] are read, the strongest first. `None` for an update with A and B.
    pub fn full_rank(&self) -> Option<usize> {
        self.a.made.as_ref().map(|made| made.update.form.rank())
    }

    /// Whether the rank is above d_in or d_out.
    pub(crate) fn is_above_size(&self) -> bool {
        self.rank() > self.d_in().min(self.d_out())
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
