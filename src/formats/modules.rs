//! A file's tensors to modules: the scheme reads the names, fused weights are cut, every module gets its scaling and its
//! canonical name.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use crate::adapter::{Method, Module, NamingScheme};
use crate::error::{Fault, Result};
use crate::formats::config::{Config, Scale};
use crate::formats::contents::{Metadata, Tensors};
use crate::formats::pairs::{self, Pair, wrong_module};
use crate::formats::schemes::{self, Claimed, TensorRole, unwrapped};
use crate::formats::{Limits, experts, fused};
use crate::names::{canonical, natural_cmp};

/// What a file's names and shapes say.
pub(super) struct Read {
    pub(super) naming_scheme: NamingScheme,
    pub(super) method: Method,
    pub(super) adapter_name: Option<String>,
    /// In natural order of the names, each name once.
    pub(super) modules: Vec<Module>,
    /// Tensors that belong to no module: classifiers, token vectors, biases.
    pub(super) n_other: usize,
    /// DoRA's.
    pub(super) n_magnitudes: usize,
}

/// What stands beside the tensors.
pub(super) struct Context<'a> {
    pub(super) config: Option<&'a Config>,
    pub(super) metadata: &'a Metadata,
}

/// The adapters of a file: of this name, or the only one.
///
/// # Errors
/// As [`schemes::detect`], [`schemes::choose`] and [`pairs::pairs`]; `Malformed` when MLX's config has another rank than
/// its tensors; `Limit` for too many patterns.
pub(super) fn read(
    path: &Path,
    tensors: &Tensors,
    beside: &Context<'_>,
    name: Option<&str>,
    limits: &Limits,
) -> Result<Read> {
    let (scheme, mut claimed) = schemes::detect(path, tensors)?;
    let n_other = tensors.len() - claimed.len();
    let adapter_name = schemes::choose(path, &mut claimed, name)?;
    let method = method(&claimed, beside.config);
    let n_magnitudes = claimed.iter().filter(|(_, _, claim)| claim.part == TensorRole::Magnitude).count();
    let pairs = pairs::pairs(path, scheme, &claimed, limits)?;
    let scales = Scales::new(path, scheme.format, beside)?;
    scales.check(path, &pairs)?;
    let mut modules = Vec::with_capacity(pairs.len());
    for pair in pairs {
        for pair in scales.experts(pair) {
            let Scale { alpha, scaling } = scales.of(&pair);
            let is_conv1d = beside.config.map(Config::is_conv1d);
            modules.extend(fused::cut(pair, scheme.format, is_conv1d).into_iter().map(|pair| Module {
                name: canonical(&pair.path),
                original: pair.original,
                a: pair.a,
                b: pair.b,
                alpha,
                scaling,
            }));
        }
    }
    keep_originals(&mut modules);
    modules.sort_by(|x, y| natural_cmp(&x.name, &y.name));
    Ok(Read { naming_scheme: scheme.format, method, adapter_name, modules, n_other, n_magnitudes })
}

/// The names of the adapters in a file, one `None` where tensors have none.
///
/// # Errors
/// As [`schemes::detect`].
pub(super) fn adapter_names(path: &Path, tensors: &Tensors) -> Result<Vec<Option<String>>> {
    let (_, claimed) = schemes::detect(path, tensors)?;
    Ok(schemes::adapters(&claimed).into_iter().map(|name| name.map(str::to_owned)).collect())
}

fn method(claimed: &[Claimed<'_>], config: Option<&Config>) -> Method {
    let has = |part: TensorRole| claimed.iter().any(|(_, _, claim)| claim.part == part);
    if has(TensorRole::E) {
        Method::AdaLora
    } else if has(TensorRole::Magnitude) || config.is_some_and(Config::is_dora) {
        Method::Dora
    } else {
        Method::Lora
    }
}

/// Originals may stand in the way of other names in turn; more often than this they do so on purpose.
const MAX_ROUNDS: usize = 8;

/// Modules that would share a name get the one that the file has for them.
fn keep_originals(modules: &mut [Module]) {
    for _ in 0..MAX_ROUNDS {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for module in modules.iter() {
            *counts.entry(&module.name).or_default() += 1;
        }
        let is_shared = |module: &Module| counts[module.name.as_str()] > 1 && module.name != module.original;
        let shared: Vec<bool> = modules.iter().map(is_shared).collect();
        if !shared.contains(&true) {
            return;
        }
        for (module, _) in modules.iter_mut().zip(shared).filter(|(_, shared)| *shared) {
            module.name.clone_from(&module.original);
        }
    }
    // Originals all differ.
    modules.iter_mut().for_each(|module| module.name.clone_from(&module.original));
}

/// Where the scaling of a file's modules stands.
struct Scales<'a> {
    format: NamingScheme,
    config: Option<&'a Config>,
    /// diffusers: a config for each part of the pipeline.
    components: BTreeMap<String, Config>,
}

/// The metadata's key for the configs that diffusers keeps.
const DIFFUSERS_CONFIGS: &str = "lora_adapter_metadata";

impl<'a> Scales<'a> {
    fn new(path: &Path, format: NamingScheme, beside: &Context<'a>) -> Result<Self> {
        let mut components = BTreeMap::new();
        if let Some(json) = beside.metadata.get(DIFFUSERS_CONFIGS) {
            // `{"unet.r": 4, "unet.lora_alpha": 8, ...}`
            let mut fields: BTreeMap<String, serde_json::Map<String, serde_json::Value>> = BTreeMap::new();
            let flat: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(json).map_err(|error| {
                    let found = format!("JSON that cannot be read ({error})");
                    Fault::new(found, "an object").at(path).of(DIFFUSERS_CONFIGS).malformed()
                })?;
            for (key, value) in flat {
                if let Some((component, field)) = key.split_once('.') {
                    fields.entry(component.to_owned()).or_default().insert(field.to_owned(), value);
                }
            }
            for (component, fields) in fields {
                components.insert(component, Config::from_json(path, serde_json::Value::Object(fields))?);
            }
        }
        Ok(Self { format, config: beside.config, components })
    }

    fn check(&self, path: &Path, pairs: &[Pair]) -> Result<()> {
        for config in self.config.into_iter().chain(self.components.values()) {
            config.check_patterns(pairs.len())?;
        }
        let rank = self.config.and_then(Config::mlx_rank);
        let Some(rank) = rank.filter(|_| self.format == NamingScheme::Mlx) else { return Ok(()) };
        match pairs.iter().find(|pair| pair.a.rows as f64 != rank) {
            Some(pair) => {
                let found = format!("rank {} by the shapes of lora_a and lora_b", pair.a.rows);
                Err(wrong_module(path, &pair.original, found, format!("{rank} as in adapter_config.json")))
            }
            None => Ok(()),
        }
    }

    fn experts(&self, pair: Pair) -> Vec<Pair> {
        let Some(config) = self.config.filter(|config| !config.target_parameters().is_empty()) else {
            return vec![pair];
        };
        let rank = config.rank(unwrapped(&pair.path));
        experts::split(pair, config.target_parameters(), rank)
    }

    fn of(&self, pair: &Pair) -> Scale {
        // Of a `MergedLinear` B has the rank of one group.
        let rank = pair.b.cols;
        let by_alpha = |alpha: Option<f64>| Scale {
            alpha,
            // Programs that read these names take a missing alpha for the rank.
            scaling: Some(alpha.map_or(1.0, |alpha| alpha / rank as f64)),
        };
        match self.format {
            NamingScheme::Kohya => by_alpha(pair.alpha),
            NamingScheme::Diffusers => {
                let component = pair
                    .path
                    .split_once('.')
                    .and_then(|(component, module)| Some((self.components.get(component)?, module)));
                match component {
                    Some((config, module)) => config.scale(module, rank),
                    None => by_alpha(pair.alpha),
                }
            }
            NamingScheme::SamLora => by_alpha(None),
            _ => self.config.map_or_else(Scale::default, |config| config.scale(unwrapped(&pair.path), rank)),
        }
    }
}
