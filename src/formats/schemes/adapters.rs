//! Which of several adapters in one file is read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::copies::Copies;
use super::scheme::Claimed;
use crate::error::{Error, Fault, Remedy, Result};
use crate::formats::limits::{Limit, Limits};
use crate::text::{quoted, some_of};

/// The names of the adapters in a file; `None` for tensors without one. A scheme without any name goes with the adapter that
/// another scheme names.
fn adapters<'a>(claimed: &[Claimed<'a>], shared: &Shared) -> BTreeSet<Option<&'a str>> {
    let factors = claimed.iter().filter(|one| one.claim.role.is_factor());
    let named = factors.filter(|one| !shared.is_of_all(one));
    let names: BTreeSet<_> = named.map(|one| one.claim.adapter).collect();
    if names.is_empty() { [None].into() } else { names }
}

/// Which tensors without a name go with every adapter.
struct Shared {
    /// The schemes that name no adapter in any of their tensors.
    schemes: BTreeSet<&'static str>,
    /// Whether all that has no front of a copy is a part of the model next to the copies, such as a text encoder.
    is_next_to_copies: bool,
}

impl Shared {
    fn of(claimed: &[Claimed<'_>], copies: &Copies<'_>) -> Self {
        let schemes = |is_named: bool| {
            let of = claimed.iter().filter(move |one| !is_named || one.claim.adapter.is_some());
            of.map(|one| one.scheme.names.name).collect::<BTreeSet<_>>()
        };
        Self { schemes: &schemes(false) - &schemes(true), is_next_to_copies: copies.all_have_fronts() }
    }

    fn is_of_all(&self, one: &Claimed<'_>) -> bool {
        let is_unnamed = || self.schemes.contains(one.scheme.names.name);
        one.claim.adapter.is_none() && (!one.claim.role.is_factor() || self.is_next_to_copies || is_unnamed())
    }
}

/// The tensors of one adapter of a file.
pub(in crate::formats) struct Chosen<'a> {
    /// The adapter's name, if the names of its tensors contain it.
    pub(in crate::formats) name: Option<String>,
    pub(in crate::formats) claimed: Vec<Claimed<'a>>,
    /// Copies of the same model that are left out, each with the number of its tensors.
    pub(in crate::formats) left_out: Vec<(String, usize)>,
}

impl<'a> Chosen<'a> {
    fn new(name: Option<&str>, claimed: Vec<Claimed<'a>>) -> Self {
        Self { name: name.map(str::to_owned), claimed, left_out: vec![] }
    }
}

/// The tensors of the adapter with this name. Without a name there must be only one adapter, or one that is trained and averages of
/// it.
///
/// # Errors
/// `Invalid` when there are several and none was named, or none has this name.
pub(in crate::formats) fn choose<'a>(
    path: &Path,
    mut claimed: Vec<Claimed<'a>>,
    copies: &Copies<'a>,
    name: Option<&str>,
) -> Result<Chosen<'a>> {
    let shared = Shared::of(&claimed, copies);
    let adapters = adapters(&claimed, &shared);
    let Some(name) = name else {
        if adapters.len() > 1 {
            let main = copies.main().filter(|main| are_copies(&adapters, copies) && adapters.contains(main));
            return main
                .map_or_else(|| Err(several(path, &adapters)), |main| Ok(without(claimed, &shared, main)));
        }
        return Ok(Chosen::new(adapters.into_iter().next().flatten(), claimed));
    };
    if adapters.contains(&Some(name)) {
        claimed.retain(|one| shared.is_of_all(one) || one.claim.adapter == Some(name));
        return Ok(Chosen::new(Some(name), claimed));
    }
    // A file with one adapter need not have its name in it.
    if adapters.len() == 1 && adapters.contains(&None) {
        return Ok(Chosen::new(None, claimed));
    }
    let fault = Fault::new(format!("no adapter {}", quoted(name)), format!("one of {}", shown(&adapters)));
    Err(fault.at(path).invalid())
}

/// Whether all adapters of a file are copies of one model, of which one may have no front.
fn are_copies(adapters: &BTreeSet<Option<&str>>, copies: &Copies<'_>) -> bool {
    adapters.iter().flatten().next().is_some()
        && adapters.iter().all(|adapter| adapter.is_none() || copies.has(*adapter))
}

/// One of several copies.
fn without<'a>(claimed: Vec<Claimed<'a>>, shared: &Shared, main: Option<&str>) -> Chosen<'a> {
    let is_kept = |one: &Claimed<'_>| shared.is_of_all(one) || one.claim.adapter == main;
    let (kept, others): (Vec<_>, Vec<_>) = claimed.into_iter().partition(is_kept);
    let mut left_out: BTreeMap<&str, usize> = BTreeMap::new();
    for one in &others {
        *left_out.entry(one.claim.adapter.unwrap_or(WITHOUT_NAME)).or_default() += 1;
    }
    let left_out = left_out.into_iter().map(|(name, n)| (name.to_owned(), n)).collect();
    Chosen { left_out, ..Chosen::new(main, kept) }
}

const WITHOUT_NAME: &str = "one without name";

/// The tensors of every adapter, in the order of their names. What names none goes with each of them.
///
/// # Errors
/// `Invalid` when there are several and one has no name; `Limit` for too many, or for too many tensors of all.
pub(in crate::formats) fn each<'a>(
    path: &Path,
    claimed: Vec<Claimed<'a>>,
    copies: &Copies<'a>,
    limits: &Limits,
) -> Result<Vec<Chosen<'a>>> {
    let shared = Shared::of(&claimed, copies);
    let adapters = adapters(&claimed, &shared);
    if adapters.len() == 1 {
        return Ok(vec![choose(path, claimed, copies, None)?]);
    }
    if adapters.contains(&None) && !are_copies(&adapters, copies) {
        return Err(several(path, &adapters));
    }
    let n = adapters.len();
    limits.check(Limit::Adapters, n as u64, path, || format!("{n} adapters"))?;
    let n_of_all = claimed.iter().filter(|one| shared.is_of_all(one)).count();
    // Each adapter has its own list of them.
    let n_tensors = claimed.len() as u64 + n_of_all as u64 * (n as u64 - 1);
    limits.check(Limit::Tensors, n_tensors, path, || format!("{n_tensors} tensors of {n} adapters"))?;
    let mut by_name: BTreeMap<Option<&str>, Vec<Claimed<'a>>> =
        adapters.into_iter().map(|name| (name, vec![])).collect();
    for one in claimed {
        if shared.is_of_all(&one) {
            by_name.values_mut().for_each(|of| of.push(one.clone()));
        } else if let Some(of) = by_name.get_mut(&one.claim.adapter) {
            // What goes with factors may name an adapter that has none.
            of.push(one);
        }
    }
    Ok(by_name.into_iter().map(|(name, claimed)| Chosen::new(name, claimed)).collect())
}

fn shown(adapters: &BTreeSet<Option<&str>>) -> String {
    some_of(adapters.iter().map(|name| name.map_or(WITHOUT_NAME.into(), quoted)))
}

/// The error for several adapters where there must be one.
fn several(path: &Path, adapters: &BTreeSet<Option<&str>>) -> Error {
    let first = adapters.iter().flatten().next().copied().unwrap_or_default().to_owned();
    let found = format!("{} adapters ({})", adapters.len(), shown(adapters));
    let fault = Fault::new(found, "one adapter in a file").at(path);
    fault.remedy(Remedy::NameAdapter { first }).invalid()
}
