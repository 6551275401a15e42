//! Tensors to pairs: each A finds the B of its module, and the other tensors that belong to them.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::adapter::{Factor, UnreadPart};
use crate::error::{Error, Fault, Result};
use crate::formats::limits::Limits;
use crate::formats::schemes::{Claimed, Pair, Scheme, Stored, StoredAlpha, TensorRole, wrong_module};
use crate::formats::tensor::Scalars;
use crate::text::quoted;

/// The tensors of a module that make its update.
#[derive(Default)]
struct Parts<'a>([Option<&'a Claimed<'a>>; 3]);

impl<'a> Parts<'a> {
    const ROLES: [TensorRole; 3] = [TensorRole::A, TensorRole::B, TensorRole::E];

    fn get(&self, role: TensorRole) -> Option<&'a Claimed<'a>> {
        let at = Self::ROLES.iter().position(|&one| one == role)?;
        self.0[at]
    }
}

/// What the claimed tensors make.
#[derive(Default)]
pub(super) struct Pairs {
    /// Each with the scheme of its factors.
    pub(super) pairs: Vec<(&'static Scheme, Pair)>,
    /// Modules that cannot be read, and what cannot be read of others.
    pub(super) unread: Vec<UnreadPart>,
    /// What is the matter with the first module that cannot be read.
    pub(super) first_error: Option<Error>,
}

/// Every pair of the file. A module that cannot be read is left out, and the rest goes on.
///
/// # Errors
/// `Limit` for a factor that is too large, `Io` when the system refuses to read an alpha.
pub(super) fn pairs(path: &Path, claimed: &[Claimed<'_>], limits: &Limits) -> Result<Pairs> {
    // Each module with its factors' scheme; what is not a factor goes with all of them.
    let mut modules: BTreeMap<(&str, &str), Vec<&Claimed<'_>>> = BTreeMap::new();
    let mut others: HashMap<&str, Vec<&Claimed<'_>>> = HashMap::new();
    for one in claimed {
        match one.claim.role.is_factor() {
            true => modules.entry((&one.claim.module, one.scheme.names.name)).or_default().push(one),
            false => others.entry(&one.claim.module).or_default().push(one),
        }
    }
    let mut read = Pairs::default();
    let mut scalars = Scalars::default();
    for ((module, _), mut tensors) in modules {
        tensors.extend(others.get(module).into_iter().flatten());
        match pair(path, module, &tensors, limits) {
            Ok((scheme, mut pair)) => {
                let alphas = tensors.iter().find(|one| one.claim.role == TensorRole::Alpha);
                if let Some(alpha) = alphas.map(|alpha| alpha.stored) {
                    pair.alpha = stored_alpha(&mut scalars, alpha, &mut read.unread)?;
                }
                read.pairs.push((scheme, pair));
            }
            Err(NotRead { error: error @ (Error::Io { .. } | Error::Limit(_)), .. }) => return Err(error),
            Err(not_read) => {
                read.unread.push(not_read.part(module, tensors.len()));
                read.first_error.get_or_insert(not_read.error);
            }
        }
    }
    Ok(read)
}

/// An alpha that is not one finite number leaves the scaling unknown; the subspaces need none.
fn stored_alpha<'a>(
    scalars: &mut Scalars<'a>,
    alpha: Stored<'a>,
    unread: &mut Vec<UnreadPart>,
) -> Result<StoredAlpha> {
    match scalars.read(alpha.name, alpha.tensor) {
        Ok(number) => Ok(StoredAlpha::Of(number)),
        Err(Error::Malformed(fault) | Error::Unsupported(fault)) => {
            unread.push(UnreadPart {
                name: alpha.name.to_owned(),
                reason: "an alpha that cannot be read, so that the scaling is not known".to_owned(),
                found: Some(fault.found),
                n_tensors: 1,
            });
            Ok(StoredAlpha::Odd)
        }
        Err(error) => Err(error),
    }
}

/// A module that cannot be read: why, as all of its kind share it, and what is the matter with this one.
struct NotRead {
    reason: &'static str,
    error: Error,
}

/// Names the kind of an error.
fn because(reason: &'static str) -> impl FnOnce(Error) -> NotRead {
    move |error| NotRead { reason, error }
}

impl NotRead {
    fn part(&self, module: &str, n_tensors: usize) -> UnreadPart {
        let found = match &self.error {
            Error::Malformed(fault) | Error::Unsupported(fault) => {
                fault.expected.as_ref().map(|expected| format!("found {}, expected {expected}", fault.found))
            }
            _ => None,
        };
        UnreadPart { name: module.to_owned(), reason: self.reason.to_owned(), found, n_tensors }
    }
}

/// The pair of a module's tensors, without its alpha.
///
/// # Errors
/// `Malformed` when a factor's partner is missing or of another rank, or is there twice, and when there is nothing in it;
/// `Unsupported` for a Tucker decomposition; those of
/// [`Layout::factors`](crate::formats::schemes::Layout::factors).
fn pair(
    path: &Path,
    module: &str,
    tensors: &[&Claimed<'_>],
    limits: &Limits,
) -> Result<(&'static Scheme, Pair), NotRead> {
    let mut parts = Parts::default();
    for &one in tensors {
        let name = one.stored.name;
        if one.claim.role == TensorRole::Mid {
            let fault = Fault::new(format!("{TUCKER}, whose ΔW is not B·A"), "two factors").at(path);
            return Err(because(TUCKER)(fault.of(format!("tensor {}", quoted(name))).unsupported()));
        }
        let Some(at) = Parts::ROLES.iter().position(|role| *role == one.claim.role) else { continue };
        if let Some(other) = parts.0[at].replace(one) {
            let found = format!("{} and {}", quoted(other.stored.name), quoted(name));
            return Err(because("a tensor that is there twice")(wrong_module(
                path,
                module,
                found,
                "one of the two",
            )));
        }
    }
    let [a, b, e] = [TensorRole::A, TensorRole::B, TensorRole::E].map(|role| parts.get(role));
    let (a, b) = match (a, b, e) {
        (Some(a), Some(b), _) => (a, b),
        (Some(one), None, _) | (None, Some(one), _) | (None, None, Some(one)) => {
            return Err(because(NO_PARTNER)(without_partner(path, one)));
        }
        // A module is made of its factors.
        (None, None, None) => {
            return Err(because(NO_PARTNER)(wrong_module(path, module, "no factor".into(), "an A and a B")));
        }
    };
    check_not_empty(path, module, [a.stored, b.stored])?;
    let factors = a.scheme.layout.factors(path, module, [a.stored, b.stored], limits);
    let (mut factor_a, factor_b) = factors.map_err(because(UNREADABLE))?;
    if let Some(e) = e {
        factor_a = scaled(path, module, factor_a, e.stored, limits).map_err(because(UNREADABLE))?;
    }
    let (original, path) = (module.to_owned(), (a.scheme.path)(module));
    Ok((a.scheme, Pair { original, path, a: factor_a, b: factor_b, alpha: StoredAlpha::Absent }))
}

/// # Errors
/// `Malformed` for factors without numbers, with the usual cause; `Unsupported` for a rank of 0.
fn check_not_empty(path: &Path, module: &str, factors: [Stored<'_>; 2]) -> Result<(), NotRead> {
    let fault = |fact: &str| Fault::stating(fact).at(path).of(format!("module {}", quoted(module)));
    if factors.iter().any(|one| one.tensor.shape == [0]) {
        let hint = "save again with the parameters gathered (`stage3_gather_16bit_weights_on_model_save`), or join the \
                    checkpoint's shards with DeepSpeed's `zero_to_fp32.py`";
        return Err(because(ZERO_3)(fault(ZERO_3).hint(hint).malformed()));
    }
    let is_pruned = factors.iter().all(|one| one.tensor.shape.len() > 1 && one.tensor.shape.contains(&0));
    match is_pruned {
        true => Err(because(RANK_0)(fault(RANK_0).unsupported())),
        false => Ok(()),
    }
}

const TUCKER: &str = "a Tucker decomposition";
const NO_PARTNER: &str = "a factor without its partner";
const UNREADABLE: &str = "factors of shapes or types that cannot be read";
const ZERO_3: &str = "shape [0] (saved under DeepSpeed ZeRO-3 without gathering the parameters)";
const RANK_0: &str = "rank 0, which changes nothing";

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
