//! Restores the dots of a path for which kohya's names have underscores, if every part of the path is known.
//!
//! `down_blocks_0_attentions_0_proj_in` can be split in many ways, and only the names of the model's own parts show which
//! one is right. A path with a part that is in neither list here stays as it is.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Parts of paths with underscores, of the UNets of SD 1.5 and SDXL, CLIP, T5, Flux, SD 3, Llama and GPT-2.
const WITH_UNDERSCORES: &[&str] = &[
    // UNets, as diffusers names them
    "down_blocks",
    "mid_block",
    "up_blocks",
    "transformer_blocks",
    "proj_in",
    "proj_out",
    "to_q",
    "to_k",
    "to_v",
    "to_out",
    "time_emb_proj",
    "conv_shortcut",
    "conv_in",
    "conv_out",
    "time_embedding",
    "add_embedding",
    "linear_1",
    "linear_2",
    // UNets, as their authors name them
    "input_blocks",
    "middle_block",
    "output_blocks",
    "in_layers",
    "emb_layers",
    "out_layers",
    "skip_connection",
    "time_embed",
    "label_emb",
    // Flux and SD 3, as their authors name them
    "double_blocks",
    "single_blocks",
    "img_attn",
    "txt_attn",
    "img_mlp",
    "txt_mlp",
    "img_mod",
    "txt_mod",
    "img_in",
    "txt_in",
    "time_in",
    "vector_in",
    "guidance_in",
    "in_layer",
    "out_layer",
    "final_layer",
    "adaLN_modulation",
    "joint_blocks",
    "x_block",
    "context_block",
    // Flux and SD 3, as diffusers names them
    "single_transformer_blocks",
    "add_q_proj",
    "add_k_proj",
    "add_v_proj",
    "to_add_out",
    "ff_context",
    "norm1_context",
    "proj_mlp",
    "norm_out",
    "context_embedder",
    "x_embedder",
    "time_text_embed",
    "timestep_embedder",
    "text_embedder",
    "guidance_embedder",
    // Text encoders and language models
    "text_model",
    "text_projection",
    "self_attn",
    "q_proj",
    "k_proj",
    "v_proj",
    "o_proj",
    "out_proj",
    "gate_proj",
    "up_proj",
    "down_proj",
    "embed_tokens",
    "lm_head",
    "wi_0",
    "wi_1",
    "c_attn",
    "c_proj",
    "c_fc",
];

/// Parts without underscores.
const WITHOUT: &[&str] = &[
    "attentions",
    "resnets",
    "downsamplers",
    "upsamplers",
    "attn1",
    "attn2",
    "ff",
    "net",
    "proj",
    "conv",
    "conv1",
    "conv2",
    "op",
    "out",
    "qkv",
    "lin",
    "linear",
    "linear1",
    "linear2",
    "modulation",
    "attn",
    "norm",
    "norm1",
    "mlp",
    "fc1",
    "fc2",
    "encoder",
    "layers",
    "layer",
    "block",
    "SelfAttention",
    "DenseReluDense",
    "q",
    "k",
    "v",
    "o",
    "wi",
    "wo",
    "model",
    "transformer",
    "h",
    "wte",
];

/// The most words that a known part has.
const MAX_WORDS: usize = 3;

/// Every known part.
static PARTS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| WITH_UNDERSCORES.iter().chain(WITHOUT).copied().collect());

/// The dotted path, if every part of it is known. If it can be split in several ways, the one with the longest parts from
/// the front counts.
pub(crate) fn dotted(path: &str) -> Option<String> {
    // Where words begin, and where one more would begin after the end.
    let mut starts = vec![0];
    starts.extend(path.match_indices('_').map(|(at, _)| at + 1));
    starts.push(path.len() + 1);
    let n_words = starts.len() - 1;
    let part = |first: usize, n: usize| &path[starts[first]..starts[first + n] - 1];
    // The number of words in the part that begins at each word, if the rest can be split too.
    let mut parts = vec![None; n_words];
    for at in (0..n_words).rev() {
        parts[at] = (1..=MAX_WORDS.min(n_words - at)).rev().find(|&n| {
            let is_rest_known = at + n == n_words || parts[at + n].is_some();
            is_rest_known && is_part(part(at, n))
        });
    }
    let (mut dotted, mut at) = (String::with_capacity(path.len()), 0);
    while at < n_words {
        let n = parts[at]?;
        if at > 0 {
            dotted.push('.');
        }
        dotted.push_str(part(at, n));
        at += n;
    }
    Some(dotted)
}

fn is_part(part: &str) -> bool {
    PARTS.contains(part) || (!part.is_empty() && part.bytes().all(|byte: u8| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_parts_get_their_dots() {
        for path in [
            "down_blocks.0.attentions.1.transformer_blocks.0.attn1.to_out.0",
            "down_blocks.0.attentions.1.transformer_blocks.0.ff.net.0.proj",
            "up_blocks.3.resnets.2.conv_shortcut",
            "mid_block.resnets.0.time_emb_proj",
            "time_embedding.linear_1",
            "input_blocks.7.1.transformer_blocks.9.attn2.to_k",
            "double_blocks.0.img_attn.qkv",
            "single_blocks.37.modulation.lin",
            "final_layer.adaLN_modulation.1",
            "text_model.encoder.layers.11.self_attn.out_proj",
            "encoder.block.0.layer.1.DenseReluDense.wi_0",
            "model.layers.11.self_attn.q_proj",
            "h.0.attn.c_attn",
            "lm_head",
        ] {
            assert_eq!(dotted(&path.replace('.', "_")).as_deref(), Some(path));
        }
    }

    #[test]
    fn a_path_with_an_unknown_part_stays_as_it_is() {
        for joined in ["layers_0_my_gate", "", "_", "down_blocks__0", "layers_0_self_attn_q_proj_extra"] {
            assert_eq!(dotted(joined), None, "{joined}");
        }
        let long = "q_".repeat(100_000) + "z";
        assert_eq!(dotted(&long), None);
    }
}
