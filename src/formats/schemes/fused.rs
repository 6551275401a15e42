//! Cuts fused weights into their projections, if these are known to follow each other.
//!
//! The parts share A, unless they were merged from adapters of their own, and each has its own rows of B. GPT-NeoX's `query_key_value` and Megatron's `linear_qkv` interleave
//! q, k and v by head: no range of rows is one of them, so they are never cut.

use std::ops::Range;

use super::pair::Pair;
use super::split_qkv;
use crate::formats::config::Config;
use crate::formats::context::Context;

/// A part of a fused weight: its name, and its rows of B.
type Rows = (&'static str, Range<usize>);

/// The pair's parts, named `PATH.q` and so on, or the pair itself if it is not a fused weight that can be cut.
pub(super) fn cut(pair: Pair, context: &Context<'_>) -> Vec<Pair> {
    // GPT-2's weights have `fan_in_fan_out`; those of its look-alikes, whose `c_attn` may interleave heads, have not.
    let is_conv1d = context.config.is_none_or(Config::is_conv1d);
    match parts(&pair.path, pair.a.cols, pair.b.rows, is_conv1d) {
        Some(parts) => cut_to(&pair, &parts),
        None => vec![pair],
    }
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

fn parts(path: &str, d_in: usize, d_out: usize, is_conv1d: bool) -> Option<Vec<Rows>> {
    let d = d_in;
    let thirds = || vec![("q", 0..d), ("k", d..2 * d), ("v", 2 * d..3 * d)];
    let ends =
        |end: &str| path.strip_suffix(end).is_some_and(|front| front.is_empty() || front.ends_with('.'));
    if ends("c_attn") && is_conv1d && d_out == 3 * d {
        return Some(thirds());
    }
    let is_flux = |blocks: &str| path.split('.').any(|component| component == blocks);
    if is_flux("double_blocks") && (ends("img_attn.qkv") || ends("txt_attn.qkv")) && d_out == 3 * d {
        return Some(thirds());
    }
    // Flux's single blocks have the first layer of the feed-forward part after q, k and v.
    if is_flux("single_blocks") && ends("linear1") && d_out > 3 * d {
        let mut parts = thirds();
        parts.push(("mlp", 3 * d..d_out));
        return Some(parts);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str, d_in: usize, d_out: usize) -> Option<Vec<Rows>> {
        parts(path, d_in, d_out, true)
    }

    #[test]
    fn only_weights_whose_parts_follow_each_other_are_cut() {
        assert_eq!(names("h.0.attn.c_attn", 4, 12), Some(vec![("q", 0..4), ("k", 4..8), ("v", 8..12)]));
        assert_eq!(parts("h.0.attn.c_attn", 4, 12, false), None);
        // Multi-query attention: one head of k and v.
        assert_eq!(names("h.0.attn.c_attn", 4, 8), None);
        assert_eq!(names("double_blocks.0.txt_attn.qkv", 4, 12).map(|parts| parts.len()), Some(3));
        assert_eq!(names("single_blocks.0.linear1", 4, 28).unwrap()[3], ("mlp", 12..28));
        for path in ["layers.0.attention.query_key_value", "layers.0.self_attention.linear_qkv", "x.xc_attn"]
        {
            assert_eq!(names(path, 4, 12), None, "{path}");
        }
    }
}
