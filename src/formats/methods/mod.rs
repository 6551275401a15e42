//! Modules of methods that have rules of their own for ΔW: their tensors, and the weight of the base model where ΔW is made of
//! it or has its size.

mod butterfly;
mod by_number;
mod found;
mod lycoris;
mod multiplied;
mod numbers;
mod of_weight;
mod one;
mod rotations;
mod vera;

use std::path::Path;

pub(super) use self::found::Found;
pub(super) use self::numbers::numbers;
use self::one::One;
use self::vera::Width;
use crate::adapter::Method;
use crate::formats::limits::Limits;
use crate::formats::method_config::MethodConfig;
use crate::formats::not_read::NotRead;
use crate::formats::schemes::{Claimed, Pair, Part, Scheme, TensorRole};
use crate::formats::weights::Weights;
use crate::names::{FileNames, Weight};

/// What the modules of a file share.
pub(super) struct Methods<'a> {
    path: &'a Path,
    limits: &'a Limits,
    config: Option<&'a MethodConfig>,
    weights: Option<&'a dyn Weights>,
    shared: Vec<&'a Claimed<'a>>,
    /// The input size of VeRA's modules.
    width: Width,
    names: FileNames,
}

impl<'a> Methods<'a> {
    pub(super) fn of(
        path: &'a Path,
        claimed: &'a [Claimed<'a>],
        config: Option<&'a MethodConfig>,
        weights: Option<&'a dyn Weights>,
        limits: &'a Limits,
    ) -> Self {
        let of_methods = || claimed.iter().filter(|one| matches!(one.claim.role, TensorRole::Part(_)));
        let paths: Vec<String> = of_methods().map(|one| (one.scheme.path)(&one.claim.module)).collect();
        let names = FileNames::of(paths.iter().map(|path| Weight { path, shape: None }));
        let shared = of_methods().filter(|one| one.claim.role.is_shared()).collect();
        Self { path, limits, config, weights, shared, width: Width::of(claimed), names }
    }

    /// The pair of a module of one of these methods; `None` for any other.
    ///
    /// # Errors
    /// `Malformed` for tensors that are missing or do not fit together, `Unsupported` where the base model is needed or not enough,
    /// `Limit` for what would be too large; those of [`Tensor::factor`](super::tensor::Tensor::factor) and [`Weights::weight`].
    pub(super) fn pair(
        &self,
        module: &str,
        tensors: &[&Claimed<'_>],
    ) -> Option<Result<(&'static Scheme, Pair), NotRead>> {
        let mut parts = tensors.iter().filter_map(|one| match one.claim.role {
            TensorRole::Part(part) if !part.is_shared() => Some((one.scheme, part)),
            _ => None,
        });
        let (scheme, part) = parts.next()?;
        let one = One { of: self, scheme, module, tensors };
        let pair = match part.method() {
            Method::Vera => one.vera(),
            Method::VbLora => one.vector_bank(),
            Method::C3a => one.circulant(),
            Method::Miss => one.shards(),
            Method::RandLora => one.random_bases(),
            Method::Ia3 if one.has(Part::Ia3) => one.scaled(),
            Method::Ia3 => one.scaled_by_lycoris(),
            Method::Oft if one.has(Part::OftR) => one.rotated(),
            Method::Oft => one.rotated_by_lycoris(),
            Method::Boft => one.rotated_and_scaled(),
            Method::Hra => one.reflected(),
            Method::HiRa => one.hadamard_with_weight(),
            Method::DeLora => one.bounded(),
            Method::Shira => one.sparse(),
            Method::GLora if !one.has(Part::GloraA1) => one.scaled_and_shifted(),
            // Parts are of no other.
            _ => one.generalised(),
        };
        Some(pair.map(|pair| (scheme, pair)))
    }

    /// A tensor of the file that all modules share.
    fn shared(&self, part: Part) -> Option<&'a Claimed<'a>> {
        self.shared.iter().copied().find(|one| one.claim.role == TensorRole::Part(part))
    }
}
