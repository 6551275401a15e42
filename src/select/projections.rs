//! Narrows the choice to projections, by kind or by the name that the files use.

use std::collections::HashMap;

use crate::adapter::Module;
use crate::error::Result;
use crate::names::{self, Projection};
use crate::select::ModulePair;
use crate::select::candidates::Candidates;
use crate::select::named::Named;

/// The projections to take.
#[derive(Debug, Clone)]
pub(super) struct ProjectionQuery {
    names: Vec<String>,
    /// q and v, when the user named none: then one of them is enough.
    pub(super) by_default: bool,
}

/// What one name of a projection means for the files at hand.
#[derive(Debug, Clone)]
pub(super) enum ProjectionMatch {
    Kind(Projection),
    LastPart(String),
}

impl ProjectionQuery {
    /// The named projections, or q and v for no names.
    pub(super) fn new(names: &[String]) -> Self {
        match names {
            [] => Self { names: ["q", "v"].map(String::from).into(), by_default: true },
            names => Self { names: names.to_vec(), by_default: false },
        }
    }

    /// Keeps the modules of these projections. By default one of q and v is enough, and the other is returned as
    /// missing.
    ///
    /// # Errors
    /// `Invalid` when a named projection, or both by default, are not in both files.
    pub(super) fn narrow(&self, candidates: &mut Candidates<'_>) -> Result<Option<String>> {
        let means = self.means(candidates);
        let is_there = |means: &ProjectionMatch| candidates.pairs.iter().any(|pair| means.fits(&pair.first));
        let n_there = means.iter().filter(|means| is_there(means)).count();
        let mut missing = None;
        for (name, means) in self.names.iter().zip(&means) {
            if self.by_default && n_there > 0 && !is_there(means) {
                missing = Some(format!("no {name} in both files"));
            } else {
                candidates.require(&Named::Projection(name), |module| means.fits(module))?;
            }
        }
        candidates.retain(|module| means.iter().any(|means| means.fits(module)));
        self.order(&means, &mut candidates.pairs);
        Ok(missing)
    }

    /// Puts the modules of each layer in the order in which the projections were named, if they were.
    fn order(&self, means: &[ProjectionMatch], pairs: &mut [ModulePair]) {
        if self.by_default {
            return;
        }
        let mut layers: HashMap<String, usize> = HashMap::new();
        pairs.sort_by_cached_key(|pair| {
            let n_before = layers.len();
            let layer = names::layer_path(pair.name()).unwrap_or_default();
            let layer = *layers.entry(layer.to_owned()).or_insert(n_before);
            (layer, means.iter().position(|means| means.fits(&pair.first)))
        });
    }

    /// The modules of these projections, if there is one of each among the pairs of a block.
    pub(super) fn all_of(&self, means: &[ProjectionMatch], pairs: &[ModulePair]) -> Option<Vec<ModulePair>> {
        let each = means.iter().all(|means| pairs.iter().any(|pair| means.fits(&pair.first)));
        let fits = |pair: &&ModulePair| means.iter().any(|means| means.fits(&pair.first));
        let mut found: Vec<ModulePair> = each.then(|| pairs.iter().filter(fits).cloned().collect())?;
        self.order(means, &mut found);
        Some(found)
    }

    /// `q and v`.
    pub(super) fn shown(&self) -> String {
        self.names.join(" and ")
    }

    /// What each name means among these modules.
    pub(super) fn means(&self, candidates: &Candidates<'_>) -> Vec<ProjectionMatch> {
        self.names.iter().map(|name| ProjectionMatch::of(name, candidates.modules())).collect()
    }
}

impl ProjectionMatch {
    /// A kind's own name (`q`, `gate`) means the kind where the files have it: a router that is called `gate` must
    /// not win over the gate projections. Any other name means the modules that are called so, and only without
    /// those the kind: `wo` is T5's feed-forward weight, and elsewhere the attention output.
    pub(super) fn of<'a>(name: &str, modules: impl Iterator<Item = &'a Module> + Clone) -> Self {
        let last_part = Self::LastPart(name.to_owned());
        let Some(kind) = Projection::from_name(name).map(Self::Kind) else { return last_part };
        let is_own_name = Projection::ALL.iter().any(|kind| kind.name() == name);
        let (preferred, other) = if is_own_name { (kind, last_part) } else { (last_part, kind) };
        let there = |means: &Self| modules.clone().any(|module| means.fits(module));
        if there(&other) && !there(&preferred) { other } else { preferred }
    }

    pub(super) fn fits(&self, module: &Module) -> bool {
        match self {
            Self::Kind(kind) => Projection::of(&module.name) == Some(*kind),
            Self::LastPart(name) => names::last_part(&module.name) == name,
        }
    }
}
