//! One name for one module, in files of every origin: the dotted path without what training wrapped around the model.

use super::families;

/// What wrappers and model classes put before a module's path. They are taken off one after the other, as long as
/// something is left: PEFT's `base_model.model.`, data parallel and compiled models, and the attribute under which
/// a model with a head keeps the model without one.
const FRONTS: &[&str] = &[
    "base_model.model.",
    "module.",
    "_orig_mod.",
    "_fsdp_wrapped_module.",
    "model.",
    "transformer.",
    "unet.",
    "diffusion_model.",
    "gpt_neox.",
    "roberta.",
    "bert.",
    "distilbert.",
    "deberta.",
    "electra.",
    "albert.",
];

/// PEFT's name for a layer inside a wrapper of its own.
const INNER: &str = ".base_layer";

/// The canonical name of a module, from its dotted path.
///
/// - Prefixes such as `base_model.model.`, `model.`, `transformer.` and `unet.` are taken off. Those of text encoders stay
///   (`text_encoder.`, `text_encoder_2.`), because they distinguish the components of a pipeline; CLIP's `text_model.`
///   after them is taken off.
/// - Blocks of Flux and SDXL that have the names of their authors' code get those of diffusers.
///
/// ```
/// use lorascope::names::canonical;
///
/// assert_eq!(canonical("base_model.model.model.layers.11.self_attn.q_proj"), "layers.11.self_attn.q_proj");
/// assert_eq!(canonical("unet.mid_block.attentions.0.proj_in"), "mid_block.attentions.0.proj_in");
/// ```
pub fn canonical(path: &str) -> String {
    let mut name = path;
    while let Some(inner) = FRONTS.iter().find_map(|front| name.strip_prefix(front)) {
        // The prefix of a numbered module is all the name that it has.
        if inner.bytes().all(|byte| byte.is_ascii_digit()) {
            break;
        }
        name = inner;
    }
    let name = name.replace(INNER, "");
    if let Some((encoder, inner)) = name.split_once('.')
        && encoder.starts_with("text_encoder")
    {
        return format!("{encoder}.{}", inner.strip_prefix("text_model.").unwrap_or(inner));
    }
    families::in_diffusers(&name).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_off_what_was_wrapped_around_the_model() {
        for (path, name) in [
            ("base_model.model.model.layers.11.self_attn.q_proj", "layers.11.self_attn.q_proj"),
            ("model.layers.11.self_attn.q_proj", "layers.11.self_attn.q_proj"),
            ("layers.11.self_attn.q_proj", "layers.11.self_attn.q_proj"),
            ("base_model.model.transformer.h.0.attn.c_attn", "h.0.attn.c_attn"),
            ("roberta.encoder.layer.0.attention.self.query", "encoder.layer.0.attention.self.query"),
            ("module._orig_mod.model.lm_head", "lm_head"),
            ("base_model.model.lm_head", "lm_head"),
            ("model.diffusion_model.input_blocks.0.0", "input_blocks.0.0"),
            ("layers.0.mlp.experts.base_layer", "layers.0.mlp.experts"),
            ("text_encoder.text_model.encoder.layers.0.mlp.fc1", "text_encoder.encoder.layers.0.mlp.fc1"),
            ("text_encoder_2.encoder.layers.0.mlp.fc1", "text_encoder_2.encoder.layers.0.mlp.fc1"),
        ] {
            assert_eq!(canonical(path), name);
        }
    }

    #[test]
    fn different_modules_keep_different_names() {
        for (one, other) in [
            ("model.encoder.layers.0.q_proj", "model.decoder.layers.0.q_proj"),
            ("model.layers.0.q_proj", "model.vision_tower.layers.0.q_proj"),
            ("text_encoder.text_model.x", "text_encoder_2.text_model.x"),
            ("unet.mid_block.x", "text_encoder.mid_block.x"),
        ] {
            assert_ne!(canonical(one), canonical(other));
        }
        assert_eq!(canonical("unet.17"), "unet.17");
        assert_eq!(canonical("model."), "model.");
        assert_eq!(canonical("transformer"), "transformer");
    }
}
