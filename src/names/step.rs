//! The training step that a checkpoint's name says.

#[cfg(feature = "scan")]
use std::path::{Path, PathBuf};

/// Words that stand in front of a step's number.
const WORDS: &[&str] = &["checkpoint", "ckpt", "step", "steps", "global_step", "iter", "iteration", "epoch"];

/// The step in a checkpoint's name: the number behind `checkpoint-`, `step_`, `epoch-` and the like, a number that the
/// name begins with (`0000100_adapters`), or a name of digits alone.
pub fn step(name: &str) -> Option<u64> {
    let is_digit = |c: char| c.is_ascii_digit();
    let leading = name.trim_start_matches(is_digit);
    let digits = &name[..name.len() - leading.len()];
    if !digits.is_empty() && (leading.is_empty() || leading.starts_with(['_', '-'])) {
        return digits.parse().ok();
    }
    let front = name.trim_end_matches(is_digit);
    let digits = &name[front.len()..];
    let word = front.trim_end_matches(['-', '_', '=']).to_ascii_lowercase();
    let ends_with = |end: &&str| {
        word.strip_suffix(end).is_some_and(|rest| !rest.ends_with(|c: char| c.is_ascii_alphanumeric()))
    };
    WORDS.iter().any(ends_with).then(|| digits.parse().ok())?
}

/// Names of files whose folder is the checkpoint.
#[cfg(feature = "scan")]
const OF_FOLDERS: &[&str] = &["adapter_model", "pytorch_lora_weights", "adapters", "adapter"];

/// Ends of the names of checkpoint files.
#[cfg(feature = "scan")]
const SUFFIXES: &[&str] = &[".safetensors", ".bin", ".pt", ".pth", ".npz"];

/// The folder of the run that a checkpoint belongs to, and its step where the name says one: `checkpoint-500`,
/// `step_500`, `0000500_adapters.safetensors`.
#[cfg(feature = "scan")]
pub fn run_and_step(path: &Path) -> (PathBuf, Option<u64>) {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let is_of_folder = OF_FOLDERS.contains(&stem.as_ref());
    let path = if is_of_folder { path.parent().unwrap_or(path) } else { path };
    let run = path.parent().unwrap_or(Path::new("")).to_owned();
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(&name);
    (run, step(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_a_number_that_says_so() {
        let steps = [
            ("checkpoint-500", Some(500)),
            ("Checkpoint_7", Some(7)),
            ("my-run-step=12", Some(12)),
            ("epoch3", Some(3)),
            ("0000100_adapters", Some(100)),
            ("250", Some(250)),
            ("seed0-r64", None),
            ("r8", None),
            ("misstep-3", None),
            ("checkpoint-final", None),
            ("checkpoint-99999999999999999999999", None),
            ("4bit", None),
            ("", None),
        ];
        for (name, expected) in steps {
            assert_eq!(step(name), expected, "{name}");
        }
    }

    #[cfg(feature = "scan")]
    #[test]
    fn the_run_is_the_folder_and_the_step_is_in_the_name() {
        let of = |path: &str| run_and_step(Path::new(path));
        assert_eq!(of("runs/a/checkpoint-500"), ("runs/a".into(), Some(500)));
        assert_eq!(of("runs/a/checkpoint-500/adapter_model.safetensors"), ("runs/a".into(), Some(500)));
        assert_eq!(of("mlx/0000100_adapters.safetensors"), ("mlx".into(), Some(100)));
        assert_eq!(of("runs/seed0-r64"), ("runs".into(), None));
        assert_eq!(of("checkpoint-3"), ("".into(), Some(3)));
    }
}
