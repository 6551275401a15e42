//! A pipeline of diffusers: a folder of models, of which adapters change the UNet or the transformer, and the text encoders.

use std::path::{Path, PathBuf};

use super::locate;
use crate::error::Result;
use crate::formats::contents::Contents;
use crate::formats::files::Files;
use crate::formats::folder::names;
use crate::formats::limits::{Limit, Limits};

/// What diffusers puts into the folder of a pipeline.
const INDEX: &str = "model_index.json";

/// The components that adapters change, by the fronts that adapters' modules have for them.
const COMPONENTS: [&str; 6] =
    ["unet", "transformer", "transformer_2", "text_encoder", "text_encoder_2", "text_encoder_3"];

/// The folders of a pipeline's components, if it is one and no model of its own is in the folder.
///
/// # Errors
/// `Io` when the system refuses to list it.
pub(super) fn components(path: &Path) -> Result<Option<Vec<(&'static str, PathBuf)>>> {
    if !path.join(INDEX).is_file() || locate::has_model(path) {
        return Ok(None);
    }
    let there = names(path)?;
    let is_there = |component: &&str| {
        there.iter().any(|name| name == component) && locate::has_model(&path.join(component))
    };
    let found: Vec<_> = COMPONENTS.into_iter().filter(is_there).map(|name| (name, path.join(name))).collect();
    Ok(Some(found).filter(|found| !found.is_empty()))
}

/// Whether the folder is a model by the names in it: one of files in it, or a pipeline.
pub(in crate::formats) fn is_model_folder(path: &Path) -> bool {
    locate::has_model(path) || is_pipeline(path)
}

/// Whether the folder is a pipeline with components that adapters change.
pub(in crate::formats) fn is_pipeline(path: &Path) -> bool {
    components(path).is_ok_and(|components| components.is_some())
}

/// The pipeline that a file is a component of, if it lies in the folder of one.
pub(in crate::formats) fn pipeline_of(file: &Path) -> Option<&Path> {
    let component = file.parent()?;
    let is_one = COMPONENTS.iter().any(|name| component.file_name().is_some_and(|own| own == *name));
    component.parent().filter(|pipeline| is_one && is_pipeline(pipeline))
}

/// The contents of all of them, each tensor with its component in front.
///
/// # Errors
/// As `BaseModel::open`.
pub(super) fn join<'a>(
    path: &'a Path,
    components: &[(&'static str, PathBuf)],
    limits: &Limits,
) -> Result<Files<'a>> {
    let (mut sources, mut all, mut format) = (vec![], Contents::default(), None);
    for (component, folder) in components {
        let Files { sources: own, file_format, contents, .. } =
            super::of_model(folder, locate::model(folder, limits)?, limits)?;
        sources.extend(own);
        format.get_or_insert(file_format);
        let named = |(name, tensor)| (format!("{component}.{name}"), tensor);
        all.tensors.extend(contents.tensors.into_iter().map(named));
        let n = all.tensors.len() as u64;
        limits.check(Limit::Tensors, n, path, || format!("{n} tensors"))?;
    }
    // There is at least one.
    let file_format = format.unwrap_or(crate::adapter::FileFormat { name: "safetensors" });
    Ok(Files { label: path, sources, file_format, contents: all })
}
