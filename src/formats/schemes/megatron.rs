//! Megatron (NeMo, Megatron Bridge): `MODULE.adapter.linear_in.weight`, (rank, d_in), and `….linear_out.weight`, (d_out,
//! rank).

use super::claim::{Claim, TensorRole};
use super::fused;
use super::layout::Layout;
use super::pair::whole;
use super::scaling::by_config;
use super::scheme::Scheme;
use crate::adapter::NamingScheme;

pub(super) static SCHEME: Scheme = Scheme {
    names: NamingScheme { name: "Megatron", is_numbered: false, uses_underscores: false },
    claim,
    accepts: |_| true,
    path,
    layout: Layout::Linear,
    experts: whole,
    scaling: by_config,
    cut: fused::cut,
    partners: &[("linear_in", "linear_out")],
};

fn claim(name: &str) -> Option<Claim<'_>> {
    let (front, role) = [(".linear_in.weight", TensorRole::A), (".linear_out.weight", TensorRole::B)]
        .into_iter()
        .find_map(|(end, role)| Some((name.strip_suffix(end)?, role)))?;
    Claim::new(front.strip_suffix(".adapter").unwrap_or(front), role, 2)
}

/// What NeMo 1 calls the adapters that it keeps in one place for each layer, and the weights that they adapt.
const NEMO_1: &[(&str, &str)] = &[
    ("adapter_layer.lora_kqv_adapter", "linear_qkv"),
    ("adapter_layer.lora_dense_attention_adapter", "linear_proj"),
    ("adapter_layer.lora_hto4h_adapter", "linear_fc1"),
    ("adapter_layer.lora_4htoh_adapter", "linear_fc2"),
];

fn path(module: &str) -> String {
    let known = NEMO_1.iter().find_map(|(end, weight)| Some((module.strip_suffix(end)?, weight)));
    known.map_or_else(|| module.to_owned(), |(layer, weight)| format!("{layer}{weight}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_adapter_in_the_name_is_not_part_of_the_module() {
        let found = |name: &str| claim(name).map(|claim| (claim.module.into_owned(), claim.role));
        let qkv = "decoder.layers.0.self_attention.linear_qkv";
        let named = |part| Some((qkv.to_owned(), part));
        assert_eq!(found(&format!("{qkv}.adapter.linear_in.weight")), named(TensorRole::A));
        assert_eq!(found(&format!("{qkv}.linear_out.weight")), named(TensorRole::B));
        assert_eq!(found(".adapter.linear_in.weight"), None);
        let nemo_1 = found("decoder.layers.0.self_attention.adapter_layer.lora_kqv_adapter.linear_in.weight");
        assert_eq!(path(&nemo_1.unwrap().0), qkv);
        assert_eq!(path("layers.0.mlp.adapter_layer.lora_4htoh_adapter"), "layers.0.mlp.linear_fc2");
        assert_eq!(path(qkv), qkv);
    }
}
