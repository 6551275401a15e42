//! What else two checkpoints have, for a figure none of whose modules can be compared.

use crate::error::Remedy;
use crate::names::layer;
use crate::{Adapter, Basis, ModulePair, Selection, Side};

/// What else the two checkpoints have, for a figure none of whose modules can be compared.
pub(super) struct Others<'a> {
    pub(super) runs: [&'a Adapter; 2],
    pub(super) selection: &'a Selection,
    pub(super) side: Side,
}

/// Layers that are tried before there is no hint.
const N_TRIED: usize = 100;

impl Others<'_> {
    /// The nearest layer that the same choice can compare all of.
    pub(super) fn near(&self, pairs: &[ModulePair]) -> Option<Remedy> {
        self.layer(pairs).map(|layer| Remedy::OtherLayer { layer })
    }

    fn layer(&self, pairs: &[ModulePair]) -> Option<usize> {
        let chosen = pairs.iter().find_map(ModulePair::layer)?;
        let mut layers: Vec<usize> = self.names().filter_map(layer).collect();
        layers.sort_unstable();
        layers.dedup();
        layers.retain(|layer| pairs.iter().all(|pair| pair.layer() != Some(*layer)));
        layers.sort_by_key(|layer| layer.abs_diff(chosen));
        let is_good = |layer: &usize| self.is_good(self.selection.clone().layer(*layer));
        layers.into_iter().take(N_TRIED).find(is_good)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.runs[0].modules().iter().map(|module| module.name.as_str())
    }

    /// Whether every module of the choice has a subspace in both.
    fn is_good(&self, selection: Selection) -> bool {
        let selected = selection.select(self.runs[0], self.runs[1], self.side);
        selected.is_ok_and(|selected| selected.pairs.iter().all(|pair| has_basis(pair, self.side)))
    }
}

/// Whether a module has a subspace in both.
pub(in crate::cli) fn has_basis(pair: &ModulePair, side: Side) -> bool {
    [&pair.first, &pair.second].into_iter().all(|module| Basis::of(module, side).is_ok())
}
