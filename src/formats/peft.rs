//! PEFT's tensor names to modules: `base_model.model.MODULE.lora_A.weight`, (rank, d_in), beside `lora_B`,
//! (d_out, rank). Older files have the adapter's name in front of `weight`.
//!
//! Everything else in the file is left alone: classifier heads and other `modules_to_save`, biases, DoRA's magnitude
//! vectors (they scale rows of W + ΔW and change neither factor), embedding factors beside plain pairs.

use std::collections::BTreeSet;
use std::path::Path;

use crate::adapter::Module;
use crate::error::{Fault, Result};
use crate::formats::pairs::{self, Part};
use crate::formats::tensor::Tensors;
use crate::formats::{Limits, other_schemes};
use crate::listing::{quoted, some_of};

/// What PEFT puts in front of the module's path, once for each wrapping.
const WRAPPER: &str = "base_model.model.";

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
        let (front, tail) = name.rsplit_once(part.marker())?;
        let (mut module, tail) = (front.strip_suffix('.')?, tail.strip_prefix('.')?);
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

/// Every module of the file, in natural order.
///
/// # Errors
/// As [`pairs::modules`]; `Unsupported` also for several adapters in one file, AdaLoRA, and files without any pair.
pub(super) fn modules(path: &Path, tensors: &Tensors, limits: &Limits) -> Result<Vec<Module>> {
    let parsed: Vec<(&str, Parsed<'_>)> =
        tensors.keys().filter_map(|name| Some((name.as_str(), parse(name)?))).collect();
    if parsed.is_empty() || tensors.keys().any(|name| name.split('.').any(|part| part == "lora_E")) {
        return Err(other_schemes::refuse(path, tensors.keys().map(String::as_str)));
    }
    one_adapter(path, &parsed)?;
    let factors = parsed.iter().map(|(name, parsed)| (*name, parsed.module, parsed.part));
    pairs::modules(path, tensors, factors, limits)
}

fn one_adapter(path: &Path, parsed: &[(&str, Parsed<'_>)]) -> Result<()> {
    let adapters: BTreeSet<Option<&str>> = parsed.iter().map(|(_, parsed)| parsed.adapter).collect();
    if adapters.len() < 2 {
        return Ok(());
    }
    let shown = some_of(adapters.iter().map(|name| name.map_or("one without name".into(), quoted)));
    let fault = Fault::new(format!("{} adapters ({shown})", adapters.len()), "one adapter in a file");
    Err(fault.at(path).hint("save each adapter in a folder of its own").unsupported())
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
