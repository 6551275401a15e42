//! Cuts fused weights into their projections, if these are known to follow each other: those of the model families
//! ([`FileNames::cut`](crate::names::FileNames::cut)), and GPT-2's.
//!
//! The parts share A, unless they were merged from adapters of their own, and each has its own rows of B. GPT-NeoX's
//! `query_key_value` and Megatron's `linear_qkv` interleave q, k and v by head: no range of rows is one of them, so they are
//! never cut.

use std::ops::Range;

use super::pair::Pair;
use super::split_qkv;
use crate::formats::config::Config;
use crate::formats::context::Context;
use crate::names::{FileNames, Weight};

/// A part of a fused weight: its name, and its rows of B.
pub(in crate::formats) type Rows = (&'static str, Range<usize>);

/// The pair's parts, named `PATH.q` and so on, or the pair itself if it is not a fused weight that can be cut.
pub(super) fn cut(pair: Pair, context: &Context<'_>) -> Vec<Pair> {
    // GPT-2's weights have `fan_in_fan_out`; those of its look-alikes, whose `c_attn` may interleave heads, have not.
    let is_conv1d = context.config.is_none_or(Config::is_conv1d);
    match parts_of(&context.names, pair.weight(), is_conv1d) {
        Some(parts) => cut_to(&pair, &parts),
        None => vec![pair],
    }
}

/// The parts of a weight and their rows, as [`cut`] has them; `None` for one that is not cut.
pub(in crate::formats) fn parts_of(
    names: &FileNames,
    weight: Weight<'_>,
    is_conv1d: bool,
) -> Option<Vec<Rows>> {
    let [d_in, d_out] = weight.shape?;
    names.cut(weight).or_else(|| gpt2(weight.path, d_in, d_out, is_conv1d))
}

/// Each part with its own A where the parts were adapted one by one, else all with the same.
fn cut_to(pair: &Pair, parts: &[Rows]) -> Vec<Pair> {
    let rows: Vec<_> = parts.iter().map(|(_, rows)| rows.clone()).collect();
    let whole = parts.iter().map(|(name, rows)| pair.part(name, rows.clone()));
    match split_qkv::blocks(pair, &rows) {
        None => whole.collect(),
        Some(blocks) => {
            let rescaled = split_qkv::rescaled(pair, parts.len());
            whole.zip(blocks).map(|(part, [a, b])| Pair { a, b, rescaled, ..part }).collect()
        }
    }
}

fn gpt2(path: &str, d: usize, d_out: usize, is_conv1d: bool) -> Option<Vec<Rows>> {
    let is_c_attn = path.rsplit('.').next() == Some("c_attn");
    let fits = is_c_attn && is_conv1d && d.checked_mul(3) == Some(d_out);
    fits.then(|| vec![("q", 0..d), ("k", d..2 * d), ("v", 2 * d..3 * d)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_weights_whose_parts_follow_each_other_are_cut() {
        let parts = Some(vec![("q", 0..4), ("k", 4..8), ("v", 8..12)]);
        assert_eq!(gpt2("h.0.attn.c_attn", 4, 12, true), parts);
        assert_eq!(gpt2("h.0.attn.c_attn", 4, 12, false), None);
        // Multi-query attention: one head of k and v.
        assert_eq!(gpt2("h.0.attn.c_attn", 4, 8, true), None);
        for path in ["layers.0.attention.query_key_value", "layers.0.self_attention.linear_qkv", "x.xc_attn"]
        {
            assert_eq!(gpt2(path, 4, 12, true), None, "{path}");
            let weight = Weight { path, shape: Some([4, 12]) };
            assert_eq!(FileNames::of(std::iter::once(weight)).cut(weight), None, "{path}");
        }
    }

    #[test]
    fn weights_of_model_families_are_cut_as_their_tables_say() {
        let names = |path, d_in, d_out| {
            let weight = Weight { path, shape: Some([d_in, d_out]) };
            FileNames::of(std::iter::once(weight)).cut(weight)
        };
        let thirds = Some(vec![("q", 0..4), ("k", 4..8), ("v", 8..12)]);
        assert_eq!(names("double_blocks.0.txt_attn.qkv", 4, 12), thirds);
        assert_eq!(names("diffusion_model.double_blocks.0.txt_attn.qkv", 4, 12), thirds);
        assert_eq!(names("double_blocks.0.txt_attn.qkv", 4, 13), None);
        assert_eq!(names("single_blocks.0.linear1", 4, 28).unwrap()[3], ("mlp", 12..28));
        assert_eq!(names("layers.0.attention.qkv", 4, 12), thirds);
        // Lumina's queries have three times as many heads as its keys.
        let grouped = Some(vec![("q", 0..6), ("k", 6..8), ("v", 8..10)]);
        assert_eq!(names("layers.0.attention.qkv", 6, 10), grouped);
    }
}
