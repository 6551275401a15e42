//! The checkpoints that a user means by a name: one rule for everything that names them.

use std::path::Path;

use glob::Pattern;

use crate::error::{Fault, Result};
use crate::hub;
use crate::text::quoted;

/// The places of the paths that a name means: the path itself; else paths that end with it, in whole parts; else paths
/// that it matches as a glob with `*`, `?` and `[...]`, the whole or the end after a slash. None where nothing fits.
///
/// # Errors
/// `Invalid` for a name that fits nothing and cannot be read as a glob.
pub(crate) fn named<'a>(paths: impl Iterator<Item = &'a Path> + Clone, name: &str) -> Result<Vec<usize>> {
    let plain = |path: &'a Path| path.strip_prefix(".").unwrap_or(path);
    let meant = &*hub::local(Path::new(name))?;
    let meant = meant.strip_prefix(".").unwrap_or(meant);
    let all = |fits: &dyn Fn(&'a Path) -> bool| -> Vec<usize> {
        paths.clone().enumerate().filter(|(_, path)| fits(plain(path))).map(|(place, _)| place).collect()
    };
    let itself = all(&|path| path == meant);
    if !itself.is_empty() || name.is_empty() {
        return Ok(itself);
    }
    let ends = all(&|path| path.ends_with(meant) || is_shown_as(path, name));
    if !ends.is_empty() {
        return Ok(ends);
    }
    let pattern = Pattern::new(&meant.to_string_lossy()).map_err(|error| {
        let found = format!("{} ({} at position {})", quoted(name), error.msg, error.pos);
        Fault::new(found, "a path, the end of one, or a glob such as `*/seed0/*`").of("checkpoint").invalid()
    })?;
    Ok(all(&|path| {
        let text = path.to_string_lossy();
        let ends = text.match_indices('/').map(|(at, _)| &text[at + 1..]);
        std::iter::once(text.as_ref()).chain(ends).any(|end| pattern.matches(end))
    }))
}

/// Whether a place in the cache of the Hub is shown under this name, with or without its commit.
fn is_shown_as(path: &Path, name: &str) -> bool {
    let shown = path.to_str().and_then(hub::shown);
    shown.is_some_and(|shown| shown == name || shown.split('@').next() == Some(name))
}

/// The same, of adapters that have a number in a table: a number that is not the name of a path means its adapter.
///
/// # Errors
/// As [`named`].
pub(crate) fn numbered<'a>(
    paths: impl Iterator<Item = &'a Path> + Clone,
    numbers: impl Iterator<Item = i64>,
    name: &str,
) -> Result<Vec<usize>> {
    let places = named(paths.clone(), name)?;
    match name.parse::<i64>() {
        Ok(number) if places.is_empty() => {
            // As many as there are paths: numbers may go on for ever.
            let all = paths.zip(numbers).enumerate();
            Ok(all.filter(|&(_, (_, other))| other == number).map(|(place, _)| place).collect())
        }
        _ => Ok(places),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATHS: [&str; 6] =
        ["runs/a/checkpoint-5", "runs/a/checkpoint-15", "runs/b/checkpoint-5", "b", "./x/[1]", "runs/7"];

    fn of(name: &str) -> Vec<usize> {
        named(PATHS.iter().map(Path::new), name).unwrap()
    }

    #[test]
    fn a_path_goes_before_its_end_and_that_before_a_glob() {
        assert_eq!(of("runs/a/checkpoint-5"), [0]);
        assert_eq!(of("./runs/a/checkpoint-5/"), [0]);
        assert_eq!(of("checkpoint-5"), [0, 2]);
        assert_eq!(of("a/checkpoint-5"), [0]);
        // `runs/b/...` does not end with it; the path itself does.
        assert_eq!(of("b"), [3]);
        assert_eq!(of("b/*"), [2]);
        assert_eq!(of("*-5"), [0, 2]);
        assert_eq!(of("runs/*/checkpoint-?"), [0, 2]);
        assert_eq!(of("[1]"), [4]);
        assert_eq!(of("x/[1]"), [4]);
        assert_eq!(of("c*"), [0, 1, 2]);
        for nothing in ["oint-5", "", "/", "runs/c", "z*"] {
            assert_eq!(of(nothing), [] as [usize; 0], "{nothing}");
        }
    }

    #[test]
    fn places_in_the_cache_of_the_hub_have_the_names_that_are_shown() {
        let of_repository = |name: &str| {
            format!("/hub/models--org--{name}/snapshots/0123456789abcdef0123456789abcdef01234567")
        };
        let paths = [of_repository("a"), of_repository("b")];
        let of = |name| named(paths.iter().map(Path::new), name).unwrap();
        assert_eq!((of("org/a"), of("org/b@0123456"), of("org/c")), (vec![0], vec![1], vec![]));
    }

    #[test]
    fn a_name_that_is_nothing_and_no_glob_is_refused() {
        let error = named(PATHS.iter().map(Path::new), "runs/[").unwrap_err();
        assert!(error.to_string().starts_with("checkpoint: found `runs/[` ("), "{error}");
    }

    #[test]
    fn a_number_counts_where_no_path_has_that_name() {
        let of = |name| numbered(PATHS.iter().map(Path::new), (0..6).map(|n| n + 3), name).unwrap();
        assert_eq!(of("3"), [0]);
        assert_eq!(of("7"), [5], "the path runs/7");
        assert_eq!(of("8"), [5]);
        assert_eq!(of("2"), [] as [usize; 0]);
        // Numbers that go on for ever end with the paths.
        let of = |name| numbered(PATHS.iter().map(Path::new), 0.., name).unwrap();
        assert_eq!((of("4"), of("99")), (vec![4], vec![]));
    }
}
