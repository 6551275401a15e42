//! The checkpoints whose neighbours are wanted, and their bases.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use crate::adapter::{Adapter, Module};
use crate::error::{Error, Fault, Result};
use crate::names::by_nearness;
use crate::scan::bases::FinishedBases;
use crate::scan::cache::CachedModule;
use crate::scan::header::HeaderSummary;
use crate::scan::plan::Plan;
use crate::text::{counted, quoted, some_of};

/// Queries, as adapters that come after those of the plan.
pub(super) struct Queries {
    /// The scan's plan with the queries at its end.
    pub(super) plan: Plan,
    /// How many adapters the scan itself has.
    pub(super) n_adapters: u32,
    pub(super) all: Vec<Query>,
    /// Of each module: the queries that have a basis of it, by their numbers in the plan, and the bases.
    pub(super) modules: BTreeMap<u32, (Vec<u32>, Vec<CachedModule>)>,
}

pub(super) struct Query {
    /// The whole checkpoint.
    pub(super) adapter: Adapter,
    pub(super) n_modules: usize,
    pub(super) n_in_scan: usize,
    pub(super) without_basis: Vec<(String, String)>,
}

impl Queries {
    /// Opens and factorises the checkpoints.
    ///
    /// # Errors
    /// As [`Adapter::open`]; `Invalid` for one that has no module of the scan, or no basis in any.
    pub(super) fn open(scanned: &Plan, bases: &FinishedBases<'_>, paths: &[&Path]) -> Result<Self> {
        let adapters: Vec<Adapter> =
            paths.par_iter().map(|path| bases.modules().open_whole(path)).collect::<Result<_>>()?;
        let header = |adapter: &Adapter| HeaderSummary::of(adapter.clone(), bases.modules());
        let headers: Vec<HeaderSummary> = adapters.iter().map(header).collect::<Result<_>>()?;
        let plan = scanned.with(&headers);
        let n_adapters = scanned.adapters.len() as u32;
        let mut queries = Self { plan, n_adapters, all: vec![], modules: BTreeMap::new() };
        let mut wanted: Vec<(usize, u32, Arc<Module>)> = vec![];
        for (n, (adapter, header)) in adapters.into_iter().zip(&headers).enumerate() {
            let own = bases.modules().of(adapter.clone());
            let layout = queries.plan.adapters[n_adapters as usize + n].layout;
            let numbers = queries.plan.layouts[layout as usize].modules.iter().map(|&(number, _)| number);
            let in_scan = numbers.zip(own.modules()).filter(|(m, _)| (*m as usize) < scanned.modules.len());
            let before = wanted.len();
            wanted.extend(in_scan.map(|(number, module)| (n, number, Arc::clone(module))));
            let n_in_scan = wanted.len() - before;
            if n_in_scan == 0 {
                return Err(nothing_in_common(scanned, header));
            }
            let n_modules = own.modules().len();
            queries.all.push(Query { adapter, n_modules, n_in_scan, without_basis: vec![] });
        }
        let made: Vec<CachedModule> =
            wanted.par_iter().map(|(.., module)| bases.factorise(module)).collect::<Result<_>>()?;
        for ((n, number, module), record) in wanted.into_iter().zip(made) {
            if let CachedModule::Missing(reason) = record {
                queries.all[n].without_basis.push((module.name.clone(), reason));
                continue;
            }
            let (ids, records) = queries.modules.entry(number).or_default();
            ids.push(n_adapters + n as u32);
            records.push(record);
        }
        for query in &queries.all {
            if let Some((module, reason)) = query.without_basis.first()
                && query.without_basis.len() == query.n_in_scan
            {
                let found = format!("no module with a basis: {reason} in {}", quoted(module));
                let expected = format!("one of {} at least", counted(query.n_in_scan, "module"));
                return Err(Fault::new(found, expected).at(query.adapter.path()).invalid());
            }
        }
        Ok(queries)
    }
}

/// Why a query cannot be compared: other dimensions, or other names.
fn nothing_in_common(scanned: &Plan, query: &HeaderSummary) -> Error {
    let side = scanned.options.side;
    let same_name = query.modules.iter().find_map(|module| {
        Some((module, scanned.modules.iter().find(|planned| planned.name == module.name)?))
    });
    if let Some((module, planned)) = same_name {
        let found = format!("dimension {} on side {side}", module.d);
        let expected = format!("{}, as in the scan", planned.d);
        return Fault::new(found, expected).at(&query.path).of(module.name.clone()).invalid();
    }
    let names = || scanned.modules.iter().map(|planned| planned.name.as_str());
    let (found, near) = match query.modules.first() {
        Some(first) => {
            (format!("{} and none of the scan's", quoted(&first.name)), by_nearness(&first.name, names()))
        }
        None => ("no module that the scan compares".to_owned(), names().collect()),
    };
    let expected = format!("a module of the scan: {}", some_of(near.into_iter().map(quoted)));
    Fault::new(found, expected).at(&query.path).of("modules").invalid()
}
