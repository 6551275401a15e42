//! What else two checkpoints have, for a figure none of whose modules can be compared.

use crate::error::Remedy;
use crate::names::{layer, parent};
use crate::{Adapter, Basis, ModulePair, Selection, Side};

/// What else the two checkpoints have, for a figure none of whose modules can be compared.
pub(super) struct Others<'a> {
    pub(super) runs: [&'a Adapter; 2],
    pub(super) selection: &'a Selection,
    pub(super) side: Side,
}

/// Layers or blocks that are tried before there is no hint.
const N_TRIED: usize = 100;

impl Others<'_> {
    /// The nearest layer that the same choice can compare all of, or else a block with the same projections.
    pub(super) fn near(&self, pairs: &[ModulePair]) -> Option<Remedy> {
        let layer = self.layer(pairs).map(|layer| Remedy::OtherLayer { layer });
        layer.or_else(|| self.block(pairs))
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

    fn block(&self, pairs: &[ModulePair]) -> Option<Remedy> {
        let mut projections: Vec<String> = pairs.iter().map(|pair| pair.label().to_owned()).collect();
        projections.dedup();
        let is_chosen = |block: &str| pairs.iter().any(|pair| parent(pair.name()) == block);
        let mut blocks: Vec<&str> = self.names().map(parent).filter(|block| !is_chosen(block)).collect();
        blocks.dedup();
        let of_block = |block: &str| {
            let glob = format!("{block}.*");
            let selection = self.selection.clone().projections(projections.clone()).modules([&glob]).ok()?;
            self.is_good(selection).then_some(glob)
        };
        let glob = blocks.into_iter().take(N_TRIED).find_map(of_block)?;
        Some(Remedy::OtherBlock { glob, projections })
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.runs[0].modules().iter().map(|module| module.name.as_str())
    }

    /// Whether every module of the choice has a subspace in both.
    fn is_good(&self, selection: Selection) -> bool {
        let selected = selection.select(self.runs[0], self.runs[1], self.side);
        let has_basis = |pair: &ModulePair| {
            [&pair.first, &pair.second].into_iter().all(|module| Basis::of(module, self.side).is_ok())
        };
        selected.is_ok_and(|selected| selected.pairs.iter().all(has_basis))
    }
}
