//! Searches a folder for adapters, which are recognised by content.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use walkdir::WalkDir;

use crate::adapter::Adapter;
use crate::error::{Error, Fault, Remedy, Result};
use crate::files::FileId;
use crate::formats::containers::has_suffix;
use crate::formats::folder::{self, CONFIG, MODELS, Own};
use crate::formats::full::{Role, is_model_folder, pipeline_of, role};
use crate::formats::limits::Limits;
use crate::formats::options::OpenOptions;
use crate::formats::shards::{indexed, shard};
use crate::hub;
use crate::names::natural_cmp;
use crate::text::some_of;

/// What a folder holds, each list in natural order of the paths.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Discovered {
    /// Adapters, each a path for [`OpenOptions::open_all`]: a folder of one, or a file (of one in shards, the first).
    pub checkpoints: Vec<PathBuf>,
    /// Files that are not adapters, with what they are: optimizer states, tokenizers, full models, text, a second link to
    /// a checkpoint.
    pub ignored: Vec<(PathBuf, String)>,
    /// Checkpoints that cannot be read, with the reason: cut short, damaged, hostile, or of a method without A and B.
    pub bad: Vec<(PathBuf, Error)>,
}

/// Finds every adapter at and under `path`, within these limits. Reads only headers. Links are followed, and a file counts
/// once even if several links of either kind lead to it.
///
/// A folder with an `adapter_model.safetensors` or `.bin`, MLX's `adapters.safetensors`, the shards of one of these, or
/// diffusers' `pytorch_lora_weights` as its only safetensors file is one adapter, and so is every other file that opens as
/// one. Other files are recognised by their first bytes. The name decides only if these are of no
/// known kind, or show that the content was lost (an empty file, a web page, a Git LFS pointer): with the suffix of a
/// checkpoint, such as `.safetensors` or `.ckpt`, the file counts as damaged.
///
/// # Errors
/// As [`OpenOptions::open_all`] if `path` is not a folder, `Io` if it cannot be listed.
///
/// ```
/// let found = lorascope::discover("tests/data/adapters/roberta-mrpc".as_ref(), &lorascope::Limits::default())?;
/// let names: Vec<_> = found.checkpoints.iter().filter_map(|path| path.file_name()).collect();
/// assert_eq!(names, ["checkpoint-230", "checkpoint-460"]);
/// assert_eq!(found.ignored.len(), 1); // the licence
/// # Ok::<(), lorascope::Error>(())
/// ```
pub fn discover(path: &Path, limits: &Limits) -> Result<Discovered> {
    Ok(search(path, &OpenOptions::new().limits(limits.clone()), drop)?.0)
}

/// As [`discover`], and keeps of the opened adapters what `keep` returns, since all of them may be too many.
pub(crate) fn search<T: Send>(
    path: &Path,
    options: &OpenOptions,
    keep: impl Fn(Vec<Adapter>) -> T + Sync,
) -> Result<(Discovered, Vec<T>)> {
    let path = &*hub::local(path)?;
    let mut found = Discovered::default();
    if !path.is_dir() {
        let adapters = options.open_all(path)?;
        found.checkpoints.push(path.to_owned());
        return Ok((found, vec![keep(adapters)]));
    }
    let candidates = candidates(path, options.trained.is_some(), &mut found)?;
    let kinds: Vec<Kind<T>> = candidates.par_iter().map(|candidate| candidate.kind(options, &keep)).collect();
    let mut checkpoints = vec![];
    for (candidate, kind) in candidates.into_iter().zip(kinds) {
        match kind {
            Kind::Checkpoint(kept) => checkpoints.push((candidate.path, kept)),
            Kind::Other(what) => found.ignored.push((candidate.path, what)),
            Kind::Bad(error) => found.bad.push((candidate.path, error)),
        }
    }
    let by_path = |a: &Path, b: &Path| natural_cmp(&a.to_string_lossy(), &b.to_string_lossy());
    checkpoints.sort_by(|a, b| by_path(&a.0, &b.0));
    found.ignored.sort_by(|a, b| by_path(&a.0, &b.0));
    found.bad.sort_by(|a, b| by_path(&a.0, &b.0));
    let (paths, kept) = checkpoints.into_iter().unzip();
    found.checkpoints = paths;
    Ok((found, kept))
}

/// What is left out of a folder since it is not a file.
const SPECIAL: &str = "a pipe or a device";

/// Of what a search left out, the pipes, sockets and devices that are named as checkpoints are.
#[cfg(feature = "scan")]
pub(crate) fn special_files(ignored: &[(PathBuf, String)]) -> impl Iterator<Item = &Path> {
    ignored.iter().filter(|(path, what)| what == SPECIAL && has_suffix(path)).map(|(path, _)| path.as_path())
}

/// More files than this are not searched for the one adapter that a folder was named for.
const MAX_FILES: usize = 10_000;

/// The path of the only adapter in a folder.
///
/// # Errors
/// `Invalid` when there is none, or several; that of a checkpoint that cannot be read, if there is no other; `Io`.
pub(super) fn only(path: &Path, options: &OpenOptions) -> Result<PathBuf> {
    if WalkDir::new(path).follow_links(true).into_iter().take(MAX_FILES + 1).count() > MAX_FILES {
        let fault = Fault::new(format!("more than {MAX_FILES} files"), "an adapter's folder").at(path);
        return Err(fault.hint("name the adapter's own folder or file").invalid());
    }
    let (Discovered { mut checkpoints, mut bad, .. }, _) = search(path, options, drop)?;
    match (checkpoints.len(), bad.len()) {
        (1, 0) => Ok(checkpoints.remove(0)),
        (0, 1) => Err(bad.remove(0).1),
        (0, 0) if is_model_folder(path) => {
            let fault = Fault::new("a full model", "an adapter's folder").at(path);
            Err(fault.remedy(Remedy::NameBase).invalid())
        }
        (0, 0) => Err(folder::no_adapter(path)?),
        (n, n_bad) => {
            let unreadable =
                if n_bad > 0 { format!(" and {n_bad} that cannot be read") } else { String::new() };
            let paths = checkpoints.iter().chain(bad.iter().map(|(path, _)| path));
            let hint = format!("name one of {}", some_of(paths.map(|path| path.display().to_string())));
            let found =
                format!("{n} adapters{unreadable}").replacen("1 adapters", "1 adapter", usize::from(n == 1));
            Err(Fault::new(found, "one adapter in the folder").at(path).hint(hint).invalid())
        }
    }
}

/// A file, or the folder that it is the adapter of.
struct Candidate {
    path: PathBuf,
    file: PathBuf,
    /// The file's path with all links resolved, if the system can.
    real: Option<PathBuf>,
    id: Option<FileId>,
}

enum Kind<T> {
    /// What is kept of its adapters, of which a file may hold several.
    Checkpoint(T),
    Other(String),
    Bad(Error),
}

impl Candidate {
    fn kind<T>(&self, options: &OpenOptions, keep: impl Fn(Vec<Adapter>) -> T) -> Kind<T> {
        match options.open_all(&self.path) {
            Ok(adapters) => Kind::Checkpoint(keep(adapters)),
            Err(error) => match other_kind(&error) {
                // Of a checkpoint whose content was lost, only the name remains.
                Some(_) if matches!(error, Error::Malformed(_)) && has_suffix(&self.file) => Kind::Bad(error),
                Some(what) => Kind::Other(what.to_owned()),
                None => Kind::Bad(error),
            },
        }
    }
}

/// What the file is according to the error, if it is not a checkpoint at all.
fn other_kind(error: &Error) -> Option<&str> {
    let (fault, is_known) = match error {
        // The fault lies in a part, so the file was taken for what it is not.
        Error::Malformed(fault) => (fault, fault.subject.is_none()),
        Error::Unsupported(fault) => (fault, true),
        _ => return None,
    };
    let what = if is_known { fault.found.as_str() } else { "binary data of no known kind" };
    fault.is_other_kind.then_some(what)
}

/// Every file to look into, each once; with `full` models, a folder of one for its file, and a pipeline's folder for all of its components'
/// files. What cannot be opened goes straight to `found`.
fn candidates(root: &Path, full: bool, found: &mut Discovered) -> Result<Vec<Candidate>> {
    let mut files = vec![];
    for entry in WalkDir::new(root).follow_links(true) {
        match entry {
            Ok(entry) if entry.file_type().is_dir() => {}
            Ok(entry) if entry.file_type().is_file() => files.push(entry.into_path()),
            Ok(entry) => found.ignored.push((entry.into_path(), SPECIAL.into())),
            Err(error) => refused(root, error, found)?,
        }
    }
    files.sort_by(|a, b| natural_cmp(&a.to_string_lossy(), &b.to_string_lossy()));
    let mut candidates: Vec<Candidate> =
        files.chunk_by(|a, b| a.parent() == b.parent()).flat_map(|files| in_folder(files, full)).collect();
    if full {
        let mut pipelines: HashMap<PathBuf, bool> = HashMap::new();
        candidates.retain_mut(|candidate| {
            let Some(pipeline) = pipeline_of(&candidate.file) else { return true };
            candidate.path = pipeline.to_owned();
            !std::mem::replace(pipelines.entry(pipeline.to_owned()).or_default(), true)
        });
    }
    candidates.par_iter_mut().for_each(|candidate| {
        candidate.real = candidate.file.canonicalize().ok();
        candidate.id = FileId::of(&candidate.file);
    });
    // An adapter's folder takes precedence over a bare file, and a file over a link to it.
    let real_root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let mut taken: HashMap<FileId, PathBuf> = HashMap::new();
    candidates.sort_by_cached_key(|Candidate { path, file, real, .. }| {
        let in_place = file.strip_prefix(root).map(|inner| real_root.join(inner)).ok();
        (path == file, real.is_none() || *real != in_place)
    });
    candidates.retain(|candidate| {
        let Some(id) = &candidate.id else { return true };
        match taken.get(id) {
            None => {
                taken.insert(id.clone(), candidate.path.clone());
                true
            }
            Some(first) => {
                let what = format!("the same file as {}", first.display());
                found.ignored.push((candidate.path.clone(), what));
                false
            }
        }
    });
    Ok(candidates)
}

/// What may be an adapter, or a `full` model, of the files of one folder: without the config of an adapter, older files, and all shards of
/// a file but the first.
fn in_folder(files: &[PathBuf], full: bool) -> Vec<Candidate> {
    let name = |file: &PathBuf| file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let names: Vec<String> = files.iter().map(name).collect();
    let own = folder::own(&names);
    let mut first_shards: BTreeSet<String> = BTreeSet::new();
    let sharded: BTreeSet<String> = names.iter().filter_map(|name| Some(shard(name)?.0)).collect();
    let mut candidates = vec![];
    for (file, name) in files.iter().zip(&names) {
        let whole = shard(name).map(|(whole, ..)| whole).or_else(|| indexed(name).map(str::to_owned));
        let is_own = match (&own, &whole) {
            (Some(Own::File(model)), _) => model == name,
            (Some(Own::Shards(model)), Some(whole)) => model == whole,
            _ => false,
        };
        let is_left_out = match &whole {
            // The index stands for shards only where there are none.
            Some(whole) if indexed(name).is_some() && sharded.contains(whole) => true,
            Some(whole) => !first_shards.insert(whole.clone()),
            None => own.is_some() && !is_own && MODELS.iter().chain([&CONFIG]).any(|other| other == name),
        };
        let of_model = if full && own.is_none() { role(name, &names) } else { Role::Other };
        if !is_left_out && of_model != Role::Older {
            let folder = file.parent().unwrap_or(Path::new(""));
            let path = if is_own || of_model == Role::Own { folder } else { file };
            candidates.push(Candidate { path: path.to_owned(), file: file.clone(), real: None, id: None });
        }
    }
    candidates
}

/// Sorts what the system did not open.
fn refused(root: &Path, error: walkdir::Error, found: &mut Discovered) -> Result<()> {
    let path = error.path().unwrap_or(root).to_owned();
    if error.loop_ancestor().is_some() {
        found.ignored.push((path, "a link to a folder that it stands in".into()));
        return Ok(());
    }
    let cause = error.into_io_error().unwrap_or_else(|| io::ErrorKind::Other.into());
    if cause.kind() == io::ErrorKind::NotFound && !has_suffix(&path) {
        found.ignored.push((path, "a link to nothing".into()));
        return Ok(());
    }
    let error = Error::io("open", &path, cause);
    if path == root {
        return Err(error);
    }
    found.bad.push((path, error));
    Ok(())
}
