//! Opens checkpoints: the headers at once, the numbers when they are asked for.

// A file may say anything: what is not there is an error or left out, and never a panic.
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::indexing_slicing))]

mod budget;
mod config;
mod config_file;
mod containers;
mod contents;
mod context;
mod digest;
mod discover;
mod dtype;
mod ends;
#[cfg(feature = "scan")]
mod factor_digest;
mod files;
mod folder;
mod full;
mod lenient;
mod limits;
mod litgpt;
mod llama_cpp;
mod low_rank;
mod made;
mod method_config;
mod methods;
mod modules;
mod not_read;
mod options;
mod other_forms;
mod pairs;
mod patterns;
mod quants;
mod read;
mod run;
mod schemes;
mod shards;
mod source;
mod stored_file;
mod targets;
mod tensor;
mod training;
mod unpacking;
mod unread;
mod weights;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(feature = "cli")]
pub(crate) use containers::listed_suffixes;
#[cfg(feature = "scan")]
pub(crate) use discover::search;
#[cfg(feature = "scan")]
pub(crate) use discover::special_files;
pub use discover::{Discovered, discover};
#[cfg(feature = "scan")]
pub(crate) use factor_digest::blake3;
pub use full::{BaseModel, Weight};
pub use limits::{Limit, Limits};
pub use options::OpenOptions;
pub(crate) use run::run_and_step;

use crate::adapter::{Adapter, Source};
use crate::error::{Error, Result};
use crate::formats::config::Config;
use crate::formats::files::Files;
use crate::formats::folder::{Located, Model};
use crate::formats::litgpt::LitGpt;
use crate::formats::modules::Which;
use crate::formats::weights::Weights;

impl Adapter {
    /// Opens a file of factors (safetensors, what `torch.save` writes, `.npz` or GGUF), or a folder: with `adapter_config.json` and
    /// `adapter_model.safetensors`, `.bin` or MLX's `adapters.safetensors`, in shards too, else the only adapter in it. Within
    /// the default [`Limits`]. The file format is recognised by the content, the naming scheme by the tensors' names. Reads
    /// only headers, and the alphas that some schemes keep as tensors. Pickles are never executed.
    ///
    /// # Errors
    /// - `Io` when the system refuses to read.
    /// - `NotFound` when nothing is at the path.
    /// - `Malformed` when a file breaks its format, a shard is missing, or a factor has no partner of its rank.
    /// - `Unsupported` when it is of another method, file format or number type, so that it has no LoRA pairs to read.
    /// - `Limit` when it asks for more than [`Limits`] allow.
    /// - `Invalid` when the folder holds no adapter or several, or the file does: see [`OpenOptions`].
    ///
    /// ```
    /// let adapter = lorascope::Adapter::open("tests/data/adapters/seed0-r8-layer5")?;
    /// assert_eq!(adapter.base_model(), Some("sentence-transformers/all-MiniLM-L6-v2"));
    /// let query = adapter.module("encoder.layer.5.attention.self.query").unwrap();
    /// assert_eq!((query.rank(), query.d_in(), query.d_out()), (8, 384, 384));
    /// assert_eq!(query.a.read()?.values.len(), 8 * 384);
    /// # Ok::<(), lorascope::Error>(())
    /// ```
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, &Limits::default())
    }

    /// Opens an adapter within other limits.
    ///
    /// # Errors
    /// As [`Adapter::open`].
    pub fn open_with(path: impl AsRef<Path>, limits: &Limits) -> Result<Self> {
        OpenOptions::new().limits(limits.clone()).open(path)
    }

    /// Opens the bytes of a file that are in memory already. Messages have the label for a path.
    ///
    /// # Errors
    /// As [`Adapter::open`], without `Io`.
    pub fn from_bytes(label: impl Into<PathBuf>, bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self> {
        OpenOptions::new().open_bytes(label, bytes, None)
    }
}

impl OpenOptions {
    /// Opens the bytes of a file that are in memory already, with the text of its `adapter_config.json` if it has one. Messages
    /// have the label for a path.
    ///
    /// # Errors
    /// As [`Adapter::open`], without `Io`.
    pub fn open_bytes(
        &self,
        label: impl Into<PathBuf>,
        bytes: impl Into<Cow<'static, [u8]>>,
        config: Option<&str>,
    ) -> Result<Adapter> {
        let label = label.into();
        let config = config.map(|text| Config::parse(&label, text.as_bytes())).transpose()?;
        let source = Source::Memory(label.as_path().into(), Arc::new(bytes.into()));
        let (file_format, contents) = containers::open(&source, &self.limits)?;
        let files = Files { label: &label, sources: vec![source], file_format, contents };
        Ok(self.read(&label, files, config.as_ref(), false)?.remove(0))
    }

    /// Opens the adapter at a path, or all of them; a full model as its difference from the base, if there is one.
    fn open_each(&self, path: &Path, all: bool) -> Result<Vec<Adapter>> {
        #[cfg(feature = "cli")]
        if let Some(adapter) = self.given.get(path) {
            return Ok(vec![adapter.clone()]);
        }
        let Some(trained) = &self.trained else { return self.open_adapters(path, all) };
        if path.is_dir() && !folder::is_adapter_folder(path) && full::is_model_folder(path) {
            return Ok(vec![trained.open(path)?]);
        }
        match self.open_adapters(path, all) {
            Err(error) if error.is_other_kind() => match trained.open(path) {
                // What it is instead is known better without a base.
                Err(Error::Malformed(fault)) if fault.is_other_kind => Err(error),
                opened => Ok(vec![opened?]),
            },
            adapters => adapters,
        }
    }

    /// Whether a folder is one checkpoint by the names in it, so that it need not be searched for some.
    #[cfg(feature = "cli")]
    pub(crate) fn is_checkpoint(&self, folder: &Path) -> bool {
        folder::is_adapter_folder(folder) || self.trained.is_some() && full::is_model_folder(folder)
    }

    fn open_adapters(&self, path: &Path, all: bool) -> Result<Vec<Adapter>> {
        let Some(located) = folder::locate(path, &self.limits)? else {
            let inside = discover::only(path, self)?;
            let mut adapters = self.open_each(&inside, all)?;
            adapters.iter_mut().for_each(|adapter| path.clone_into(&mut adapter.path));
            return Ok(adapters);
        };
        let config = self.config(&located)?;
        let mut shards = match located.model {
            Model::Shards(shards) => shards,
            Model::File(file) => {
                let source = Source::file(&file)?;
                let (file_format, contents) = containers::open(&source, &self.limits)?;
                let files = Files { label: &file, sources: vec![source], file_format, contents };
                return self.read(path, files, config.as_ref(), all);
            }
        };
        let (files, mut wrong) = files::join(path, &mut shards, &self.limits)?;
        let adapters = self.read(path, files, config.as_ref(), all);
        match wrong.take() {
            None => adapters,
            // Of a split full model that is not whole, it only matters what it is.
            Some(wrong) => Err(adapters.err().filter(Error::is_other_kind).unwrap_or(wrong)),
        }
    }

    /// The adapter's config, in the form of PEFT and MLX or in that of LitGPT.
    fn config(&self, located: &Located) -> Result<Option<Config>> {
        if let Some(config) = &located.config {
            return Config::read(config, &self.limits).map(Some);
        }
        let Model::File(file) = &located.model else { return Ok(None) };
        let litgpt = LitGpt::next_to(file, &self.limits)?;
        Ok(litgpt.map(|litgpt| Config::of_litgpt(file, litgpt)))
    }

    fn read(
        &self,
        path: &Path,
        files: Files<'_>,
        config: Option<&Config>,
        all: bool,
    ) -> Result<Vec<Adapter>> {
        let Files { label, sources, file_format, contents } = files;
        let (base_model, training) = training::training(config, &contents);
        let which = match (&self.adapter_name, all) {
            (Some(name), _) => Which::Named(name),
            (None, true) => Which::Every,
            (None, false) => Which::Only,
        };
        let weights = self.trained.as_ref().map(|trained| trained as &dyn Weights);
        let read = modules::read(label, &contents, config, which, weights, &self.limits)?;
        let adapter = |mut read: modules::Read| {
            // It was made by doubling.
            read.modules.shrink_to_fit();
            let mut adapter = Adapter {
                path: path.to_owned(),
                base_model: base_model.clone(),
                training: training.clone(),
                naming_scheme: read.naming_scheme,
                method: read.method,
                file_format,
                adapter_name: read.adapter_name,
                modules: read.modules,
                unread: read.unread,
                n_other: read.n_other,
                n_magnitudes: read.n_magnitudes,
                n_rescaled: 0,
                n_turned: read.n_turned,
                sources: sources.clone(),
                base_sources: vec![],
            };
            if let Some(trained) = &self.trained {
                trained.rescale(&mut adapter)?;
                trained.add_sources(&mut adapter);
            }
            Ok(adapter)
        };
        read.into_iter().map(adapter).collect()
    }
}
