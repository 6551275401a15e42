//! The training run and the step of a checkpoint, from its path.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::formats::containers::has_suffix;
use crate::names::step;

/// Names of files, without suffix, that are named after their folder instead.
const NAMED_AFTER_FOLDER: &[&str] = &["adapter_model", "pytorch_lora_weights", "adapters", "adapter"];

/// The folder of the run that a checkpoint belongs to, and the step in its name: `checkpoint-500`, `step_500.ckpt`,
/// `0000500_adapters.safetensors`.
pub(crate) fn run_and_step(path: &Path) -> (PathBuf, Option<u64>) {
    let is_named_after_folder = NAMED_AFTER_FOLDER.contains(&&*name(path));
    let path = if is_named_after_folder { path.parent().unwrap_or(path) } else { path };
    let run = path.parent().unwrap_or(Path::new("")).to_owned();
    (run, step(&name(path)))
}

/// The last part of the path, without the suffix of a checkpoint.
fn name(path: &Path) -> Cow<'_, str> {
    let name = if has_suffix(path) { path.file_stem() } else { path.file_name() };
    name.unwrap_or_default().to_string_lossy()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_run_is_the_folder_and_the_step_is_in_the_name() {
        let of = |path: &str| run_and_step(Path::new(path));
        assert_eq!(of("runs/a/checkpoint-500"), ("runs/a".into(), Some(500)));
        assert_eq!(of("runs/a/checkpoint-500/adapter_model.safetensors"), ("runs/a".into(), Some(500)));
        assert_eq!(of("mlx/0000100_adapters.safetensors"), ("mlx".into(), Some(100)));
        assert_eq!(of("runs/seed0-r64"), ("runs".into(), None));
        assert_eq!(of("checkpoint-3"), ("".into(), Some(3)));
    }

    #[test]
    fn files_of_every_suffix_have_a_step() {
        for suffix in ["safetensors", "bin", "pt", "pth", "ckpt", "npz"] {
            let path = format!("runs/a/step_500.{suffix}");
            assert_eq!(run_and_step(Path::new(&path)), ("runs/a".into(), Some(500)), "{path}");
        }
        assert_eq!(run_and_step(Path::new("runs/step_500.txt")).1, None);
    }
}
