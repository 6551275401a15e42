//! What of each checkpoint a scan compares, and so what it reads of it.

use std::path::Path;

use glob::Pattern;

use crate::Limits;
use crate::adapter::Side;
use crate::adapter::{Adapter, Factor, Module};
use crate::error::Result;
use crate::select::fits;

/// A side of some modules.
#[derive(Debug, Clone)]
pub struct Selection {
    /// Which subspace.
    pub side: Side,
    /// Globs on module names; none for all modules.
    pub modules: Vec<Pattern>,
}

impl Selection {
    /// Opens a checkpoint's header, with the modules that are compared alone.
    ///
    /// # Errors
    /// As [`Adapter::open_with`].
    pub fn open(&self, path: &Path, limits: &Limits) -> Result<Adapter> {
        Ok(self.of(Adapter::open_with(path, limits)?))
    }

    /// The adapter with the modules that are compared alone.
    pub fn of(&self, mut adapter: Adapter) -> Adapter {
        adapter.modules.retain(|module| self.has(module));
        adapter
    }

    fn has(&self, module: &Module) -> bool {
        self.modules.is_empty() || self.modules.iter().any(|glob| fits(glob, module))
    }

    /// The factors of a module that are read: A is, whatever the side, since it tells of a common start.
    pub fn factors<'a>(&self, module: &'a Module) -> impl Iterator<Item = &'a Factor> + use<'a> {
        let b = (self.side != Side::A).then_some(&module.b);
        std::iter::once(&module.a).chain(b)
    }
}
