//! The naming schemes. Each is one row: which tensors it claims, and how they are read.

mod adapterhub;
mod adapters;
mod by_hand;
mod claim;
mod clip_lora;
mod cloneofsimo;
mod control_lora;
mod copies;
mod diffusers;
mod experts;
mod fused;
mod glora;
mod groups;
mod kohya;
mod layout;
mod llama_adapter;
mod llama_cpp;
mod loralib;
mod lycoris;
mod lycoris_methods;
mod megatron;
mod methods;
mod mlx;
mod orientation;
mod pair;
mod part;
mod peft;
mod peft_parts;
mod refused;
mod sam;
mod samed;
mod sat;
mod scaling;
mod scheme;
mod speechbrain;
mod split_qkv;
mod stacks;
mod torchtune;
mod xlabs;

use std::collections::HashSet;
use std::path::Path;

pub(super) use self::adapters::{Chosen, choose, each};
use self::claim::Claim;
pub(super) use self::claim::{MatrixPart, Stored, TensorRole};
pub(super) use self::copies::Copies;
pub(super) use self::fused::parts_of;
pub(super) use self::groups::{Sizes, can_cut, is_litgpt, is_litgpts_output};
pub(super) use self::layout::{Layout, Orientation};
pub(super) use self::llama_cpp::{is_token_embedding, path_of as llama_cpp_path, permuted};
pub(super) use self::methods::{glora_modules, glora_part, method_of, says_lora};
pub(super) use self::orientation::Orientations;
pub(super) use self::pair::{Pair, ScaleRank, StoredAlpha, wrong_module};
pub(super) use self::part::{Part, PathPart};
use self::refused::refuse;
pub(super) use self::scheme::{Claimed, Scheme};
pub(super) use self::stacks::{Stack, expert_path};
use crate::adapter::NamingScheme;
use crate::error::Result;
use crate::formats::contents::Tensors;
use crate::formats::tensor::Tensor;

/// Every naming scheme. Of two that claim a tensor with as much right, the one that claims more of the file counts, and of
/// these the first.
static SCHEMES: &[&Scheme] = &[
    &adapterhub::SCHEME,
    &loralib::SCHEME,
    &peft::SCHEME,
    &xlabs::SCHEME,
    &diffusers::SCHEME,
    &kohya::SCHEME,
    &lycoris::SCHEME,
    &glora::SCHEME,
    &lycoris_methods::SCHEME,
    &llama_cpp::SCHEME,
    &mlx::SCHEME,
    &torchtune::SCHEME,
    &megatron::SCHEME,
    &cloneofsimo::SCHEME,
    &sam::SCHEME,
    &samed::SCHEME,
    &clip_lora::SCHEME,
    &sat::SCHEME,
    &speechbrain::SCHEME,
    &llama_adapter::SCHEME,
    &control_lora::SCHEME,
    &by_hand::SCHEME,
];

/// What the naming schemes make of a file's tensors.
pub(super) struct Claims<'a> {
    /// The naming scheme of most of the factors.
    pub(super) naming_scheme: NamingScheme,
    /// The tensors that belong to modules with a factor, each with the scheme that claims it.
    pub(super) claimed: Vec<Claimed<'a>>,
    /// The names of all other tensors.
    pub(super) unclaimed: Vec<&'a str>,
}

/// Claims tensor by tensor, since a file may hold several schemes.
///
/// # Errors
/// `Unsupported` when no scheme claims a factor, naming the method or the kind of file that it seems to be.
pub(super) fn claim<'a>(path: &Path, tensors: &'a Tensors, copies: &Copies<'a>) -> Result<Claims<'a>> {
    let schemes: Vec<&'static Scheme> =
        SCHEMES.iter().copied().filter(|scheme| (scheme.accepts)(tensors)).collect();
    let candidates: Vec<Vec<(usize, Claim<'_>)>> =
        tensors.keys().map(|name| factor_claims(&schemes, name, copies)).collect();
    // How much of the file's factors each scheme claims.
    let mut sums = vec![0; schemes.len()];
    for (scheme, claim) in candidates.iter().flatten() {
        if let Some(sum) = sums.get_mut(*scheme) {
            *sum += claim.weight;
        }
    }
    let mut claimed = vec![];
    let mut rest = vec![];
    for ((name, tensor), candidates) in tensors.iter().zip(candidates) {
        // `max_by_key` takes the last of equals, and the first scheme counts.
        let best =
            candidates.into_iter().rev().max_by_key(|(scheme, claim)| (claim.weight, sums.get(*scheme)));
        match best {
            None => rest.push((name, tensor)),
            Some((scheme, claim)) => claimed.extend(schemes.get(scheme).map(|scheme| Claimed {
                stored: Stored { name, tensor },
                claim,
                scheme,
            })),
        }
    }
    if claimed.is_empty() {
        return Err(refuse(path, tensors));
    }
    let naming_scheme = naming_scheme(&schemes, &claimed);
    let (others, unclaimed) = others(&schemes, &claimed, rest, copies);
    claimed.extend(others);
    Ok(Claims { naming_scheme, claimed, unclaimed })
}

/// What each scheme that takes a name for a factor's makes of it, with the scheme's place.
fn factor_claims<'a>(
    schemes: &[&'static Scheme],
    name: &'a str,
    copies: &Copies<'a>,
) -> Vec<(usize, Claim<'a>)> {
    let claim = |(place, scheme): (usize, &&'static Scheme)| {
        scheme.claim_copy(name, copies).filter(|claim| claim.role.is_factor()).map(|claim| (place, claim))
    };
    schemes.iter().enumerate().filter_map(claim).collect()
}

/// The first words of the modules' paths, which are the components of a pipeline where there are several.
pub(super) fn components(claimed: &[Claimed<'_>]) -> HashSet<String> {
    let paths = claimed.iter().map(|one| (one.scheme.path)(&one.claim.module));
    paths.filter_map(|path| path.split_once('.').map(|(front, _)| front.to_owned())).collect()
}

/// That of most of the factors.
fn naming_scheme(schemes: &[&'static Scheme], claimed: &[Claimed<'_>]) -> NamingScheme {
    let count =
        |scheme: &&&'static Scheme| claimed.iter().filter(|one| std::ptr::eq(one.scheme, **scheme)).count();
    let first_of_most = schemes.iter().rev().max_by_key(count).copied().unwrap_or(&peft::SCHEME);
    NamingScheme {
        uses_underscores: claimed.iter().any(|one| one.scheme.names.uses_underscores),
        ..first_of_most.names
    }
}

/// Alphas, magnitudes and the like go with the factors of their module, under whatever scheme's name they are stored.
fn others<'a>(
    schemes: &[&'static Scheme],
    factors: &[Claimed<'a>],
    rest: Vec<(&'a String, &'a Tensor)>,
    copies: &Copies<'a>,
) -> (Vec<Claimed<'a>>, Vec<&'a str>) {
    let modules: HashSet<&str> = factors.iter().map(|one| &*one.claim.module).collect();
    let (mut others, mut unclaimed) = (vec![], vec![]);
    for (name, tensor) in rest {
        let found = schemes.iter().find_map(|&scheme| {
            let claim = scheme.claim_copy(name, copies)?;
            let is_of_some = claim.role.is_shared() || modules.contains(&*claim.module);
            if !is_of_some {
                return None;
            }
            Some(Claimed { stored: Stored { name, tensor }, claim, scheme })
        });
        match found {
            Some(one) => others.push(one),
            None => unclaimed.push(name.as_str()),
        }
    }
    (others, unclaimed)
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
