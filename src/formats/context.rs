//! The configs of a file, which are kept in a file of their own or in the metadata, and what its adapters share otherwise.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use crate::error::{Fault, Result};
use crate::formats::budget::Budget;
use crate::formats::config::Config;
use crate::formats::contents::Metadata;
use crate::formats::lenient::Object;
use crate::formats::limits::{Limit, Limits};
use crate::formats::llama_cpp::LlamaCpp;
use crate::formats::patterns::Steps;
use crate::formats::unpacking::Unpacking;
use crate::names::FileNames;

/// The configs that scalings and cuts go by.
pub(super) struct Context<'a> {
    /// Of the whole file.
    pub(super) config: Option<&'a Config>,
    /// In files of diffusers, for each component of the pipeline.
    pub(super) components: BTreeMap<String, Config>,
    /// In files of llama.cpp.
    pub(super) llama_cpp: LlamaCpp,
    /// The work of matching the configs' patterns so far.
    pub(super) steps: Steps,
    /// The modules that are made so far.
    pub(super) budget: Budget<'a>,
    /// What is read of compressed members.
    pub(super) unpacking: Unpacking,
    /// What the names of all modules of an adapter say.
    pub(super) names: FileNames,
}

/// The key in the metadata under which diffusers keeps its configs.
const COMPONENTS: &str = "lora_adapter_metadata";

impl<'a> Context<'a> {
    /// The file's config and those in its metadata, of components that these tensors are of.
    ///
    /// # Errors
    /// `Malformed` when a config in the metadata is not a JSON object, `Unsupported` when its method has no A and B, `Limit`
    /// when it is too large or there are too many regular expressions in all of them.
    pub(super) fn new(
        path: &Path,
        config: Option<&'a Config>,
        metadata: &Metadata,
        components_there: impl FnOnce() -> HashSet<String>,
        limits: &'a Limits,
    ) -> Result<Self> {
        let components = match metadata.get(COMPONENTS) {
            Some(json) => components(path, json, &components_there(), limits)?,
            None => BTreeMap::new(),
        };
        let n_regexes = config.into_iter().chain(components.values()).map(Config::n_regexes).sum::<usize>();
        let found = || format!("{n_regexes} regular expressions in rank_pattern or alpha_pattern");
        limits.check(Limit::Regexes, n_regexes as u64, config.map_or(path, Config::path), found)?;
        let (steps, budget) = (Steps::new(limits), Budget::new(limits));
        let llama_cpp = LlamaCpp::of(metadata);
        Ok(Self {
            config,
            components,
            llama_cpp,
            steps,
            budget,
            unpacking: Unpacking::default(),
            names: FileNames::default(),
        })
    }
}

/// Configs in one object: `{"unet.r": 4, "unet.lora_alpha": 8, ...}`.
fn components(
    path: &Path,
    json: &str,
    there: &HashSet<String>,
    limits: &Limits,
) -> Result<BTreeMap<String, Config>> {
    let n_bytes = json.len() as u64;
    if n_bytes > limits.config_bytes {
        let fault = limits.over(Limit::ConfigBytes, format!("{n_bytes} bytes"));
        return Err(fault.at(path).of(COMPONENTS).limit());
    }
    let flat: Object = serde_json::from_str(json).map_err(|error| {
        let found = format!("JSON that cannot be read ({error})");
        Fault::new(found, "an object").at(path).of(COMPONENTS).malformed()
    })?;
    // A config takes far more memory than a few letters of text, of which a file may have millions.
    let mut fields: BTreeMap<String, Object> = BTreeMap::new();
    for (key, value) in flat.0 {
        if let Some((component, field)) = key.split_once('.')
            && there.contains(component)
        {
            fields.entry(component.to_owned()).or_default().0.insert(field.to_owned(), value);
        }
    }
    let config = |(component, fields)| Ok((component, Config::of(path, &fields)?));
    fields.into_iter().map(config).collect()
}
