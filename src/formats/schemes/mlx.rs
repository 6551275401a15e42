//! MLX: `MODULE.lora_a` is (d_in, rank) and `MODULE.lora_b` (rank, d_out), transposed against all others.

use super::claim::{Claim, Part};

pub(super) fn claim(name: &str) -> Option<Claim<'_>> {
    Claim::by_end(name, &[(".lora_a", Part::A), (".lora_b", Part::B)], 2)
}
