//! PEFT's tensor names to modules: `base_model.model.MODULE.lora_A.weight`, (rank, d_in), beside `lora_B`,
//! (d_out, rank). Older files have the adapter's name in front of `weight`.
//!
//! Everything else in the file is left alone: classifier heads and other `modules_to_save`, biases, DoRA's magnitude
//! vectors (they scale rows of W + ΔW and change neither factor), embedding factors beside plain pairs.

use std::collections::{BTreeMap, BTreeSet};

use crate::adapter::{Dtype, Factor, Module, Source};
use crate::error::{Error, Fault, Result};
use crate::formats::safetensors::Tensor;
use crate::formats::{Limits, other_schemes};
use crate::listing::{quoted, some_of};
use crate::names::natural_cmp;

type Tensors = BTreeMap<String, Tensor>;

/// What PEFT puts in front of the module's path, once for each wrapping.
const WRAPPER: &str = "base_model.model.";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    A,
    B,
}

impl Part {
    fn marker(self) -> &'static str {
        match self {
            Self::A => ".lora_A.",
            Self::B => ".lora_B.",
        }
    }
}

/// A tensor name, taken apart.
#[derive(Debug, PartialEq, Eq)]
struct Parsed<'a> {
    /// The canonical name.
    module: &'a str,
    part: Part,
    /// The adapter's name, where the file has it.
    adapter: Option<&'a str>,
}

fn parse(name: &str) -> Option<Parsed<'_>> {
    [Part::A, Part::B].into_iter().find_map(|part| {
        let (mut module, tail) = name.rsplit_once(part.marker())?;
        let adapter = match tail.strip_suffix("weight")? {
            "" => None,
            infix => Some(infix.strip_suffix('.')?),
        };
        while let Some(inner) = module.strip_prefix(WRAPPER) {
            module = inner;
        }
        (!module.is_empty()).then_some(Parsed { module, part, adapter })
    })
}

/// A factor's tensor name and entry.
type Stored<'a> = (&'a str, &'a Tensor);

/// Every module of the file, in natural order.
///
/// # Errors
/// `Malformed` when a factor's partner is missing or of another rank, or a module is there twice; `Unsupported` for
/// several adapters in one file, number types that are not computed from, AdaLoRA, and files without any pair;
/// `Limit` for a factor that is too large.
pub(super) fn modules(source: &Source, tensors: &Tensors, limits: &Limits) -> Result<Vec<Module>> {
    let parsed: Vec<(&str, Parsed<'_>)> =
        tensors.keys().filter_map(|name| Some((name.as_str(), parse(name)?))).collect();
    if parsed.is_empty() || tensors.keys().any(|name| name.split('.').any(|part| part == "lora_E")) {
        return Err(other_schemes::refuse(source.path(), tensors.keys().map(String::as_str)));
    }
    one_adapter(source, &parsed)?;
    let (mut all_a, mut all_b) = (BTreeMap::new(), BTreeMap::new());
    for (name, Parsed { module, part, .. }) in parsed {
        let all = if part == Part::A { &mut all_a } else { &mut all_b };
        if let Some((other, _)) = all.insert(module, (name, &tensors[name])) {
            let found = format!("{} and {}", quoted(other), quoted(name));
            return Err(wrong_module(source, module, found, "one of the two".into()));
        }
    }
    let mut modules = Vec::with_capacity(all_a.len());
    for (module, a) in all_a {
        let b = all_b.remove(module).ok_or_else(|| alone(source, module, a.0, Part::A, Part::B))?;
        modules.push(pair(source, module, a, b, limits)?);
    }
    if let Some((module, (name, _))) = all_b.first_key_value() {
        return Err(alone(source, module, name, Part::B, Part::A));
    }
    modules.sort_by(|x, y| natural_cmp(&x.name, &y.name));
    Ok(modules)
}

fn one_adapter(source: &Source, parsed: &[(&str, Parsed<'_>)]) -> Result<()> {
    let adapters: BTreeSet<Option<&str>> = parsed.iter().map(|(_, parsed)| parsed.adapter).collect();
    if adapters.len() < 2 {
        return Ok(());
    }
    let shown = some_of(adapters.iter().map(|name| name.map_or("one without name".into(), quoted)));
    let fault = Fault::new(format!("{} adapters ({shown})", adapters.len()), "one adapter in a file");
    Err(fault.at(source.path()).hint("save each adapter in a folder of its own").unsupported())
}

fn pair(source: &Source, module: &str, a: Stored<'_>, b: Stored<'_>, limits: &Limits) -> Result<Module> {
    let factor_a = factor(source, a, Part::A, limits)?;
    let factor_b = factor(source, b, Part::B, limits)?;
    if factor_a.rows != factor_b.cols {
        let shown = |(name, tensor): Stored<'_>| format!("{} of shape {:?}", quoted(name), tensor.shape);
        let found = format!("{} and {}", shown(a), shown(b));
        return Err(wrong_module(source, module, found, "as many rows in A as columns in B".into()));
    }
    Ok(Module { name: module.to_owned(), a: factor_a, b: factor_b, alpha: None, scaling: None })
}

fn alone(source: &Source, module: &str, name: &str, part: Part, other: Part) -> Error {
    // `name` parsed, so the marker is in it.
    let (front, tail) = name.rsplit_once(part.marker()).unwrap_or((name, ""));
    let missing = quoted(&format!("{front}{}{tail}", other.marker()));
    wrong_module(source, module, format!("only {}", quoted(name)), format!("{missing} beside it"))
}

fn wrong_module(source: &Source, module: &str, found: String, expected: String) -> Error {
    Fault::new(found, expected).at(source.path()).of(format!("module {}", quoted(module))).malformed()
}

/// A factor as a matrix: PEFT keeps those of convolutions as (rank, c_in, kh, kw) and (d_out, rank, 1, 1).
fn factor(source: &Source, (name, tensor): Stored<'_>, part: Part, limits: &Limits) -> Result<Factor> {
    let fault = |found: String, expected: &str| {
        Fault::new(found, expected).at(source.path()).of(format!("tensor {}", quoted(name)))
    };
    let Some(dtype) = Dtype::from_safetensors(&tensor.dtype) else {
        let found = format!("numbers of type {}", quoted(&tensor.dtype));
        return Err(fault(found, "F64, F32, F16 or BF16").unsupported());
    };
    if tensor.n_bytes > limits.factor_bytes {
        let expected = format!("at most {}", limits.factor_bytes);
        return Err(fault(format!("{} bytes", tensor.n_bytes), &expected).limit());
    }
    let shape = &tensor.shape;
    if !(2..=5).contains(&shape.len()) || shape.contains(&0) {
        let found = format!("shape {shape:?}");
        return Err(
            fault(found, "two dimensions, or up to five of a convolution, none of them 0").malformed()
        );
    }
    if part == Part::B && shape[2..].iter().any(|&dim| dim != 1) {
        return Err(fault(format!("shape {shape:?}"), "a B of kernel size 1").malformed());
    }
    // The product of a shape without 0 is the stored count, so neither number is over it.
    let [rows, cols] = [shape[0], shape[1..].iter().product()].map(usize::try_from);
    let (Ok(rows), Ok(cols)) = (rows, cols) else {
        return Err(fault(format!("shape {shape:?}"), "a size that this machine can address").limit());
    };
    let source = source.clone();
    Ok(Factor { name: name.to_owned(), rows, cols, dtype, source, offset_bytes: tensor.offset_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(name: &str) -> Option<(&str, Part, Option<&str>)> {
        parse(name).map(|parsed| (parsed.module, parsed.part, parsed.adapter))
    }

    #[test]
    fn takes_prefixes_and_adapter_names_off() {
        assert_eq!(parsed("base_model.model.h.0.q.lora_A.weight"), Some(("h.0.q", Part::A, None)));
        assert_eq!(
            parsed("base_model.model.base_model.model.h.0.q.lora_B.weight"),
            Some(("h.0.q", Part::B, None))
        );
        assert_eq!(parsed("h.0.q.lora_B.default.weight"), Some(("h.0.q", Part::B, Some("default"))));
        assert_eq!(parsed("unet.to_out.0.lora_A.weight"), Some(("unet.to_out.0", Part::A, None)));
    }

    #[test]
    fn leaves_what_is_no_factor_of_a_pair() {
        for name in [
            "base_model.model.classifier.modules_to_save.default.weight",
            "h.0.q.lora_A",
            "h.0.q.lora_B.bias",
            "h.0.q.lora_A.myweight",
            "h.0.q.lora_magnitude_vector.default.weight",
            "embed.lora_embedding_A.default",
            "base_model.model..lora_A",
            "lora_A.weight",
        ] {
            assert_eq!(parsed(name), None, "{name}");
        }
    }
}
