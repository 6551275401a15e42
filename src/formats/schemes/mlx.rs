//! MLX: `MODULE.lora_a` is (d_in, rank) and `MODULE.lora_b` (rank, d_out), the transposes of what others have. Those of
//! experts are stacked, and lie as others do. `MODULE.m` is DoRA's magnitude.

use super::claim::{Claim, TensorRole};
use super::fused;
use super::layout::Layout;
use super::llama_cpp;
use super::pair::{trimmed, whole};
use super::scaling::by_config;
use super::scheme::Scheme;
use crate::adapter::NamingScheme;

pub(super) static SCHEME: Scheme = Scheme {
    names: NamingScheme { name: "MLX", is_numbered: false, uses_underscores: false },
    claim,
    accepts: |_| true,
    path: |module| trimmed(module).to_owned(),
    layout: Layout::Transposed,
    experts: whole,
    scaling: by_config,
    cut: fused::cut,
    partners: &[("lora_a", "lora_b")],
};

fn claim(name: &str) -> Option<Claim<'_>> {
    let ends = [(".lora_a", TensorRole::A), (".lora_b", TensorRole::B), (".m", TensorRole::Magnitude)];
    Claim::by_end(name, &ends, 2).filter(|_| llama_cpp::claim(name).is_none())
}
