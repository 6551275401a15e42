//! Sam_LoRA: `w_a_000`, (rank, d), and `w_b_000`, (d, rank), numbered.

use super::claim::{Claim, TensorRole, is_number};
use super::layout::Layout;
use super::pair::whole;
use super::scaling::by_alpha;
use super::scheme::Scheme;
use crate::adapter::NamingScheme;

pub(super) static SCHEME: Scheme = Scheme {
    names: NamingScheme { name: "Sam_LoRA", is_numbered: true, uses_underscores: false },
    claim,
    accepts: |_| true,
    path: str::to_owned,
    layout: Layout::Linear,
    experts: whole,
    scaling: by_alpha,
    cut: whole,
    partners: &[("w_a_", "w_b_")],
};

fn claim(name: &str) -> Option<Claim<'_>> {
    [("w_a_", TensorRole::A), ("w_b_", TensorRole::B)].into_iter().find_map(|(front, role)| {
        let number = name.strip_prefix(front).filter(|number| is_number(number))?;
        Claim::new(number, role, 2)
    })
}
