//! PEFT: `base_model.model.MODULE.lora_A.weight`, (rank, d_in), beside `lora_B`, (d_out, rank); older files and states of
//! whole models have the adapter's name in front of `weight`. Embeddings have `lora_embedding_A` and no `weight`;
//! AdaLoRA has no `weight` either, and a `lora_E`; DoRA adds a `lora_magnitude_vector`.

use super::claim::{Claim, TensorRole};

/// What PEFT puts in front of the module's path, once for each wrapping.
pub(in crate::formats) const WRAPPER: &str = "base_model.model.";

/// What parts are called, behind [`MARK`].
const PARTS: &[(&str, TensorRole)] = &[
    ("A", TensorRole::A),
    ("B", TensorRole::B),
    ("E", TensorRole::E),
    ("embedding_A", TensorRole::A),
    ("embedding_B", TensorRole::B),
    ("magnitude_vector", TensorRole::Magnitude),
];

const MARK: &str = ".lora_";

pub(super) fn claim(name: &str) -> Option<Claim<'_>> {
    let (module, rest) = name.rsplit_once(MARK)?;
    let (called, tail) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
    let (_, part) = PARTS.iter().find(|(part, _)| *part == called)?;
    let is_wrapped = module.starts_with(WRAPPER);
    let adapter = match tail.strip_suffix(".weight") {
        Some("") => None,
        Some(infix) => Some(infix.strip_prefix('.')?),
        None if tail.is_empty() => None,
        // Parameters that are no layers of their own have no `weight`, so only the wrapper tells what the infix is.
        None if is_wrapped || !["A", "B"].contains(&called) => {
            Some(tail.strip_prefix('.').filter(|name| !name.contains('.') && *name != "bias")?)
        }
        None => return None,
    };
    let weight = if is_wrapped { 2 } else { 1 };
    Some(Claim { adapter, ..Claim::new(module, *part, weight)? })
}

/// The module's path in the model that PEFT wrapped, which the keys of `rank_pattern` and `alpha_pattern` are for.
pub(in crate::formats) fn unwrapped(mut path: &str) -> &str {
    while let Some(inner) = path.strip_prefix(WRAPPER) {
        path = inner;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimed(name: &str) -> Option<(String, TensorRole, Option<&str>)> {
        claim(name).map(|claim| (claim.module.into_owned(), claim.part, claim.adapter))
    }

    #[test]
    fn takes_the_part_and_the_adapter_from_the_name() {
        let q = "base_model.model.h.0.q";
        for (name, part, adapter) in [
            ("base_model.model.h.0.q.lora_A.weight", TensorRole::A, None),
            ("base_model.model.h.0.q.lora_B.style.weight", TensorRole::B, Some("style")),
            ("base_model.model.h.0.q.lora_embedding_A", TensorRole::A, None),
            ("base_model.model.h.0.q.lora_embedding_B.style", TensorRole::B, Some("style")),
            ("base_model.model.h.0.q.lora_A", TensorRole::A, None),
            ("base_model.model.h.0.q.lora_E.style", TensorRole::E, Some("style")),
            (
                "base_model.model.h.0.q.lora_magnitude_vector.style.weight",
                TensorRole::Magnitude,
                Some("style"),
            ),
        ] {
            assert_eq!(claimed(name), Some((q.to_owned(), part, adapter)), "{name}");
        }
        assert_eq!(
            claimed("h.0.q.lora_B.default.weight"),
            Some(("h.0.q".to_owned(), TensorRole::B, Some("default")))
        );
        assert_eq!(unwrapped("base_model.model.base_model.model.h.0.q"), "h.0.q");
    }

    #[test]
    fn leaves_what_is_no_part_of_a_module() {
        for name in [
            "base_model.model.classifier.modules_to_save.default.weight",
            "base_model.model.h.0.q.lora_B.bias",
            "h.0.q.lora_B.bias",
            "h.0.q.lora_A.myweight",
            "base_model.model.vera_A.weight",
            ".lora_A.weight",
            "lora_A.weight",
        ] {
            assert_eq!(claimed(name), None, "{name}");
        }
    }
}
