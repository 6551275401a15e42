//! Opens checkpoints: the headers at once, the numbers when they are asked for.

mod config;
mod containers;
mod contents;
mod context;
mod digest;
mod discover;
mod dtype;
#[cfg(feature = "scan")]
mod factor_digest;
mod folder;
mod left_out;
mod limits;
mod low_rank;
mod modules;
mod options;
mod pairs;
mod patterns;
mod read;
mod run;
mod schemes;
mod source;
mod stored_file;
mod tensor;
mod training;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(feature = "cli")]
pub(crate) use containers::listed_suffixes;
#[cfg(feature = "scan")]
pub(crate) use discover::search;
pub use discover::{Discovered, discover};
#[cfg(feature = "scan")]
pub(crate) use factor_digest::blake3;
pub use limits::Limits;
pub use options::OpenOptions;
pub(crate) use run::run_and_step;

use crate::adapter::{Adapter, Source};
use crate::error::Result;
use crate::formats::config::Config;
use crate::formats::modules::adapter_names;

impl Adapter {
    /// Opens a folder (`adapter_config.json` and its `adapter_model.safetensors`, `.bin` or MLX's `adapters.safetensors`)
    /// or a file of factors (safetensors, what `torch.save` writes, or `.npz`), within the default [`Limits`]. The file
    /// format is recognised by the content, the naming scheme by the tensors' names. Reads only headers, and the alphas
    /// that some schemes keep as tensors. Pickles are never executed.
    ///
    /// # Errors
    /// - `Io` when the system refuses to read.
    /// - `NotFound` when nothing is at the path.
    /// - `Malformed` when a file breaks its format, or a factor has no partner of its rank.
    /// - `Unsupported` when it is of another method, file format or number type, so that it has no LoRA pairs to read.
    /// - `Limit` when it asks for more than [`Limits`] allow.
    /// - `Invalid` when the folder holds no adapter, or the file holds several: see [`OpenOptions`].
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
        let label = label.into();
        let source = Source::Memory(label.as_path().into(), Arc::new(bytes.into()));
        Ok(OpenOptions::new().open_source(&label, &source, None, false)?.remove(0))
    }
}

impl OpenOptions {
    /// Opens the adapter at a path, or all of them.
    fn open_each(&self, path: &Path, all: bool) -> Result<Vec<Adapter>> {
        let files = folder::locate(path)?;
        let config = files.config.map(|config| Config::read(&config, &self.limits)).transpose()?;
        let source = Source::file(&files.model)?;
        self.open_source(path, &source, config.as_ref(), all)
    }

    fn open_source(
        &self,
        path: &Path,
        source: &Source,
        config: Option<&Config>,
        all: bool,
    ) -> Result<Vec<Adapter>> {
        let (file_format, contents) = containers::open(source, &self.limits)?;
        let (base_model, training) = training::training(config, &contents.metadata);
        let names = match (&self.adapter_name, all) {
            (Some(name), _) => vec![Some(name.clone())],
            (None, true) => adapter_names(source.path(), &contents)?,
            (None, false) => vec![None],
        };
        let adapter = |name: Option<String>| {
            let read = modules::read(source.path(), &contents, config, name.as_deref(), &self.limits)?;
            let mut modules: Vec<_> = read.modules.into_iter().map(Arc::new).collect();
            // It is collected in the place of the modules, which is dozens of times as large.
            modules.shrink_to_fit();
            Ok(Adapter {
                path: path.to_owned(),
                base_model: base_model.clone(),
                training: training.clone(),
                naming_scheme: read.naming_scheme,
                method: read.method,
                file_format,
                adapter_name: read.adapter_name,
                modules,
                left_out: read.left_out,
                n_other: read.n_other,
                n_magnitudes: read.n_magnitudes,
                source: source.clone(),
            })
        };
        names.into_iter().map(adapter).collect()
    }
}
