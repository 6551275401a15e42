//! The `adapter_config.json` of PEFT and of MLX: the method, the base model, and how updates are scaled.

use std::path::{Path, PathBuf};

use crate::error::{Fault, Result};
use crate::formats::config_file;
use crate::formats::lenient::{Field, Object};
use crate::formats::limits::Limits;
use crate::formats::litgpt::LitGpt;
use crate::formats::method_config::MethodConfig;
use crate::formats::patterns::{Lookup, Patterns, Steps};
use crate::formats::targets::Targets;
use crate::text::quoted;

/// The fields that are read. All others are ignored.
#[derive(Debug, Default)]
struct Fields {
    peft_type: Field<String>,
    peft_version: Field<String>,
    base_model_name_or_path: Field<String>,
    r: Field<f64>,
    /// AdaLoRA's initial r, by which updates are scaled even when fewer directions remain.
    init_r: Field<f64>,
    lora_alpha: Field<f64>,
    alpha_pattern: Field<Patterns>,
    rank_pattern: Field<Patterns>,
    use_rslora: Field<bool>,
    use_dora: Field<bool>,
    fan_in_fan_out: Field<bool>,
    target_parameters: Field<Targets>,
    /// Up to PEFT 0.2: which of the projections of a fused weight are adapted.
    enable_lora: Field<Vec<bool>>,
    /// MLX: the base model.
    model: Field<String>,
    /// MLX: `lora`, `dora` or `full`.
    fine_tune_type: Field<String>,
    lora_parameters: Field<MlxParameters>,
    /// mlx-vlm, next to a `rank`. Its versions scale updates by this, and by this over the rank.
    alpha: Field<f64>,
    /// AdapterHub's `alpha`, in an object `config`.
    hub_alpha: Field<f64>,
    /// LitGPT's number of q's rows in a fused weight.
    q_rows: Option<usize>,
    of_methods: MethodConfig,
}

#[derive(Debug, Clone, Copy)]
struct MlxParameters {
    rank: Field<f64>,
    scale: Field<f64>,
}

impl From<&Object> for Fields {
    fn from(of: &Object) -> Self {
        let patterns = |name| of.field(name, |json| serde_json::from_str(json).ok());
        let object = |name| of.field(name, |json| serde_json::from_str::<Object>(json).ok());
        let (parameters, hub) = (object("lora_parameters"), object("config"));
        Self {
            peft_type: of.text("peft_type"),
            peft_version: of.text("peft_version"),
            base_model_name_or_path: of.text("base_model_name_or_path"),
            r: of.number("r"),
            init_r: of.number("init_r"),
            lora_alpha: of.number("lora_alpha"),
            alpha_pattern: patterns("alpha_pattern"),
            rank_pattern: patterns("rank_pattern"),
            use_rslora: of.flag("use_rslora"),
            use_dora: of.flag("use_dora"),
            fan_in_fan_out: of.flag("fan_in_fan_out"),
            target_parameters: of.texts("target_parameters").map(Targets::of),
            enable_lora: of.field("enable_lora", |json| serde_json::from_str(json).ok()),
            model: of.text("model"),
            fine_tune_type: of.text("fine_tune_type"),
            lora_parameters: parameters
                .map(|of| MlxParameters { rank: of.number("rank"), scale: of.number("scale") }),
            alpha: of.number("alpha"),
            hub_alpha: hub.known().map_or(Field::Absent, |hub| hub.number("alpha")),
            q_rows: None,
            of_methods: MethodConfig::from(of),
        }
    }
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

/// PEFT's methods whose updates are read, some of them with the base model only.
const METHODS: [&str; 14] = [
    "LORA", "ADALORA", "LOHA", "LOKR", "VERA", "VBLORA", "C3A", "MISS", "BONE", "RANDLORA", "IA3", "OFT",
    "BOFT", "HRA",
];

/// Methods whose files lack what makes ΔW, and what that is.
const LACKING: &[(&str, &str)] = &[
    ("FOURIERFT", "the places of its frequencies are not in the file: a seed makes them"),
    ("WAVEFT", "the places of its wavelets are not in the file: a seed makes them"),
    ("UNILORA", "the projection of its vector is not in the file: a seed makes it"),
    ("SHIRA", "the places of its numbers are integers, which are not read"),
];

/// AdaLoRA divides by its rank plus this.
const ADALORA_EPSILON: f64 = 1e-5;

impl Config {
    /// Reads the file.
    ///
    /// # Errors
    /// `Io` when it cannot be read, `Limit` when it is too large, `Malformed` when it is not a JSON object, `Unsupported` when
    /// the method has no A and B.
    pub(super) fn read(path: &Path, limits: &Limits) -> Result<Self> {
        Self::parse(path, &config_file::read(path, limits)?)
    }

    /// A config from its text, which `path` has.
    ///
    /// # Errors
    /// As [`Config::read`], without `Io` and `Limit`.
    pub(super) fn parse(path: &Path, text: &[u8]) -> Result<Self> {
        let object = serde_json::from_slice(text).map_err(|error| {
            let found = format!("JSON that cannot be read ({error})");
            let expected = "an object with peft_type and base_model_name_or_path";
            Fault::new(found, expected).at(path).malformed()
        })?;
        Self::of(path, &object)
    }

    /// A config from the fields that `path` has of it, in a file of its own or, with diffusers, in its metadata.
    ///
    /// # Errors
    /// `Unsupported` when the method has no A and B.
    pub(super) fn of(path: &Path, object: &Object) -> Result<Self> {
        let fields = Fields::from(object);
        let method = fields.peft_type.known().map_or("LORA", |method| method.trim_start_matches("PeftType."));
        let is = |name: &str| method.eq_ignore_ascii_case(name);
        let is_adalora = is("ADALORA");
        if !METHODS.into_iter().any(is) {
            let fault = Fault::new(quoted(method), METHODS.join(", ")).at(path).of("peft_type");
            let lacking = LACKING.iter().find(|(name, _)| is(name)).map(|(_, lacking)| *lacking);
            let why = lacking.unwrap_or("only methods whose file has all that ΔW is made of can be compared");
            return Err(fault.hint(why).unsupported());
        }
        if fields.fine_tune_type.known().is_some_and(|kind| kind == "full") {
            let fault = Fault::new("`full`", "`lora` or `dora`").at(path).of("fine_tune_type");
            return Err(fault.unsupported());
        }
        Ok(Self { path: path.to_owned(), fields, is_adalora })
    }

    /// LitGPT's, of the model at `path`.
    pub(super) fn of_litgpt(path: &Path, litgpt: LitGpt) -> Self {
        let LitGpt { alpha, enabled, q_rows, base_model } = litgpt;
        let fields = Fields {
            lora_alpha: alpha.into(),
            enable_lora: enabled.map(Vec::from).into(),
            base_model_name_or_path: base_model.into(),
            q_rows,
            ..Fields::default()
        };
        Self { path: path.to_owned(), fields, is_adalora: false }
    }

    pub(super) fn base_model(&self) -> Option<&str> {
        let Fields { base_model_name_or_path, model, .. } = &self.fields;
        let of_mlx = || model.known().filter(|_| self.is_mlx());
        base_model_name_or_path.known().or_else(of_mlx).map(String::as_str)
    }

    /// The library that wrote it, with its version if known.
    pub(super) fn trainer(&self) -> Option<String> {
        match self.fields.peft_version.known() {
            Some(version) => Some(format!("PEFT {version}")),
            None => self.is_mlx().then(|| "MLX".to_owned()),
        }
    }

    pub(super) fn is_dora(&self) -> bool {
        let Fields { use_dora, fine_tune_type, .. } = &self.fields;
        *use_dora == Field::Known(true) || fine_tune_type.known().is_some_and(|kind| kind == "dora")
    }

    pub(super) fn is_conv1d(&self) -> bool {
        self.fields.fan_in_fan_out == Field::Known(true)
    }

    /// What it says of methods that are not LoRA.
    pub(super) fn of_methods(&self) -> &MethodConfig {
        &self.fields.of_methods
    }

    pub(super) fn enable_lora(&self) -> Option<&[bool]> {
        self.fields.enable_lora.known().map(Vec::as_slice)
    }

    /// The rows of a fused weight that are q's.
    pub(super) fn q_rows(&self) -> Option<usize> {
        self.fields.q_rows
    }

    /// The parameters that are adapted themselves, if it has any.
    pub(super) fn target_parameters(&self) -> Option<&Targets> {
        self.fields.target_parameters.known().filter(|targets| !targets.is_empty())
    }

    fn is_mlx(&self) -> bool {
        self.fields.peft_type.known().is_none() && self.fields.lora_parameters.known().is_some()
    }

    /// The rank of every module in MLX's config.
    pub(super) fn mlx_rank(&self) -> Option<f64> {
        self.fields.lora_parameters.known().filter(|_| self.is_mlx())?.rank.known().copied()
    }

    /// The file that has it.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Regular expressions in its alpha_pattern and its rank_pattern.
    pub(super) fn n_regexes(&self) -> usize {
        let patterns = [&self.fields.alpha_pattern, &self.fields.rank_pattern].into_iter();
        patterns.filter_map(Field::known).map(Patterns::n_regexes).sum()
    }

    /// The rank that the config has for the module of this path.
    pub(super) fn rank(&self, path: &str, steps: &Steps) -> Option<usize> {
        let default = self.fields.r.known().copied();
        let rank = find(&self.fields.rank_pattern, unwrapped(path), default, steps)?;
        // PEFT writes only whole ranks from 1 on.
        (rank.fract() == 0.0 && (1.0..1e9).contains(&rank)).then_some(rank as usize)
    }

    /// How the update of the module of this path is scaled, if it has this rank.
    pub(super) fn scale(&self, path: &str, rank: usize, steps: &Steps) -> Scale {
        if let Some(mlx) = self.fields.lora_parameters.known().filter(|_| self.is_mlx()) {
            return Scale { alpha: None, scaling: mlx.scale.known().copied() };
        }
        if let Some(scale) = self.other_scale(rank) {
            return scale;
        }
        let module = unwrapped(path);
        // LoHa and LoKr have it as `alpha`.
        let Fields { lora_alpha, alpha, alpha_pattern, .. } = &self.fields;
        let alpha = find(alpha_pattern, module, lora_alpha.known().or(alpha.known()).copied(), steps);
        let rank = rank as f64;
        let by_rank = if self.is_adalora {
            let initial = match self.fields.init_r {
                Field::Absent => Some(rank),
                Field::Known(initial) => Some(initial),
                Field::Unknown => None,
            };
            // PEFT takes an alpha of 0 as the rank.
            let alpha = alpha.zip(initial).map(|(alpha, initial)| if alpha > 0.0 { alpha } else { initial });
            alpha.zip(initial).map(|(alpha, initial)| alpha / (initial + ADALORA_EPSILON))
        } else {
            let rank = find(&self.fields.rank_pattern, module, Some(rank), steps);
            let divisor = match self.fields.use_rslora {
                Field::Known(true) => rank.map(f64::sqrt),
                Field::Known(false) | Field::Absent => rank,
                Field::Unknown => None,
            };
            alpha.zip(divisor).map(|(alpha, divisor)| alpha / divisor)
        };
        // PEFT writes no rank of 0 or below.
        Scale { alpha, scaling: by_rank.filter(|scaling| scaling.is_finite()) }
    }

    /// Of the configs of mlx-vlm and AdapterHub.
    fn other_scale(&self, rank: usize) -> Option<Scale> {
        let Fields { peft_type, alpha, hub_alpha, .. } = &self.fields;
        if *peft_type != Field::Absent {
            return None;
        }
        if let Field::Known(alpha) = *hub_alpha {
            return Some(Scale { alpha: Some(alpha), scaling: Some(alpha / rank as f64) });
        }
        alpha.known().map(|&alpha| Scale { alpha: Some(alpha), scaling: None })
    }
}

/// The module's path in the model that PEFT wrapped, which the patterns are for.
fn unwrapped(mut path: &str) -> &str {
    while let Some(inner) = path.strip_prefix(WRAPPER) {
        path = inner;
    }
    path
}

fn find(patterns: &Field<Patterns>, module: &str, default: Option<f64>, steps: &Steps) -> Option<f64> {
    let found = match patterns {
        Field::Absent => Lookup::Absent,
        Field::Known(patterns) => patterns.find(module, steps),
        Field::Unknown => Lookup::Unknown,
    };
    match found {
        Lookup::Value(value) => Some(value),
        Lookup::Absent => default,
        Lookup::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adapterhub_and_mlx_vlm_have_an_alpha_of_their_own() {
        let steps = Steps::new(&Limits::default());
        let config = |json| Config::of(Path::new("x"), &serde_json::from_str(json).unwrap()).unwrap();
        let scale = |json| config(json).scale("m", 4, &steps);
        let hub = scale(r#"{"config": {"architecture": "lora", "alpha": 8, "r": 4}, "name": "mrpc"}"#);
        assert_eq!(hub, Scale { alpha: Some(8.0), scaling: Some(2.0) });
        let vlm = scale(r#"{"rank": 4, "alpha": 16, "dropout": 0.0}"#);
        assert_eq!(vlm, Scale { alpha: Some(16.0), scaling: None });
        let peft = scale(r#"{"peft_type": "LORA", "lora_alpha": 8, "alpha": "x", "config": "y"}"#);
        assert_eq!(peft, Scale { alpha: Some(8.0), scaling: Some(2.0) });
    }

    #[test]
    fn every_wrapping_is_taken_off() {
        assert_eq!(unwrapped("base_model.model.base_model.model.h.0.q"), "h.0.q");
    }
}
