//! What the metadata of llama.cpp's files says of a LoRA.

use crate::formats::contents::Metadata;

/// Whether it is the module whose A lies the other way round.
pub(super) fn is_token_embedding(module: &str) -> bool {
    module.ends_with("token_embd")
}

/// The keys that a LoRA's names, scaling and order of rows go by.
#[derive(Debug, Default)]
pub(super) struct LlamaCpp {
    /// `llama`, `qwen2`, `bert`, ...; every file of llama.cpp has it.
    pub(super) architecture: Option<String>,
    /// As it is there, not finite and 0 too.
    pub(super) alpha: Option<f64>,
    /// Heads of q, and of k. Files of adapters usually lack both.
    pub(super) n_heads: [Option<usize>; 2],
}

impl LlamaCpp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let Some(architecture) = metadata.get("general.architecture") else { return Self::default() };
        let count = |key: &str| metadata.get(&format!("{architecture}.attention.{key}"))?.parse().ok();
        let n_heads: Option<usize> = count("head_count");
        Self {
            architecture: Some(architecture.clone()),
            alpha: metadata.get("adapter.lora.alpha").and_then(|alpha| alpha.parse().ok()),
            n_heads: [n_heads, count("head_count_kv").or(n_heads)],
        }
    }
}
