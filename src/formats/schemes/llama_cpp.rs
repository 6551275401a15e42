//! llama.cpp, which keeps LoRA in GGUF files: `blk.0.attn_q.weight.lora_a` is (rank, d_in) and `lora_b` (d_out, rank), of the token
//! embeddings `lora_a` is (d_in, rank). Those of experts are stacked. Alpha is one number in the metadata.
//!
//! For some architectures the converter puts the rows of q and k in the order of another rotary embedding: of each head, a row of the
//! first half and one of the second in turn (`LlamaModel.permute`). With the head counts, which few files of adapters have, this is
//! undone here.

mod names;

use super::claim::{Claim, TensorRole};
use super::layout::Layout;
use super::pair::{Pair, whole};
use super::scheme::Scheme;
use crate::adapter::NamingScheme;
use crate::formats::config::Scale;
use crate::formats::context::Context;

pub(super) static SCHEME: Scheme = Scheme {
    names: NamingScheme { name: "llama.cpp", is_numbered: false, uses_underscores: false },
    claim,
    accepts: |_| true,
    path: |module| names::path(module, None).unwrap_or_else(|| module.to_owned()),
    layout: Layout::LlamaCpp,
    experts: |pair, context| vec![of_architecture(pair, context)],
    scaling,
    cut: whole,
    partners: &[("lora_a", "lora_b")],
};

const ENDS: [(&str, TensorRole); 2] = [(".lora_a", TensorRole::A), (".lora_b", TensorRole::B)];

pub(super) fn claim(name: &str) -> Option<Claim<'_>> {
    let (weight, role) = ENDS.iter().find_map(|(end, role)| Some((name.strip_suffix(end)?, *role)))?;
    match weight.strip_suffix(".weight") {
        Some(module) => Claim::new(module, role, 2),
        // Parameters that are not layers of their own.
        None if weight.starts_with("blk.") => Claim::new(weight, role, 2),
        None => None,
    }
}

/// Whether it is the module whose A lies the other way round.
pub(in crate::formats) fn is_token_embedding(module: &str) -> bool {
    module.ends_with("token_embd")
}

/// As llama.cpp scales: alpha over the rank, and not at all without an alpha or with 0.
fn scaling(pair: &Pair, context: &Context<'_>) -> Scale {
    let facts = &context.llama_cpp;
    match facts.alpha {
        None if facts.architecture.is_none() => Scale::default(),
        None | Some(0.0) => Scale { alpha: None, scaling: Some(1.0) },
        Some(alpha) if alpha.is_finite() => {
            Scale { alpha: Some(alpha), scaling: Some(alpha / pair.b.cols as f64) }
        }
        Some(_) => Scale::default(),
    }
}

/// Architectures whose q and k the converter permutes.
const PERMUTED: &[&str] = &[
    "arcee",
    "arctic",
    "baichuan",
    "bailingmoe",
    "chameleon",
    "deci",
    "eagle3",
    "granite",
    "granitehybrid",
    "granitemoe",
    "internlm2",
    "llada",
    "llama",
    "llama-embed",
    "minicpm",
    "mistral3",
    "nanbeige",
    "olmo",
    "smollm3",
    "xverse",
];

/// What transformers calls a module of llama.cpp.
pub(in crate::formats) fn path_of(module: &str, architecture: Option<&str>) -> Option<String> {
    names::path(module, architecture)
}

/// Whether the rows of q or k, by the place among these two, are in the order of another rotary embedding; `None` for any other
/// module or architecture.
pub(in crate::formats) fn permuted(module: &str, architecture: Option<&str>) -> Option<usize> {
    let place = ["attn_q", "attn_k"].iter().position(|end| module.rsplit('.').next() == Some(end))?;
    architecture.is_some_and(|name| PERMUTED.contains(&name)).then_some(place)
}

/// The pair under the names of its architecture, with B's rows in the order of transformers if that can be had.
fn of_architecture(mut pair: Pair, context: &Context<'_>) -> Pair {
    let facts = &context.llama_cpp;
    let architecture = facts.architecture.as_deref();
    pair.path = names::path(&pair.original, architecture).unwrap_or_else(|| pair.original.clone());
    if let Some(place) = permuted(&pair.original, architecture) {
        let n_heads = facts.n_heads.get(place).copied().flatten();
        match n_heads.and_then(|n_heads| pair.b.clone().in_halves(n_heads)) {
            Some(b) => pair.b = b,
            None => pair.is_out_of_order = true,
        }
    }
    pair
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_what_follows_the_name_of_a_weight() {
        let claimed = |name| claim(name).map(|claim| (claim.module.into_owned(), claim.role));
        let q = "blk.0.attn_q".to_owned();
        assert_eq!(claimed("blk.0.attn_q.weight.lora_a"), Some((q.clone(), TensorRole::A)));
        assert_eq!(claimed("blk.0.attn_q.weight.lora_b"), Some((q, TensorRole::B)));
        assert_eq!(claimed("token_embd.weight.lora_a"), Some(("token_embd".to_owned(), TensorRole::A)));
        assert_eq!(claimed("blk.3.ssm_a.lora_b"), Some(("blk.3.ssm_a".to_owned(), TensorRole::B)));
        for name in ["model.layers.0.self_attn.q_proj.lora_a", "blk.0.attn_q.weight", ".weight.lora_a"] {
            assert_eq!(claimed(name), None, "{name}");
        }
    }
}
