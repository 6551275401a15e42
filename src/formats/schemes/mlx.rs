//! MLX: `MODULE.lora_a` is (d_in, rank) and `MODULE.lora_b` (rank, d_out), transposed against all others.

use super::claim::{Claim, TensorRole};

pub(super) fn claim(name: &str) -> Option<Claim<'_>> {
    Claim::by_end(name, &[(".lora_a", TensorRole::A), (".lora_b", TensorRole::B)], 2)
}
