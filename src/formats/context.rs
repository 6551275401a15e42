//! The configs of an adapter, which are kept in a file of their own or in the metadata.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use crate::error::{Fault, Result};
use crate::formats::config::Config;
use crate::formats::contents::Metadata;

/// The configs that scalings and cuts go by.
pub(super) struct Context<'a> {
    /// Of the whole adapter.
    pub(super) config: Option<&'a Config>,
    /// In files of diffusers, for each component of the pipeline.
    pub(super) components: BTreeMap<String, Config>,
}

/// The key in the metadata under which diffusers keeps its configs.
const COMPONENTS: &str = "lora_adapter_metadata";

impl<'a> Context<'a> {
    /// The adapter's config and those in the metadata of its file.
    ///
    /// # Errors
    /// `Malformed` when a config in the metadata is not JSON with the expected fields, `Unsupported` when its method has
    /// no A and B.
    pub(super) fn new(path: &Path, config: Option<&'a Config>, metadata: &Metadata) -> Result<Self> {
        let components = match metadata.get(COMPONENTS) {
            Some(json) => components(path, json)?,
            None => BTreeMap::new(),
        };
        Ok(Self { config, components })
    }

    /// Every config.
    pub(super) fn configs(&self) -> impl Iterator<Item = &Config> {
        self.config.into_iter().chain(self.components.values())
    }
}

/// Configs in one object: `{"unet.r": 4, "unet.lora_alpha": 8, ...}`.
fn components(path: &Path, json: &str) -> Result<BTreeMap<String, Config>> {
    let flat: Map<String, Value> = serde_json::from_str(json).map_err(|error| {
        let found = format!("JSON that cannot be read ({error})");
        Fault::new(found, "an object").at(path).of(COMPONENTS).malformed()
    })?;
    let mut fields: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for (key, value) in flat {
        if let Some((component, field)) = key.split_once('.') {
            fields.entry(component.to_owned()).or_default().insert(field.to_owned(), value);
        }
    }
    let config = |(component, fields)| Ok((component, Config::from_json(path, Value::Object(fields))?));
    fields.into_iter().map(config).collect()
}
