//! What trainers write into a file's metadata about the training run.

use crate::adapter::TrainingInfo;
use crate::formats::config::Config;
use crate::formats::contents::{Contents, Metadata};

/// Where trainers name the base model, the most exact name first.
const BASE_MODEL: &[&str] = &[
    "ss_sd_model_name",
    "ss_base_model_version",
    "base_model",
    "modelspec.architecture",
    GGUF_URL,
    GGUF_NAME,
];

/// The address of the base model in files of llama.cpp, of which PEFT's name is the end, and a name in other words.
const GGUF_URL: &str = "general.base_model.0.repo_url";
const GGUF_NAME: &str = "general.base_model.0.name";
const HUB: &str = "https://huggingface.co/";

/// The parts of a Stable Diffusion UNet, as diffusers and the original code name them.
const UNET: &[&str] =
    &["down_blocks", "up_blocks", "mid_block", "input_blocks", "output_blocks", "middle_block"];

/// The base model, the trainer, and when it ran: from the config, else from the metadata.
pub(super) fn training(config: Option<&Config>, contents: &Contents) -> (Option<String>, TrainingInfo) {
    let metadata = &contents.metadata;
    let base_model = config.and_then(Config::base_model).filter(|word| is_short(word)).map(str::to_owned);
    let base_model = base_model.or_else(|| {
        let words = BASE_MODEL.iter().filter_map(|key| word(metadata, key));
        let words = words.map(|word| word.strip_prefix(HUB).unwrap_or(word));
        let mut known = words.filter(|word| !word.is_empty() && *word != "None");
        known.find(|word| !is_said_of_all(word, contents)).map(str::to_owned)
    });
    let time = |key: &str| metadata.get(key)?.parse().ok().filter(|seconds: &f64| seconds.is_finite());
    let training = TrainingInfo {
        trainer: config.and_then(Config::trainer).filter(|word| is_short(word)).or_else(|| trainer(metadata)),
        started_s: time("ss_training_started_at"),
        finished_s: time("ss_training_finished_at"),
    };
    (base_model, training)
}

/// Real ones are a line of text; each adapter of a file has them.
const MAX_WORD_BYTES: usize = 4096;

fn is_short(word: &str) -> bool {
    word.len() <= MAX_WORD_BYTES
}

/// What the metadata have under a key, if it is as short as a name is.
fn word<'a>(metadata: &'a Metadata, key: &str) -> Option<&'a str> {
    metadata.get(key).map(|word| word.trim()).filter(|word| is_short(word))
}

/// Whether the name is what ai-toolkit wrote before August 2025 for every model but SD 2 and SDXL, and the modules are not those
/// of the model that it names.
fn is_said_of_all(base_model: &str, contents: &Contents) -> bool {
    let is_unet = || contents.tensors.keys().any(|name| UNET.iter().any(|part| name.contains(part)));
    base_model == "sd_1.5"
        && software(&contents.metadata, "name").as_deref() == Some("ai-toolkit")
        && !is_unet()
}

/// What ai-toolkit writes about itself: `{"name": "ai-toolkit", "version": "0.1.0", ...}`.
fn software(metadata: &Metadata, key: &str) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(word(metadata, "software")?).ok()?;
    Some(json.get(key)?.as_str()?.to_owned())
}

fn trainer(metadata: &Metadata) -> Option<String> {
    if let Some(written) = word(metadata, "software") {
        return match (software(metadata, "name"), software(metadata, "version")) {
            (Some(name), Some(version)) => Some(format!("{name} {version}")),
            (Some(name), None) => Some(name),
            _ => Some(written.to_owned()),
        };
    }
    if metadata.keys().any(|key| key.starts_with("ot_")) {
        return Some("OneTrainer".to_owned());
    }
    if metadata.keys().any(|key| key.starts_with("ss_")) {
        let module = word(metadata, "ss_network_module").map(|module| format!(" ({module})"));
        return Some(format!("sd-scripts{}", module.unwrap_or_default()));
    }
    None
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::adapter::Source;
    use crate::formats::tensor::Tensor;

    fn of(words: &[(&str, &str)]) -> (Option<String>, TrainingInfo) {
        with("m.lora_A.weight", words)
    }

    /// Of a file with this tensor.
    fn with(tensor: &str, words: &[(&str, &str)]) -> (Option<String>, TrainingInfo) {
        let words = words.iter().map(|(key, word)| ((*key).to_owned(), (*word).to_owned()));
        let source = Source::Memory(Path::new("x").into(), Arc::new(Cow::Borrowed(&[])));
        let tensor = (tensor.to_owned(), Tensor::contiguous("F32".into(), vec![0], source, 0, 0));
        training(None, &Contents { tensors: [tensor].into(), metadata: words.collect(), copies: vec![] })
    }

    #[test]
    fn the_base_model_that_ai_toolkit_wrote_for_all_is_believed_of_a_unet_only() {
        let toolkit = ("software", r#"{"name": "ai-toolkit", "version": "0.1.0", "repo": "x"}"#);
        let said = ("ss_base_model_version", "sd_1.5");
        let unet = "lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight";
        let flux = "transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight";
        let base = |tensor: &str, words: &[(&str, &str)]| with(tensor, words).0;
        assert_eq!(base(unet, &[toolkit, said]).as_deref(), Some("sd_1.5"));
        assert_eq!(base(flux, &[toolkit, said]), None);
        assert_eq!(base(flux, &[said]).as_deref(), Some("sd_1.5"));
        assert_eq!(base(flux, &[toolkit, ("ss_base_model_version", "flux1")]).as_deref(), Some("flux1"));
        assert_eq!(base(flux, &[toolkit, said, ("base_model", "org/flux")]).as_deref(), Some("org/flux"));
    }

    #[test]
    fn trainers_are_known_by_the_keys_that_they_write() {
        let (model, by) = of(&[
            ("ss_network_module", "networks.lora"),
            ("ss_sd_model_name", "None"),
            ("ss_base_model_version", "sd_v1"),
            ("ss_training_started_at", "1700000000.5"),
            ("ss_training_finished_at", "inf"),
        ]);
        assert_eq!(model.as_deref(), Some("sd_v1"));
        assert_eq!(by.trainer.as_deref(), Some("sd-scripts (networks.lora)"));
        assert_eq!((by.started_s, by.finished_s), (Some(1_700_000_000.5), None));
        let (_, by) = of(&[("software", r#"{"name": "ai-toolkit", "version": "0.1.0"}"#)]);
        assert_eq!(by.trainer.as_deref(), Some("ai-toolkit 0.1.0"));
        assert_eq!(of(&[("format", "pt")]), (None, TrainingInfo::default()));
    }
}
