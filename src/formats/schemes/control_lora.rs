//! Control-LoRA, ControlNets that ComfyUI compresses: `PATH.down`, (rank, d_in), and `PATH.up`, (d_out, rank), of the
//! difference to the UNet, next to layers that are stored whole.

use super::by_hand::are_low_rank;
use super::claim::{Claim, TensorRole};
use super::layout::Layout;
use super::pair::whole;
use super::scaling::by_alpha;
use super::scheme::Scheme;
use crate::adapter::NamingScheme;

pub(super) static SCHEME: Scheme = Scheme {
    names: NamingScheme { name: "Control-LoRA", is_numbered: false, uses_underscores: false },
    claim: |name| Claim::by_end(name, &[(".down", TensorRole::A), (".up", TensorRole::B)], 1),
    accepts: |tensors| tensors.contains_key(MARK) || are_low_rank(tensors, [".down", ".up"]),
    path: str::to_owned,
    layout: Layout::Linear,
    experts: whole,
    scaling: by_alpha,
    cut: whole,
    partners: &[(".down", ".up")],
};

/// An empty tensor, by which ComfyUI knows these files.
const MARK: &str = "lora_controlnet";
