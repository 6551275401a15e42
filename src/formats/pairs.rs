//! Factors to modules: each A finds the B of its module.

use std::collections::BTreeMap;
use std::path::Path;

use crate::adapter::{Factor, Module};
use crate::error::{Error, Fault, Result};
use crate::formats::Limits;
use crate::formats::tensor::{Tensor, Tensors};
use crate::listing::quoted;
use crate::names::natural_cmp;

/// Which factor of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    A,
    B,
}

impl Part {
    /// What tells the two apart in their names.
    pub(super) fn marker(self) -> &'static str {
        match self {
            Self::A => "lora_A",
            Self::B => "lora_B",
        }
    }
}

/// A factor's tensor name and entry.
type Stored<'a> = (&'a str, &'a Tensor);

/// Every module of the file, in natural order, from its factors: tensor name, module, part.
///
/// # Errors
/// `Malformed` when a factor's partner is missing or of another rank, or a module is there twice; those of
/// [`Tensor::factor`].
pub(super) fn modules<'a>(
    path: &Path,
    tensors: &Tensors,
    factors: impl Iterator<Item = (&'a str, &'a str, Part)>,
    limits: &Limits,
) -> Result<Vec<Module>> {
    let (mut all_a, mut all_b) = (BTreeMap::new(), BTreeMap::new());
    for (name, module, part) in factors {
        let all = if part == Part::A { &mut all_a } else { &mut all_b };
        if let Some((other, _)) = all.insert(module, (name, &tensors[name])) {
            let found = format!("{} and {}", quoted(other), quoted(name));
            return Err(wrong_module(path, module, found, "one of the two".into()));
        }
    }
    let mut modules = Vec::with_capacity(all_a.len());
    for (module, a) in all_a {
        let b = all_b.remove(module).ok_or_else(|| alone(path, module, a.0, Part::A, Part::B))?;
        modules.push(pair(path, module, a, b, limits)?);
    }
    if let Some((module, (name, _))) = all_b.first_key_value() {
        return Err(alone(path, module, name, Part::B, Part::A));
    }
    modules.sort_by(|x, y| natural_cmp(&x.name, &y.name));
    Ok(modules)
}

fn pair(path: &Path, module: &str, a: Stored<'_>, b: Stored<'_>, limits: &Limits) -> Result<Module> {
    let factor_a = a.1.factor(a.0, limits)?;
    let factor_b = kernel_of_one(path, b, b.1.factor(b.0, limits)?)?;
    if factor_a.rows != factor_b.cols {
        let shown = |(name, tensor): Stored<'_>| format!("{} of shape {:?}", quoted(name), tensor.shape);
        let found = format!("{} and {}", shown(a), shown(b));
        return Err(wrong_module(path, module, found, "as many rows in A as columns in B".into()));
    }
    Ok(Module { name: module.to_owned(), a: factor_a, b: factor_b, alpha: None, scaling: None })
}

/// Factors of convolutions are (rank, c_in, kh, kw) and (d_out, rank, 1, 1).
fn kernel_of_one(path: &Path, (name, tensor): Stored<'_>, factor: Factor) -> Result<Factor> {
    if tensor.shape[2..].iter().all(|&dim| dim == 1) {
        return Ok(factor);
    }
    let fault = Fault::new(format!("shape {:?}", tensor.shape), "a B of kernel size 1").at(path);
    Err(fault.of(format!("tensor {}", quoted(name))).malformed())
}

fn alone(path: &Path, module: &str, name: &str, part: Part, other: Part) -> Error {
    // `name` was parsed, so the marker is in it.
    let (front, tail) = name.rsplit_once(part.marker()).unwrap_or((name, ""));
    let missing = quoted(&format!("{front}{}{tail}", other.marker()));
    wrong_module(path, module, format!("only {}", quoted(name)), format!("{missing} beside it"))
}

fn wrong_module(path: &Path, module: &str, found: String, expected: String) -> Error {
    Fault::new(found, expected).at(path).of(format!("module {}", quoted(module))).malformed()
}
