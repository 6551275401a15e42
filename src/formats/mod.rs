//! Opens checkpoints: the headers at once, the numbers when they are asked for.

mod config;
mod digest;
mod discover;
mod dtype;
mod folder;
mod header;
mod limits;
mod other_schemes;
mod patterns;
mod peft;
mod safetensors;
mod sniff;
mod source;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[cfg(feature = "cli")]
pub(crate) use discover::{Discovered, discover};
pub use limits::Limits;

use crate::adapter::{Adapter, Container, Factor, Format, Matrix, Source};
use crate::error::{Fault, Result};
use crate::formats::config::Config;
use crate::listing::quoted;

impl Adapter {
    /// Opens a PEFT folder (`adapter_config.json` and `adapter_model.safetensors`) or a `.safetensors` file with
    /// PEFT's names, within the default [`Limits`]. Reads headers only.
    ///
    /// # Errors
    /// - `Io` when the system refuses to read.
    /// - `Malformed` when a file breaks its format, or a factor has no partner of its rank.
    /// - `Unsupported` when it holds no LoRA pairs that are read: another method, file format or number type.
    /// - `Limit` when it asks for more than [`Limits`] allow.
    /// - `Invalid` when there is no such file, or the folder holds no adapter.
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
        let path = path.as_ref();
        let files = folder::locate(path)?;
        let config = files.config.map(|config| Config::read(&config, limits)).transpose()?;
        let source = Source::file(&files.model)?;
        let mut adapter = Self::from_source(path.to_owned(), &source, limits)?;
        if let Some(config) = config {
            config.scale(&mut adapter.modules)?;
            adapter.base_model = config.base_model;
        }
        Ok(adapter)
    }

    /// Opens the bytes of a `.safetensors` file that are in memory already. The label stands for the path in
    /// messages.
    ///
    /// # Errors
    /// As [`Adapter::open`], without `Io`.
    pub fn from_bytes(label: impl Into<PathBuf>, bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self> {
        let label = label.into();
        let source = Source::Memory(label.as_path().into(), Arc::new(bytes.into()));
        Self::from_source(label, &source, &Limits::default())
    }

    /// Everything but what a config says.
    fn from_source(path: PathBuf, source: &Source, limits: &Limits) -> Result<Self> {
        let reader = source.open()?;
        let tensors = safetensors::tensors(&reader, limits)?;
        let modules = peft::modules(source, &tensors, limits)?;
        let (format, container) = (Format::Peft, Container::Safetensors);
        Ok(Self { path, base_model: None, format, container, modules })
    }
}

impl Factor {
    /// Reads the numbers: (rows, cols), widened to f64. Only this tensor's bytes are read.
    ///
    /// # Errors
    /// `Io` when the system refuses to read, `Malformed` when the file changed since it was opened or a number is
    /// not finite.
    pub fn read(&self) -> Result<Matrix> {
        let (rows, cols, dtype) = (self.rows, self.cols, self.dtype);
        let mut bytes = vec![0; rows * cols * dtype.size_bytes()];
        self.source.open()?.read_at(self.offset_bytes, &mut bytes)?;
        let values = dtype::widen(&bytes, dtype);
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            let found = format!("{} at {:?}", values[at], [at / cols, at % cols]);
            let fault = Fault::new(found, "finite numbers").at(self.path());
            return Err(fault.of(format!("tensor {}", quoted(&self.name))).malformed());
        }
        Ok(Matrix { rows, cols, dtype, values })
    }
}
