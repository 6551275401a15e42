//! What a naming scheme is: what its tensors are called, and how they are read.

use super::claim::{Claim, Stored};
use super::copies::Copies;
use super::layout::Layout;
use super::pair::Pair;
use crate::adapter::NamingScheme;
use crate::formats::config::Scale;
use crate::formats::contents::Tensors;
use crate::formats::context::Context;

/// A naming scheme, as a row of the table in [`super`].
pub(in crate::formats) struct Scheme {
    /// What remains of it in an adapter that was read.
    pub(in crate::formats) names: NamingScheme,
    /// Takes a tensor's name apart, if it is one of this scheme.
    pub(super) claim: for<'a> fn(&'a str) -> Option<Claim<'a>>,
    /// Whether a file whose names fit can be of this scheme, by its tensors.
    pub(super) accepts: fn(&Tensors) -> bool,
    /// The dotted path of a module, with wrappers, from the path in the file.
    pub(in crate::formats) path: fn(&str) -> String,
    pub(in crate::formats) layout: Layout,
    /// Splits a pair that holds the updates of several experts.
    pub(in crate::formats) experts: fn(Pair, &Context<'_>) -> Vec<Pair>,
    /// How the update of a pair is scaled.
    pub(in crate::formats) scaling: fn(&Pair, &Context<'_>) -> Scale,
    /// Cuts the pair of a fused weight into its projections.
    pub(in crate::formats) cut: fn(Pair, &Context<'_>) -> Vec<Pair>,
    /// How the names of two partners differ, for the error if one is missing.
    pub(in crate::formats) partners: &'static [(&'static str, &'static str)],
}

impl Scheme {
    /// Takes a tensor's name apart, without the front that tells copies of a model apart: that is the adapter's name.
    pub(super) fn claim_copy<'a>(&self, name: &'a str, copies: &Copies<'a>) -> Option<Claim<'a>> {
        match copies.split(name) {
            (None, name) => (self.claim)(name),
            (Some(front), rest) => match (self.claim)(rest)? {
                claim if claim.adapter.is_none_or(|adapter| adapter == DEFAULT) => {
                    Some(Claim { adapter: Some(front), ..claim })
                }
                // Each copy has several adapters.
                _ => (self.claim)(name),
            },
        }
    }
}

/// What PEFT calls an adapter that was given no name.
const DEFAULT: &str = "default";

/// A tensor of a module, with the scheme that claims it.
#[derive(Clone)]
pub(in crate::formats) struct Claimed<'a> {
    pub(in crate::formats) stored: Stored<'a>,
    pub(in crate::formats) claim: Claim<'a>,
    pub(in crate::formats) scheme: &'static Scheme,
}
