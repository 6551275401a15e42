//! Tensors to pairs: each A finds the B of its module, and the other tensors that belong to them.

use std::collections::BTreeMap;
use std::path::Path;

use crate::adapter::Factor;
use crate::error::{Error, Fault, Result};
use crate::formats::limits::Limits;
use crate::formats::schemes::{Claimed, Pair, Scheme, Stored, TensorRole, wrong_module};
use crate::formats::tensor::Scalars;
use crate::text::quoted;

/// The tensors of a module that make its update.
#[derive(Default)]
struct Parts<'a>([Option<&'a Claimed<'a>>; 4]);

impl<'a> Parts<'a> {
    const ROLES: [TensorRole; 4] = [TensorRole::A, TensorRole::B, TensorRole::E, TensorRole::Alpha];

    fn get(&self, role: TensorRole) -> Option<&'a Claimed<'a>> {
        let at = Self::ROLES.iter().position(|&one| one == role)?;
        self.0[at]
    }
}

/// Every pair of the file, with the scheme of its factors.
///
/// # Errors
/// `Malformed` when a factor's partner is missing or of another rank, or is there twice; `Unsupported` for a Tucker
/// decomposition; those of [`Layout::factors`](crate::formats::schemes::Layout::factors) and [`Scalars::read`].
pub(super) fn pairs<'a>(
    path: &Path,
    claimed: &'a [Claimed<'a>],
    limits: &Limits,
) -> Result<Vec<(&'static Scheme, Pair)>> {
    let mut modules: BTreeMap<&str, Parts<'_>> = BTreeMap::new();
    for one in claimed {
        let name = one.stored.name;
        if one.claim.role == TensorRole::Mid {
            let fault = Fault::new("a Tucker decomposition, whose ΔW is not B·A", "two factors").at(path);
            return Err(fault.of(format!("tensor {}", quoted(name))).unsupported());
        }
        let Some(at) = Parts::ROLES.iter().position(|role| *role == one.claim.role) else { continue };
        let place = &mut modules.entry(&one.claim.module).or_default().0[at];
        if let Some(other) = place.replace(one) {
            let found = format!("{} and {}", quoted(other.stored.name), quoted(name));
            return Err(wrong_module(path, &one.claim.module, found, "one of the two"));
        }
    }
    let mut scalars = Scalars::default();
    let mut pairs = Vec::with_capacity(modules.len());
    for (module, parts) in modules {
        let [a, b, e] = [TensorRole::A, TensorRole::B, TensorRole::E].map(|role| parts.get(role));
        let (a, b) = match (a, b, e) {
            (Some(a), Some(b), _) => (a, b),
            (Some(one), None, _) | (None, Some(one), _) | (None, None, Some(one)) => {
                return Err(without_partner(path, one));
            }
            // Scalars and magnitudes of a method that is not read, next to pairs that are.
            (None, None, None) => continue,
        };
        let (mut factor_a, factor_b) = a.scheme.layout.factors(path, module, [a.stored, b.stored], limits)?;
        if let Some(e) = e {
            factor_a = scaled(path, module, factor_a, e.stored, limits)?;
        }
        let alpha = parts.get(TensorRole::Alpha).map(|alpha| alpha.stored);
        let alpha = alpha.map(|alpha| scalars.read(alpha.name, alpha.tensor)).transpose()?;
        let (original, path) = (module.to_owned(), (a.scheme.path)(module));
        pairs.push((a.scheme, Pair { original, path, a: factor_a, b: factor_b, alpha }));
    }
    Ok(pairs)
}

/// A with its rows multiplied by AdaLoRA's E.
fn scaled(path: &Path, module: &str, a: Factor, e: Stored<'_>, limits: &Limits) -> Result<Factor> {
    let rank = a.rows;
    a.scaled_by(e.tensor.factor(e.name, limits)?).ok_or_else(|| {
        let found = format!("{} of shape {:?}", quoted(e.name), e.tensor.shape);
        wrong_module(path, module, found, format!("shape [{rank}, 1]"))
    })
}

fn without_partner(path: &Path, one: &Claimed<'_>) -> Error {
    let name = one.stored.name;
    let partner = one.scheme.partners.iter().find_map(|(first, second)| {
        let (mark, partner) = if name.contains(first) { (first, second) } else { (second, first) };
        let at = name.rfind(mark)?;
        Some(format!("{}{partner}{}", &name[..at], &name[at + mark.len()..]))
    });
    let missing = partner.map_or_else(|| "the other factor".to_owned(), |partner| quoted(&partner));
    wrong_module(path, &one.claim.module, format!("only {}", quoted(name)), format!("{missing} next to it"))
}
