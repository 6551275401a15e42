//! Which of several adapters in one file is read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::scheme::Claimed;
use crate::error::{Error, Fault, Remedy, Result};
use crate::formats::limits::{Limit, Limits};
use crate::text::{quoted, some_of};

/// The names of the adapters in a file; `None` for tensors without one. A scheme without any name goes with the adapter that
/// another scheme names.
fn adapters<'a>(claimed: &[Claimed<'a>]) -> BTreeSet<Option<&'a str>> {
    let unnamed = unnamed_schemes(claimed);
    let factors = claimed.iter().filter(|one| one.claim.role.is_factor());
    let named = factors.filter(|one| !unnamed.contains(one.scheme.names.name));
    let names: BTreeSet<_> = named.map(|one| one.claim.adapter).collect();
    if names.is_empty() { [None].into() } else { names }
}

/// The schemes that name no adapter in any of their tensors.
fn unnamed_schemes(claimed: &[Claimed<'_>]) -> BTreeSet<&'static str> {
    let schemes = |is_named: bool| {
        let of = claimed.iter().filter(move |one| !is_named || one.claim.adapter.is_some());
        of.map(|one| one.scheme.names.name).collect::<BTreeSet<_>>()
    };
    &schemes(false) - &schemes(true)
}

/// The tensors of one adapter of a file.
pub(in crate::formats) struct Chosen<'a> {
    /// The adapter's name, if the names of its tensors contain it.
    pub(in crate::formats) name: Option<String>,
    pub(in crate::formats) claimed: Vec<Claimed<'a>>,
}

/// The tensors of the adapter with this name. Without a name there must be only one adapter.
///
/// # Errors
/// `Invalid` when there are several and none was named, or none has this name.
pub(in crate::formats) fn choose<'a>(
    path: &Path,
    mut claimed: Vec<Claimed<'a>>,
    name: Option<&str>,
) -> Result<Chosen<'a>> {
    let adapters = adapters(&claimed);
    let Some(name) = name else {
        if adapters.len() > 1 {
            return Err(several(path, &adapters));
        }
        let name = adapters.into_iter().next().flatten().map(str::to_owned);
        return Ok(Chosen { name, claimed });
    };
    if adapters.contains(&Some(name)) {
        let unnamed = unnamed_schemes(&claimed);
        claimed.retain(|one| is_of_all(one, &unnamed) || one.claim.adapter == Some(name));
        return Ok(Chosen { name: Some(name.to_owned()), claimed });
    }
    // A file with one adapter need not have its name in it.
    if adapters.len() == 1 && adapters.contains(&None) {
        return Ok(Chosen { name: None, claimed });
    }
    let fault = Fault::new(format!("no adapter {}", quoted(name)), format!("one of {}", shown(&adapters)));
    Err(fault.at(path).invalid())
}

/// The tensors of every adapter, in the order of their names. What names none goes with each of them.
///
/// # Errors
/// `Invalid` when there are several and one has no name; `Limit` for too many, or for too many tensors of all.
pub(in crate::formats) fn each<'a>(
    path: &Path,
    claimed: Vec<Claimed<'a>>,
    limits: &Limits,
) -> Result<Vec<Chosen<'a>>> {
    let adapters = adapters(&claimed);
    if adapters.len() == 1 {
        return Ok(vec![choose(path, claimed, None)?]);
    }
    if adapters.contains(&None) {
        return Err(several(path, &adapters));
    }
    let n = adapters.len();
    limits.check(Limit::Adapters, n as u64, path, || format!("{n} adapters"))?;
    let unnamed = unnamed_schemes(&claimed);
    let n_of_all = claimed.iter().filter(|one| is_of_all(one, &unnamed)).count();
    // Each adapter has its own list of them.
    let n_tensors = claimed.len() as u64 + n_of_all as u64 * (n as u64 - 1);
    limits.check(Limit::Tensors, n_tensors, path, || format!("{n_tensors} tensors of {n} adapters"))?;
    let mut by_name: BTreeMap<&str, Vec<Claimed<'a>>> =
        adapters.into_iter().flatten().map(|name| (name, vec![])).collect();
    for one in claimed {
        match one.claim.adapter {
            _ if is_of_all(&one, &unnamed) => by_name.values_mut().for_each(|of| of.push(one.clone())),
            // What goes with factors may name an adapter that has none.
            Some(name) => by_name.get_mut(name).into_iter().for_each(|of| of.push(one.clone())),
            None => {}
        }
    }
    let chosen = |(name, claimed): (&str, _)| Chosen { name: Some(name.to_owned()), claimed };
    Ok(by_name.into_iter().map(chosen).collect())
}

/// Whether a tensor without a name goes with every adapter.
fn is_of_all(one: &Claimed<'_>, unnamed: &BTreeSet<&'static str>) -> bool {
    one.claim.adapter.is_none() && (!one.claim.role.is_factor() || unnamed.contains(one.scheme.names.name))
}

fn shown(adapters: &BTreeSet<Option<&str>>) -> String {
    some_of(adapters.iter().map(|name| name.map_or("one without name".into(), quoted)))
}

/// The error for several adapters where there must be one.
fn several(path: &Path, adapters: &BTreeSet<Option<&str>>) -> Error {
    let first = adapters.iter().flatten().next().copied().unwrap_or_default().to_owned();
    let found = format!("{} adapters ({})", adapters.len(), shown(adapters));
    let fault = Fault::new(found, "one adapter in a file").at(path);
    fault.remedy(Remedy::NameAdapter { first }).invalid()
}
