//! Restores the dots of a path for which kohya's names have underscores, if a model family has such a path or if every part
//! of it is known.
//!
//! `down_blocks_0_attentions_0_proj_in` can be split in many ways, and only the names of the model's own parts show which
//! one is right. A path with a part that no family has stays as it is.

use std::borrow::Cow;

use super::families::FAMILIES;
use super::is_number;
use super::wrappers::LAYERS;

/// The most words that a known part has.
const MAX_WORDS: usize = 8;

/// The dotted path, as a model family has it, or if every part of it is known. If it can then be split in several ways, the one
/// with the longest parts from the front counts.
pub(crate) fn dotted(path: &str) -> Option<String> {
    let path = without_wrappers(path);
    FAMILIES.dotted(&path).or_else(|| by_parts(&path))
}

/// The path without the wrappers of layers that begin with an underscore, of which a path with underscores for dots has two
/// before them.
fn without_wrappers(path: &str) -> Cow<'_, str> {
    let mut path = Cow::Borrowed(path);
    for wrapper in LAYERS.iter().filter(|wrapper| wrapper.starts_with('_')) {
        let inside = format!("{wrapper}_");
        if path.contains(&inside) {
            path = Cow::Owned(path.replace(&format!("_{inside}"), "_").replace(&inside, ""));
        }
    }
    path
}

fn by_parts(path: &str) -> Option<String> {
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
    FAMILIES.parts.contains(part) || is_number(part)
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
    fn wrappers_of_layers_are_left_out() {
        let path = Some("blocks.0.self_attn.q".to_owned());
        for joined in ["blocks_0__orig_mod_self_attn_q", "_orig_mod_blocks_0_self_attn_q"] {
            assert_eq!(dotted(joined), path, "{joined}");
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
