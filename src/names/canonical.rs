//! One name for one module, in files of every origin: the dotted path without what training wrapped around the model.

use super::families::Weight;
use super::file_names::FileNames;

/// The canonical name of a module, from its dotted path.
///
/// - What wraps a model or a layer is taken off: `base_model.model.`, `model.`, `transformer.`, `unet.`, `_orig_mod`,
///   `language_model.`. Those of text encoders stay (`text_encoder.`, `text_encoder_2.`), because they distinguish the
///   components of a pipeline; `text_model.` after them is taken off.
/// - Modules of model families that are listed in `docs/families.md` get the names of diffusers or transformers.
///
/// A file says more than one path does: where a path is one of several families', a module of a file may get the name of
/// another family than here.
///
/// ```
/// use lorascope::names::canonical;
///
/// assert_eq!(canonical("base_model.model.model.layers.11.self_attn.q_proj"), "layers.11.self_attn.q_proj");
/// assert_eq!(canonical("diffusion_model.blocks.0.self_attn.q"), "blocks.0.attn1.to_q");
/// ```
pub fn canonical(path: &str) -> String {
    let weight = Weight { path, shape: None };
    FileNames::of(std::iter::once(weight)).canonical(weight)
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
            ("unet.mid_block.attentions.0.proj_in", "mid_block.attentions.0.proj_in"),
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
