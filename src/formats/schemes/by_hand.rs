//! LoRA as tutorials and mlx-vlm write it: `MODULE.lora.A` and `MODULE.lora.B`, or `MODULE.A` and `MODULE.B`. Most of these
//! lie as (d_in, rank) and (rank, d_out).

use super::claim::{Claim, TensorRole};
use super::fused;
use super::layout::Layout;
use super::pair::{trimmed, whole};
use super::scaling::by_config;
use super::scheme::Scheme;
use crate::adapter::NamingScheme;
use crate::formats::contents::Tensors;

pub(super) static SCHEME: Scheme = Scheme {
    names: NamingScheme { name: "A/B", is_numbered: false, uses_underscores: false },
    claim: |name| Claim::by_end(name, ENDS, 1),
    accepts: |tensors| ENDS.as_chunks().0.iter().any(|[a, b]| are_low_rank(tensors, [a.0, b.0])),
    path: |module| trimmed(module).to_owned(),
    layout: Layout::Loose,
    experts: whole,
    scaling: by_config,
    cut: fused::cut,
    partners: &[(".A", ".B")],
};

const ENDS: &[(&str, TensorRole)] = &[
    (".A", TensorRole::A),
    (".B", TensorRole::B),
    (".lora.A.weight", TensorRole::A),
    (".lora.B.weight", TensorRole::B),
];

/// Names as short as these are of LoRA only if there are pairs of them, and all pairs are two matrices of low rank.
pub(super) fn are_low_rank(tensors: &Tensors, [a_end, b_end]: [&str; 2]) -> bool {
    let pairs = tensors.iter().filter_map(|(name, a)| {
        let module = name.strip_suffix(a_end)?;
        Some((a, tensors.get(&format!("{module}{b_end}"))?))
    });
    let mut n_pairs = 0;
    for (a, b) in pairs {
        let (Some((a_rows, a_cols)), Some((b_rows, b_cols))) = (a.as_matrix(), b.as_matrix()) else {
            return false;
        };
        let is_low = |rank: u64, d_in: u64, d_out: u64| 2 * rank <= d_in.min(d_out);
        let linear = a_rows == b_cols && is_low(a_rows, a_cols, b_rows);
        let transposed = a_cols == b_rows && is_low(a_cols, a_rows, b_cols);
        if !linear && !transposed {
            return false;
        }
        n_pairs += 1;
    }
    n_pairs > 0
}
