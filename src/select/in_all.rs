//! The modules that every one of several adapters has.

use std::collections::BTreeSet;
use std::sync::Arc;

use rayon::prelude::*;

use crate::adapter::{Adapter, Module, Side};
use crate::error::{Fault, Result};
use crate::names::natural_cmp;
use crate::select::{FewMeet, ModulePair, Selection};

/// The modules that every adapter has.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct InAll {
    /// In natural order of the first adapter's names: each module as the adapters have it, in their order.
    pub modules: Vec<Vec<Arc<Module>>>,
    /// Names of the modules that some of the adapters have, but not all, in natural order.
    pub left_out: Vec<String>,
    /// The places of adapters most of whose modules do not meet those of the first one.
    pub few_meet: Vec<(usize, FewMeet)>,
}

impl Selection {
    /// The modules asked for that all adapters have, with the same d on the side in question. Each adapter's modules are
    /// matched with those of the first.
    ///
    /// # Errors
    /// `Invalid` for fewer than two adapters, and when no module is in all of them; as [`Selection::select`] of the first
    /// adapter and another.
    pub fn select_in_all(&self, adapters: &[Adapter], side: Side) -> Result<InAll> {
        self.select_in_all_usable(adapters, side, &|_| true)
    }

    /// As [`Selection::select_in_all`], but where neither a layer nor a module was named, the block is one whose modules pass: the
    /// nearest to the middle.
    ///
    /// # Errors
    /// As [`Selection::select_in_all`].
    pub fn select_in_all_usable(
        &self,
        adapters: &[Adapter],
        side: Side,
        is_usable: &dyn Fn(&ModulePair) -> bool,
    ) -> Result<InAll> {
        let Some((first, others)) = adapters.split_first() else {
            return Err(Fault::new("no adapter", "two or more").invalid());
        };
        if others.is_empty() {
            return Err(Fault::new("1 adapter", "two or more").at(first.path()).invalid());
        }
        let mut modules: Vec<Vec<Arc<Module>>> = vec![];
        let mut left_out = BTreeSet::new();
        let mut few_meet = vec![];
        for (place, other) in (1..).zip(others) {
            let selected = self.select_usable(first, other, side, is_usable)?;
            few_meet.extend(selected.few_meet.map(|few| (place, few)));
            left_out.extend(selected.only.iter().flatten().map(|module| module.name.clone()));
            for ModulePair { first, second } in selected.pairs {
                if place == 1 {
                    modules.push(vec![first, second]);
                } else if let Some(group) = modules.iter_mut().find(|group| Arc::ptr_eq(&group[0], &first)) {
                    group.push(second);
                } else {
                    left_out.insert(first.name.clone());
                }
            }
            modules.retain(|group| {
                let is_whole = group.len() == place + 1;
                if !is_whole {
                    left_out.insert(group[0].name.clone());
                }
                is_whole
            });
        }
        if modules.is_empty() {
            let fact = format!("no module is in all {} adapters", adapters.len());
            return Err(Fault::stating(fact).at(first.path()).invalid());
        }
        let mut left_out: Vec<String> = left_out.into_iter().collect();
        left_out.sort_by(|a, b| natural_cmp(a, b));
        Ok(InAll { modules, left_out, few_meet })
    }
}

/// What the modules that are worked on at once may take of memory, but for the first of them.
const WORK_BYTES: usize = 2 << 30;

impl InAll {
    /// `work` on every module, several at once as far as memory allows, in their order. `numbers` says how many f64 the
    /// work on a module keeps.
    ///
    /// # Errors
    /// The first of `work`.
    pub(crate) fn each<T: Send>(
        &self,
        numbers: impl Fn(&[Arc<Module>]) -> usize,
        work: impl Fn(&[Arc<Module>]) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let largest = self.modules.iter().map(|module| numbers(module)).max().unwrap_or(0);
        let n_at_once = WORK_BYTES / (8 * largest).max(1);
        let n_at_once = n_at_once.clamp(1, rayon::current_num_threads());
        let mut done = Vec::with_capacity(self.modules.len());
        for some in self.modules.chunks(n_at_once) {
            let results: Result<Vec<T>> = some.par_iter().map(|module| work(module)).collect();
            done.extend(results?);
        }
        Ok(done)
    }
}
