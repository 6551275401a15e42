//! The two YAML files that LitGPT writes next to `lit_model.pth.lora`: how the update is scaled, which of q, k and v are
//! adapted, and how many rows of the fused weight are q's.

use std::collections::HashMap;
use std::path::Path;

use crate::error::Result;
use crate::formats::config_file;
use crate::formats::limits::Limits;

/// What the training command was given.
const HYPERPARAMETERS: &str = "hyperparameters.yaml";
/// The shape of the base model.
const MODEL_CONFIG: &str = "model_config.yaml";

/// What the files say of an adapter.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LitGpt {
    pub(super) alpha: Option<f64>,
    /// Which of q, k and v are adapted.
    pub(super) enabled: Option<[bool; 3]>,
    /// Rows of the fused weight that are q's: heads × head size.
    pub(super) q_rows: Option<usize>,
    pub(super) base_model: Option<String>,
}

impl LitGpt {
    /// Reads the files next to the model; `None` if neither is there.
    ///
    /// # Errors
    /// `Io` when one cannot be read, `Limit` when it is too large.
    pub(super) fn next_to(model: &Path, limits: &Limits) -> Result<Option<Self>> {
        let text = |name: &str| -> Result<Option<String>> {
            let path = model.with_file_name(name);
            let bytes = path.is_file().then(|| config_file::read(&path, limits)).transpose()?;
            Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
        };
        let (hyperparameters, model_config) = (text(HYPERPARAMETERS)?, text(MODEL_CONFIG)?);
        if hyperparameters.is_none() && model_config.is_none() {
            return Ok(None);
        }
        Ok(Some(Self::of(&hyperparameters.unwrap_or_default(), &model_config.unwrap_or_default())))
    }

    fn of(hyperparameters: &str, model_config: &str) -> Self {
        let (said, model) = (fields(hyperparameters), fields(model_config));
        let flag = |name: &str| match *said.get(name)? {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        };
        let enabled = || Some([flag("lora_query")?, flag("lora_key")?, flag("lora_value")?]);
        let count = |name: &str| model.get(name)?.parse::<usize>().ok().filter(|&n| n > 0);
        let head_size = || count("head_size").or_else(|| Some(count("n_embd")? / count("n_head")?));
        Self {
            alpha: said.get("lora_alpha").and_then(|text| text.parse().ok()).filter(|x: &f64| x.is_finite()),
            enabled: enabled(),
            q_rows: count("n_head").and_then(|heads| heads.checked_mul(head_size()?)),
            base_model: said.get("checkpoint_dir").map(|&name| name.to_owned()),
        }
    }
}

/// The plain fields at the top level. LitGPT writes one a line; nested ones are indented.
fn fields(yaml: &str) -> HashMap<&str, &str> {
    let named = yaml.lines().filter_map(|line| line.split_once(':'));
    let fields = named.map(|(name, value)| (name, value.trim().trim_matches(['\'', '"'])));
    fields.filter(|(name, value)| !name.starts_with([' ', '#', '-']) && !value.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_fields_of_both_files_are_read() {
        let hyperparameters = "checkpoint_dir: checkpoints/Qwen/Qwen3-4B\ndata:\n  lora_alpha: 1\nlora_alpha: 16\n\
                               lora_key: false\nlora_query: true\nlora_r: 8\nlora_value: true\n";
        let model_config = "n_embd: 2560\nn_head: 32\nhead_size: 128\nn_query_groups: 8\n";
        let all = LitGpt::of(hyperparameters, model_config);
        let expected = LitGpt {
            alpha: Some(16.0),
            enabled: Some([true, false, true]),
            q_rows: Some(4096),
            base_model: Some("checkpoints/Qwen/Qwen3-4B".to_owned()),
        };
        assert_eq!(all, expected);
        assert_eq!(LitGpt::of("", "n_embd: 768\nn_head: 12\nhead_size: null\n").q_rows, Some(768));
        let none = LitGpt { alpha: None, enabled: None, q_rows: None, base_model: None };
        assert_eq!(LitGpt::of("lora_query: maybe\nlora_alpha: .nan\n", "n_head: 0\n- x: y\n"), none);
    }
}
