//! An adapter that is cut into several files: `STEM-00001-of-00003.safetensors` and so on, as Hugging Face's libraries write
//! them, usually with an index that says which tensor is where.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::adapter::Source;
use crate::error::{Error, Fault, Result};
use crate::formats::limits::{Limit, Limits};
use crate::text::{listed, quoted, some_of};

/// What the name of an index ends with, after the name that the whole file would have.
const INDEX: &str = ".index.json";

/// The whole file of which `name` is a shard, and its number of all: `adapter_model.bin`, 1, 3.
pub(super) fn shard(name: &str) -> Option<(String, u32, u32)> {
    let (stem, suffix) = name.rsplit_once('.')?;
    let (front, n) = stem.rsplit_once("-of-")?;
    let (front, k) = front.rsplit_once('-')?;
    let number = |digits: &str| {
        let is_number = (1..=6).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().ok())?
    };
    let (k, n) = (number(k)?, number(n)?);
    ((1..=n).contains(&k) && !front.is_empty()).then(|| (format!("{front}.{suffix}"), k, n))
}

/// The whole file of which `name` is the index.
pub(super) fn indexed(name: &str) -> Option<&str> {
    name.strip_suffix(INDEX).filter(|whole| !whole.is_empty())
}

/// The shards of an adapter.
#[derive(Debug)]
pub(super) struct Shards {
    /// Those that are there, in natural order.
    pub(super) files: Vec<PathBuf>,
    /// What is wrong where some are not.
    pub(super) missing: Option<Error>,
    index: Option<Index>,
}

/// Which tensor is in which file.
#[derive(Debug)]
struct Index {
    path: PathBuf,
    files: BTreeMap<String, String>,
}

impl Shards {
    /// The shards of `whole` in a folder with these names, by its index, else by their names.
    ///
    /// # Errors
    /// `Malformed` for an index that is not one or leads out of the folder, `Invalid` for shards of two saves, `Limit` when the
    /// index is too large, `Io`.
    pub(super) fn of_folder(folder: &Path, whole: &str, names: &[String], limits: &Limits) -> Result<Self> {
        Self::of(folder, whole, limits, || by_name(folder, whole, names))
    }

    /// The shards that a file belongs to, one of them or the index of `whole`. Looks only for these, since the folder may have
    /// thousands of others.
    ///
    /// # Errors
    /// As [`Shards::of_folder`].
    pub(super) fn of_file(file: &Path, whole: &str, limits: &Limits) -> Result<Self> {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        Self::of(folder, whole, limits, || Ok(beside(folder, &name)))
    }

    fn of(
        folder: &Path,
        whole: &str,
        limits: &Limits,
        without_index: impl FnOnce() -> Result<Found>,
    ) -> Result<Self> {
        let path = folder.join(format!("{whole}{INDEX}"));
        let index = match path.symlink_metadata().is_ok() {
            true => Some(Index::read(&path, limits)?),
            false => None,
        };
        let is_there = |name: &str| folder.join(name).symlink_metadata().is_ok();
        let (there, missing): Found = match &index {
            Some(index) => {
                let all: BTreeSet<&String> = index.files.values().collect();
                let missing: Vec<String> =
                    all.iter().filter(|name| !is_there(name)).map(|name| (**name).clone()).collect();
                let missing = (!missing.is_empty()).then_some((path, missing));
                (all.into_iter().filter(|name| is_there(name)).cloned().collect(), missing)
            }
            None => without_index()?,
        };
        let missing = missing.map(|(path, names)| {
            let (shard, it) = if names.len() == 1 { ("shard", "it") } else { ("shards", "them") };
            let found = format!("no {shard} {}", listed(names.iter().map(String::as_str)));
            let fault = Fault::new(found, "every shard next to the others");
            fault.at(path).hint(format!("download or copy {it} too")).malformed()
        });
        Ok(Self { files: there.iter().map(|name| folder.join(name)).collect(), missing, index })
    }

    /// What is wrong with a tensor of a shard, if the index places it elsewhere.
    pub(super) fn misplaced(&self, shard: &Path, tensor: &str) -> Option<Error> {
        let index = self.index.as_ref()?;
        let expected = match index.files.get(tensor) {
            Some(name) if shard.file_name().is_some_and(|file| file == name.as_str()) => return None,
            Some(name) => format!("it in {}, as {} says", quoted(name), index.path.display()),
            None => format!("only tensors that {} lists", index.path.display()),
        };
        Some(
            Fault::new("it in this shard", expected)
                .at(shard)
                .of(format!("tensor {}", quoted(tensor)))
                .malformed(),
        )
    }

    /// What is wrong when a tensor of the index is in none of the shards.
    pub(super) fn absent(&self, is_there: impl Fn(&str) -> bool) -> Option<Error> {
        let index = self.index.as_ref()?;
        let (tensor, file) = index.files.iter().find(|(tensor, _)| !is_there(tensor))?;
        let shard = index.path.with_file_name(file);
        let found = format!("no tensor {}", quoted(tensor));
        let expected = format!("it, as {} says", index.path.display());
        Some(Fault::new(found, expected).at(shard).malformed())
    }
}

/// The names of shards that are there, and those that are missing as far as they were looked for, with what says that they should
/// be there.
type Found = (Vec<String>, Option<(PathBuf, Vec<String>)>);

/// The shards that a file of this name counts: up to the first that is missing, and it.
fn beside(folder: &Path, name: &str) -> Found {
    let Some((_, own, n)) = shard(name) else { return (vec![], None) };
    let is_there = |name: &String| folder.join(name).symlink_metadata().is_ok();
    let mut there: Vec<String> = (1..=n).map_while(|k| renumbered(name, k)).take_while(is_there).collect();
    let missing = u32::try_from(there.len()).ok().filter(|&n_there| n_there < n);
    if missing.is_some_and(|before| own > before) {
        there.push(name.to_owned());
    }
    let missing = missing.and_then(|before| renumbered(name, before + 1));
    (there, missing.map(|name| (folder.to_owned(), vec![name])))
}

/// The shards of these names, and the first that is missing among those that the names count.
fn by_name(folder: &Path, whole: &str, names: &[String]) -> Result<Found> {
    let mut there: BTreeMap<u32, BTreeMap<u32, &String>> = BTreeMap::new();
    for name in names {
        if let Some((of, k, n)) = shard(name)
            && of == whole
        {
            there.entry(n).or_default().insert(k, name);
        }
    }
    if there.len() > 1 {
        let shown = some_of(there.values().flat_map(BTreeMap::values).map(|name| (*name).clone()));
        let fault = Fault::new(format!("shards of several saves: {shown}"), "those of one").at(folder);
        return Err(fault.hint("name one of the shards that belong together").invalid());
    }
    let Some((n, there)) = there.pop_first() else { return Ok((vec![], None)) };
    let missing = (1..=n)
        .find(|k| !there.contains_key(k))
        .and_then(|k| Some((folder.to_owned(), vec![renumbered(there.values().next()?, k)?])));
    Ok((there.into_values().cloned().collect(), missing))
}

/// The name of another shard of the same file.
fn renumbered(name: &str, k: u32) -> Option<String> {
    let at = name.rfind("-of-")?;
    let start = name[..at].rfind('-')? + 1;
    let width = at - start;
    Some(format!("{}{k:0width$}{}", &name[..start], &name[at..]))
}

#[derive(Deserialize)]
struct IndexFields {
    weight_map: BTreeMap<String, String>,
}

impl Index {
    fn read(path: &Path, limits: &Limits) -> Result<Self> {
        let fault = |found: String, expected: String| Fault::new(found, expected).at(path);
        let source = Source::file(path)?;
        let reader = source.open()?;
        let n_bytes = reader.n_bytes();
        limits.check(Limit::HeaderBytes, n_bytes, path, || format!("{n_bytes} bytes"))?;
        let text = reader.head(n_bytes as usize)?;
        let IndexFields { weight_map } = serde_json::from_slice(&text).map_err(|error| {
            let found = format!("JSON that cannot be read ({error})");
            fault(found, "an index of shards: an object with a weight_map of file names".into()).malformed()
        })?;
        let is_plain = |name: &str| {
            let mut parts = Path::new(name).components();
            let is_one = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None));
            is_one && !name.contains(['/', '\\', ':', '\0'])
        };
        if let Some((tensor, name)) = weight_map.iter().find(|(_, name)| !is_plain(name)) {
            let fault =
                fault(format!("the file {}", quoted(name)), "a file in the folder of the index".into());
            return Err(fault.of(format!("tensor {}", quoted(tensor))).malformed());
        }
        Ok(Self { path: path.to_owned(), files: weight_map })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_known_by_their_numbers() {
        let whole = |name: &str| shard(name);
        assert_eq!(whole("adapter_model-00002-of-00003.bin"), Some(("adapter_model.bin".into(), 2, 3)));
        assert_eq!(whole("a-b-1-of-2.x.pt"), None);
        assert_eq!(whole("a-b-1-of-2.pt"), Some(("a-b.pt".into(), 1, 2)));
        for name in [
            "a-0-of-2.pt",
            "a-3-of-2.pt",
            "a-of-2.pt",
            "a-1-of-.pt",
            "a-1-of-2",
            "-1-of-2.pt",
            "a-+1-of-2.pt",
        ] {
            assert_eq!(whole(name), None, "{name}");
        }
        assert_eq!(
            renumbered("x-1-of-2-00001-of-00012.pt", 7).as_deref(),
            Some("x-1-of-2-00007-of-00012.pt")
        );
        assert_eq!(indexed("x.safetensors.index.json"), Some("x.safetensors"));
        assert_eq!([indexed(".index.json"), indexed("x.json")], [None, None]);
    }
}
