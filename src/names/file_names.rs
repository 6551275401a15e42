//! The names of a file's modules, which depend on each other: on the model that the file was trained on, and on whether what
//! stands before a path may be taken off without two modules sharing a name.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use super::families::{FAMILIES, Weight};
use super::text_encoders;
use super::wrappers::{without_fronts, without_layers};

/// What is known of all the weights of a file.
#[derive(Debug, Clone, Default)]
pub(crate) struct FileNames {
    /// The model family of the diffusion or language model.
    family: Option<usize>,
    /// What would make two modules share a name if it were taken off.
    kept: Vec<&'static str>,
}

/// The second transformer of a pipeline with two, such as that of Wan 2.2, whose modules have the names of the first.
const SECOND: &str = "transformer_2.";

impl FileNames {
    pub(crate) fn of<'a>(weights: impl Iterator<Item = Weight<'a>> + Clone) -> Self {
        let kept = kept(weights.clone().map(|weight| weight.path));
        let mut names = Self { family: None, kept };
        let paths: Vec<(Cow<'_, str>, Option<[usize; 2]>)> =
            weights.map(|weight| (without_layers(weight.path), weight.shape)).collect();
        let inner = paths.iter().filter_map(|(path, shape)| {
            let path = names.inner(path);
            let is_text = text_encoders::split(path).is_some();
            (!is_text).then_some(Weight { path: path.strip_prefix(SECOND).unwrap_or(path), shape: *shape })
        });
        names.family = FAMILIES.of(inner);
        names
    }

    /// The path without fronts.
    fn inner<'a>(&self, path: &'a str) -> &'a str {
        without_fronts(path, |front| !self.kept.contains(&front))
    }

    /// The canonical name of a weight.
    pub(crate) fn canonical(&self, weight: Weight<'_>) -> String {
        let path = without_layers(weight.path);
        let path = self.inner(&path);
        if let Some((name, inner)) = text_encoders::split(path) {
            let family = |name: &str| FAMILIES.text_encoder(self.family, name);
            return format!("{}.{inner}", text_encoders::component(name, family));
        }
        let (front, inner) = match path.strip_prefix(SECOND) {
            Some(inner) => (SECOND, inner),
            None => ("", path),
        };
        let named = self.family.and_then(|family| FAMILIES.name(family, Weight { path: inner, ..weight }));
        match named {
            Some(name) => format!("{front}{name}"),
            None => path.to_owned(),
        }
    }

    /// The parts of a fused weight of the file's model family and their rows, in the order of the rows; `None` for any other
    /// weight.
    pub(crate) fn cut(&self, weight: Weight<'_>) -> Option<Vec<(&'static str, Range<usize>)>> {
        let path = without_layers(weight.path);
        let path = self.inner(&path);
        let path = path.strip_prefix(SECOND).unwrap_or(path);
        FAMILIES.cut(self.family?, Weight { path, ..weight })
    }
}

/// The fronts that have to stay: of modules that would share a name without.
fn kept<'a>(paths: impl Iterator<Item = &'a str> + Clone) -> Vec<&'static str> {
    let mut kept: Vec<&str> = vec![];
    let mut is_any_taken = false;
    for path in paths.clone() {
        without_fronts(&without_layers(path), |_| {
            is_any_taken = true;
            true
        });
    }
    if !is_any_taken {
        return kept;
    }
    loop {
        let mut inner: HashMap<String, Vec<&str>> = HashMap::new();
        let mut shared = vec![];
        for path in paths.clone() {
            let mut taken = vec![];
            let path = without_layers(path);
            let path = without_fronts(&path, |front| {
                let may = !kept.contains(&front);
                taken.extend(may.then_some(front));
                may
            });
            if let Some(others) = inner.get(path) {
                shared.extend(others.iter().chain(&taken).copied());
            } else {
                inner.insert(path.to_owned(), taken);
            }
        }
        if shared.is_empty() {
            return kept;
        }
        kept.extend(shared);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The canonical names of a file's modules.
    fn named(modules: &[(&str, [usize; 2])]) -> Vec<String> {
        let weights = || modules.iter().map(|&(path, shape)| Weight { path, shape: Some(shape) });
        let names = FileNames::of(weights());
        weights().map(|weight| names.canonical(weight)).collect()
    }

    /// The same of modules whose shape does not matter.
    fn square(paths: &[&str]) -> Vec<String> {
        named(&paths.iter().map(|&path| (path, [4, 4])).collect::<Vec<_>>())
    }

    #[test]
    fn fronts_stay_where_two_modules_would_share_a_name() {
        assert_eq!(square(&["student.layers.0.q_proj"]), ["layers.0.q_proj"]);
        let both = ["student.layers.0.q_proj", "ema.layers.0.q_proj", "ema.layers.1.q_proj"];
        assert_eq!(square(&both), both);
        assert_eq!(
            square(&["model.layers.0.q_proj", "ema.layers.0.q_proj"]),
            ["layers.0.q_proj", "ema.layers.0.q_proj"]
        );
        // A critic is a part of its own.
        assert_eq!(
            square(&["policy.layers.0.q_proj", "critic.layers.0.q_proj"]),
            ["layers.0.q_proj", "critic.layers.0.q_proj"]
        );
        // A model that has layers of its own beside a language model.
        let vision = ["layers.0.q_proj", "language_model.layers.0.q_proj"];
        assert_eq!(square(&vision), vision);
    }

    #[test]
    fn a_language_model_has_one_name_before_and_since_transformers_4_52() {
        let name = "layers.3.self_attn.q_proj";
        for path in [
            "base_model.model.model.layers.3.self_attn.q_proj",
            "base_model.model.model.language_model.layers.3.self_attn.q_proj",
            "base_model.model.language_model.model.layers.3.self_attn.q_proj",
            "language_model.model.layers.3.self_attn.q_proj",
        ] {
            assert_eq!(square(&[path]), [name], "{path}");
        }
        for (old, new) in [
            ("visual.blocks.0.attn.qkv", "model.visual.blocks.0.attn.qkv"),
            ("vision_tower.vision_model.x", "model.vision_tower.vision_model.x"),
            ("multi_modal_projector.linear_1", "model.multi_modal_projector.linear_1"),
            ("language_model.lm_head", "lm_head"),
        ] {
            assert_eq!(square(&[old]), square(&[new]));
        }
        // The vision tower keeps its own layers.
        assert_eq!(square(&["model.vision_tower.layers.0.q_proj"]), ["vision_tower.layers.0.q_proj"]);
    }

    #[test]
    fn the_family_is_that_of_the_file() {
        // FLUX.1 and FLUX.2 share the names of their blocks, but not the sizes of their feed-forward layers.
        let flux1 = named(&[("double_blocks.0.img_mlp.0", [4, 16]), ("time_in.in_layer", [4, 4])]);
        assert_eq!(
            flux1,
            ["transformer_blocks.0.ff.net.0.proj", "time_text_embed.timestep_embedder.linear_1"]
        );
        let flux2 = named(&[("double_blocks.0.img_mlp.0", [4, 24]), ("time_in.in_layer", [4, 4])]);
        assert_eq!(
            flux2,
            ["transformer_blocks.0.ff.linear_in", "time_guidance_embed.timestep_embedder.linear_1"]
        );
        // Lumina's keys and values have fewer rows than its queries, Z-Image's have not.
        let other = ("layers.0.attention.out", [6, 6]);
        let lumina = named(&[("layers.0.attention.qkv", [6, 10]), other]);
        assert_eq!(lumina[1], "layers.0.attn.to_out.0");
        let z_image = named(&[("layers.0.attention.qkv", [6, 18]), other]);
        assert_eq!(z_image[1], "layers.0.attention.to_out.0");
        // A module of one model may have the name that another one's has in diffusers.
        let qwen =
            square(&["transformer_blocks.0.img_mlp.net.2", "transformer_blocks.0.attn.to_q", "img_in"]);
        assert_eq!(qwen[2], "img_in");
        let flux = square(&["double_blocks.0.img_attn.proj", "img_in"]);
        assert_eq!(flux[1], "x_embedder");
        // What stands outside of blocks shows no family.
        assert_eq!(square(&["first", "txt_in"]), ["first", "txt_in"]);
        // A vision transformer has the names of PixArt's blocks, but no cross-attention.
        let vit = ["blocks.0.attn.proj", "blocks.0.mlp.fc1"];
        assert_eq!(square(&vit), vit);
        let decoder = ["blocks.0.self_attn.q_proj", "blocks.0.ffn.0", "blocks.0.attn.wq"];
        assert_eq!(square(&decoder), decoder);
        let pixart = square(&["blocks.0.attn.proj", "blocks.0.cross_attn.q_linear"]);
        assert_eq!(pixart, ["transformer_blocks.0.attn1.to_out.0", "transformer_blocks.0.attn2.to_q"]);
    }

    #[test]
    fn weights_with_their_rows_in_another_order_do_not_meet() {
        let flux = "double_blocks.0.img_attn.proj";
        let last = square(&[flux, "final_layer.adaLN_modulation.1", "norm_out.linear"]);
        assert_eq!(last[1..], ["final_layer.adaLN_modulation.1", "norm_out.linear"]);
        // In the last block of Stable Diffusion 3 the context has only shift and scale.
        let context = "joint_blocks.7.context_block.adaLN_modulation.1";
        assert_eq!(named(&[(context, [4, 24])]), ["transformer_blocks.7.norm1_context.linear"]);
        assert_eq!(named(&[("joint_blocks.7.x_block.mlp.fc1", [4, 16]), (context, [4, 8])])[1], context);
    }

    #[test]
    fn the_two_transformers_of_wan_2_2_stay_apart() {
        let names = square(&[
            "diffusion_model.transformer_1.blocks.0.self_attn.q",
            "diffusion_model.transformer_2.blocks.0.self_attn.q",
        ]);
        assert_eq!(names, ["blocks.0.attn1.to_q", "transformer_2.blocks.0.attn1.to_q"]);
    }

    #[test]
    fn text_encoders_are_the_components_of_their_pipeline() {
        let t5 = "encoder.block.0.layer.0.SelfAttention.q";
        let flux = "double_blocks.0.img_attn.proj";
        let sd3 = "joint_blocks.0.x_block.attn.proj";
        for (model, path, name) in [
            (flux, "text_encoders.t5xxl.transformer", "text_encoder_2"),
            (flux, "text_encoder_3", "text_encoder_2"),
            (flux, "text_encoder_2", "text_encoder_2"),
            (sd3, "text_encoders.t5xxl.transformer", "text_encoder_3"),
            (sd3, "text_encoder_3", "text_encoder_3"),
            (sd3, "text_encoders.clip_g.transformer.text_model", "text_encoder_2"),
            ("blocks.0.self_attn.q", "text_encoders.umt5xxl.transformer", "text_encoder"),
        ] {
            let found = square(&[model, &format!("{path}.{t5}")]);
            assert_eq!(found[1], format!("{name}.{t5}"), "{model} {path}");
        }
        let qwen = "text_encoder.layers.0.self_attn.q_proj";
        for path in ["text_encoders.qwen3_06b.transformer.model", "text_encoder.model", "text_encoder"] {
            assert_eq!(square(&[&format!("{path}.layers.0.self_attn.q_proj")]), [qwen]);
        }
    }
}
