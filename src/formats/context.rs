//! The configs of an adapter, which are kept in a file of their own or in the metadata.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Fault, Result};
use crate::formats::config::Config;
use crate::formats::contents::Metadata;
use crate::formats::lenient::Object;
use crate::formats::limits::Limits;
use crate::formats::llama_cpp::LlamaCpp;
use crate::formats::patterns::Counts;
use crate::names::FileNames;

/// The configs that scalings and cuts go by.
pub(super) struct Context<'a> {
    /// Of the whole adapter.
    pub(super) config: Option<&'a Config>,
    /// In files of diffusers, for each component of the pipeline.
    pub(super) components: BTreeMap<String, Config>,
    /// In files of llama.cpp.
    pub(super) llama_cpp: LlamaCpp,
    /// How many modules a file may make.
    max_modules: usize,
    /// The modules that are made of several in one tensor so far, or were asked for.
    n_split: Cell<usize>,
    /// What the names of all its modules say.
    pub(super) names: FileNames,
}

/// The key in the metadata under which diffusers keeps its configs.
const COMPONENTS: &str = "lora_adapter_metadata";

impl<'a> Context<'a> {
    /// The adapter's config and those in the metadata of its file.
    ///
    /// # Errors
    /// `Malformed` when a config in the metadata is not a JSON object, `Unsupported` when its method has no A and B, `Limit`
    /// when it is too large.
    pub(super) fn new(
        path: &Path,
        config: Option<&'a Config>,
        metadata: &Metadata,
        limits: &Limits,
    ) -> Result<Self> {
        let components = match metadata.get(COMPONENTS) {
            Some(json) => components(path, json, limits)?,
            None => BTreeMap::new(),
        };
        Ok(Self {
            config,
            components,
            llama_cpp: LlamaCpp::of(metadata),
            max_modules: limits.n_modules,
            n_split: Cell::new(0),
            names: FileNames::default(),
        })
    }

    /// Fails when all configs together have too many patterns to match them with so many modules in reasonable time.
    ///
    /// # Errors
    /// `Limit`.
    pub(super) fn check_patterns(&self, n_modules: usize) -> Result<()> {
        let configs = || self.config.into_iter().chain(self.components.values());
        let Some(first) = configs().next() else { return Ok(()) };
        let counts = configs().flat_map(Config::patterns).map(|patterns| patterns.counts()).sum::<Counts>();
        counts.check(first.path(), n_modules)
    }

    /// Whether one more pair may be split into `n` modules, such as those of its experts. One that may not be is left whole;
    /// the file is refused then, see [`Context::check_modules`].
    pub(super) fn may_split(&self, n: usize) -> bool {
        self.n_split.set(self.n_split.get().saturating_add(n));
        self.n_split.get() <= self.max_modules
    }

    /// Fails when there are too many modules, or would be.
    ///
    /// # Errors
    /// `Limit`.
    pub(super) fn check_modules(&self, path: &Path, n_made: usize) -> Result<()> {
        let n = n_made.max(self.n_split.get());
        if n <= self.max_modules {
            return Ok(());
        }
        let found = format!("{n} modules or more");
        Err(Fault::new(found, format!("at most {}", self.max_modules)).at(path).limit())
    }
}

/// Configs in one object: `{"unet.r": 4, "unet.lora_alpha": 8, ...}`.
fn components(path: &Path, json: &str, limits: &Limits) -> Result<BTreeMap<String, Config>> {
    if json.len() as u64 > limits.config_bytes {
        let fault = Fault::new(format!("{} bytes", json.len()), format!("at most {}", limits.config_bytes));
        return Err(fault.at(path).of(COMPONENTS).limit());
    }
    let flat: Object = serde_json::from_str(json).map_err(|error| {
        let found = format!("JSON that cannot be read ({error})");
        Fault::new(found, "an object").at(path).of(COMPONENTS).malformed()
    })?;
    let mut fields: BTreeMap<String, Object> = BTreeMap::new();
    for (key, value) in flat.0 {
        if let Some((component, field)) = key.split_once('.') {
            fields.entry(component.to_owned()).or_default().0.insert(field.to_owned(), value);
        }
    }
    let config = |(component, fields)| Ok((component, Config::of(path, &fields)?));
    fields.into_iter().map(config).collect()
}
