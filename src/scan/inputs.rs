//! From what the user named to the checkpoints of a scan: paths, globs, folders and lists.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::AtomicBool;

use glob::Pattern;
use rayon::prelude::*;

use super::event::{Event, ScanWarning, SkippedInput};
use super::header::{HeaderSummary, ModuleLists};
use super::naming::named;
use super::near;
use super::plan::{PairChoice, Plan, PlannedAdapter};
use super::side_modules::SideModules;
use crate::adapter::Adapter;
use crate::error::{Error, Fault, Remedy, Result};
use crate::files::FileId;
use crate::formats::{Discovered, OpenOptions, search};
use crate::hub;
use crate::names::natural_cmp;
use crate::sync::stop::{self, NEVER};
use crate::text::{quoted, some_of};

/// What was found, each list in natural order.
#[derive(Debug, Default)]
pub struct Inputs {
    /// Checkpoints by their headers, each once.
    pub runs: Vec<HeaderSummary>,
    /// Files of searched folders that are no checkpoints, and what they are.
    pub ignored: Vec<(PathBuf, String)>,
    /// What should be a checkpoint, and what is wrong with it.
    pub bad: Vec<(PathBuf, Error)>,
}

/// The inputs of a scan.
#[derive(Debug)]
pub(super) struct NamedInputs {
    /// Every checkpoint's header.
    pub(super) opened: Vec<HeaderSummary>,
    /// Which of them are paired, references by the paths that they have among the inputs.
    pub(super) pairs: PairChoice,
    /// Checkpoints that cannot be read.
    pub(super) skipped: Vec<SkippedInput>,
    /// Files that are not checkpoints.
    pub(super) n_ignored: usize,
}

impl NamedInputs {
    /// Finds the inputs and the references of `pairs`, and tells what is not a checkpoint or cannot be read. With a `plan`, what
    /// is gone of its inputs may be named still.
    ///
    /// # Errors
    /// As [`Finder::find`]; for `strict`, the first error of a checkpoint; `Stopped` when it was told to stop.
    pub(super) fn find(
        modules: &SideModules,
        named: &[PathBuf],
        mut pairs: PairChoice,
        plan: Option<&Plan>,
        strict: bool,
        stop: &AtomicBool,
        emit: impl Fn(&Event),
    ) -> Result<Self> {
        hub::check(named.iter().map(PathBuf::as_path))?;
        let finder = Finder::new(modules)?.stopped_by(stop);
        let find = |named: &[PathBuf]| match plan {
            Some(plan) => finder.find_any(&still_there(named, plan)),
            None => finder.find(named),
        };
        let mut found = find(named)?;
        let n_ignored = found.ignored.len();
        let special = ScanWarning::of_special_files(&found.ignored);
        for (path, what) in std::mem::take(&mut found.ignored) {
            emit(&Event::Ignored { path, what });
        }
        if let Some(warning) = special {
            emit(&Event::Warning(warning));
        }
        if let PairChoice::Against(references) = &mut pairs {
            let mut chosen = of_references(find, references, &mut found)?;
            if let Some(PairChoice::Against(first)) = plan.map(|plan| &plan.options.pairs) {
                let is_there = |path: &&PathBuf| found.runs.iter().any(|run| run.path == **path);
                chosen.extend(first.iter().filter(|path| !is_there(path)).cloned());
                chosen.sort_by(|a, b| by_path(a, b));
            }
            *references = chosen;
        }
        let mut skipped = vec![];
        for (path, error) in found.bad {
            if strict {
                return Err(error);
            }
            let event = Event::Skipped(SkippedInput { path, error });
            emit(&event);
            if let Event::Skipped(input) = event {
                skipped.push(input);
            }
        }
        if found.runs.is_empty() && plan.is_none() {
            let fact = match skipped.len() {
                1 => "the only checkpoint cannot be read".to_owned(),
                n => format!("none of {n} checkpoints can be read"),
            };
            return Err(Fault::stating(fact).of("scan").invalid());
        }
        Ok(Self { opened: found.runs, pairs, skipped, n_ignored })
    }
}

/// The paths of the adapters that references name: those of the inputs, else checkpoints of their own, which become inputs.
///
/// # Errors
/// As [`Finder::find`].
fn of_references(
    find: impl Fn(&[PathBuf]) -> Result<Inputs>,
    references: &[PathBuf],
    found: &mut Inputs,
) -> Result<Vec<PathBuf>> {
    let (mut chosen, mut others) = (HashSet::new(), vec![]);
    for reference in references {
        let places = named(found.runs.iter().map(|run| run.path.as_path()), &reference.to_string_lossy());
        match places {
            Ok(places) if !places.is_empty() => {
                chosen.extend(places.into_iter().map(|place| place_of(&found.runs[place])));
            }
            _ => others.push(reference.clone()),
        }
    }
    if !others.is_empty() {
        let of_others = find(&others)?;
        // A reference that is also an input may have been named in another way.
        chosen.extend(of_others.runs.iter().map(place_of));
        found.join(of_others);
    }
    let is_chosen = |run: &&HeaderSummary| chosen.contains(&place_of(run));
    Ok(found.runs.iter().filter(is_chosen).map(|run| run.path.clone()).collect())
}

/// Finds checkpoints and opens their headers, each once.
pub struct Finder<'a> {
    modules: &'a SideModules,
    options: OpenOptions,
    lists: ModuleLists,
    stop: &'a AtomicBool,
}

impl<'a> Finder<'a> {
    /// Nothing is read yet.
    ///
    /// # Errors
    /// As [`SideModules::open_options`].
    pub fn new(modules: &'a SideModules) -> Result<Self> {
        Ok(Self { modules, options: modules.open_options()?, lists: ModuleLists::default(), stop: &NEVER })
    }

    /// Ends early when this is set.
    pub fn stopped_by(self, stop: &'a AtomicBool) -> Self {
        Self { stop, ..self }
    }

    /// Finds the checkpoints. A folder is searched, a glob is expanded, anything else is a checkpoint by itself.
    ///
    /// # Errors
    /// `NotFound` for a path or a glob that names nothing, `Invalid` where there is no checkpoint, `Io` when the system
    /// refuses.
    pub fn find(&self, named: &[PathBuf]) -> Result<Inputs> {
        if named.is_empty() {
            return Err(Fault::new("no input", "checkpoints, folders of them, or globs")
                .of("scan")
                .invalid());
        }
        let inputs = self.find_any(named)?;
        if inputs.runs.is_empty() && inputs.bad.is_empty() {
            let shown: Vec<String> = named.iter().map(|path| path.display().to_string()).collect();
            let fact =
                format!("no checkpoint in {} ({} other files)", shown.join(", "), inputs.ignored.len());
            return Err(Fault::stating(fact).of("scan").invalid());
        }
        Ok(inputs)
    }

    /// The same, though there may be none.
    ///
    /// # Errors
    /// As [`Finder::find`], and `Stopped` when it was told to stop.
    fn find_any(&self, named: &[PathBuf]) -> Result<Inputs> {
        let mut inputs = Inputs::default();
        let mut files = vec![];
        for path in named {
            for path in expand(path)? {
                match path.is_dir() {
                    true => self.search(&path, &mut inputs)?,
                    // A file that is named is meant: what is wrong with it is an error.
                    false => files.push(plain(&path)),
                }
            }
        }
        each_once(&mut files, |file| file);
        let opened: Vec<_> = files.par_iter().map(|file| self.open(file)).collect();
        stop::check(self.stop)?;
        inputs.add(files, opened);
        inputs.sort();
        Ok(inputs)
    }

    fn search(&self, folder: &Path, inputs: &mut Inputs) -> Result<()> {
        let only = |adapters| self.only(adapters);
        let (Discovered { checkpoints, ignored, bad }, opened) = search(folder, &self.options, only)?;
        stop::check(self.stop)?;
        inputs.add(checkpoints.iter().map(|path| plain(path)).collect(), opened);
        inputs.ignored.extend(ignored);
        inputs.bad.extend(bad);
        Ok(())
    }

    fn open(&self, path: &Path) -> Result<HeaderSummary> {
        stop::check(self.stop)?;
        self.only(self.options.open_all(path)?)
    }

    /// What is kept of the adapters of a file, which must be one.
    fn only(&self, adapters: Vec<Adapter>) -> Result<HeaderSummary> {
        let opened = match <[Adapter; 1]>::try_from(adapters) {
            Ok([adapter]) => Ok(adapter),
            // Of a model and its averages, the model is meant.
            Err(adapters) => self.options.open(adapters[0].path()).map_err(|_| adapters),
        };
        let adapter = opened.map_err(|adapters| {
            let names = adapters.iter().map(|adapter| quoted(adapter.adapter_name().unwrap_or_default()));
            let found = format!("{} adapters ({})", adapters.len(), some_of(names));
            let hint = "a scan takes one adapter from a file: give each a file of its own";
            Fault::new(found, "one adapter in a file").at(adapters[0].path()).hint(hint).unsupported()
        })?;
        HeaderSummary::of(adapter, self.modules).map(|opened| self.lists.share(opened))
    }
}

impl Inputs {
    /// Takes up what was found elsewhere.
    pub fn join(&mut self, other: Self) {
        self.runs.extend(other.runs);
        self.bad.extend(other.bad);
        self.sort();
    }

    fn add(&mut self, paths: Vec<PathBuf>, opened: Vec<Result<HeaderSummary>>) {
        for (path, opened) in paths.into_iter().zip(opened) {
            match opened {
                Ok(opened) => self.runs.push(HeaderSummary { path, ..opened }),
                Err(error) => self.bad.push((path, error)),
            }
        }
    }

    fn sort(&mut self) {
        self.runs.sort_by(|a, b| by_path(&a.path, &b.path));
        self.bad.sort_by(|a, b| by_path(&a.0, &b.0));
        self.each_run_once();
        each_once(&mut self.bad, |(path, _)| path);
    }

    /// Of several names for the same files the first counts, and a folder, which may have a config, before a file in it.
    fn each_run_once(&mut self) {
        let mut firsts: HashMap<Place, (bool, PathBuf)> = HashMap::new();
        for run in &self.runs {
            let is_folder = run.path.is_dir();
            match firsts.entry(place_of(run)) {
                Entry::Vacant(entry) => _ = entry.insert((is_folder, run.path.clone())),
                Entry::Occupied(mut entry) if is_folder && !entry.get().0 => {
                    entry.insert((true, run.path.clone()));
                }
                Entry::Occupied(_) => {}
            }
        }
        let mut kept = HashSet::new();
        self.runs.retain(|run| {
            let place = place_of(run);
            firsts.get(&place).is_some_and(|(_, path)| *path == run.path) && kept.insert(place)
        });
    }
}

fn by_path(a: &Path, b: &Path) -> std::cmp::Ordering {
    natural_cmp(&a.to_string_lossy(), &b.to_string_lossy())
}

/// What is named without what is gone, if the plan has adapters there.
fn still_there(named: &[PathBuf], plan: &Plan) -> Vec<PathBuf> {
    let is_there = |path: &PathBuf| {
        let known = plain(path);
        let pattern = Pattern::new(&known.to_string_lossy()).ok();
        let is_known = |adapter: &PlannedAdapter| {
            let fits = |pattern: &Pattern| pattern.matches(&adapter.path.to_string_lossy());
            adapter.path.starts_with(&known) || pattern.as_ref().is_some_and(fits)
        };
        expand(path).is_ok() || !plan.adapters.iter().any(is_known)
    };
    named.iter().filter(|path| is_there(path)).cloned().collect()
}

/// What tells checkpoints apart: their files, or the path if the system does not know those.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Place {
    Files(Box<[FileId]>),
    Path(PathBuf),
}

fn place_of(run: &HeaderSummary) -> Place {
    match run.files.is_empty() {
        true => Place::Path(canonical_path(&run.path)),
        false => Place::Files(run.files.clone()),
    }
}

/// Where a path leads to, however it is named; the path itself if the system does not know.
fn canonical_path(path: &Path) -> PathBuf {
    std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Leaves the first of several that lie at the same place.
fn each_once<T: Sync>(list: &mut Vec<T>, path: impl Fn(&T) -> &PathBuf + Sync) {
    let places: Vec<PathBuf> = list.par_iter().map(|item| canonical_path(path(item))).collect();
    let mut seen = HashSet::with_capacity(places.len());
    let mut is_first = places.iter().map(|place| seen.insert(place));
    list.retain(|_| is_first.next().unwrap_or(false));
}

/// A path as it is, everything that it matches as a glob, or what the cache has of a name of the Hub.
pub(crate) fn expand(path: &Path) -> Result<Vec<PathBuf>> {
    if hub::as_name(path).is_some() {
        return hub::expanded(path);
    }
    if path.symlink_metadata().is_ok() {
        return Ok(vec![path.to_owned()]);
    }
    let text = path.to_string_lossy();
    if !text.contains(['*', '?', '[']) {
        return Err(Fault::no_such_file(path).not_found());
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
    match paths.is_empty() {
        true => {
            let mut fault = Fault::stating("no file matches this glob").at(path);
            fault.remedy = near::instead_of(path).map(Remedy::Text);
            Err(fault.not_found())
        }
        false => Ok(paths),
    }
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
    fn a_dot_in_a_path_changes_nothing() {
        assert_eq!(plain(Path::new("./a/./b")), Path::new("a/b"));
        assert_eq!(plain(Path::new("../a")), Path::new("../a"));
        assert_eq!(plain(Path::new(".")), Path::new("."));
    }

    #[test]
    fn a_glob_that_matches_nothing_is_an_error() {
        let error = expand(Path::new("src/*.safetensors")).unwrap_err();
        assert_eq!(error.to_string(), "src/*.safetensors: no file matches this glob");
        assert!(error.hint().unwrap().starts_with("the folder `src` has `"), "{:?}", error.hint());
        assert!(expand(Path::new("src/nothing")).is_err());
        assert!(expand(Path::new("src/*.rs")).unwrap().contains(&PathBuf::from("src/lib.rs")));
    }
}
