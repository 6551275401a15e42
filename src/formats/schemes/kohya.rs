//! kohya and its heirs (sd-scripts, LyCORIS, OneTrainer, ...): `lora_unet_PATH.lora_down.weight`, (rank, d_in), beside
//! `lora_up`, (d_out, rank), and a scalar `alpha`; PATH has underscores for dots.
//!
//! One exporter doubles the front and joins the end with an underscore too: `lora_unet_unet_PATH_lora_down.weight`.

use super::claim::{Claim, TensorRole};
use crate::names::dotted;

const ENDS: &[(&str, TensorRole)] = &[
    (".lora_down.weight", TensorRole::A),
    (".lora_up.weight", TensorRole::B),
    ("_lora_down.weight", TensorRole::A),
    ("_lora_up.weight", TensorRole::B),
    (".lora_mid.weight", TensorRole::Mid),
    (".alpha", TensorRole::Alpha),
    (".dora_scale", TensorRole::Magnitude),
];

/// Ends that other schemes have too, and that only the front makes kohya's.
const SHARED_ENDS: &[(&str, TensorRole)] =
    &[(".lora_A.weight", TensorRole::A), (".lora_B.weight", TensorRole::B), ("_alpha", TensorRole::Alpha)];

/// What stands in front of PATH, and the part of the pipeline that it means.
const FRONTS: &[(&str, &str)] = &[
    ("lora_unet_", ""),
    ("lora_te1_", "text_encoder."),
    ("lora_te2_", "text_encoder_2."),
    ("lora_te3_", "text_encoder_3."),
    ("lora_te_", "text_encoder."),
    ("lora_transformer_", ""),
    ("lora_prior_unet_", ""),
    ("lycoris_", ""),
];

pub(super) fn claim(name: &str) -> Option<Claim<'_>> {
    Claim::by_end(name, ENDS, 2).or_else(|| {
        let is_kohya = FRONTS.iter().any(|(front, _)| name.starts_with(front));
        is_kohya.then(|| Claim::by_end(name, SHARED_ENDS, 2))?
    })
}

/// The path with its dots, where all its parts are known.
pub(super) fn path(module: &str) -> String {
    let Some((front, component)) = FRONTS.iter().find(|(front, _)| module.starts_with(front)) else {
        return module.to_owned();
    };
    let mut joined = &module[front.len()..];
    for doubled in ["unet_", "transformer_"] {
        // `transformer_blocks` is no doubled front.
        if let Some(inner) = joined.strip_prefix(doubled).filter(|_| dotted(joined).is_none()) {
            joined = inner;
        }
    }
    // An exporter that started from attention processors kept their words.
    let mut joined = joined.replace("_processor_to_", "_to_");
    if joined.ends_with("_to_out") {
        joined.push_str("_0");
    }
    format!("{component}{}", dotted(&joined).unwrap_or(joined))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO_OUT: &str = "mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0";

    #[test]
    fn paths_get_their_dots_back() {
        for (module, expected) in [
            ("lora_unet_mid_block_attentions_0_proj_in", "mid_block.attentions.0.proj_in"),
            ("lora_unet_unet_mid_block_attentions_0_proj_in", "mid_block.attentions.0.proj_in"),
            (
                "lora_te_text_model_encoder_layers_0_self_attn_q_proj",
                "text_encoder.text_model.encoder.layers.0.self_attn.q_proj",
            ),
            (
                "lora_te2_text_model_encoder_layers_0_mlp_fc1",
                "text_encoder_2.text_model.encoder.layers.0.mlp.fc1",
            ),
            ("lora_transformer_transformer_blocks_0_attn_to_q", "transformer_blocks.0.attn.to_q"),
            ("lycoris_model_layers_3_self_attn_q_proj", "model.layers.3.self_attn.q_proj"),
            ("lora_unet_unet_mid_block_attentions_0_transformer_blocks_0_attn1_processor_to_out", TO_OUT),
            ("lora_unet_my_blocks_0_thing", "my_blocks_0_thing"),
            (
                "diffusion_model.double_blocks.0.img_attn.proj",
                "diffusion_model.double_blocks.0.img_attn.proj",
            ),
        ] {
            assert_eq!(path(module), expected);
        }
    }

    #[test]
    fn the_end_may_be_joined_by_an_underscore() {
        let claim = claim("lora_unet_unet_mid_block_attentions_0_proj_in_lora_down.weight").unwrap();
        assert_eq!(
            (&*claim.module, claim.part),
            ("lora_unet_unet_mid_block_attentions_0_proj_in", TensorRole::A)
        );
    }
}
