//! Fused weights cut into their projections, where it is known that these lie one behind the other.
//!
//! The parts share A, and each has its own rows of B. GPT-NeoX's `query_key_value` and Megatron's `linear_qkv` interleave
//! q, k and v by head: no range of rows is one of them, so they are never cut.

use std::ops::Range;

use crate::adapter::NamingScheme;
use crate::formats::pairs::Pair;
use crate::formats::schemes::group_names;

/// A part of a fused weight: its name, and its rows of B.
type Rows = (&'static str, Range<usize>);

/// The pair's parts, named `PATH.q` and so on; the pair alone where it is no fused weight that can be cut.
///
/// `is_conv1d` is whether the config says `fan_in_fan_out`, which GPT-2's weights have and those of its look-alikes, whose
/// `c_attn` may interleave heads, have not; `None` without a config.
pub(super) fn cut(pair: Pair, format: NamingScheme, is_conv1d: Option<bool>) -> Vec<Pair> {
    if pair.a.rows != pair.b.cols {
        return groups(pair);
    }
    let (d_in, d_out) = (pair.a.cols, pair.b.rows);
    let parts = match format {
        // Each `MergedLinear` is cut by its groups; one group looks like any other module.
        NamingScheme::Loralib => None,
        _ => parts(&pair.path, d_in, d_out, is_conv1d.unwrap_or(true)),
    };
    let Some(parts) = parts else { return vec![pair] };
    parts.into_iter().map(|(name, rows)| part(&pair, name, rows)).collect()
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
    // Flux's single blocks have the first layer of the feed-forward part behind q, k and v.
    if is_flux("single_blocks") && ends("linear1") && d_out > 3 * d {
        let mut parts = thirds();
        parts.push(("mlp", 3 * d..d_out));
        return Some(parts);
    }
    None
}

/// The groups of a `MergedLinear`, each with its own rows of A and of B.
fn groups(pair: Pair) -> Vec<Pair> {
    // The pair was checked: A's rows are a multiple of B's columns.
    let rank = pair.b.cols;
    let n_groups = pair.a.rows / rank;
    let d = pair.b.rows / n_groups;
    let named = group_names(n_groups);
    (0..n_groups)
        .map(|group| {
            let name = named.map_or_else(|| group.to_string(), |names| names[group].to_owned());
            let mut one = part(&pair, &name, group * d..(group + 1) * d);
            one.a = one.a.row_range(group * rank..(group + 1) * rank);
            one
        })
        .collect()
}

fn part(pair: &Pair, name: &str, rows: Range<usize>) -> Pair {
    Pair {
        original: format!("{}.{name}", pair.original),
        path: format!("{}.{name}", pair.path),
        a: pair.a.clone(),
        b: pair.b.clone().row_range(rows),
        alpha: pair.alpha,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str, d_in: usize, d_out: usize) -> Option<Vec<Rows>> {
        parts(path, d_in, d_out, true)
    }

    #[test]
    fn only_weights_whose_parts_lie_one_behind_the_other_are_cut() {
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
