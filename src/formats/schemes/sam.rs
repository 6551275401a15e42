//! Sam_LoRA: `w_a_000`, (rank, d), and `w_b_000`, (d, rank), numbered.

use super::claim::{Claim, TensorRole, is_number};

pub(super) fn claim(name: &str) -> Option<Claim<'_>> {
    [("w_a_", TensorRole::A), ("w_b_", TensorRole::B)].into_iter().find_map(|(front, part)| {
        let number = name.strip_prefix(front).filter(|number| is_number(number))?;
        Claim::new(number, part, 2)
    })
}
