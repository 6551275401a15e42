//! The modules that may be chosen, joined by canonical name, and the errors that say what there is.

use std::sync::Arc;

use crate::adapter::{Adapter, Module};
use crate::error::{Fault, Remedy, Result};
use crate::select::few_meet::FewMeet;
use crate::select::matching::{Joined, Matching};
use crate::select::named::Named;
use crate::select::{ModulePair, different_models};
use crate::text::{listed, quoted};

/// What is left of both adapters' modules, each part in natural order.
#[derive(Debug, Clone)]
pub(super) struct Candidates<'a> {
    adapters: [&'a Adapter; 2],
    pub(super) pairs: Vec<ModulePair>,
    /// Modules of the first adapter that the second does not have, and the reverse.
    pub(super) only: [Vec<Arc<Module>>; 2],
    /// Whether most modules have no partner, before anything is narrowed.
    pub(super) few_meet: Option<FewMeet>,
}

impl<'a> Candidates<'a> {
    /// Joins two adapters.
    ///
    /// # Errors
    /// `Invalid` when they have no module in common; those of [`Matching::join`].
    pub(super) fn of(first: &'a Adapter, second: &'a Adapter, matching: &Matching) -> Result<Self> {
        let Joined { pairs, only } = matching.join(first, second)?;
        if pairs.is_empty() {
            let [here, there] = [first, second].map(|adapter| listed(names_of(adapter.modules())));
            let found = format!("no module in common ({here} here, {there} there)");
            let expected = format!("modules of {}", second.path().display());
            let fault = Fault::new(found, expected).at(first.path());
            return Err(fault.remedy(no_match(first, second, few_meet(0, &only))).invalid());
        }
        let few_meet = few_meet(pairs.len(), &only);
        Ok(Self { adapters: [first, second], pairs, only, few_meet })
    }

    /// Keeps the modules that pass.
    pub(super) fn retain(&mut self, keep: impl Fn(&Module) -> bool) {
        self.pairs.retain(|pair| keep(&pair.first) || keep(&pair.second));
        self.only.iter_mut().for_each(|only| only.retain(|module| keep(module)));
    }

    /// Every module that is left, in one file or in both.
    pub(super) fn modules(&self) -> impl Iterator<Item = &Module> + Clone {
        let alone = self.only.iter().flatten();
        self.pairs.iter().map(|pair| &pair.first).chain(alone).map(Arc::as_ref)
    }

    /// Fails when no module that both have passes, and says what both have instead.
    pub(super) fn require(&self, what: &Named<'_>, pass: impl Fn(&Module) -> bool) -> Result<()> {
        if self.pairs.iter().any(|pair| pass(&pair.first) || pass(&pair.second)) {
            return Ok(());
        }
        let has_it = self.only.each_ref().map(|only| only.iter().any(|module| pass(module)));
        let [first, second] = self.adapters.map(|adapter| adapter.path().display());
        let who = match has_it {
            [true, true] => format!("{first} and {second} have no module of it in common"),
            [true, false] => format!("only {first} has it"),
            [false, true] => format!("only {second} has it"),
            [false, false] => format!("neither {first} nor {second} has it"),
        };
        let instead = what.instead(self.pairs.iter().map(ModulePair::name));
        Err(Fault::stating(format!("{who}; both have {instead}")).of(what.shown()).invalid())
    }

    /// Says which modules are left in one file only.
    pub(super) fn only_in_one(&self) -> impl Iterator<Item = String> {
        let parts = self.only.iter().zip(self.adapters).filter(|(only, _)| !only.is_empty());
        parts.map(|(only, adapter)| {
            let shown = listed(only.iter().map(|module| module.name.as_str()));
            format!("only in {}: {shown}", adapter.path().display())
        })
    }
}

/// Whether most modules have no partner, by the names in the files: canonical ones hide what the two spellings are.
fn few_meet(n_met: usize, only: &[Vec<Arc<Module>>; 2]) -> Option<FewMeet> {
    FewMeet::of(n_met, only.each_ref().map(|only| only.iter().map(|module| module.original.as_str())))
}

/// The way out for adapters without a module in common, with two names that are the nearest to each other.
fn no_match(first: &Adapter, second: &Adapter, few_meet: Option<FewMeet>) -> Remedy {
    let is_same_scheme = first.naming_scheme() == second.naming_scheme();
    if is_same_scheme && first.naming_scheme().is_numbered() {
        let because = "numbered modules are matched only where the shapes of all agree".to_owned();
        return Remedy::ListModulePairs { because };
    }
    let names = few_meet.map(|few| {
        let [here, there] = few.examples.map(|name| quoted(&name));
        format!("; the first has {here}, the second has {there}")
    });
    Remedy::ListModulePairs { because: different_models(first, second) + &names.unwrap_or_default() }
}

fn names_of(modules: &[Arc<Module>]) -> impl Iterator<Item = &str> {
    modules.iter().map(|module| module.name.as_str())
}
