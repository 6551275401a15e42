//! The naming schemes. Each is one row: which tensors it claims, and how they are read.

mod adapters;
mod claim;
mod cloneofsimo;
mod diffusers;
mod experts;
mod fused;
mod kohya;
mod layout;
mod loralib;
mod megatron;
mod mlx;
mod pair;
mod peft;
mod refused;
mod sam;
mod scaling;
mod scheme;
mod torchtune;

use std::path::Path;

pub(super) use self::adapters::{adapters, choose};
use self::claim::Claim;
pub(super) use self::claim::{Stored, TensorRole};
pub(super) use self::layout::Layout;
pub(super) use self::pair::{Pair, wrong_module};
use self::refused::refuse;
pub(super) use self::scheme::{Claimed, Scheme};
use crate::adapter::NamingScheme;
use crate::error::Result;
use crate::formats::contents::Tensors;

/// Every naming scheme. Of two that claim as much, the first one counts.
static SCHEMES: &[&Scheme] = &[
    &loralib::SCHEME,
    &peft::SCHEME,
    &diffusers::SCHEME,
    &kohya::SCHEME,
    &mlx::SCHEME,
    &torchtune::SCHEME,
    &megatron::SCHEME,
    &cloneofsimo::SCHEME,
    &sam::SCHEME,
];

/// The tensors of a file that belong to modules, and the naming scheme of the file.
///
/// # Errors
/// `Unsupported` when no scheme claims a factor, naming the method or the kind of file that it seems to be.
pub(super) fn claim<'a>(path: &Path, tensors: &'a Tensors) -> Result<(NamingScheme, Vec<Claimed<'a>>)> {
    let Some(scheme) = leading(tensors) else {
        return Err(refuse(path, tensors.keys().map(String::as_str)));
    };
    // What is read goes by each tensor's own scheme, so that several could share a file; today one claims all of it.
    let claimed = tensors.iter().filter_map(|(name, tensor)| {
        Some(Claimed { stored: Stored { name, tensor }, claim: (scheme.claim)(name)?, scheme })
    });
    Ok((scheme.names, claimed.collect()))
}

/// The scheme that claims most of the factors.
fn leading(tensors: &Tensors) -> Option<&'static Scheme> {
    let mut best: Option<(usize, &Scheme)> = None;
    for scheme in SCHEMES {
        let weight = |name: &String| match (scheme.claim)(name) {
            Some(Claim { role: TensorRole::A | TensorRole::B | TensorRole::E, weight, .. }) => weight,
            _ => 0,
        };
        let sum = tensors.keys().map(weight).sum();
        if sum > best.map_or(0, |(most, _)| most) {
            best = Some((sum, scheme));
        }
    }
    best.map(|(_, scheme)| scheme).filter(|scheme| (scheme.accepts)(tensors))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_schemes_have_one_name() {
        let names: BTreeSet<&str> = SCHEMES.iter().map(|scheme| scheme.names.name()).collect();
        assert_eq!(names.len(), SCHEMES.len());
    }

    #[test]
    fn the_docs_list_every_scheme() {
        let docs = include_str!("../../../docs/formats.md");
        for name in SCHEMES.iter().map(|scheme| scheme.names.name()) {
            assert!(docs.lines().any(|line| line.starts_with(&format!("| {name}"))), "{name}");
        }
    }
}
