//! The LoRA authors' own library: `MODULE.lora_A`, (rank, d_in), and `MODULE.lora_B`, (d_out, rank). Those who write LoRA
//! themselves use the same names, some of them with factors that lie the other way round. LoRA-Torch names the parameter
//! too: `MODULE.w_lora_A` for a weight.

use super::claim::{Claim, TensorRole};
use super::groups;
use super::layout::Layout;
use super::pair::{trimmed, whole};
use super::scaling::by_config;
use super::scheme::Scheme;
use crate::adapter::NamingScheme;

pub(super) static SCHEME: Scheme = Scheme {
    names: NamingScheme { name: "loralib", is_numbered: false, uses_underscores: false },
    claim,
    accepts: |_| true,
    path: |module| trimmed(module).to_owned(),
    layout: Layout::Grouped,
    experts: whole,
    scaling: by_config,
    cut: groups::cut,
    partners: &[("lora_A", "lora_B")],
};

fn claim(name: &str) -> Option<Claim<'_>> {
    let ends = [
        (".lora_A", TensorRole::A),
        (".lora_B", TensorRole::B),
        (".w_lora_A", TensorRole::A),
        (".w_lora_B", TensorRole::B),
    ];
    Claim::by_end(name, &ends, 1)
}
