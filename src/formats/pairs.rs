//! Factors to pairs: each A finds the B of its module, and what else belongs to it.

use std::collections::BTreeMap;
use std::path::Path;

use crate::adapter::{Factor, NamingScheme};
use crate::error::{Error, Fault, Result};
use crate::formats::Limits;
use crate::formats::schemes::{Claimed, Scheme, TensorRole};
use crate::formats::tensor::{Scalars, Tensor};
use crate::text::quoted;

/// The factors of a module as the file has them, before fused weights are cut.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    /// The module's path in the file.
    pub(super) original: String,
    /// Its dotted path, before wrappers are taken off.
    pub(super) path: String,
    pub(super) a: Factor,
    pub(super) b: Factor,
    /// The alpha that stands beside the factors.
    pub(super) alpha: Option<f64>,
}

/// A factor's tensor name and entry.
type Stored<'a> = (&'a str, &'a Tensor);

/// What is there of a module.
#[derive(Default)]
struct Parts<'a>([Option<Stored<'a>>; 4]);

impl<'a> Parts<'a> {
    const OF: [TensorRole; 4] = [TensorRole::A, TensorRole::B, TensorRole::E, TensorRole::Alpha];

    fn get(&self, part: TensorRole) -> Option<Stored<'a>> {
        let at = Self::OF.iter().position(|&one| one == part)?;
        self.0[at]
    }
}

/// Every pair of the file.
///
/// # Errors
/// `Malformed` when a factor's partner is missing or of another rank, or is there twice; `Unsupported` for a Tucker
/// decomposition; those of [`Tensor::factor`] and [`Scalars::read`].
pub(super) fn pairs(
    path: &Path,
    scheme: &Scheme,
    claimed: &[Claimed<'_>],
    limits: &Limits,
) -> Result<Vec<Pair>> {
    let mut modules: BTreeMap<&str, Parts<'_>> = BTreeMap::new();
    for (name, tensor, claim) in claimed {
        if claim.part == TensorRole::Mid {
            let fault = Fault::new("a Tucker decomposition, whose ΔW is no B·A", "two factors").at(path);
            return Err(fault.of(format!("tensor {}", quoted(name))).unsupported());
        }
        let Some(at) = Parts::OF.iter().position(|part| *part == claim.part) else { continue };
        let place = &mut modules.entry(&claim.module).or_default().0[at];
        if let Some((other, _)) = place.replace((name, tensor)) {
            let found = format!("{} and {}", quoted(other), quoted(name));
            return Err(wrong_module(path, &claim.module, found, "one of the two".into()));
        }
    }
    let mut scalars = Scalars::default();
    let mut pairs = Vec::with_capacity(modules.len());
    for (module, parts) in modules {
        let (a, b) = match (parts.get(TensorRole::A), parts.get(TensorRole::B)) {
            (Some(a), Some(b)) => (a, b),
            (Some((name, _)), None) | (None, Some((name, _))) => return Err(alone(path, module, name)),
            // Scalars and magnitudes of a method that is not read, beside pairs that are.
            (None, None) => match parts.get(TensorRole::E) {
                Some((name, _)) => return Err(alone(path, module, name)),
                None => continue,
            },
        };
        let (factor_a, factor_b) = factors(path, scheme.format, module, a, b, limits)?;
        let factor_a = match parts.get(TensorRole::E) {
            Some(e) => scaled(path, module, factor_a, e, limits)?,
            None => factor_a,
        };
        let alpha = match parts.get(TensorRole::Alpha) {
            Some((name, tensor)) => Some(scalars.read(name, tensor)?),
            None => None,
        };
        let (original, path) = (module.to_owned(), (scheme.path)(module));
        pairs.push(Pair { original, path, a: factor_a, b: factor_b, alpha });
    }
    Ok(pairs)
}

/// A as (rank, d_in) and B as (d_out, rank). Groups of a `MergedLinear` are left as they are, (groups·rank, d_in) and
/// (d_out, rank).
fn factors(
    path: &Path,
    format: NamingScheme,
    module: &str,
    a: Stored<'_>,
    b: Stored<'_>,
    limits: &Limits,
) -> Result<(Factor, Factor)> {
    let (factor_a, factor_b) = (a.1.factor(a.0, limits)?, b.1.factor(b.0, limits)?);
    let shown = |(name, tensor): Stored<'_>| format!("{} of shape {:?}", quoted(name), tensor.shape);
    let wrong = |expected: &str| {
        let found = format!("{} and {}", shown(a), shown(b));
        Err(wrong_module(path, module, found, expected.into()))
    };
    if format == NamingScheme::Mlx {
        // Read untransposed these give no error, only wrong numbers: the inner sizes must agree, and be the small ones,
        // since two square projections agree both ways.
        let fits = factor_a.cols == factor_b.rows;
        let is_rank = factor_a.cols <= factor_a.rows || factor_a.rows != factor_b.cols;
        if !fits || !is_rank || a.1.shape.len() != 2 || b.1.shape.len() != 2 {
            return wrong("(d_in, rank) and (rank, d_out), MLX's layout");
        }
        return Ok((factor_a.transposed(), factor_b.transposed()));
    }
    // Factors of convolutions are (rank, c_in, kh, kw) and (d_out, rank, 1, 1).
    if b.1.shape[2..].iter().any(|&dim| dim != 1) {
        let fault = Fault::new(format!("shape {:?}", b.1.shape), "a B of kernel size 1").at(path);
        return Err(fault.of(format!("tensor {}", quoted(b.0))).malformed());
    }
    let n_groups = factor_a.rows / factor_b.cols;
    let is_merged = format == NamingScheme::Loralib
        && factor_a.rows.is_multiple_of(factor_b.cols)
        && n_groups > 0
        && factor_b.rows.is_multiple_of(n_groups);
    if factor_a.rows != factor_b.cols && !is_merged {
        return wrong("as many rows in A as columns in B");
    }
    Ok((factor_a, factor_b))
}

/// A with its rows multiplied by AdaLoRA's E.
fn scaled(path: &Path, module: &str, a: Factor, (name, e): Stored<'_>, limits: &Limits) -> Result<Factor> {
    let rank = a.rows;
    a.scaled_by(e.factor(name, limits)?).ok_or_else(|| {
        let found = format!("{} of shape {:?}", quoted(name), e.shape);
        wrong_module(path, module, found, format!("shape [{rank}, 1]"))
    })
}

/// How the names of two partners differ.
const PARTNERS: &[(&str, &str)] = &[
    ("lora_embedding_A", "lora_embedding_B"),
    ("lora_A", "lora_B"),
    ("lora_E", "lora_A"),
    ("lora_down", "lora_up"),
    ("lora_a", "lora_b"),
    ("linear_in", "linear_out"),
    ("w_a_", "w_b_"),
    (".down", ".up"),
    (":down", ":up"),
];

fn alone(path: &Path, module: &str, name: &str) -> Error {
    let partner = PARTNERS.iter().find_map(|(one, other)| {
        let (mark, partner) = if name.contains(one) { (one, other) } else { (other, one) };
        let at = name.rfind(mark)?;
        Some(format!("{}{partner}{}", &name[..at], &name[at + mark.len()..]))
    });
    let missing = partner.map_or_else(|| "the other factor".to_owned(), |partner| quoted(&partner));
    wrong_module(path, module, format!("only {}", quoted(name)), format!("{missing} beside it"))
}

pub(super) fn wrong_module(path: &Path, module: &str, found: String, expected: String) -> Error {
    Fault::new(found, expected).at(path).of(format!("module {}", quoted(module))).malformed()
}
