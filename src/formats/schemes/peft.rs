//! PEFT: `base_model.model.MODULE.lora_A.weight`, (rank, d_in), and `lora_B`, (d_out, rank); older files and states of
//! whole models have the adapter's name before `weight`. Embeddings have `lora_embedding_A` and no `weight`;
//! AdaLoRA has no `weight` either, and a `lora_E`; KaSA has a `lora_diag`; DoRA adds a `lora_magnitude_vector`. Up to PEFT
//! 0.2, A and B of a fused weight stack its groups, and B is (d_out, rank, 1).
//!
//! PEFT's other methods have the same paths, see [`super::part`].
//!
//! A module that is trained as a whole too (`modules_to_save`) is in a file twice: its `original_module` is not used.

use super::claim::{Claim, TensorRole};
use super::experts;
use super::groups;
use super::layout::Layout;
use super::pair::trimmed;
use super::peft_parts;
use super::scaling::by_config;
use super::scheme::Scheme;
use crate::adapter::NamingScheme;
use crate::formats::config::WRAPPER;

pub(super) static SCHEME: Scheme = Scheme {
    names: NamingScheme { name: "PEFT", is_numbered: false, uses_underscores: false },
    claim,
    accepts: |_| true,
    path,
    layout: Layout::Loose,
    experts: experts::split,
    scaling: by_config,
    cut: groups::cut,
    partners: &[
        ("lora_embedding_A", "lora_embedding_B"),
        ("lora_A", "lora_B"),
        ("lora_E", "lora_A"),
        ("lora_diag", "lora_A"),
    ],
};

/// What tensors are called, after [`MARK`].
const ROLES: &[(&str, TensorRole)] = &[
    ("A", TensorRole::A),
    ("B", TensorRole::B),
    ("E", TensorRole::E),
    ("diag", TensorRole::E),
    ("embedding_A", TensorRole::A),
    ("embedding_B", TensorRole::B),
    ("magnitude_vector", TensorRole::Magnitude),
];

const MARK: &str = ".lora_";

/// What PEFT calls the copy of a module that another one replaces, and where it keeps that, by the adapter's name.
const ORIGINAL: &str = "original_module";
const SAVED: &str = ".modules_to_save.";

fn claim(name: &str) -> Option<Claim<'_>> {
    if name.split('.').any(|part| part == ORIGINAL) {
        return None;
    }
    peft_parts::claim(name).or_else(|| claim_factor(name))
}

fn claim_factor(name: &str) -> Option<Claim<'_>> {
    let (module, rest) = name.rsplit_once(MARK)?;
    let (called, tail) = rest.split_at(rest.find('.').unwrap_or(rest.len()));
    let (_, role) = ROLES.iter().find(|(name, _)| *name == called)?;
    let is_wrapped = module.starts_with(WRAPPER);
    let adapter = match tail.strip_suffix(".weight") {
        Some("") => None,
        Some(infix) => Some(infix.strip_prefix('.')?),
        None if tail.is_empty() => None,
        // Parameters that are not layers of their own have no `weight`, so the infix is known only by the wrapper.
        None if is_wrapped || !["A", "B"].contains(&called) => {
            Some(tail.strip_prefix('.').filter(|name| !name.contains('.') && *name != "bias")?)
        }
        None => return None,
    };
    let weight = if is_wrapped { 2 } else { 1 };
    Some(Claim { adapter, ..Claim::new(module, *role, weight)? })
}

/// The path without the place of a module that is trained as a whole.
fn path(module: &str) -> String {
    let module = trimmed(module);
    let Some((front, rest)) = module.split_once(SAVED) else { return module.to_owned() };
    match rest.split_once('.') {
        Some((_, inner)) => format!("{front}.{inner}"),
        None => front.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimed(name: &str) -> Option<(String, TensorRole, Option<&str>)> {
        claim(name).map(|claim| (claim.module.into_owned(), claim.role, claim.adapter))
    }

    #[test]
    fn takes_the_role_and_the_adapter_from_the_name() {
        let q = "base_model.model.h.0.q";
        for (name, part, adapter) in [
            ("base_model.model.h.0.q.lora_A.weight", TensorRole::A, None),
            ("base_model.model.h.0.q.lora_B.style.weight", TensorRole::B, Some("style")),
            ("base_model.model.h.0.q.lora_embedding_A", TensorRole::A, None),
            ("base_model.model.h.0.q.lora_embedding_B.style", TensorRole::B, Some("style")),
            ("base_model.model.h.0.q.lora_A", TensorRole::A, None),
            ("base_model.model.h.0.q.lora_E.style", TensorRole::E, Some("style")),
            ("base_model.model.h.0.q.lora_diag", TensorRole::E, None),
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
    }

    #[test]
    fn leaves_names_that_belong_to_no_module() {
        for name in [
            "base_model.model.classifier.modules_to_save.default.weight",
            "base_model.model.h.0.q.lora_B.bias",
            "h.0.q.lora_B.bias",
            "base_model.model.score.original_module.lora_A.default.weight",
            "h.0.q.lora_A.myweight",
            "base_model.model.vera_C.weight",
            ".lora_A.weight",
            "lora_A.weight",
        ] {
            assert_eq!(claimed(name), None, "{name}");
        }
    }

    #[test]
    fn a_module_that_is_trained_as_a_whole_has_its_own_path() {
        assert_eq!(path("base_model.model.score.modules_to_save.default"), "base_model.model.score");
        assert_eq!(path("model.head.modules_to_save.default.fc"), "model.head.fc");
        assert_eq!(path("model.head"), "model.head");
    }
}
