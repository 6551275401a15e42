//! Which module of one adapter is the same as which of another.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::adapter::{Adapter, Module};
use crate::error::{Fault, Result};
use crate::names::natural_cmp;
use crate::select::ModulePair;
use crate::text::quoted;

/// How a module finds its partner in the other adapter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Matching {
    /// By canonical names, see [`names::canonical`](crate::names::canonical). Where one file has underscores for dots and no
    /// table knows its parts, the other's dots count as underscores, if only one module of each fits. Files of numbered
    /// modules match number by number, and only where the shapes of all agree.
    #[default]
    Canonical,
    /// By the names that the files have, see [`Module::original`].
    Exact,
    /// These modules of the first and the second adapter, by canonical or original name; all others by canonical names.
    Pairs(Vec<[String; 2]>),
}

/// What came of it, each part in natural order.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) pairs: Vec<ModulePair>,
    /// Modules of the first adapter without partner, and of the second.
    pub(super) only: [Vec<Arc<Module>>; 2],
}

impl Matching {
    /// Joins two adapters.
    ///
    /// # Errors
    /// `Invalid` when a listed module is in neither adapter, or is listed twice.
    pub(super) fn join(&self, first: &Adapter, second: &Adapter) -> Result<Joined> {
        let mut join =
            Join { left: [first, second].map(|adapter| adapter.modules().to_vec()), pairs: vec![] };
        if let Self::Pairs(listed) = self {
            join.listed([first, second], listed)?;
        }
        if *self == Self::Exact {
            join.by(|module| module.original.clone(), |_, _| true);
        } else if [first, second].iter().any(|adapter| adapter.naming_scheme().is_numbered()) {
            if first.naming_scheme() == second.naming_scheme() && same_shapes(first, second) {
                join.by(|module| module.name.clone(), |_, _| true);
            }
        } else {
            join.by(|module| module.name.clone(), |_, _| true);
            if [first, second].iter().any(|adapter| adapter.naming_scheme().uses_underscores()) {
                let may = |one: &Module, other: &Module| {
                    uses_underscores(&one.name) || uses_underscores(&other.name)
                };
                join.by(|module| module.name.replace('.', "_"), may);
            }
        }
        join.pairs.sort_by(|x, y| natural_cmp(x.name(), y.name()));
        Ok(Joined { pairs: join.pairs, only: join.left })
    }
}

/// Whether the path has underscores still: it is one word, but for the part of a pipeline in front.
fn uses_underscores(name: &str) -> bool {
    let path = match name.split_once('.') {
        Some((component, path)) if component.starts_with("text_encoder") => path,
        _ => name,
    };
    !path.contains('.')
}

/// Whether two files of numbered modules have the same numbers, and each the same d_in and d_out.
pub(super) fn same_shapes(first: &Adapter, second: &Adapter) -> bool {
    let shapes = |adapter: &Adapter| -> Vec<(String, usize, usize)> {
        let modules = adapter.modules().iter();
        modules.map(|module| (module.name.clone(), module.d_in(), module.d_out())).collect()
    };
    shapes(first) == shapes(second)
}

/// The modules that are left, and the pairs so far.
struct Join {
    left: [Vec<Arc<Module>>; 2],
    pairs: Vec<ModulePair>,
}

impl Join {
    /// Pairs modules whose keys are equal, where each has it alone in its file and the two may be one.
    fn by(&mut self, key: impl Fn(&Module) -> String, may: impl Fn(&Module, &Module) -> bool) {
        let [first, second] = self.left.each_ref().map(|modules| unique(modules, &key));
        let mut paired = HashSet::new();
        for (key, one) in &first {
            if let Some(other) = second.get(key).filter(|other| may(one, other)) {
                self.pairs.push(ModulePair { first: Arc::clone(one), second: Arc::clone(other) });
                paired.extend([Arc::as_ptr(one), Arc::as_ptr(other)]);
            }
        }
        self.left.iter_mut().for_each(|left| left.retain(|module| !paired.contains(&Arc::as_ptr(module))));
    }

    fn listed(&mut self, adapters: [&Adapter; 2], listed: &[[String; 2]]) -> Result<()> {
        for names in listed {
            let mut pair = [None, None];
            for ((adapter, name), (module, left)) in
                adapters.into_iter().zip(names).zip(pair.iter_mut().zip(&mut self.left))
            {
                let found = adapter.module(name).ok_or_else(|| {
                    let fault =
                        Fault::new(format!("no module {}", quoted(name)), "one of the file's modules");
                    fault.at(adapter.path()).of("match").invalid()
                })?;
                let place = left.iter().position(|one| Arc::ptr_eq(one, found)).ok_or_else(|| {
                    let fault = Fault::new(format!("module {} twice", quoted(name)), "each module once");
                    fault.at(adapter.path()).of("match").invalid()
                })?;
                *module = Some(left.remove(place));
            }
            if let [Some(first), Some(second)] = pair {
                self.pairs.push(ModulePair { first, second });
            }
        }
        Ok(())
    }
}

/// The modules whose key no other one has.
fn unique(modules: &[Arc<Module>], key: impl Fn(&Module) -> String) -> HashMap<String, &Arc<Module>> {
    let mut found: HashMap<String, Option<&Arc<Module>>> = HashMap::new();
    for module in modules {
        found.entry(key(module)).and_modify(|other| *other = None).or_insert(Some(module));
    }
    found.into_iter().filter_map(|(key, module)| Some((key, module?))).collect()
}
