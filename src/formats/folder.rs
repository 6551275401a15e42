//! Finds the files of the adapter at a path.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Fault, Result};
use crate::formats::containers::has_suffix;
use crate::formats::limits::Limits;
use crate::formats::shards::{Shards, indexed, shard};
use crate::hub;
use crate::names::natural_cmp;
use crate::text::some_of;

/// What PEFT and MLX call the file with an adapter's tensors, newer names first.
pub(super) const MODELS: [&str; 4] = [MODEL, "adapter_model.bin", MLX_MODEL, "adapters.npz"];
pub(super) const CONFIG: &str = "adapter_config.json";
const MODEL: &str = "adapter_model.safetensors";
const MLX_MODEL: &str = "adapters.safetensors";

/// What diffusers calls it. Such a file is the folder's adapter only if no other file could be one, because people collect files
/// of this name next to others.
const DIFFUSERS: [&str; 2] = ["pytorch_lora_weights.safetensors", "pytorch_lora_weights.bin"];

/// The part of a folder that makes it an adapter by its names alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Own {
    /// This file.
    File(String),
    /// The shards of a file of this name.
    Shards(String),
}

/// What makes a folder with these files an adapter: a file of a name that libraries give it, or the shards of one.
pub(super) fn own(names: &[String]) -> Option<Own> {
    let is_there = |name: &str| names.iter().any(|other| other == name);
    if let Some(name) = MODELS.into_iter().find(|name| is_there(name)) {
        return Some(Own::File(name.to_owned()));
    }
    let known = || MODELS.into_iter().chain(DIFFUSERS);
    let whole = |name: &String| match shard(name) {
        Some((whole, ..)) => known().find(|model| *model == whole),
        None => known().find(|model| indexed(name) == Some(*model)),
    };
    if let Some(model) = known().find(|model| names.iter().any(|name| whole(name) == Some(model))) {
        return Some(Own::Shards(model.to_owned()));
    }
    let name = DIFFUSERS.into_iter().find(|name| is_there(name))?;
    let is_other = |other: &String| other.ends_with(".safetensors") && other != name;
    (!names.iter().any(is_other)).then(|| Own::File(name.to_owned()))
}

/// Whether the folder is an adapter by the names in it, so that it need not be searched for one.
pub(crate) fn is_adapter_folder(path: &Path) -> bool {
    names(path).is_ok_and(|names| own(&names).is_some())
}

/// The files of one adapter.
#[derive(Debug)]
pub(super) struct Located {
    /// With the tensors.
    pub(super) model: Model,
    /// Not every adapter has one.
    pub(super) config: Option<PathBuf>,
}

#[derive(Debug)]
pub(super) enum Model {
    File(PathBuf),
    Shards(Shards),
}

/// Finds the adapter's files; `None` for a folder that must be searched for one.
///
/// # Errors
/// `NotFound` when nothing is at the path, `Io` when the system refuses, those of [`Shards::of_folder`].
pub(super) fn locate(path: &Path, limits: &Limits) -> Result<Option<Located>> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            let names = names(path)?;
            let Some(own) = own(&names) else { return Ok(None) };
            let config = Some(path.join(CONFIG)).filter(|config| is_named(config));
            let model = match own {
                Own::File(name) => Model::File(path.join(name)),
                Own::Shards(whole) => Model::Shards(Shards::of_folder(path, &whole, &names, limits)?),
            };
            Ok(Some(Located { model, config }))
        }
        Ok(_) => {
            let model = match part_of(path) {
                Some(whole) => Model::Shards(Shards::of_file(path, &whole, limits)?),
                None => Model::File(path.to_owned()),
            };
            Ok(Some(Located { model, config: mlx_config(path) }))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(missing(path)),
        Err(error) => Err(Error::io("open", path, error)),
    }
}

/// The file that is cut into shards of which this is one, or the index.
pub(super) fn part_of(file: &Path) -> Option<String> {
    let name = file.file_name()?.to_str()?;
    match shard(name) {
        Some((_, _, 1)) => None,
        Some((whole, ..)) => Some(whole),
        None => indexed(name).map(str::to_owned),
    }
}

/// The config next to a checkpoint of an MLX run (`0000100_adapters.safetensors`), which all checkpoints share. It has the
/// scale, and the rank that the layout is checked against.
fn mlx_config(model: &Path) -> Option<PathBuf> {
    let is_mlx = model.file_name()?.to_str()?.ends_with(MLX_MODEL);
    Some(model.with_file_name(CONFIG)).filter(|config| is_mlx && is_named(config))
}

/// Whether something has this name, be it a link that leads nowhere: a config that cannot be read is not one that is not there.
fn is_named(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// The names of all that is in a folder, in natural order.
pub(super) fn names(folder: &Path) -> Result<Vec<String>> {
    let failed = |source| Error::io("list", folder, source);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    names.sort_by(|a, b| natural_cmp(a, b));
    Ok(names)
}

/// The error for a folder in which no adapter was found, with a hint at a file that may have been meant.
///
/// # Errors
/// `Io` when the system refuses to list it.
pub(super) fn no_adapter(path: &Path) -> Result<Error> {
    let names = names(path)?;
    let others: Vec<&String> = names.iter().filter(|name| has_suffix(Path::new(name))).collect();
    if !others.is_empty() {
        let shown = some_of(others.iter().map(|name| path.join(name).display().to_string()));
        let hint = format!("if one of these is the adapter, name the file itself: {shown}");
        return Ok(Fault::new(format!("no {MODEL}"), "an adapter's folder").at(path).hint(hint).invalid());
    }
    let found = match &names[..] {
        [] => "an empty folder".into(),
        names => format!("no {MODEL}, only {}", some_of(names.iter().cloned())),
    };
    Ok(Fault::new(found, "a PEFT folder or an adapter's file").at(path).invalid())
}

pub(super) fn missing(path: &Path) -> Error {
    let fault = Fault::no_such_file(path);
    match hub::of_web(path).or_else(|| hub_name(path)) {
        Some(name) => {
            fault.hint(format!("if this is a model of the Hugging Face Hub, name it {name}")).not_found()
        }
        None => fault.not_found(),
    }
}

/// The name on the Hub, if the path looks like `org/name` there and there is no folder `org`.
fn hub_name(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    let mut parts = path.components();
    let (Some(Component::Normal(org)), Some(Component::Normal(_)), None) =
        (parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let is_file = has_suffix(path) || path.extension() == Some(OsStr::new("json"));
    (text.chars().all(named) && !is_file && !Path::new(org).exists()).then(|| format!("hf://{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Option<Own> {
        own(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_folder_is_an_adapter_by_the_names_that_libraries_give() {
        let file = |name: &str| Some(Own::File(name.to_owned()));
        let shards = |name: &str| Some(Own::Shards(name.to_owned()));
        assert_eq!(of(&["adapter_model.bin", "adapter_model.safetensors", "x.safetensors"]), file(MODEL));
        assert_eq!(of(&["0000100_adapters.safetensors", "adapters.safetensors"]), file(MLX_MODEL));
        assert_eq!(of(&["adapter_model-00001-of-00002.safetensors", "README.md"]), shards(MODEL));
        assert_eq!(of(&["adapter_model.bin.index.json"]), shards("adapter_model.bin"));
        assert_eq!(of(&["pytorch_lora_weights-00002-of-00002.safetensors"]), shards(DIFFUSERS[0]));
        assert_eq!(of(&["optimizer.bin", "pytorch_lora_weights.safetensors"]), file(DIFFUSERS[0]));
        assert_eq!(of(&["other.safetensors", "pytorch_lora_weights.safetensors"]), None);
        assert_eq!(
            of(&["model-00001-of-00002.safetensors", "lora.safetensors", "adapter_config.json"]),
            None
        );
    }
}
