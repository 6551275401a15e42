//! What narrows the modules of a checkpoint: globs, layers and projections, each only where it is named.

#[cfg(feature = "scan")]
use std::sync::Arc;

use glob::Pattern;

use crate::adapter::Module;
use crate::error::{Fault, Result};
use crate::names;
#[cfg(feature = "scan")]
use crate::select::layers::LayerRange;
use crate::select::layers::Layers;
#[cfg(feature = "scan")]
use crate::select::named::Named;
#[cfg(feature = "scan")]
use crate::select::projections::ProjectionMatch;
use crate::text::quoted;

/// What narrows the modules of a checkpoint.
#[derive(Debug, Clone, Default)]
pub(crate) struct Narrowing {
    pub(super) globs: Vec<Pattern>,
    pub(super) layers: Option<Layers>,
    pub(super) projections: Vec<String>,
}

impl Narrowing {
    /// Adds globs on module names.
    ///
    /// # Errors
    /// `Invalid` when one cannot be read.
    pub(crate) fn globs<S: AsRef<str>>(mut self, globs: impl IntoIterator<Item = S>) -> Result<Self> {
        for glob in globs {
            let pattern = Pattern::new(glob.as_ref()).map_err(|error| {
                let found = format!("{} ({} at position {})", quoted(glob.as_ref()), error.msg, error.pos);
                Fault::new(found, "a glob such as `*.layer.5.*.query`").of("module").invalid()
            })?;
            self.globs.push(pattern);
        }
        Ok(self)
    }

    /// Takes these layers, if any are named.
    #[cfg(feature = "scan")]
    pub(crate) fn layers(self, layers: Option<Layers>) -> Self {
        Self { layers, ..self }
    }

    /// Adds projections.
    #[cfg(feature = "scan")]
    pub(crate) fn projections<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.projections.extend(names.into_iter().map(Into::into));
        self
    }

    /// Everything that was named, in the order in which it narrows.
    #[cfg(feature = "scan")]
    pub(crate) fn named(&self) -> Vec<Named<'_>> {
        let layers = self.layers.iter().flat_map(|layers| layers.items());
        let globs = self.globs.iter().map(Named::Glob);
        let projections = self.projections.iter().map(|name| Named::Projection(name));
        globs.chain(layers.copied().map(Named::Layers)).chain(projections).collect()
    }

    /// What narrows before this does.
    #[cfg(feature = "scan")]
    pub(crate) fn before(&self, named: &Named<'_>) -> Self {
        let globs = match named {
            Named::Glob(_) => vec![],
            Named::Layers(_) | Named::Projection(_) => self.globs.clone(),
        };
        let layers = match named {
            Named::Glob(_) | Named::Layers(_) => None,
            Named::Projection(_) => self.layers.clone(),
        };
        Self { globs, layers, projections: vec![] }
    }

    /// Whether a module is in one of the layers.
    pub(super) fn has_layer(&self, module: &Module) -> bool {
        let is_in = |layers: &Layers| names::layer(&module.name).is_some_and(|layer| layers.contains(layer));
        self.layers.as_ref().is_none_or(is_in)
    }

    /// Keeps what fits of a checkpoint's modules. Returns, for each of [`Self::named`], whether a module fits it.
    #[cfg(feature = "scan")]
    pub(crate) fn keep(&self, modules: &mut Vec<Arc<Module>>) -> Vec<bool> {
        let mut are_there: Vec<bool> = vec![];
        are_there.extend(self.globs.iter().map(|glob| modules.iter().any(|module| fits(glob, module))));
        modules.retain(|module| self.globs.is_empty() || self.globs.iter().any(|glob| fits(glob, module)));
        let items = self.layers.iter().flat_map(|layers| layers.items());
        let has = |item: &LayerRange, module: &Module| {
            names::layer(&module.name).is_some_and(|layer| item.contains(layer))
        };
        are_there.extend(items.map(|item| modules.iter().any(|module| has(item, module))));
        modules.retain(|module| self.has_layer(module));
        let all = || modules.iter().map(Arc::as_ref);
        let means = self.projections.iter().map(|name| ProjectionMatch::of(name, all()));
        let means: Vec<ProjectionMatch> = means.collect();
        are_there.extend(means.iter().map(|means| modules.iter().any(|module| means.fits(module))));
        modules.retain(|module| means.is_empty() || means.iter().any(|means| means.fits(module)));
        are_there
    }
}

/// Whether a glob matches the module's canonical name, its path in the file with or without PEFT's wrapping, or the tensor
/// name of its A.
pub(super) fn fits(glob: &Pattern, module: &Module) -> bool {
    let unwrapped = module.original.strip_prefix("base_model.model.");
    let names = [Some(module.name.as_str()), Some(&module.original), unwrapped, Some(&module.a.name)];
    names.into_iter().flatten().any(|name| glob.matches(name))
}
