//! What trainers write into a file's metadata about the training run.

use crate::adapter::TrainingInfo;
use crate::formats::config::Config;
use crate::formats::contents::Metadata;

/// The base model, the trainer, and when it ran: from the config, else from the metadata.
pub(super) fn training(config: Option<&Config>, metadata: &Metadata) -> (Option<String>, TrainingInfo) {
    let word = |keys: &[&str]| {
        let words = keys.iter().filter_map(|key| metadata.get(*key)).map(|word| word.trim());
        words.filter(|word| !word.is_empty() && *word != "None").map(str::to_owned).next()
    };
    let base_model = config.and_then(Config::base_model).map(str::to_owned);
    let base_model = base_model.or_else(|| {
        word(&["ss_sd_model_name", "ss_base_model_version", "base_model", "modelspec.architecture"])
    });
    let time = |key: &str| metadata.get(key)?.parse().ok().filter(|seconds: &f64| seconds.is_finite());
    let training = TrainingInfo {
        trainer: config.and_then(Config::trainer).or_else(|| trainer(metadata)),
        started_s: time("ss_training_started_at"),
        finished_s: time("ss_training_finished_at"),
    };
    (base_model, training)
}

fn trainer(metadata: &Metadata) -> Option<String> {
    // ai-toolkit: `{"name": "ai-toolkit", "version": "0.1.0", ...}`
    if let Some(software) = metadata.get("software") {
        let json: serde_json::Value = serde_json::from_str(software).unwrap_or_default();
        let part = |key: &str| json.get(key).and_then(serde_json::Value::as_str);
        return match (part("name"), part("version")) {
            (Some(name), Some(version)) => Some(format!("{name} {version}")),
            (Some(name), None) => Some(name.to_owned()),
            _ => Some(software.clone()),
        };
    }
    if metadata.keys().any(|key| key.starts_with("ot_")) {
        return Some("OneTrainer".to_owned());
    }
    if metadata.keys().any(|key| key.starts_with("ss_")) {
        let module = metadata.get("ss_network_module").map(|module| format!(" ({module})"));
        return Some(format!("sd-scripts{}", module.unwrap_or_default()));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[(&str, &str)]) -> (Option<String>, TrainingInfo) {
        let words = words.iter().map(|(key, word)| ((*key).to_owned(), (*word).to_owned()));
        training(None, &words.collect())
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
