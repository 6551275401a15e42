//! PEFT's `adapter_config.json`: what method a folder holds, which model it belongs to, and how its updates are scaled.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::adapter::{Module, Source};
use crate::error::{Fault, Result};
use crate::formats::Limits;
use crate::formats::patterns::{Lookup, Patterns};
use crate::listing::quoted;

/// Pattern keys times modules: real adapters with a key for each module stay under a million.
const MAX_COMPARISONS: usize = 1 << 24;

/// The fields that are read; all others are ignored.
#[derive(Debug, Deserialize)]
struct Fields {
    peft_type: Option<String>,
    base_model_name_or_path: Option<String>,
    lora_alpha: Option<f64>,
    alpha_pattern: Option<Patterns>,
    rank_pattern: Option<Patterns>,
    use_rslora: Option<bool>,
}

/// A config whose method is LoRA.
#[derive(Debug)]
pub(super) struct Config {
    path: PathBuf,
    pub(super) base_model: Option<String>,
    alpha: Option<f64>,
    alphas: Patterns,
    ranks: Patterns,
    use_rslora: bool,
}

impl Config {
    /// Reads the file.
    ///
    /// # Errors
    /// `Io` when it cannot be read, `Limit` when it is too large, `Malformed` when it is no JSON object with these
    /// fields, `Unsupported` when the method is not LoRA.
    pub(super) fn read(path: &Path, limits: &Limits) -> Result<Self> {
        let source = Source::file(path)?;
        let reader = source.open()?;
        if reader.n_bytes() > limits.config_bytes {
            let found = format!("{} bytes", reader.n_bytes());
            return Err(Fault::new(found, format!("at most {}", limits.config_bytes)).at(path).limit());
        }
        let text = reader.head(reader.n_bytes() as usize)?;
        let fields: Fields = serde_json::from_slice(&text).map_err(|error| {
            let found = format!("JSON that cannot be read ({error})");
            let expected = "an object with peft_type and base_model_name_or_path";
            Fault::new(found, expected).at(path).malformed()
        })?;
        if let Some(method) = fields.peft_type.filter(|method| !method.eq_ignore_ascii_case("LORA")) {
            return Err(Fault::new(quoted(&method), "`LORA`").at(path).of("peft_type").unsupported());
        }
        Ok(Self {
            path: path.to_owned(),
            base_model: fields.base_model_name_or_path,
            alpha: fields.lora_alpha,
            alphas: fields.alpha_pattern.unwrap_or_default(),
            ranks: fields.rank_pattern.unwrap_or_default(),
            use_rslora: fields.use_rslora.unwrap_or(false),
        })
    }

    /// Gives each module its alpha and scaling.
    ///
    /// # Errors
    /// `Limit` when there are more patterns than can be matched in time.
    pub(super) fn scale(&self, modules: &mut [Module]) -> Result<()> {
        let n_keys = self.alphas.len() + self.ranks.len();
        if n_keys.saturating_mul(modules.len()) > MAX_COMPARISONS {
            let found = format!("{n_keys} keys in rank_pattern and alpha_pattern");
            let expected =
                format!("at most {} for {} modules", MAX_COMPARISONS / modules.len(), modules.len());
            return Err(Fault::new(found, expected).at(&self.path).limit());
        }
        for module in modules {
            module.alpha = value_or(self.alphas.find(&module.name), self.alpha);
            let rank = value_or(self.ranks.find(&module.name), Some(module.rank() as f64));
            module.scaling = module
                .alpha
                .zip(rank)
                .map(|(alpha, rank)| if self.use_rslora { alpha / rank.sqrt() } else { alpha / rank });
            // A rank of 0 or below is in no file that PEFT wrote.
            module.scaling = module.scaling.filter(|scaling| scaling.is_finite());
        }
        Ok(())
    }
}

fn value_or(found: Lookup, default: Option<f64>) -> Option<f64> {
    match found {
        Lookup::Value(value) => Some(value),
        Lookup::Absent => default,
        Lookup::Unknown => None,
    }
}
