//! SpeechBrain: `MODULE.adapter_down_proj.weight`, (rank, d_in), and `MODULE.adapter_up_proj.weight`, (d_out, rank). Its
//! Houlsby adapters have the same names, biases, and a function between the two, so that they have no ΔW.

use super::claim::{Claim, TensorRole};
use super::layout::Layout;
use super::pair::whole;
use super::scaling::by_config;
use super::scheme::Scheme;
use crate::adapter::NamingScheme;
use crate::formats::contents::Tensors;

pub(super) static SCHEME: Scheme = Scheme {
    names: NamingScheme { name: "SpeechBrain", is_numbered: false, uses_underscores: false },
    claim: |name| Claim::by_end(name, ENDS, 2),
    accepts: |tensors: &Tensors| !tensors.keys().any(|name| name.ends_with(BIAS)),
    path: |module| module.replace("adapted_model.", ""),
    layout: Layout::Linear,
    experts: whole,
    scaling: by_config,
    cut: whole,
    partners: &[("adapter_down_proj", "adapter_up_proj")],
};

const ENDS: &[(&str, TensorRole)] =
    &[(".adapter_down_proj.weight", TensorRole::A), (".adapter_up_proj.weight", TensorRole::B)];

const BIAS: &str = ".adapter_down_proj.bias";
