//! Finds the checkpoints of a folder.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::error::{Error, Result};
use crate::formats::Limits;

/// What a folder holds.
#[derive(Debug, Default)]
pub struct Discovered {
    /// Checkpoints.
    pub runs: Vec<PathBuf>,
    /// Files that are none, and what they are.
    pub ignored: Vec<(PathBuf, String)>,
    /// Files that should be one, and what is wrong.
    pub bad: Vec<(PathBuf, Error)>,
}

/// Searches a folder.
pub fn discover(path: &Path, _limits: &Limits) -> Result<Discovered> {
    let mut found = Discovered::default();
    for entry in WalkDir::new(path).follow_links(true).sort_by_file_name().into_iter().filter_map(Result::ok)
    {
        let path = entry.path();
        if path.file_name().is_some_and(|name| name == "adapter_model.safetensors") {
            found.runs.push(path.parent().unwrap_or(path).to_owned());
        } else if path.extension().is_some_and(|end| end == "safetensors") {
            found.runs.push(path.to_owned());
        } else if path.is_file() {
            found.ignored.push((path.to_owned(), "no checkpoint".into()));
        }
    }
    Ok(found)
}
