//! How an adapter is opened: within which limits, and which one of several in a file.

#[cfg(feature = "cli")]
use std::collections::HashMap;
use std::path::Path;
#[cfg(feature = "cli")]
use std::path::PathBuf;
use std::sync::Arc;

use crate::adapter::Adapter;
use crate::basis::range_finder::HowMany;
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
    /// Adapters that are open already, by the paths under which they are asked for.
    #[cfg(feature = "cli")]
    pub(super) given: Arc<HashMap<PathBuf, Adapter>>,
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
    /// directions above the rounding of the two weights, `how_many` of them. They have the sides of ΔW only, since there is no A and
    /// no B. DoRA adapters have the directions that DoRA applies, with the rows of B rescaled by the norms of the tuned weight.
    pub fn base(mut self, base: impl Into<Arc<BaseModel>>, how_many: HowMany) -> Self {
        self.trained = Some(Trained { base: base.into(), how_many });
        self
    }

    /// Adapters that are open already, by the paths under which they are asked for.
    #[cfg(feature = "cli")]
    pub(crate) fn given(mut self, given: Arc<HashMap<PathBuf, Adapter>>) -> Self {
        self.given = given;
        self
    }

    /// Whether what is asked for under this path is open already.
    #[cfg(feature = "cli")]
    pub(crate) fn is_given(&self, path: &Path) -> bool {
        self.given.contains_key(path)
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
