//! One of the things that narrow the modules of a checkpoint, as messages name it.

use std::collections::BTreeSet;

use glob::Pattern;

use crate::names;
use crate::select::layers::LayerRange;
use crate::text::{listed, quoted};

/// One of the things that were named.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Named<'a> {
    Glob(&'a Pattern),
    Layers(LayerRange),
    Projection(&'a str),
}

impl Named<'_> {
    /// How a message names it.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Glob(glob) => format!("module {}", quoted(glob.as_str())),
            Self::Layers(layers) => layers.shown(),
            Self::Projection(name) => format!("projection {}", quoted(name)),
        }
    }

    /// What modules of these names have in its place, the nearest first.
    pub(crate) fn instead<'a>(&self, modules: impl Iterator<Item = &'a str> + Clone) -> String {
        match self {
            Self::Glob(glob) => listed(names::by_nearness(glob.as_str(), modules)),
            Self::Layers(_) => {
                let layers = modules.clone().filter_map(names::layer).collect();
                match modules.clone().any(|name| names::layer(name).is_some()) {
                    true => super::layers::of_numbers(&layers),
                    false => format!("modules without layer number, {}", listed(modules)),
                }
            }
            Self::Projection(name) => listed(names::by_nearness(name, labels(modules))),
        }
    }
}

/// What figures call these modules' weights, each once.
fn labels<'a>(modules: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
    modules.map(names::label).collect()
}
