//! The LoRA authors' own library: `MODULE.lora_A`, (rank, d_in), beside `MODULE.lora_B`, (d_out, rank).
//!
//! `MergedLinear` adapts some of the projections that a fused weight holds: their A are stacked, (groups·rank, d_in), and
//! so are their B, (groups·d, rank).

use super::claim::{Claim, TensorRole};

pub(super) fn claim(name: &str) -> Option<Claim<'_>> {
    Claim::by_end(name, &[(".lora_A", TensorRole::A), (".lora_B", TensorRole::B)], 1)
}

/// What the groups of a `MergedLinear` project to. The file does not say which of q, k and v were enabled; two of them are
/// q and v in the authors' own examples.
pub(in crate::formats) fn group_names(n_groups: usize) -> Option<&'static [&'static str]> {
    match n_groups {
        2 => Some(&["q", "v"]),
        3 => Some(&["q", "k", "v"]),
        _ => None,
    }
}
