//! What of each checkpoint a scan compares, and so what it reads of it.

use std::path::Path;

use glob::Pattern;

use crate::Limits;
use crate::adapter::Side;
use crate::adapter::{Adapter, Factor, Module};
use crate::error::{Fault, Result};
use crate::select::fits;
use crate::text::quoted;

/// A side of some modules.
#[derive(Debug, Clone)]
pub struct SideModules {
    /// Which subspace.
    pub side: Side,
    /// Whether the updates themselves are compared too.
    pub update: bool,
    /// Globs on module names; none for all modules.
    globs: Vec<Pattern>,
}

impl SideModules {
    /// The modules whose name matches one of the globs; all for no globs.
    ///
    /// # Errors
    /// `Invalid` for a glob that cannot be read.
    pub fn new<S: AsRef<str>>(side: Side, globs: &[S]) -> Result<Self> {
        let pattern = |glob: &S| {
            Pattern::new(glob.as_ref()).map_err(|error| {
                let found = format!("{} ({} at position {})", quoted(glob.as_ref()), error.msg, error.pos);
                Fault::new(found, "a glob such as `*.layer.5.*.query`").of("module").invalid()
            })
        };
        Ok(Self { side, update: false, globs: globs.iter().map(pattern).collect::<Result<_>>()? })
    }

    /// Compares the updates too.
    pub fn with_update(self, update: bool) -> Self {
        Self { update, ..self }
    }

    /// Opens a checkpoint's header, with only the modules that are compared.
    ///
    /// # Errors
    /// As [`Adapter::open_with`].
    pub fn open(&self, path: &Path, limits: &Limits) -> Result<Adapter> {
        Ok(self.of(Adapter::open_with(path, limits)?))
    }

    /// The adapter with only the modules that are compared.
    pub fn of(&self, mut adapter: Adapter) -> Adapter {
        adapter.modules.retain(|module| self.has(module));
        adapter
    }

    fn has(&self, module: &Module) -> bool {
        self.globs.is_empty() || self.globs.iter().any(|glob| fits(glob, module))
    }

    /// The factors of a module that are read: A on every side, since it shows a shared start.
    pub fn factors<'a>(&self, module: &'a Module) -> impl Iterator<Item = &'a Factor> + use<'a> {
        let b = (self.side != Side::A || self.update).then_some(&module.b);
        std::iter::once(&module.a).chain(b)
    }
}
