//! The table of naming schemes: each says which tensor names it claims, and the one with the most of them reads the file.

mod claim;
mod cloneofsimo;
mod diffusers;
mod kohya;
mod loralib;
mod megatron;
mod mlx;
mod peft;
mod refused;
mod sam;
mod torchtune;

use std::collections::BTreeSet;
use std::path::Path;

pub(super) use claim::{Claim, TensorRole};
pub(super) use loralib::group_names;
pub(super) use peft::unwrapped;
use refused::refuse;

use crate::adapter::NamingScheme;
use crate::error::{Fault, Remedy, Result};
use crate::formats::tensor::{Tensor, Tensors};
use crate::text::{quoted, some_of};

/// A naming scheme.
pub(super) struct Scheme {
    pub(super) format: NamingScheme,
    /// What it makes of a tensor's name, if it is one of its own.
    claim: for<'a> fn(&'a str) -> Option<Claim<'a>>,
    /// The dotted path of a module, before wrappers are taken off.
    pub(super) path: fn(&str) -> String,
}

/// Of two with as many claims the first one counts.
const SCHEMES: &[Scheme] = &[
    Scheme { format: NamingScheme::Loralib, claim: loralib::claim, path: str::to_owned },
    Scheme { format: NamingScheme::Peft, claim: peft::claim, path: str::to_owned },
    Scheme { format: NamingScheme::Diffusers, claim: diffusers::claim, path: diffusers::path },
    Scheme { format: NamingScheme::Kohya, claim: kohya::claim, path: kohya::path },
    Scheme { format: NamingScheme::Mlx, claim: mlx::claim, path: str::to_owned },
    Scheme { format: NamingScheme::TorchTune, claim: torchtune::claim, path: str::to_owned },
    Scheme { format: NamingScheme::Megatron, claim: megatron::claim, path: str::to_owned },
    Scheme { format: NamingScheme::Cloneofsimo, claim: cloneofsimo::claim, path: cloneofsimo::path },
    Scheme { format: NamingScheme::SamLora, claim: sam::claim, path: str::to_owned },
];

/// A claimed tensor.
pub(super) type Claimed<'a> = (&'a str, &'a Tensor, Claim<'a>);

/// The scheme that a file's names are of, and the tensors that it claims.
///
/// # Errors
/// `Unsupported` when no scheme claims a factor, naming the method or the kind of file that it seems to be.
pub(super) fn detect<'a>(path: &Path, tensors: &'a Tensors) -> Result<(&'static Scheme, Vec<Claimed<'a>>)> {
    let mut best: Option<(usize, &Scheme)> = None;
    for scheme in SCHEMES {
        let weight = |name: &String| match (scheme.claim)(name) {
            Some(Claim { part: TensorRole::A | TensorRole::B | TensorRole::E, weight, .. }) => weight,
            _ => 0,
        };
        let sum = tensors.keys().map(weight).sum();
        if sum > best.map_or(0, |(most, _)| most) {
            best = Some((sum, scheme));
        }
    }
    // A bare list of tensors is LoRA's only if all could be factors.
    let is_list = |scheme: &Scheme| {
        scheme.format == NamingScheme::Cloneofsimo && tensors.keys().any(|name| claim::is_number(name))
    };
    let are_matrices =
        || tensors.values().all(|tensor| tensor.shape.len() > 1) && tensors.len().is_multiple_of(2);
    let Some((_, scheme)) = best.filter(|(_, scheme)| !is_list(scheme) || are_matrices()) else {
        return Err(refuse(path, tensors.keys().map(String::as_str)));
    };
    let claimed = tensors
        .iter()
        .filter_map(|(name, tensor)| Some((name.as_str(), tensor, (scheme.claim)(name)?)))
        .collect();
    Ok((scheme, claimed))
}

/// The names of the adapters in the file; `None` for tensors without one.
pub(super) fn adapters<'a>(claimed: &[Claimed<'a>]) -> BTreeSet<Option<&'a str>> {
    let factors = claimed.iter().filter(|(_, _, claim)| claim.part != TensorRole::Alpha);
    factors.map(|(_, _, claim)| claim.adapter).collect()
}

/// Keeps the adapter of this name; without a name there must be only one.
///
/// # Errors
/// `Invalid` when there are several and none was named, or none of this name.
pub(super) fn choose(
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
        claimed.retain(|(_, _, claim)| claim.adapter == Some(name));
        return Ok(Some(name.to_owned()));
    }
    if adapters.len() > 1 {
        let first = adapters.iter().flatten().next().copied().unwrap_or_default();
        let fault = Fault::new(format!("{} adapters ({})", adapters.len(), shown()), "one adapter in a file");
        return Err(fault.at(path).remedy(Remedy::NameAdapter { first: first.to_owned() }).invalid());
    }
    Ok(adapters.into_iter().next().flatten().map(str::to_owned))
}
