//! Which of several adapters in one file is read.

use std::collections::BTreeSet;
use std::path::Path;

use super::claim::TensorRole;
use super::scheme::Claimed;
use crate::error::{Fault, Remedy, Result};
use crate::text::{quoted, some_of};

/// The names of the adapters in a file; `None` for tensors without one.
pub(in crate::formats) fn adapters<'a>(claimed: &[Claimed<'a>]) -> BTreeSet<Option<&'a str>> {
    let factors = claimed.iter().filter(|one| one.claim.role != TensorRole::Alpha);
    factors.map(|one| one.claim.adapter).collect()
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
        claimed.retain(|one| one.claim.adapter == Some(name));
        return Ok(Some(name.to_owned()));
    }
    if adapters.len() > 1 {
        let first = adapters.iter().flatten().next().copied().unwrap_or_default();
        let fault = Fault::new(format!("{} adapters ({})", adapters.len(), shown()), "one adapter in a file");
        return Err(fault.at(path).remedy(Remedy::NameAdapter { first: first.to_owned() }).invalid());
    }
    Ok(adapters.into_iter().next().flatten().map(str::to_owned))
}
