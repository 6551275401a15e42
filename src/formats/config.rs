//! PEFT's `adapter_config.json`: what method a folder holds, and which model it belongs to.

use std::path::Path;

use serde::Deserialize;

use crate::adapter::Source;
use crate::error::{Fault, Result};
use crate::formats::Limits;
use crate::listing::quoted;

/// The fields that are read; all others are ignored.
#[derive(Debug, Deserialize)]
struct Config {
    peft_type: Option<String>,
    base_model_name_or_path: Option<String>,
}

/// The base model that the config names.
///
/// # Errors
/// `Io` when it cannot be read, `Limit` when it is too large, `Malformed` when it is no JSON object with these
/// fields, `Unsupported` when the method is not LoRA.
pub(super) fn base_model(path: &Path, limits: &Limits) -> Result<Option<String>> {
    let source = Source::file(path)?;
    let reader = source.open()?;
    if reader.n_bytes() > limits.config_bytes {
        let found = format!("{} bytes", reader.n_bytes());
        return Err(Fault::new(found, format!("at most {}", limits.config_bytes)).at(path).limit());
    }
    let text = reader.head(reader.n_bytes() as usize)?;
    let config: Config = serde_json::from_slice(&text).map_err(|error| {
        let found = format!("JSON that cannot be read ({error})");
        let expected = "an object with peft_type and base_model_name_or_path";
        Fault::new(found, expected).at(path).malformed()
    })?;
    match config.peft_type {
        Some(method) if !method.eq_ignore_ascii_case("LORA") => {
            Err(Fault::new(quoted(&method), "`LORA`").at(path).of("peft_type").unsupported())
        }
        _ => Ok(config.base_model_name_or_path),
    }
}
