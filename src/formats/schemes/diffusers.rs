//! diffusers: `PATH.attn1.to_q_lora.down.weight` (oldest), `PATH.attn1.processor.to_q_lora.down.weight`, and
//! `unet.PATH.attn1.to_q.lora.down.weight` or `….lora_A.weight`; text encoders have `….q_proj.lora_linear_layer.down.weight`.

use super::claim::{Claim, TensorRole};
use super::fused;
use super::layout::Layout;
use super::pair::{Pair, whole};
use super::scaling::{by_alpha, by_component};
use super::scheme::Scheme;
use crate::adapter::NamingScheme;
use crate::formats::config::Scale;
use crate::formats::context::Context;

pub(super) static SCHEME: Scheme = Scheme {
    names: NamingScheme { name: "diffusers", is_numbered: false, uses_underscores: false },
    claim,
    accepts: |_| true,
    path,
    layout: Layout::Linear,
    experts: whole,
    scaling,
    cut: fused::cut,
    partners: &[("lora_A", "lora_B"), (".down", ".up")],
};

const ENDS: &[(&str, TensorRole)] = &[
    (".lora.down.weight", TensorRole::A),
    (".lora.up.weight", TensorRole::B),
    (".lora_linear_layer.down.weight", TensorRole::A),
    (".lora_linear_layer.up.weight", TensorRole::B),
    ("_lora.down.weight", TensorRole::A),
    ("_lora.up.weight", TensorRole::B),
    (".alpha", TensorRole::Alpha),
];

/// PEFT's ends, which newer versions write after the name of the pipeline's component.
const PEFT_ENDS: &[(&str, TensorRole)] = &[
    (".lora_A.weight", TensorRole::A),
    (".lora_B.weight", TensorRole::B),
    (".lora_magnitude_vector", TensorRole::Magnitude),
    (".lora_magnitude_vector.weight", TensorRole::Magnitude),
];

/// A pipeline's components.
const COMPONENTS: &[&str] = &[
    "unet.",
    "text_encoder.",
    "text_encoder_2.",
    "text_encoder_3.",
    "text_encoder_4.",
    "transformer.",
    "transformer_2.",
];

/// What the names of language models begin with whose body is called `transformer` too: GPT-2, BLOOM, ChatGLM.
const LANGUAGE_MODELS: &[&str] =
    &["transformer.h.", "transformer.wte.", "transformer.word_embeddings.", "transformer.encoder.layers."];

/// Projections as attention processors name them, and their modules in a UNet and in CLIP.
const PROCESSOR: &[(&str, &str, &str)] = &[
    ("to_q_lora", "to_q", "q_proj"),
    ("to_k_lora", "to_k", "k_proj"),
    ("to_v_lora", "to_v", "v_proj"),
    ("to_out_lora", "to_out.0", "out_proj"),
    ("add_k_proj_lora", "add_k_proj", "add_k_proj"),
    ("add_v_proj_lora", "add_v_proj", "add_v_proj"),
];

fn claim(name: &str) -> Option<Claim<'_>> {
    if let Some((end, role)) = ENDS.iter().find(|(end, _)| name.ends_with(end)) {
        // The `_lora` of a processor stays in the module's path here, and `path` takes it off.
        let cut = if end.starts_with('_') { end.len() - "_lora".len() } else { end.len() };
        return Claim::new(&name[..name.len() - cut], *role, 2);
    }
    let begins = |fronts: &[&str]| fronts.iter().any(|front| name.starts_with(front));
    (begins(COMPONENTS) && !begins(LANGUAGE_MODELS)).then(|| Claim::by_end(name, PEFT_ENDS, 2))?
}

/// The module of a processor's path.
fn path(module: &str) -> String {
    let Some((front, last)) = module.rsplit_once('.') else { return module.to_owned() };
    let Some((_, in_unet, in_clip)) = PROCESSOR.iter().find(|(name, ..)| *name == last) else {
        return module.to_owned();
    };
    let is_clip = module.starts_with("text_encoder");
    format!(
        "{}.{}",
        front.strip_suffix(".processor").unwrap_or(front),
        if is_clip { in_clip } else { in_unet }
    )
}

/// By the config of the pipeline's component, if the file has one, else by alpha.
fn scaling(pair: &Pair, context: &Context<'_>) -> Scale {
    by_component(pair, context).unwrap_or_else(|| by_alpha(pair, context))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_age_of_names_leads_to_the_same_module() {
        let to_out = "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0";
        for name in [
            "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out_lora.down.weight",
            "down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_out_lora.down.weight",
            "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.processor.to_out_lora.down.weight",
            "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0.lora.down.weight",
            "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_out.0.lora_A.weight",
        ] {
            let claim = claim(name).unwrap();
            assert_eq!(
                (claim.role, crate::names::canonical(&path(&claim.module))),
                (TensorRole::A, to_out.into())
            );
        }
        let clip = "text_encoder.encoder.layers.0.self_attn.out_proj";
        for name in [
            "text_encoder.text_model.encoder.layers.0.self_attn.to_out_lora.up.weight",
            "text_encoder.text_model.encoder.layers.0.self_attn.out_proj.lora_linear_layer.up.weight",
            "text_encoder.encoder.layers.0.self_attn.out_proj.lora_B.weight",
        ] {
            let claim = claim(name).unwrap();
            assert_eq!(
                (claim.role, crate::names::canonical(&path(&claim.module))),
                (TensorRole::B, clip.into())
            );
        }
    }

    #[test]
    fn a_language_model_called_transformer_is_not_claimed() {
        assert_eq!(claim("transformer.h.0.attn.c_attn.lora_A.weight"), None);
        assert!(claim("transformer.transformer_blocks.0.attn.to_q.lora_A.weight").is_some());
    }
}
