//! From what the user named to the checkpoints of a scan: paths, globs, folders and lists.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Fault, Result};
use crate::formats::{Discovered, discover};
use crate::names::natural_cmp;
use crate::{Limits, listing::quoted};

/// What was found, each list in natural order.
#[derive(Debug, Default)]
pub struct Inputs {
    /// Checkpoints to open, each once.
    pub runs: Vec<PathBuf>,
    /// Files of searched folders that are no checkpoints, and what they are.
    pub ignored: Vec<(PathBuf, String)>,
    /// Files of searched folders that should be checkpoints, and what is wrong with them.
    pub bad: Vec<(PathBuf, Error)>,
}

impl Inputs {
    /// Finds the checkpoints. A folder is searched, a glob is expanded, anything else is a checkpoint by itself.
    ///
    /// # Errors
    /// `Invalid` for a path or a glob that names nothing, `Io` when the system refuses.
    pub fn find(named: &[PathBuf], limits: &Limits) -> Result<Self> {
        let mut inputs = Self::default();
        for path in named {
            for path in expand(path)? {
                inputs.add(&path, limits)?;
            }
        }
        inputs.runs.sort_by(|a, b| natural_cmp(&a.to_string_lossy(), &b.to_string_lossy()));
        let mut seen = HashSet::new();
        inputs.runs.retain(|run| seen.insert(std::fs::canonicalize(run).unwrap_or_else(|_| run.clone())));
        if inputs.runs.is_empty() && inputs.bad.is_empty() {
            let shown: Vec<String> = named.iter().map(|path| path.display().to_string()).collect();
            let found =
                format!("no checkpoint in {} ({} other files)", shown.join(", "), inputs.ignored.len());
            return Err(Fault::new(found, "at least one").of("scan").invalid());
        }
        Ok(inputs)
    }

    fn add(&mut self, path: &Path, limits: &Limits) -> Result<()> {
        if !path.is_dir() {
            // A file that is named is meant: what is wrong with it is said where it is opened.
            self.runs.push(plain(path));
            return Ok(());
        }
        let Discovered { runs, ignored, bad } = discover(path, limits)?;
        self.runs.extend(runs.iter().map(|run| plain(run)));
        self.ignored.extend(ignored);
        self.bad.extend(bad);
        Ok(())
    }
}

/// The paths of a list, one a line; empty lines and those that begin with `#` are left out.
pub fn of_list(text: &str) -> Vec<PathBuf> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(PathBuf::from).collect()
}

/// A path as it is, or everything that it matches as a glob.
fn expand(path: &Path) -> Result<Vec<PathBuf>> {
    let nothing = |expected: &str| Fault::new("nothing there", expected).at(path).invalid();
    if path.symlink_metadata().is_ok() {
        return Ok(vec![path.to_owned()]);
    }
    let text = path.to_string_lossy();
    if !text.contains(['*', '?', '[']) {
        return Err(nothing("a checkpoint, a folder or a glob"));
    }
    let matches = glob::glob(&text).map_err(|error| {
        Fault::new(format!("{} ({})", quoted(&text), error.msg), "a glob").of("scan").invalid()
    })?;
    let paths: Vec<PathBuf> = matches
        .map(|path| {
            path.map_err(|error| {
                let place = error.path().to_owned();
                Error::io("list", place, error.into())
            })
        })
        .collect::<Result<_>>()?;
    if paths.is_empty() { Err(nothing("a glob that matches something")) } else { Ok(paths) }
}

/// The path without `.` in it, so that `./a` and `a` are one checkpoint, in this run and in the next one.
fn plain(path: &Path) -> PathBuf {
    let plain: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
    if plain.as_os_str().is_empty() { PathBuf::from(".") } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_a_path_a_line() {
        let found = of_list("# runs\na/b\n\n  c d \r\n");
        assert_eq!(found, [PathBuf::from("a/b"), PathBuf::from("c d")]);
    }

    #[test]
    fn a_dot_in_a_path_changes_nothing() {
        assert_eq!(plain(Path::new("./a/./b")), Path::new("a/b"));
        assert_eq!(plain(Path::new("../a")), Path::new("../a"));
        assert_eq!(plain(Path::new(".")), Path::new("."));
    }

    #[test]
    fn a_glob_that_matches_nothing_is_an_error() {
        let error = expand(Path::new("src/*.safetensors")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "src/*.safetensors: found nothing there, expected a glob that matches something"
        );
        assert!(expand(Path::new("src/nothing")).is_err());
        assert!(expand(Path::new("src/*.rs")).unwrap().contains(&PathBuf::from("src/lib.rs")));
    }
}
