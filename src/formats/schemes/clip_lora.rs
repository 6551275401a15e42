//! CLIP-LoRA: a dictionary of layers, `layer_3.q_proj.w_lora_A`, (rank, d), and `….w_lora_B`, (d, rank). Its layers are
//! numbered as the trainer walked the encoders that it adapted, those of the text first.

use super::claim::{Claim, TensorRole, is_number};
use super::layout::Layout;
use super::pair::whole;
use super::scaling::by_config;
use super::scheme::Scheme;
use crate::adapter::NamingScheme;

pub(super) static SCHEME: Scheme = Scheme {
    names: NamingScheme { name: "CLIP-LoRA", is_numbered: true, uses_underscores: false },
    claim,
    accepts: |_| true,
    path: |module| module.replacen("layer_", "layers.", 1),
    layout: Layout::Linear,
    experts: whole,
    scaling: by_config,
    cut: whole,
    partners: &[("w_lora_A", "w_lora_B")],
};

fn claim(name: &str) -> Option<Claim<'_>> {
    let (number, _) = name.strip_prefix("layer_")?.split_once('.')?;
    let ends = [(".w_lora_A", TensorRole::A), (".w_lora_B", TensorRole::B)];
    is_number(number).then(|| Claim::by_end(name, &ends, 2))?
}
