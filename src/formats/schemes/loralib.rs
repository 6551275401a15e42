//! The LoRA authors' own library: `MODULE.lora_A`, (rank, d_in), and `MODULE.lora_B`, (d_out, rank).
//!
//! `MergedLinear` adapts some of the projections of a fused weight: their A are stacked, (groups·rank, d_in), and so are
//! their B, (groups·d, rank).

use super::claim::{Claim, TensorRole};
use super::layout::Layout;
use super::pair::{Pair, whole};
use super::scaling::by_config;
use super::scheme::Scheme;
use crate::adapter::NamingScheme;
use crate::formats::context::Context;

pub(super) static SCHEME: Scheme = Scheme {
    names: NamingScheme { name: "loralib", is_numbered: false, uses_underscores: false },
    claim,
    accepts: |_| true,
    path: str::to_owned,
    layout: Layout::Grouped,
    experts: whole,
    scaling: by_config,
    cut,
    partners: &[("lora_A", "lora_B")],
};

fn claim(name: &str) -> Option<Claim<'_>> {
    Claim::by_end(name, &[(".lora_A", TensorRole::A), (".lora_B", TensorRole::B)], 1)
}

/// Cuts a `MergedLinear` into its groups, each with its own rows of A and of B. With one group it looks like any other
/// module, and is not cut.
fn cut(pair: Pair, context: &Context<'_>) -> Vec<Pair> {
    let rank = pair.b.cols;
    // The layout was checked: A's rows are a multiple of B's columns.
    let n_groups = pair.a.rows / rank;
    if n_groups == 1 || !context.may_split(n_groups) {
        return vec![pair];
    }
    let d = pair.b.rows / n_groups;
    let names = group_names(n_groups);
    let group = |group: usize| {
        let name = names.map_or_else(|| group.to_string(), |names| names[group].to_owned());
        let mut one = pair.part(&name, group * d..(group + 1) * d);
        one.a = one.a.row_range(group * rank..(group + 1) * rank);
        one
    };
    (0..n_groups).map(group).collect()
}

/// What the groups project to. The file does not say which of q, k and v were enabled; two of them are q and v in the
/// authors' own examples.
fn group_names(n_groups: usize) -> Option<&'static [&'static str]> {
    match n_groups {
        2 => Some(&["q", "v"]),
        3 => Some(&["q", "k", "v"]),
        _ => None,
    }
}
