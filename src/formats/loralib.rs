//! The names of the LoRA authors' own library: `MODULE.lora_A`, (rank, d_in), beside `MODULE.lora_B`, (d_out, rank).

use std::path::Path;

use crate::adapter::Module;
use crate::error::Result;
use crate::formats::Limits;
use crate::formats::pairs::{self, Part};
use crate::formats::tensor::Tensors;

fn parse(name: &str) -> Option<(&str, Part)> {
    [Part::A, Part::B].into_iter().find_map(|part| {
        let module = name.strip_suffix(part.marker())?.strip_suffix('.')?;
        (!module.is_empty()).then_some((module, part))
    })
}

/// Whether any tensor has these names.
pub(super) fn is(tensors: &Tensors) -> bool {
    tensors.keys().any(|name| parse(name).is_some())
}

/// Every module of the file, in natural order.
///
/// # Errors
/// As [`pairs::modules`].
pub(super) fn modules(path: &Path, tensors: &Tensors, limits: &Limits) -> Result<Vec<Module>> {
    let factors =
        tensors.keys().filter_map(|name| parse(name).map(|(module, part)| (name.as_str(), module, part)));
    pairs::modules(path, tensors, factors, limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_module_from_names_without_weight_alone() {
        assert_eq!(
            parse("roberta.encoder.layer.0.query.lora_A"),
            Some(("roberta.encoder.layer.0.query", Part::A))
        );
        assert_eq!(parse("h.0.q.lora_B"), Some(("h.0.q", Part::B)));
        for name in [
            "h.0.q.lora_B.weight",
            "h.0.q.lora_A.default",
            "lora_A",
            ".lora_A",
            "h.xlora_A",
            "embed.lora_embedding_A",
        ] {
            assert_eq!(parse(name), None, "{name}");
        }
    }
}
