//! Which modules of two adapters are compared.

mod block;
mod candidates;
mod few_meet;
mod in_all;
mod layers;
mod matching;
mod named;
mod narrowing;
mod projections;

use std::sync::Arc;

pub use few_meet::FewMeet;
pub use in_all::InAll;
pub use layers::Layers;
pub use matching::Matching;
pub(crate) use narrowing::Narrowing;

use crate::adapter::Side;
use crate::adapter::{Adapter, Module};
use crate::error::{Fault, Remedy, Result};
use crate::names;
use crate::select::block::Usable;
use crate::select::candidates::Candidates;
use crate::select::named::Named;
use crate::select::narrowing::fits;
use crate::select::projections::ProjectionQuery;
use crate::text::{listed, quoted};

/// What the user asked for. Each part that is given narrows the choice.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    narrowing: Narrowing,
    all: bool,
    matching: Matching,
}

/// The modules to compare.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Selected {
    /// At least one, in natural order of the names; where projections were named, those of each layer in their order.
    pub pairs: Vec<ModulePair>,
    /// What the user should be told of the choice: how it was made, or what is not in both files.
    pub note: Option<String>,
    /// The modules of what was asked for that the first adapter alone has, and those that the second alone has.
    pub only: [Vec<Arc<Module>>; 2],
    /// Whether most modules of the two adapters have no partner, whatever was asked for.
    pub few_meet: Option<FewMeet>,
}

/// One module of two adapters, which it shares with them.
#[derive(Debug, Clone)]
pub struct ModulePair {
    /// The first adapter's.
    pub first: Arc<Module>,
    /// The second adapter's.
    pub second: Arc<Module>,
}

impl ModulePair {
    /// The canonical name: the first adapter's, where the two have been matched in another way.
    pub fn name(&self) -> &str {
        &self.first.name
    }

    /// What a figure calls the weight: `q`, `k`, `v` or `o`, else the last part of the name.
    pub fn label(&self) -> &str {
        names::label(&self.first.name)
    }

    /// The layer number in the name.
    pub fn layer(&self) -> Option<usize> {
        names::layer(&self.first.name)
    }
}

impl Selection {
    /// The default choice: q and v of the block in the middle of those that have both in both files, else the first
    /// modules in common.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every module in common, where the rest of the selection does not narrow it: [`layer`](Self::layer) then means all
    /// modules of the layer, not q and v of them.
    pub fn all(mut self) -> Self {
        self.all = true;
        self
    }

    /// The modules of one layer, numbered as in the tensor names: q and v of them, unless [`all`](Self::all),
    /// [`projections`](Self::projections) or [`modules`](Self::modules) say otherwise.
    pub fn layer(self, layer: usize) -> Self {
        self.layers(layer)
    }

    /// The same for several layers, such as `"0-5".parse()`, or for one number. A layer that is named by its own number must be
    /// in both adapters; of a range, those that are.
    pub fn layers(mut self, layers: impl Into<Layers>) -> Self {
        self.narrowing.layers = Some(layers.into());
        self
    }

    /// Projections such as `q`, `value` or `down`, found across naming habits, or last parts of module names. Their order is that
    /// of the modules of a layer.
    pub fn projections<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.narrowing.projections.extend(names.into_iter().map(Into::into));
        self
    }

    /// How the modules of the two adapters are matched: by canonical names if not told otherwise.
    pub fn matching(mut self, matching: Matching) -> Self {
        self.matching = matching;
        self
    }

    /// Modules whose canonical or original name matches one of the globs. `*` also matches dots.
    ///
    /// # Errors
    /// `Invalid` when a glob cannot be read.
    pub fn modules<S: AsRef<str>>(mut self, globs: impl IntoIterator<Item = S>) -> Result<Self> {
        self.narrowing = self.narrowing.globs(globs)?;
        Ok(self)
    }

    /// The modules asked for that both adapters have, with the same d on the side in question.
    ///
    /// ```
    /// use lorascope::{Adapter, Selection, Side};
    ///
    /// let first = Adapter::open("assets/demo/seed0.safetensors")?;
    /// let second = Adapter::open("assets/demo/seed1.safetensors")?;
    /// let selected = Selection::new().layer(5).projections(["v"]).select(&first, &second, Side::A)?;
    /// assert_eq!(selected.pairs[0].name(), "encoder.layer.5.attention.self.value");
    /// # Ok::<(), lorascope::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid` when the adapters have no module in common, when something asked for is not in both, or when d of
    /// the side differs for a chosen module.
    pub fn select(&self, first: &Adapter, second: &Adapter, side: Side) -> Result<Selected> {
        self.select_usable(first, second, side, &|_| true)
    }

    /// As [`Selection::select`], but where neither a layer nor a module was named, the block is one whose modules pass: the nearest to
    /// the middle. What is the right choice for one side need not be for another, since a B that was never trained has no
    /// subspace.
    ///
    /// # Errors
    /// As [`Selection::select`].
    pub fn select_usable(
        &self,
        first: &Adapter,
        second: &Adapter,
        side: Side,
        is_usable: &dyn Fn(&ModulePair) -> bool,
    ) -> Result<Selected> {
        self.select_where(first, second, side, &Usable { is_usable, that_has: "that has a subspace of" })
    }

    fn select_where(
        &self,
        first: &Adapter,
        second: &Adapter,
        side: Side,
        usable: &Usable<'_>,
    ) -> Result<Selected> {
        let candidates = Candidates::of(first, second, &self.matching)?;
        let Narrowing { globs, layers, projections } = &self.narrowing;
        let selected = if layers.is_none() && globs.is_empty() && !self.all {
            let has_one_d = |pair: &ModulePair| side.d(&pair.first) == side.d(&pair.second);
            let is_usable = |pair: &ModulePair| has_one_d(pair) && (usable.is_usable)(pair);
            let usable = Usable { is_usable: &is_usable, ..*usable };
            block::middle(candidates, &ProjectionQuery::new(projections), &usable)?
        } else {
            self.narrow(candidates)?
        };
        selected.pairs.iter().try_for_each(|pair| same_d(first, second, pair, side))?;
        Ok(selected)
    }

    /// As [`Selection::select`] of a checkpoint with itself, but where neither a layer nor a module was named, the block is the
    /// nearest to the middle whose weights a base model has.
    ///
    /// # Errors
    /// As [`Selection::select`].
    pub(crate) fn select_of_base(
        &self,
        checkpoint: &Adapter,
        has_weight: &dyn Fn(&Module) -> bool,
    ) -> Result<Selected> {
        let is_usable = |pair: &ModulePair| has_weight(&pair.first);
        let usable = Usable { is_usable: &is_usable, that_has: "where the base model has" };
        self.select_where(checkpoint, checkpoint, Side::A, &usable)
    }

    fn narrow(&self, mut candidates: Candidates<'_>) -> Result<Selected> {
        let Narrowing { globs, layers, projections } = &self.narrowing;
        for glob in globs {
            candidates.require(&Named::Glob(glob), |module| fits(glob, module))?;
        }
        candidates.retain(|module| globs.is_empty() || globs.iter().any(|glob| fits(glob, module)));
        let mut notes = vec![];
        if let Some(layers) = layers {
            for &item in layers.items() {
                let is_in =
                    |module: &Module| names::layer(&module.name).is_some_and(|layer| item.contains(layer));
                candidates.require(&Named::Layers(item), is_in)?;
            }
            candidates.retain(|module| self.narrowing.has_layer(module));
            let there = candidates.pairs.iter().filter_map(ModulePair::layer).collect();
            notes.extend(
                layers.missing_of_ranges(&there).map(|missing| format!("not in both files: {missing}")),
            );
        }
        let asked = ProjectionQuery::new(projections);
        if !projections.is_empty() || (globs.is_empty() && !self.all) {
            notes.extend(asked.narrow(&mut candidates)?);
        }
        // Of all modules, those in one file alone are too many to name; the caller has them.
        notes.extend(candidates.only_in_one().filter(|_| !self.takes_all()));
        let note = (!notes.is_empty()).then(|| notes.join("; "));
        Ok(Selected { pairs: candidates.pairs, note, only: candidates.only, few_meet: candidates.few_meet })
    }

    fn takes_all(&self) -> bool {
        self.all && self.narrowing.layers.is_none() && self.narrowing.globs.is_empty()
    }
}

fn same_d(first: &Adapter, second: &Adapter, pair: &ModulePair, side: Side) -> Result<()> {
    let [here, there] = [&pair.first, &pair.second].map(|module| side.d(module));
    if here == there {
        return Ok(());
    }
    let found = format!("{} = {here}", side.d_name());
    let expected = format!("{there} as in {}", second.path().display());
    let fault = Fault::new(found, expected).at(first.path()).of(format!("module {}", quoted(pair.name())));
    let other = Side::ALL.into_iter().find(|side| side.d(&pair.first) == side.d(&pair.second));
    Err(match other {
        Some(other) => {
            let (side, dimension, d) = (other.to_string(), other.d_name(), other.d(&pair.first));
            fault.remedy(Remedy::CompareSide { side, dimension, d }).invalid()
        }
        None => fault.hint(different_models(first, second)).invalid(),
    })
}

/// The hint for adapters that do not fit each other.
fn different_models(first: &Adapter, second: &Adapter) -> String {
    match (first.base_model(), second.base_model()) {
        (Some(x), Some(y)) if x != y => format!("their base models differ: {}", listed([x, y])),
        (Some(x), Some(_)) => format!("both name the base model {}", quoted(x)),
        _ => "both adapters must be of one base model".into(),
    }
}
