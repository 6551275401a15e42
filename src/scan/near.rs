//! What there is in the place of a glob that matches nothing.

use std::path::{Path, PathBuf};

use crate::names::by_nearness;
use crate::text::{listed, quoted};

/// Names of a folder that are looked at.
const N_NAMES: usize = 10_000;

/// What the folder holds in which the first part of the glob that matches nothing was looked for, the nearest names first.
pub(super) fn instead_of(glob: &Path) -> Option<String> {
    let mut matched = PathBuf::from(".");
    let mut so_far = PathBuf::new();
    for part in glob.components() {
        so_far.push(part);
        match glob::glob(&so_far.to_string_lossy()).ok()?.find_map(Result::ok) {
            Some(first) => matched = first,
            None => return listing(&matched, &part.as_os_str().to_string_lossy()),
        }
    }
    None
}

fn listing(folder: &Path, wanted: &str) -> Option<String> {
    let names = std::fs::read_dir(folder).ok()?.take(N_NAMES).filter_map(Result::ok);
    let mut names: Vec<String> =
        names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let near = by_nearness(wanted, names.iter().map(String::as_str));
    let folder = quoted(&folder.display().to_string());
    Some(match near.is_empty() {
        true => format!("the folder {folder} is empty"),
        false => format!("the folder {folder} has {}", listed(near)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_the_first_part_without_a_match_is_listed_the_nearest_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["runs/seed1/final", "runs/seed2/last", "other", "empty"] {
            std::fs::create_dir_all(path(name)).unwrap();
        }
        let shown = |name: &str| quoted(&path(name).display().to_string());
        let found = |glob: &str| instead_of(&path(glob)).unwrap();
        assert_eq!(
            found("run/*"),
            format!("the folder {} has `runs`, `empty`, `other`", quoted(&dir.path().display().to_string()))
        );
        assert_eq!(found("runs/sed*"), format!("the folder {} has `seed1`, `seed2`", shown("runs")));
        assert_eq!(found("runs/*/finl*"), format!("the folder {} has `final`", shown("runs/seed1")));
        assert_eq!(found("empty/*.safetensors"), format!("the folder {} is empty", shown("empty")));
        assert_eq!(instead_of(&path("runs/*")), None);
    }
}
