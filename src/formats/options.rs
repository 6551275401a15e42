//! How an adapter is opened: within which limits, and which one of several in a file.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use crate::adapter::Adapter;
use crate::error::Result;
use crate::formats::full::{BaseModel, Trained};
use crate::formats::limits::Limits;

/// Opens adapters with other limits than [`Adapter::open`], or from files that hold several.
///
/// ```
/// use lorascope::OpenOptions;
///
/// let file = "tests/data/libraries/peft-several/two.safetensors";
/// let style = OpenOptions::new().adapter_name("style").open(file)?;
/// assert_eq!(style.adapter_name(), Some("style"));
/// assert_eq!(OpenOptions::new().open_all(file)?.len(), 2);
/// # Ok::<(), lorascope::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct OpenOptions {
    pub(super) limits: Limits,
    pub(super) adapter_name: Option<String>,
    /// What full models are read against.
    pub(super) trained: Option<Trained>,
}

impl OpenOptions {
    /// The default [`Limits`], and the only adapter of a file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Other limits.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The adapter with this name, if a file holds several. A file whose tensors do not name their adapter is opened
    /// under any name.
    pub fn adapter_name(mut self, name: impl Into<String>) -> Self {
        self.adapter_name = Some(name.into());
        self
    }

    /// Opens full models too, each as its difference ΔW = W′ − W from this base: of each weight that both have, the strongest
    /// directions above the rounding of the two weights, at most `n_kept`. They have the sides of ΔW only, since there is no A and
    /// no B.
    pub fn base(mut self, base: impl Into<Arc<BaseModel>>, n_kept: NonZeroUsize) -> Self {
        self.trained = Some(Trained { base: base.into(), n_kept });
        self
    }

    /// Opens a folder or a file.
    ///
    /// # Errors
    /// As [`Adapter::open`].
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Adapter> {
        Ok(self.open_each(path.as_ref(), false)?.remove(0))
    }

    /// Opens every adapter in a file, or the one with the name: at least one.
    ///
    /// # Errors
    /// As [`Adapter::open`].
    pub fn open_all(&self, path: impl AsRef<Path>) -> Result<Vec<Adapter>> {
        self.open_each(path.as_ref(), true)
    }
}
