//! Finds the files of the model at a path.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use crate::error::{Error, Fault, Result};
use crate::formats::containers::has_suffix;
use crate::formats::folder::{Model, missing, names, part_of};
use crate::formats::limits::Limits;
use crate::formats::shards::{Shards, indexed, shard};
use crate::text::some_of;

/// What libraries call the file with a model's weights; the first that is there, whole or in shards, counts.
const MODELS: [&str; 5] = [
    "model.safetensors",
    "pytorch_model.bin",
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.bin",
    "consolidated.safetensors",
];

/// What diffusers puts into the folder of a pipeline, whose components have folders of their own.
const PIPELINE: &str = "model_index.json";

/// Whether the folder has a model's file by the names in it.
pub(in crate::formats) fn has_model(path: &Path) -> bool {
    names(path).is_ok_and(|names| MODELS.iter().any(|model| has(&names, model)))
}

/// What a file is to the model of its folder, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::formats) enum Role {
    /// The model, or a shard of it.
    Own,
    /// The same under another of the names that libraries give it.
    Older,
    /// Any other file.
    Other,
}

/// What a file is, of a folder with these names.
pub(in crate::formats) fn role(file: &str, names: &[String]) -> Role {
    let of = whole(file).unwrap_or_else(|| file.to_owned());
    match MODELS.iter().find(|model| has(names, model)) {
        Some(own) if *own == of => Role::Own,
        Some(_) if MODELS.contains(&of.as_str()) => Role::Older,
        _ => Role::Other,
    }
}

/// The model's file, or its shards.
///
/// # Errors
/// `NotFound` when nothing is at the path, `Io` when the system refuses, `Invalid` for a folder with no model or several; those of
/// [`Shards::of_folder`].
pub(super) fn model(path: &Path, limits: &Limits) -> Result<Model> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => in_folder(path, limits),
        Ok(_) => match part_of(path) {
            Some(whole) => Ok(Model::Shards(Shards::of_file(path, &whole, limits)?)),
            None => Ok(Model::File(path.to_owned())),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(missing(path)),
        Err(error) => Err(Error::io("open", path, error)),
    }
}

fn in_folder(folder: &Path, limits: &Limits) -> Result<Model> {
    let names = names(folder)?;
    let known = MODELS.iter().find(|model| has(&names, model)).map(|model| (*model).to_owned());
    let whole = match known {
        Some(whole) => whole,
        None => only(folder, &names)?,
    };
    match names.contains(&whole) {
        true => Ok(Model::File(folder.join(whole))),
        false => Ok(Model::Shards(Shards::of_folder(folder, &whole, &names, limits)?)),
    }
}

/// The only file of weights, by its suffix.
fn only(folder: &Path, names: &[String]) -> Result<String> {
    let of_weights = names.iter().filter_map(|name| match whole(name) {
        Some(whole) => Some(whole),
        None => has_suffix(Path::new(name)).then(|| name.clone()),
    });
    let mut wholes: BTreeSet<String> = of_weights.collect();
    let fault = |found: String| Fault::new(found, "a folder with one model").at(folder);
    match wholes.len() {
        1 => Ok(wholes.pop_first().unwrap_or_default()),
        0 if names.iter().any(|name| name == PIPELINE) => {
            let hint = "name the folder of the component that was trained, such as unet or transformer";
            Err(fault("a pipeline of several models".to_owned()).hint(hint).invalid())
        }
        0 => Err(fault(format!("no {} and no other file of weights", MODELS[0])).invalid()),
        n => {
            let hint = format!("name one of {}", some_of(wholes.into_iter()));
            Err(fault(format!("{n} files of weights")).hint(hint).invalid())
        }
    }
}

/// Whether the file is there, or a shard or the index of it.
fn has(names: &[String], model: &str) -> bool {
    names.iter().any(|name| name == model || whole(name).as_deref() == Some(model))
}

/// The file that one of this name is a part or the index of.
fn whole(name: &str) -> Option<String> {
    shard(name).map(|(whole, ..)| whole).or_else(|| indexed(name).map(str::to_owned))
}
