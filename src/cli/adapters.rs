//! The adapters of a command that takes any number of them: found, opened, and what to be careful of with all of them.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;

use super::Outcome;
use super::console::Console;
use super::left_out::{self, LeftOut};
use super::options::SelectionArgs;
use super::warnings::{
    FEW_MEET, Warning, above_size, dora_line, few_meet_line, list_unread, same_holds_for, transposed,
};
use crate::adapter::unread;
use crate::files::FileId;
use crate::formats::search;
use crate::hub;
use crate::scan::ScanWarning;
use crate::scan::inputs::expand;
use crate::text::{counted, listed};
use crate::{Adapter, InAll, OpenOptions};

/// What was opened.
pub(super) struct Adapters {
    /// In the order in which they are named, those of a folder in natural order.
    pub(super) all: Vec<Adapter>,
    /// Whether a bad one was skipped.
    pub(super) outcome: Outcome,
}

/// An adapter, and whether its path was named as it is.
struct Opened {
    adapter: Adapter,
    is_named: bool,
}

/// Leaves one of several names of the same files, a folder, which may have a config, before a file in it. A path that is named
/// twice in the same words is meant twice.
fn each_once(opened: Vec<Opened>, console: &Console) -> Vec<Adapter> {
    let mut kept: HashMap<Vec<FileId>, PathBuf> = HashMap::new();
    for Opened { adapter, .. } in &opened {
        let Some(ids) = adapter.file_ids() else { continue };
        let path = adapter.path();
        let first = kept.entry(ids).or_insert_with(|| path.to_owned());
        if path.is_dir() && !first.is_dir() {
            path.clone_into(first);
        }
    }
    let mut seen: HashSet<OsString> = HashSet::new();
    let mut is_kept = |Opened { adapter, is_named }: &Opened| {
        let path = adapter.path();
        match adapter
            .file_ids()
            .and_then(|ids| kept.get(&ids))
            .filter(|first| first.as_os_str() != path.as_os_str())
        {
            None => seen.insert(path.as_os_str().to_owned()) || *is_named,
            Some(first) => {
                if *is_named {
                    console.note(
                        "left out",
                        format!("{}: the same file as {}", path.display(), first.display()),
                    );
                }
                false
            }
        }
    };
    opened.into_iter().filter(|one| is_kept(one)).map(|one| one.adapter).collect()
}

impl Adapters {
    /// Opens checkpoints. A path that is not one is searched if it is a folder, and expanded if it is a glob; what is found so
    /// counts once.
    pub(super) fn open(named: &[PathBuf], selection: &SelectionArgs, console: &Console) -> Result<Self> {
        selection.check()?;
        Self::open_with(named, &selection.options()?, console)
    }

    /// The same with other options.
    pub(super) fn open_with(named: &[PathBuf], options: &OpenOptions, console: &Console) -> Result<Self> {
        let (mut all, mut outcome) = (vec![], Outcome::Done);
        let mut add = |adapter, is_named| all.push(Opened { adapter, is_named });
        for name in named {
            if options.is_given(name) {
                add(options.open(name)?, true);
                continue;
            }
            for path in expand(name)? {
                if !path.is_dir() || options.is_checkpoint(&path) {
                    match options.open(&path) {
                        Ok(adapter) => {
                            add(adapter, path == *name);
                            continue;
                        }
                        Err(error) if !path.is_dir() => return Err(error.into()),
                        Err(_) => {}
                    }
                }
                let (found, adapters) = search(&path, options, std::convert::identity)?;
                if found.checkpoints.is_empty() && found.bad.is_empty() {
                    // Opened as one, it says what it holds.
                    add(options.open(&path)?, true);
                }
                for (path, what) in &found.ignored {
                    console.detail("ignored", format!("{}: {what}", path.display()));
                }
                if let Some(warning) = ScanWarning::of_special_files(&found.ignored) {
                    console.warning(warning);
                }
                for (_, error) in &found.bad {
                    console.library_error(error);
                    outcome = Outcome::Skipped;
                }
                for (path, adapters) in found.checkpoints.iter().zip(adapters) {
                    match <[Adapter; 1]>::try_from(adapters) {
                        Ok([adapter]) => add(adapter, false),
                        // Opened as one, a file of several says so.
                        Err(_) => add(options.open(path)?, false),
                    }
                }
            }
        }
        Ok(Self { all: each_once(all, console), outcome })
    }

    /// Says which modules are left out, since not all adapters have them.
    pub(super) fn report_left_out(&self, modules: &InAll, console: &Console) {
        if !modules.left_out.is_empty() {
            let n = counted(modules.left_out.len(), "module");
            let names = listed(modules.left_out.iter().map(String::as_str));
            let is = if modules.left_out.len() == 1 { "is" } else { "are" };
            console.note("note", format!("left out: {n} that {is} not in all adapters: {names}"));
        }
        for name in &modules.left_out {
            console.detail("left out", name);
        }
    }

    /// What holds for them whatever is computed, and which of these modules could not be measured. Lists every part of an update
    /// that is not read, for those who want to know.
    pub(super) fn cautions(
        &self,
        unmeasured: &[LeftOut],
        modules: &InAll,
        console: &Console,
    ) -> Vec<Caution> {
        let mut cautions: Vec<Caution> =
            Caution::left_out(unmeasured, modules.modules.len()).into_iter().collect();
        if let Some((place, few)) = modules.few_meet.first() {
            let more = same_holds_for(modules.few_meet.len() - 1, "other checkpoint");
            let line = few_meet_line([self.all[0].path(), self.all[*place].path()], few);
            cautions.push(Caution { code: FEW_MEET, message: format!("{line}{more}") });
        }
        cautions.extend(self.own_cautions(console));
        cautions
    }

    /// What holds for each of them. Lists every part of an update that is not read, for those who want to know.
    pub(super) fn own_cautions(&self, console: &Console) -> Vec<Caution> {
        self.all.iter().for_each(|adapter| list_unread(adapter, console));
        let mut cautions = vec![];
        let mut models: Vec<&str> = self.all.iter().filter_map(Adapter::base_model).collect();
        models.sort_unstable();
        models.dedup();
        if models.len() > 1 {
            cautions.push(Caution {
                code: "base-models-differ",
                message: format!("the configs name different base models: {}", listed(models)),
            });
        }
        if self.all.len() > 1 && self.all.iter().all(|adapter| adapter.naming_scheme().is_numbered()) {
            cautions.push(Caution {
                code: "numbered-modules",
                message: format!(
                    "{} modules are numbered, and the same number may mean another module in another file; they were \
                     matched because all their shapes agree",
                    self.all[0].naming_scheme()
                ),
            });
        }
        let unread: Vec<&Adapter> = self.all.iter().filter(|one| !one.unread_parts().is_empty()).collect();
        if let Some(summary) = unread::summary(unread.iter().flat_map(|one| one.unread_parts())) {
            let message = format!("{}: {summary}", first_and_more(&unread));
            cautions.push(Caution { code: "parts-unread", message });
        }
        let mut dora = self.all.iter().filter_map(dora_line);
        if let Some(first) = dora.next() {
            let message = format!("{first}{}", same_holds_for(dora.count(), "other checkpoint"));
            cautions.push(Caution { code: "dora", message });
        }
        let all: Vec<&Adapter> = self.all.iter().collect();
        let warnings = [transposed(&all), above_size(&all)].into_iter().flatten();
        cautions.extend(warnings.map(Caution::from));
        cautions
    }

    /// The paths without the folders that all have in common; the last part of each stays.
    pub(super) fn short_names(&self) -> Vec<String> {
        let paths = self.all.iter().map(|adapter| hub::display(adapter.path()));
        let parts: Vec<Vec<String>> =
            paths.map(|path| path.split(['/', '\\']).map(str::to_owned).collect()).collect();
        let least = parts.iter().map(|path| path.len() - 1).min().unwrap_or(0);
        let is_common = |at: &usize| parts.iter().all(|path| path[*at] == parts[0][*at]);
        let n_common = (0..least).take_while(is_common).count();
        parts.iter().map(|path| path[n_common..].join("/")).collect()
    }
}

/// The first adapter, and how many more there are.
fn first_and_more(adapters: &[&Adapter]) -> String {
    let first = adapters[0].path().display();
    match adapters.len() - 1 {
        0 => first.to_string(),
        n => format!("{first} and {n} more"),
    }
}

/// One thing to be careful of.
#[derive(Debug, Serialize)]
pub(super) struct Caution {
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl From<Warning> for Caution {
    fn from(warning: Warning) -> Self {
        Self { code: warning.code, message: warning.message }
    }
}

/// An adapter, as `--json` has it.
#[derive(Debug, Serialize)]
pub(super) struct AdapterFacts<'a> {
    path: String,
    base_model: Option<&'a str>,
}

impl Caution {
    /// Which of all modules could not be measured.
    pub(super) fn left_out(left_out: &[LeftOut], n_all: usize) -> Option<Self> {
        left_out::line(left_out, n_all).map(|message| Self { code: "missing-modules", message })
    }
}

impl<'a> AdapterFacts<'a> {
    pub(super) fn of(adapters: &'a [Adapter]) -> Vec<Self> {
        let facts = |adapter: &'a Adapter| Self {
            path: adapter.path().display().to_string(),
            base_model: adapter.base_model(),
        };
        adapters.iter().map(facts).collect()
    }
}
