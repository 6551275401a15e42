//! `MergedLinear` and its heirs (PEFT up to 0.2, AdapterHub, LitGPT): some of the projections of a fused weight are adapted,
//! each with a group of its own. Their A are stacked, (groups·rank, d_in), and so are their B, (rows of all groups, rank).

use std::borrow::Cow;
use std::ops::Range;

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
    let sizes = Sizes { d_in: pair.a.cols, d_out: pair.b.rows, q_rows: pair.q_rows };
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

/// What is known of a fused weight: d_in, d_out, and the rows of q if another module tells them.
#[derive(Debug, Clone, Copy)]
pub(in crate::formats) struct Sizes {
    pub(in crate::formats) d_in: usize,
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
    match is_uneven(path, n_groups, sizes) {
        true => parts(path, n_groups, sizes, enabled).is_some(),
        false => sizes.d_out.is_multiple_of(n_groups),
    }
}

/// Whether the groups of a module may have other sizes than each other.
fn is_uneven(path: &str, n_groups: usize, Sizes { d_in, d_out, q_rows }: Sizes) -> bool {
    is_litgpt(path) && (q_rows.is_some() || Some(d_out) != n_groups.checked_mul(d_in))
}

/// The groups of a module. `None` where their sizes are not known.
fn parts(path: &str, n_groups: usize, sizes: Sizes, enabled: Option<&[bool]>) -> Option<Vec<Part>> {
    let Sizes { d_in, d_out, q_rows } = sizes;
    if is_uneven(path, n_groups, sizes) {
        return litgpt(n_groups, q_rows.unwrap_or(d_in), d_out, enabled);
    }
    let each = d_out.is_multiple_of(n_groups).then_some(d_out / n_groups)?;
    let names = names(path, n_groups, enabled);
    let name = |group: usize| names.get(group).map_or_else(|| group.to_string().into(), |&name| name.into());
    Some((0..n_groups).map(|group| (name(group), group * each..(group + 1) * each)).collect())
}

/// The module that takes what q, k and v make, if this one is LitGPT's: as many columns as q has rows.
pub(in crate::formats) fn output_of(path: &str) -> Option<String> {
    is_litgpt(path).then(|| path.rsplit_once('.').map(|(front, _)| format!("{front}.proj")))?
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

/// Whether the path is that of LitGPT's fused weight, under its newer or its older name.
fn is_litgpt(path: &str) -> bool {
    [".attn.qkv", ".attn.attn"].iter().any(|end| path.ends_with(end))
}

/// With grouped queries, k and v have as many rows as there are groups of queries: a whole fraction of q's. If neither the
/// model's config nor another module says how many are q's, they are taken to be as many as the model is wide.
fn litgpt(n_groups: usize, q: usize, d_out: usize, enabled: Option<&[bool]>) -> Option<Vec<Part>> {
    let said = said(enabled);
    let names: &[&'static str] = match n_groups {
        n if n == said.len() => &said,
        3 => &QKV,
        2 if d_out > q => &["q", "v"],
        2 => &["k", "v"],
        _ => return None,
    };
    let rest = if names.first() == Some(&"q") { d_out.checked_sub(q)? } else { d_out };
    let n_rest = names.iter().filter(|&&name| name != "q").count();
    let each = rest.checked_div(n_rest).filter(|&each| each > 0 && each * n_rest == rest)?;
    q.is_multiple_of(each).then_some(())?;
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

    fn shown(
        path: &str,
        n_groups: usize,
        [d_in, d_out]: [usize; 2],
        enabled: Option<&[bool]>,
    ) -> Option<String> {
        of_sizes(path, n_groups, Sizes { d_in, d_out, q_rows: None }, enabled)
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
        assert_eq!(shown(gpt2, 2, [24, 48], None).unwrap(), "q 0..24, v 24..48");
        assert_eq!(shown(gpt2, 3, [24, 72], None).unwrap(), "q 0..24, k 24..48, v 48..72");
        assert_eq!(shown(gpt2, 2, [24, 48], Some(&[true, true, false])).unwrap(), "q 0..24, k 24..48");
        let bloom = "h.0.self_attention.query_key_value";
        assert_eq!(shown(bloom, 2, [24, 48], Some(&[true, false, true])).unwrap(), "0 0..24, 1 24..48");
        assert_eq!(shown(bloom, 3, [24, 72], None).unwrap(), "0 0..24, 1 24..48, 2 48..72");
        assert_eq!(shown("x", 4, [24, 96], None).unwrap(), "0 0..24, 1 24..48, 2 48..72, 3 72..96");
        assert_eq!(shown(gpt2, 2, [24, 49], None), None);
    }

    #[test]
    fn grouped_queries_are_cut_by_their_true_sizes_or_not_at_all() {
        let path = "transformer.h.0.attn.qkv";
        assert_eq!(shown(path, 3, [4096, 6144], None).unwrap(), "q 0..4096, k 4096..5120, v 5120..6144");
        assert_eq!(shown(path, 2, [4096, 5120], None).unwrap(), "q 0..4096, v 4096..5120");
        assert_eq!(shown(path, 2, [4096, 2048], None).unwrap(), "k 0..1024, v 1024..2048");
        assert_eq!(shown(path, 2, [4096, 8192], None).unwrap(), "q 0..4096, v 4096..8192");
        assert_eq!(
            shown("transformer.h.0.attn.attn", 3, [4096, 6144], None),
            shown(path, 3, [4096, 6144], None)
        );
        // Gemma 2 9B: q has 4096 rows, though the model is 3584 wide.
        assert_eq!(shown(path, 3, [3584, 8192], None), None);
        assert_eq!(shown(path, 2, [3584, 6144], None), None);
        let known = |n_groups, d_in, d_out, q| {
            of_sizes(path, n_groups, Sizes { d_in, d_out, q_rows: Some(q) }, None).unwrap()
        };
        assert_eq!(known(3, 3584, 8192, 4096), "q 0..4096, k 4096..6144, v 6144..8192");
        // Qwen3 4B: two halves of 2560 rows are not q and v.
        assert_eq!(known(2, 2560, 5120, 4096), "q 0..4096, v 4096..5120");
        assert_eq!(known(2, 4096, 8192, 4096), "q 0..4096, v 4096..8192");
        let two = |enabled| {
            of_sizes(path, 2, Sizes { d_in: 2560, d_out: 5120, q_rows: Some(4096) }, Some(enabled)).unwrap()
        };
        assert_eq!(two(&[true, true, false]), "q 0..4096, k 4096..5120");
        assert_eq!(shown(path, 2, [4096, 2048], Some(&[true, true, false])), None);
        assert_eq!(
            shown(path, 2, [4096, 2048], Some(&[false, true, true])).unwrap(),
            "k 0..1024, v 1024..2048"
        );
        assert_eq!(output_of(path).as_deref(), Some("transformer.h.0.attn.proj"));
        assert_eq!(output_of("transformer.h.0.attn.c_attn"), None);
    }
}
