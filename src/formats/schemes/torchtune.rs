//! TorchTune: `MODULE.lora_a.weight`, (rank, d_in), and `MODULE.lora_b.weight`, (d_out, rank).
//!
//! Its modules keep their own names (`layers.0.attn.q_proj`): the rows of q and k are in a different order from those of
//! transformers, so the subspaces of B must not be compared unless the user asks for it.

use super::claim::{Claim, TensorRole};
use super::fused;
use super::layout::Layout;
use super::pair::whole;
use super::scaling::by_config;
use super::scheme::Scheme;
use crate::adapter::NamingScheme;

pub(super) static SCHEME: Scheme = Scheme {
    names: NamingScheme { name: "TorchTune", is_numbered: false, uses_underscores: false },
    claim,
    accepts: |_| true,
    path: str::to_owned,
    layout: Layout::Linear,
    experts: whole,
    scaling: by_config,
    cut: fused::cut,
    partners: &[("lora_a", "lora_b")],
};

fn claim(name: &str) -> Option<Claim<'_>> {
    let ends = [
        (".lora_a.weight", TensorRole::A),
        (".lora_b.weight", TensorRole::B),
        (".magnitude", TensorRole::Magnitude),
    ];
    Claim::by_end(name, &ends, 2)
}
