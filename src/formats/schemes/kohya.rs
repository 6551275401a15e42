//! kohya and its heirs (sd-scripts, LyCORIS, OneTrainer, ...): `lora_unet_PATH.lora_down.weight`, (rank, d_in), with
//! `lora_up`, (d_out, rank), and a scalar `alpha`; PATH has underscores for dots.
//!
//! One exporter doubles the front and joins the end with an underscore too: `lora_unet_unet_PATH_lora_down.weight`.

use super::claim::{Claim, TensorRole};
use super::fused;
use super::layout::Layout;
use super::pair::whole;
use super::scaling::by_alpha;
use super::scheme::Scheme;
use crate::adapter::NamingScheme;
use crate::names::dotted;

pub(super) static SCHEME: Scheme = Scheme {
    names: NamingScheme { name: "kohya", is_numbered: false, uses_underscores: true },
    claim,
    accepts: |_| true,
    path,
    layout: Layout::Linear,
    experts: whole,
    scaling: by_alpha,
    cut: fused::cut,
    partners: &[("lora_down", "lora_up"), ("lora_A", "lora_B")],
};

const ENDS: &[(&str, TensorRole)] = &[
    (".lora_down.weight", TensorRole::A),
    (".lora_up.weight", TensorRole::B),
    ("_lora_down.weight", TensorRole::A),
    ("_lora_up.weight", TensorRole::B),
    (".lora_mid.weight", TensorRole::Mid),
    (".alpha", TensorRole::Alpha),
    (".dora_scale", TensorRole::Magnitude),
];

/// Ends that other schemes have too: they are kohya's only with one of [`FRONTS`].
const SHARED_ENDS: &[(&str, TensorRole)] =
    &[(".lora_A.weight", TensorRole::A), (".lora_B.weight", TensorRole::B), ("_alpha", TensorRole::Alpha)];

/// What stands before PATH, and the component of the pipeline that it means.
const FRONTS: &[(&str, &str)] = &[
    ("lora_unet_", ""),
    ("lora_te1_", "text_encoder."),
    ("lora_te2_", "text_encoder_2."),
    ("lora_te3_", "text_encoder_3."),
    ("lora_te_", "text_encoder."),
    ("lora_prior_te_", "text_encoder."),
    ("lora_transformer_", ""),
    ("lora_prior_unet_", ""),
    ("lycoris_", ""),
];

fn claim(name: &str) -> Option<Claim<'_>> {
    Claim::by_end(name, ENDS, 2).or_else(|| {
        let is_kohya = FRONTS.iter().any(|(front, _)| name.starts_with(front));
        is_kohya.then(|| Claim::by_end(name, SHARED_ENDS, 2))?
    })
}

/// The path with its dots, if all its parts are known.
pub(super) fn path(module: &str) -> String {
    let Some((front, component)) = FRONTS.iter().find(|(front, _)| module.starts_with(front)) else {
        return module.to_owned();
    };
    // VideoX-Fun joins an empty part to the front, and so has two underscores there.
    let words = &module[front.len()..];
    let mut words = words.strip_prefix('_').filter(|_| dotted(words).is_none()).unwrap_or(words);
    for doubled in ["unet_", "transformer_"] {
        // `transformer_blocks` is not a doubled front.
        if let Some(inner) = words.strip_prefix(doubled).filter(|_| dotted(words).is_none()) {
            words = inner;
        }
    }
    // One exporter starts from attention processors and keeps their words.
    let mut words = words.replace("_processor_to_", "_to_");
    if words.ends_with("_to_out") {
        words.push_str("_0");
    }
    format!("{component}{}", dotted(&words).unwrap_or(words))
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
            ("lora_unet__blocks_0_self_attn_q", "blocks.0.self_attn.q"),
            ("lora_unet_layers_0_feed_forward_w1", "layers.0.feed_forward.w1"),
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
            (&*claim.module, claim.role),
            ("lora_unet_unet_mid_block_attentions_0_proj_in", TensorRole::A)
        );
    }
}
