//! Opens checkpoints: the headers at once, the numbers when they are asked for.

mod config;
mod container;
mod digest;
mod discover;
mod dtype;
mod folder;
mod header;
mod limits;
mod loralib;
mod npy;
mod npz;
mod other_schemes;
mod pairs;
mod patterns;
mod peft;
mod pickle;
mod read;
mod safetensors;
mod sniff;
mod source;
mod tensor;
mod torch;
mod zip;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use discover::{Discovered, discover};
pub use limits::Limits;

use crate::adapter::{Adapter, Format, Source};
use crate::error::Result;
use crate::formats::config::Config;

impl Adapter {
    /// Opens a PEFT folder (`adapter_config.json` and `adapter_model.safetensors` or `.bin`) or a file of factors
    /// (safetensors, what `torch.save` writes, or `.npz`) with PEFT's or loralib's names, within the default [`Limits`].
    /// What kind of file it is, its content says. Reads headers only, and runs nothing that a pickle holds.
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

    /// Opens the bytes of a file that are in memory already. The label stands for the path in
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
        let (container, tensors) = container::open(source, limits)?;
        let (format, modules) = if loralib::is(&tensors) {
            (Format::Loralib, loralib::modules(source.path(), &tensors, limits)?)
        } else {
            (Format::Peft, peft::modules(source.path(), &tensors, limits)?)
        };
        Ok(Self { path, base_model: None, format, container, modules })
    }
}
