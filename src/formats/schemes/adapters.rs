//! Which of several adapters in one file is read.

use std::collections::BTreeSet;
use std::path::Path;

use super::scheme::Claimed;
use crate::error::{Fault, Remedy, Result};
use crate::text::{quoted, some_of};

/// The names of the adapters in a file; `None` for tensors without one. A scheme without any name goes with the adapter that
/// another scheme names.
pub(in crate::formats) fn adapters<'a>(claimed: &[Claimed<'a>]) -> BTreeSet<Option<&'a str>> {
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

/// Keeps the tensors of the adapter with this name. Without a name there must be only one adapter.
///
/// # Errors
/// `Invalid` when there are several and none was named, or none has this name.
pub(in crate::formats) fn choose(
    path: &Path,
    claimed: &mut Vec<Claimed<'_>>,
    name: Option<&str>,
) -> Result<Option<String>> {
    let adapters = adapters(claimed);
    let shown = || some_of(adapters.iter().map(|name| name.map_or("one without name".into(), quoted)));
    if let Some(name) = name {
        let chosen = adapters.contains(&Some(name));
        // A file with one adapter need not have its name in it.
        if !chosen && adapters.len() == 1 && adapters.contains(&None) {
            return Ok(None);
        }
        if !chosen {
            let fault = Fault::new(format!("no adapter {}", quoted(name)), format!("one of {}", shown()));
            return Err(fault.at(path).invalid());
        }
        let unnamed = unnamed_schemes(claimed);
        claimed.retain(|one| {
            let is_unnamed = one.claim.adapter.is_none()
                && (!one.claim.role.is_factor() || unnamed.contains(one.scheme.names.name));
            is_unnamed || one.claim.adapter == Some(name)
        });
        return Ok(Some(name.to_owned()));
    }
    if adapters.len() > 1 {
        let first = adapters.iter().flatten().next().copied().unwrap_or_default();
        let fault = Fault::new(format!("{} adapters ({})", adapters.len(), shown()), "one adapter in a file");
        return Err(fault.at(path).remedy(Remedy::NameAdapter { first: first.to_owned() }).invalid());
    }
    Ok(adapters.into_iter().next().flatten().map(str::to_owned))
}
