//! `MergedLinear` and its heirs (PEFT up to 0.2, AdapterHub, LitGPT): some of the projections of a fused weight are adapted,
//! each with a group of its own. Their A are stacked, (groups·rank, d_in), and so are their B, (rows of all groups, rank).

use std::borrow::Cow;
use std::ops::Range;

use super::claim::is_number;
use super::fused;
use super::pair::Pair;
use crate::formats::config::Config;
use crate::formats::context::Context;

/// A group: its name, and its rows of B.
type Part = (Cow<'static, str>, Range<usize>);

/// Cuts a pair into its groups, each with its own rows of A and of B. One group looks like any other module.
pub(super) fn cut(pair: Pair, context: &Context<'_>) -> Vec<Pair> {
    let rank = pair.b.cols;
    let enabled = context.config.and_then(Config::enable_lora);
    if pair.a.rows == rank {
        return match said(enabled)[..] {
            [name] if is_litgpt(&pair.path) => vec![pair.part(name, 0..pair.b.rows)],
            _ => fused::cut(pair, context),
        };
    }
    // The layout was checked: A's rows are a multiple of B's columns.
    let sizes = Sizes { d_out: pair.b.rows, q_rows: pair.q_rows };
    let n_groups = pair.a.rows / rank;
    if !context.budget.may_make(n_groups as u64 - 1, pair.original.len()) {
        return vec![pair];
    }
    let Some(parts) = parts(&pair.path, n_groups, sizes, enabled) else { return vec![pair] };
    let group = |(group, (name, rows)): (usize, Part)| {
        let mut one = pair.part(&name, rows);
        one.a = one.a.row_range(group * rank..(group + 1) * rank);
        one
    };
    parts.into_iter().enumerate().map(group).collect()
}

/// The names of projections in the order in which a fused weight has them.
const QKV: [&str; 3] = ["q", "k", "v"];

/// Fused weights of GPT-NeoX, BLOOM, ChatGLM, Falcon, Megatron and InternLM, which interleave q, k and v by head: a third of
/// the rows is a third of the heads.
const INTERLEAVED: &[&str] = &["query_key_value", "linear_qkv", "wqkv"];

/// What is known of a fused weight: d_out, and the rows of q if the model's config or another module tells them.
#[derive(Debug, Clone, Copy)]
pub(in crate::formats) struct Sizes {
    pub(in crate::formats) d_out: usize,
    pub(in crate::formats) q_rows: Option<usize>,
}

/// Whether the sizes of a module's groups are known.
pub(in crate::formats) fn can_cut(
    path: &str,
    n_groups: usize,
    sizes: Sizes,
    enabled: Option<&[bool]>,
) -> bool {
    match is_litgpt(path) {
        true => litgpt(n_groups, sizes, enabled).is_some(),
        false => sizes.d_out.is_multiple_of(n_groups),
    }
}

/// The groups of a module. `None` where their sizes are not known.
fn parts(path: &str, n_groups: usize, sizes: Sizes, enabled: Option<&[bool]>) -> Option<Vec<Part>> {
    if is_litgpt(path) {
        return litgpt(n_groups, sizes, enabled);
    }
    let d_out = sizes.d_out;
    let each = d_out.is_multiple_of(n_groups).then_some(d_out / n_groups)?;
    let names = names(path, n_groups, enabled);
    let name = |group: usize| names.get(group).map_or_else(|| group.to_string().into(), |&name| name.into());
    Some((0..n_groups).map(|group| (name(group), group * each..(group + 1) * each)).collect())
}

/// Whether the path is that of LitGPT's weight that takes what q, k and v make: it has as many columns as q has rows.
pub(in crate::formats) fn is_litgpts_output(path: &str) -> bool {
    ends_in_block(path, &["proj"])
}

/// What the groups project to, if that is known. Few files say which of q, k and v were enabled; two of them are q and v in
/// all examples of the library's authors.
fn names(path: &str, n_groups: usize, enabled: Option<&[bool]>) -> Vec<&'static str> {
    let last = path.rsplit('.').next().unwrap_or(path);
    if INTERLEAVED.contains(&last) {
        return vec![];
    }
    let said = said(enabled);
    match n_groups {
        n if n == said.len() => said,
        2 => vec!["q", "v"],
        3 => QKV.to_vec(),
        _ => vec![],
    }
}

/// Whether the path is that of LitGPT's fused weight, `….h.N.attn.qkv`, under its newer or its older name. Vision transformers
/// have an `attn.qkv` too, whose parts have one size.
pub(in crate::formats) fn is_litgpt(path: &str) -> bool {
    ends_in_block(path, &["qkv", "attn"])
}

/// Whether a path ends with the attention of LitGPT's blocks and one of these names.
fn ends_in_block(path: &str, ends: &[&str]) -> bool {
    let mut parts = path.rsplit('.');
    let mut next = || parts.next().unwrap_or_default();
    ends.contains(&next()) && next() == "attn" && is_number(next()) && next() == "h"
}

/// With grouped queries, k and v have as many rows as there are groups of queries: a whole fraction of q's. How many are q's
/// depends on the number of heads and their size, and not on how wide the model is.
fn litgpt(n_groups: usize, sizes: Sizes, enabled: Option<&[bool]>) -> Option<Vec<Part>> {
    let (Sizes { d_out, q_rows }, said) = (sizes, said(enabled));
    let names: &[&'static str] = match (n_groups, q_rows) {
        (n, _) if n == said.len() => &said,
        (3, _) => &QKV,
        (2, Some(q)) if d_out > q => &["q", "v"],
        (2, Some(_)) => &["k", "v"],
        _ => return None,
    };
    let q = if names.first() == Some(&"q") { q_rows? } else { 0 };
    let rest = d_out.checked_sub(q)?;
    let n_rest = names.iter().filter(|&&name| name != "q").count();
    let each = rest.checked_div(n_rest).filter(|&each| each > 0 && each * n_rest == rest)?;
    q_rows.unwrap_or(q).is_multiple_of(each).then_some(())?;
    let mut at = 0;
    let part = |&name: &&'static str| {
        let start = at;
        at += if name == "q" { q } else { each };
        (Cow::Borrowed(name), start..at)
    };
    Some(names.iter().map(part).collect())
}

/// The names of the groups that the config enables.
fn said(enabled: Option<&[bool]>) -> Vec<&'static str> {
    let each = QKV.into_iter().zip(enabled.unwrap_or_default());
    each.filter_map(|(name, is_enabled)| is_enabled.then_some(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(path: &str, n_groups: usize, d_out: usize, enabled: Option<&[bool]>) -> Option<String> {
        of_sizes(path, n_groups, Sizes { d_out, q_rows: None }, enabled)
    }

    fn of_sizes(path: &str, n_groups: usize, sizes: Sizes, enabled: Option<&[bool]>) -> Option<String> {
        let parts = parts(path, n_groups, sizes, enabled)?;
        let shown: Vec<_> =
            parts.iter().map(|(name, rows)| format!("{name} {}..{}", rows.start, rows.end)).collect();
        Some(shown.join(", "))
    }

    #[test]
    fn equal_groups_are_named_where_their_rows_are_projections() {
        let gpt2 = "transformer.h.0.attn.c_attn";
        assert_eq!(shown(gpt2, 2, 48, None).unwrap(), "q 0..24, v 24..48");
        assert_eq!(shown(gpt2, 3, 72, None).unwrap(), "q 0..24, k 24..48, v 48..72");
        assert_eq!(shown(gpt2, 2, 48, Some(&[true, true, false])).unwrap(), "q 0..24, k 24..48");
        let bloom = "h.0.self_attention.query_key_value";
        assert_eq!(shown(bloom, 2, 48, Some(&[true, false, true])).unwrap(), "0 0..24, 1 24..48");
        assert_eq!(shown(bloom, 3, 72, None).unwrap(), "0 0..24, 1 24..48, 2 48..72");
        assert_eq!(shown("x", 4, 96, None).unwrap(), "0 0..24, 1 24..48, 2 48..72, 3 72..96");
        assert_eq!(shown(gpt2, 2, 49, None), None);
        // A vision transformer's: q, k and v have one size.
        assert_eq!(shown("blocks.0.attn.qkv", 2, 48, None).unwrap(), "q 0..24, v 24..48");
    }

    #[test]
    fn litgpts_weight_is_cut_by_its_true_sizes_or_not_at_all() {
        let path = "transformer.h.0.attn.qkv";
        let known = |n_groups, d_out, q, enabled: Option<&[bool]>| {
            let one = of_sizes(path, n_groups, Sizes { d_out, q_rows: Some(q) }, enabled);
            let old = "transformer.h.0.attn.attn";
            assert_eq!(of_sizes(old, n_groups, Sizes { d_out, q_rows: Some(q) }, enabled), one);
            one.unwrap_or_default()
        };
        assert_eq!(known(3, 6144, 4096, None), "q 0..4096, k 4096..5120, v 5120..6144");
        assert_eq!(known(2, 5120, 4096, None), "q 0..4096, v 4096..5120");
        assert_eq!(known(2, 2048, 4096, None), "k 0..1024, v 1024..2048");
        assert_eq!(known(2, 8192, 4096, None), "q 0..4096, v 4096..8192");
        assert_eq!(known(3, 8192, 4096, None), "q 0..4096, k 4096..6144, v 6144..8192");
        assert_eq!(known(2, 5120, 4096, Some(&[true, true, false])), "q 0..4096, k 4096..5120");
        // No whole number of heads for each of k and v.
        assert_eq!(known(3, 6145, 4096, None), "");
        assert_eq!(known(3, 4096 + 2 * 3000, 4096, None), "");
        // Thirds may be those of Llama 2, or q of 8192 rows and a quarter of them for k and for v.
        for (n_groups, d_out) in [(3, 12288), (3, 6144), (2, 8192), (2, 5120), (2, 2048)] {
            assert_eq!(shown(path, n_groups, d_out, None), None, "{n_groups} {d_out}");
        }
        assert_eq!(shown(path, 2, 5120, Some(&[true, false, true])), None);
        // k and v have one size.
        assert_eq!(shown(path, 2, 2048, Some(&[false, true, true])).unwrap(), "k 0..1024, v 1024..2048");
        assert!(is_litgpt("_forward_module.transformer.h.11.attn.qkv"));
        assert!(
            !["blocks.0.attn.qkv", "h.0.attn.c_attn", "attn.qkv", "h.x.attn.qkv"].into_iter().any(is_litgpt)
        );
        assert!(
            is_litgpts_output("transformer.h.0.attn.proj") && !is_litgpts_output("transformer.h.0.mlp.proj")
        );
    }
}
