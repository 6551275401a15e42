//! Names of the Hugging Face Hub in place of paths: `hf://org/name`, `hf://org/name@revision/folder` and
//! `hf://collections/org/slug`, found in the user's own cache of the Hub. Nothing is ever downloaded.

mod cache;
mod collection;
mod name;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use self::cache::{Cache, Lookup, NotThere};
use self::name::Name;
use crate::error::{Fault, Result};

pub(crate) use self::name::of_web;
#[cfg(feature = "scan")]
pub(crate) use self::name::shown;

/// What a name of the Hub begins with.
const SCHEME: &str = "hf://";

/// The text of a path that is a name of the Hub.
pub(crate) fn as_name(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| text.starts_with(SCHEME))
}

/// Where a path leads: to itself, or to what the cache has of a name of the Hub, which must mean one repository.
///
/// # Errors
/// As [`expanded`], and `Invalid` for a collection of several repositories.
pub(crate) fn local(path: &Path) -> Result<Cow<'_, Path>> {
    if as_name(path).is_none() {
        return Ok(Cow::Borrowed(path));
    }
    let mut all = expanded(path)?;
    match all.len() {
        1 => Ok(Cow::Owned(all.remove(0))),
        n => {
            let fault = Fault::new(format!("a collection of {n} repositories"), "one checkpoint").at(path);
            Err(fault.hint("name one of its repositories: hf://ORG/NAME").invalid())
        }
    }
}

/// As [`local`], but of a collection all its repositories.
///
/// # Errors
/// - `Invalid` for a name of the Hub that is not a model's or a collection's.
/// - `NotFound` when it is not in the cache, with the command that downloads it.
/// - `Io` when the system refuses to read the cache; `Malformed` and `Limit` for what is broken in it.
pub(crate) fn expanded(path: &Path) -> Result<Vec<PathBuf>> {
    let Some(text) = as_name(path) else { return Ok(vec![path.to_owned()]) };
    let (there, missing) = looked_up(&[text])?;
    refuse(&missing)?;
    Ok(there)
}

/// A path as tables show it: a place in the cache of the Hub by its name there.
#[cfg(feature = "cli")]
pub(crate) fn display(path: &Path) -> String {
    let path = path.display().to_string();
    shown(&path).unwrap_or(path)
}

/// Checks that every name of the Hub among these paths is in the cache, so that one command downloads all that are not.
///
/// ```
/// use std::path::Path;
///
/// assert!(lorascope::hub::check([Path::new("runs/seed0")]).is_ok());
/// let error = lorascope::hub::check([Path::new("hf://datasets/org/name")]).unwrap_err();
/// assert_eq!(error.to_string(), "hf://datasets/org/name: found a dataset, expected a model");
/// ```
///
/// # Errors
/// - `Invalid` for a name of the Hub that is not a model's or a collection's.
/// - `NotFound` when some are not in the cache, with a command that downloads all of them.
/// - `Io` when the system refuses to read the cache; `Malformed` and `Limit` for what is broken in it.
pub fn check<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    let names: Vec<&str> = paths.into_iter().filter_map(as_name).collect();
    refuse(&looked_up(&names)?.1)
}

/// What the cache has of all these names, and what it has not.
fn looked_up(names: &[&str]) -> Result<(Vec<PathBuf>, Vec<NotThere>)> {
    let (mut there, mut missing) = (vec![], vec![]);
    if names.is_empty() {
        return Ok((there, missing));
    }
    let mut add = |found| match found {
        Lookup::There(path) => there.push(path),
        Lookup::NotThere(one) if !missing.contains(&one) => missing.push(one),
        Lookup::NotThere(_) => {}
    };
    let mut cache = None;
    for name in names {
        let name = Name::parse(name)?;
        let cache = match &cache {
            Some(cache) => cache,
            None => cache.insert(Cache::of_user()?),
        };
        match name {
            Name::Repository(one) => add(cache.find(&one)?),
            Name::Collection(one) => match collection::find(cache, &one)? {
                Ok(repositories) => {
                    for one in &repositories {
                        add(cache.find(one)?);
                    }
                }
                Err(missing) => add(Lookup::NotThere(missing)),
            },
        }
    }
    Ok((there, missing))
}

/// One error for all that is missing.
fn refuse(missing: &[NotThere]) -> Result<()> {
    let [first, more @ ..] = missing else { return Ok(()) };
    let more = match more {
        [] => String::new(),
        [_] => "; nor is another one".to_owned(),
        more => format!("; nor are {} others", more.len()),
    };
    // One line for all, to be pasted.
    let commands: Vec<&str> = missing.iter().map(|one| one.command.as_str()).collect();
    let fault = Fault::stating(format!("{}{more}", first.fact)).at(&first.name);
    Err(fault.hint(commands.join(" && ")).not_found())
}
