//! Finds the files of the adapter at a path.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Fault, Result};
use crate::formats::containers::has_suffix;
use crate::names::natural_cmp;
use crate::text::some_of;

/// What PEFT and MLX call the file with an adapter's tensors, newer names first.
pub(super) const MODELS: [&str; 4] = [MODEL, "adapter_model.bin", MLX_MODEL, "adapters.npz"];
pub(super) const CONFIG: &str = "adapter_config.json";
const MODEL: &str = "adapter_model.safetensors";
const MLX_MODEL: &str = "adapters.safetensors";

/// The file with the tensors, if this is a folder of PEFT or MLX.
pub(super) fn model(folder: &Path) -> Option<PathBuf> {
    // `symlink_metadata` sees a dangling link; the error on opening it is clearer than "no adapter here".
    MODELS.iter().map(|name| folder.join(name)).find(|model| model.symlink_metadata().is_ok())
}

/// The files of one adapter.
#[derive(Debug)]
pub(super) struct Located {
    pub(super) model: PathBuf,
    /// Not every adapter has one.
    pub(super) config: Option<PathBuf>,
}

/// Finds the adapter's files.
///
/// # Errors
/// `NotFound` when nothing is at the path, `Invalid` when a folder holds no adapter, `Io` when the system refuses.
pub(super) fn locate(path: &Path) -> Result<Located> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => in_folder(path),
        Ok(_) => Ok(Located { model: path.to_owned(), config: mlx_config(path) }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(missing(path)),
        Err(error) => Err(Error::io("open", path, error)),
    }
}

/// The config next to a checkpoint of an MLX run (`0000100_adapters.safetensors`), which all checkpoints share. It has the
/// scale, and the rank that the layout is checked against.
fn mlx_config(model: &Path) -> Option<PathBuf> {
    let is_mlx = model.file_name()?.to_str()?.ends_with(MLX_MODEL);
    Some(model.with_file_name(CONFIG)).filter(|config| is_mlx && config.exists())
}

fn in_folder(path: &Path) -> Result<Located> {
    if let Some(model) = model(path) {
        let config = Some(path.join(CONFIG)).filter(|config| config.exists());
        return Ok(Located { model, config });
    }
    let entries = std::fs::read_dir(path).map_err(|source| Error::io("list", path, source))?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(|source| Error::io("list", path, source))?.file_name());
    }
    let mut names: Vec<String> = names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort_by(|a, b| natural_cmp(a, b));
    Err(no_adapter(path, &names))
}

/// The error for a folder without an adapter, with a hint at the one that may have been meant.
fn no_adapter(path: &Path, names: &[String]) -> Error {
    let sub_folders: Vec<&String> = names.iter().filter(|name| model(&path.join(name)).is_some()).collect();
    if !sub_folders.is_empty() {
        let shown = some_of(sub_folders.iter().map(|name| path.join(name).display().to_string()));
        let found = format!("no {MODEL}");
        return Fault::new(found, "a PEFT folder").at(path).hint(format!("name one of {shown}")).invalid();
    }
    let others: Vec<&String> = names.iter().filter(|name| has_suffix(Path::new(name))).collect();
    if !others.is_empty() {
        let shown = some_of(others.iter().map(|name| path.join(name).display().to_string()));
        let hint = format!("if one of these is the adapter, name the file itself: {shown}");
        return Fault::new(format!("no {MODEL}"), "a PEFT folder").at(path).hint(hint).invalid();
    }
    let found = match names {
        [] => "an empty folder".into(),
        names => format!("no {MODEL}, only {}", some_of(names.iter().cloned())),
    };
    Fault::new(found, "a PEFT folder or an adapter's file").at(path).invalid()
}

fn missing(path: &Path) -> Error {
    let fault = Fault::no_such_file(path);
    match hub_name(path) {
        Some(name) => {
            let id = path.display();
            let hint = format!(
                "a model of the Hugging Face Hub must be downloaded first: hf download {id} --local-dir {name}"
            );
            fault.hint(hint).not_found()
        }
        None => fault.not_found(),
    }
}

/// The model's name, if the path looks like `org/name` on the Hub and there is no folder `org`.
fn hub_name(path: &Path) -> Option<&str> {
    let text = path.to_str()?;
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    let mut parts = path.components();
    let (Some(Component::Normal(org)), Some(Component::Normal(name)), None) =
        (parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let is_file = has_suffix(path) || path.extension() == Some(OsStr::new("json"));
    (text.chars().all(named) && !is_file && !Path::new(org).exists()).then(|| name.to_str())?
}
