//! The `adapter_config.json` of PEFT and of MLX: the method, the base model, and how updates are scaled.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::adapter::Source;
use crate::error::{Fault, Result};
use crate::formats::limits::Limits;
use crate::formats::patterns::{Lookup, Patterns};
use crate::text::quoted;

/// The fields that are read. All others are ignored.
#[derive(Debug, Default, Deserialize)]
struct Fields {
    peft_type: Option<String>,
    peft_version: Option<String>,
    base_model_name_or_path: Option<String>,
    r: Option<f64>,
    /// AdaLoRA's initial r, by which updates are scaled even when fewer directions remain.
    init_r: Option<f64>,
    lora_alpha: Option<f64>,
    alpha_pattern: Option<Patterns>,
    rank_pattern: Option<Patterns>,
    use_rslora: Option<bool>,
    use_dora: Option<bool>,
    fan_in_fan_out: Option<bool>,
    target_parameters: Option<Vec<String>>,
    /// MLX: the base model.
    model: Option<String>,
    /// MLX: `lora`, `dora` or `full`.
    fine_tune_type: Option<String>,
    lora_parameters: Option<MlxParameters>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct MlxParameters {
    rank: Option<f64>,
    scale: Option<f64>,
}

/// The config of a method with A and B: LoRA or AdaLoRA.
#[derive(Debug)]
pub(super) struct Config {
    path: PathBuf,
    fields: Fields,
    is_adalora: bool,
}

/// What a module's update is scaled by.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Scale {
    pub(super) alpha: Option<f64>,
    pub(super) scaling: Option<f64>,
}

/// What PEFT puts before a module's path, once for each wrapping.
pub(super) const WRAPPER: &str = "base_model.model.";

/// AdaLoRA divides by its rank plus this.
const ADALORA_EPSILON: f64 = 1e-5;

impl Config {
    /// Reads the file.
    ///
    /// # Errors
    /// `Io` when it cannot be read, `Limit` when it is too large, `Malformed` when it is not a JSON object with these
    /// fields, `Unsupported` when the method has no A and B.
    pub(super) fn read(path: &Path, limits: &Limits) -> Result<Self> {
        let source = Source::file(path)?;
        let reader = source.open()?;
        if reader.n_bytes() > limits.config_bytes {
            let found = format!("{} bytes", reader.n_bytes());
            return Err(Fault::new(found, format!("at most {}", limits.config_bytes)).at(path).limit());
        }
        let text = reader.head(reader.n_bytes() as usize)?;
        let fields = serde_json::from_slice(&text).map_err(|error| {
            let found = format!("JSON that cannot be read ({error})");
            let expected = "an object with peft_type and base_model_name_or_path";
            Fault::new(found, expected).at(path).malformed()
        })?;
        Self::of(path, fields)
    }

    /// A config from the metadata of `path`, where diffusers keeps it.
    ///
    /// # Errors
    /// As [`Config::read`], without `Io` and `Limit`.
    pub(super) fn from_json(path: &Path, json: serde_json::Value) -> Result<Self> {
        let fields = serde_json::from_value(json).map_err(|error| {
            let found = format!("JSON that cannot be read ({error})");
            Fault::new(found, "the fields of a LoraConfig").at(path).of("lora_adapter_metadata").malformed()
        })?;
        Self::of(path, fields)
    }

    fn of(path: &Path, fields: Fields) -> Result<Self> {
        let method = fields.peft_type.as_deref().unwrap_or("LORA");
        let is_adalora = method.eq_ignore_ascii_case("ADALORA");
        if !method.eq_ignore_ascii_case("LORA") && !is_adalora {
            let fault = Fault::new(quoted(method), "`LORA` or `ADALORA`").at(path).of("peft_type");
            return Err(fault
                .hint("only methods with an A and a B for each module have subspaces to compare")
                .unsupported());
        }
        if fields.fine_tune_type.as_deref() == Some("full") {
            let fault = Fault::new("`full`", "`lora` or `dora`").at(path).of("fine_tune_type");
            return Err(fault.unsupported());
        }
        Ok(Self { path: path.to_owned(), fields, is_adalora })
    }

    pub(super) fn base_model(&self) -> Option<&str> {
        let Fields { base_model_name_or_path, model, .. } = &self.fields;
        base_model_name_or_path.as_deref().or(model.as_deref().filter(|_| self.is_mlx()))
    }

    /// The library that wrote it, with its version if known.
    pub(super) fn trainer(&self) -> Option<String> {
        match &self.fields.peft_version {
            Some(version) => Some(format!("PEFT {version}")),
            None => self.is_mlx().then(|| "MLX".to_owned()),
        }
    }

    pub(super) fn is_dora(&self) -> bool {
        self.fields.use_dora == Some(true) || self.fields.fine_tune_type.as_deref() == Some("dora")
    }

    pub(super) fn is_conv1d(&self) -> bool {
        self.fields.fan_in_fan_out == Some(true)
    }

    pub(super) fn target_parameters(&self) -> &[String] {
        self.fields.target_parameters.as_deref().unwrap_or_default()
    }

    fn is_mlx(&self) -> bool {
        self.fields.peft_type.is_none() && self.fields.lora_parameters.is_some()
    }

    /// The rank of every module in MLX's config.
    pub(super) fn mlx_rank(&self) -> Option<f64> {
        self.fields.lora_parameters.filter(|_| self.is_mlx())?.rank
    }

    /// Fails when there are too many patterns to match them with so many modules in reasonable time.
    ///
    /// # Errors
    /// `Limit`.
    pub(super) fn check_patterns(&self, n_modules: usize) -> Result<()> {
        let all = [&self.fields.alpha_pattern, &self.fields.rank_pattern];
        all.into_iter().flatten().try_for_each(|patterns| patterns.check(&self.path, n_modules))
    }

    /// The rank that the config has for the module of this path.
    pub(super) fn rank(&self, path: &str) -> Option<usize> {
        let rank = find(&self.fields.rank_pattern, unwrapped(path), self.fields.r)?;
        // PEFT writes only whole ranks from 1 on.
        (rank.fract() == 0.0 && (1.0..1e9).contains(&rank)).then_some(rank as usize)
    }

    /// How the update of the module of this path is scaled, if it has this rank.
    pub(super) fn scale(&self, path: &str, rank: usize) -> Scale {
        if let Some(MlxParameters { scale, .. }) = self.fields.lora_parameters.filter(|_| self.is_mlx()) {
            return Scale { alpha: None, scaling: scale };
        }
        let module = unwrapped(path);
        let alpha = find(&self.fields.alpha_pattern, module, self.fields.lora_alpha);
        let rank = rank as f64;
        let by_rank = if self.is_adalora {
            let initial = self.fields.init_r.unwrap_or(rank);
            // PEFT takes an alpha of 0 as the rank.
            alpha.map(|alpha| if alpha > 0.0 { alpha } else { initial } / (initial + ADALORA_EPSILON))
        } else {
            let rank = find(&self.fields.rank_pattern, module, Some(rank));
            let is_rslora = self.fields.use_rslora == Some(true);
            alpha.zip(rank).map(|(alpha, rank)| alpha / if is_rslora { rank.sqrt() } else { rank })
        };
        // PEFT writes no rank of 0 or below.
        Scale { alpha, scaling: by_rank.filter(|scaling| scaling.is_finite()) }
    }
}

/// The module's path in the model that PEFT wrapped, which the patterns are for.
fn unwrapped(mut path: &str) -> &str {
    while let Some(inner) = path.strip_prefix(WRAPPER) {
        path = inner;
    }
    path
}

fn find(patterns: &Option<Patterns>, module: &str, default: Option<f64>) -> Option<f64> {
    match patterns.as_ref().map_or(Lookup::Absent, |patterns| patterns.find(module)) {
        Lookup::Value(value) => Some(value),
        Lookup::Absent => default,
        Lookup::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrapping_is_taken_off() {
        assert_eq!(unwrapped("base_model.model.base_model.model.h.0.q"), "h.0.q");
    }
}
