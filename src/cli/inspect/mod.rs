//! `lorascope inspect`: what checkpoints contain, from their headers, and their spectra on request.

mod args;
mod csv;
mod facts;
mod flawed_line;
mod flaws;
mod spectrum;
mod text;

use std::path::{Path, PathBuf};

use anyhow::Result;
use rayon::prelude::*;
use serde::Serialize;

pub(super) use self::args::{INSPECT_HELP, InspectArgs};
use self::facts::{Checkpoint, Depth, Detail};
use super::console::Console;
use super::left_out;
use super::options::open_options;
use super::warnings::list_unread;
use super::{Outcome, write_json, write_stdout};
use crate::adapter::unread;
use crate::formats::search;
use crate::hub;
use crate::scan::ScanWarning;
use crate::text::counted;
use crate::{Adapter, Error, OpenOptions};

pub(super) fn run(args: &InspectArgs, console: &Console) -> Result<Outcome> {
    args.base.check()?;
    let options = args.options()?;
    let found = Found::at(args, &options, console);
    let by_module = found.checkpoints.len() == 1 || args.spectra;
    for checkpoint in &found.checkpoints {
        left_out::details(&checkpoint.without_spectra, console);
        if let Some(line) = left_out::line(&checkpoint.without_spectra, checkpoint.n_modules) {
            console.warning(format!("spectra of {line}"));
        }
        left_out::details(&checkpoint.flawed, console);
    }
    if let Some(line) = flawed_line::line(&found.checkpoints) {
        console.warning(line);
    }
    if args.json {
        let document = Document {
            schema: 1,
            checkpoints: &found.checkpoints,
            bad: found.bad.iter().map(|(path, error)| Skipped::new(path, error)).collect(),
            ignored: found.ignored.iter().map(|(path, what)| Skipped::new(path, what)).collect(),
        };
        write_json(&document)?;
    } else if args.csv {
        let lines =
            if by_module { csv::modules(&found.checkpoints)? } else { csv::checkpoints(&found.checkpoints)? };
        write_stdout(|stdout| stdout.write_all(&lines))?;
    } else if by_module {
        let texts: Vec<String> = found.checkpoints.iter().map(text::modules).collect();
        write_stdout(|stdout| stdout.write_all(texts.join("\n").as_bytes()))?;
    } else if !found.checkpoints.is_empty() {
        write_stdout(|stdout| stdout.write_all(text::checkpoints(&found.checkpoints).as_bytes()))?;
    }
    found.report_skipped(console)
}

impl InspectArgs {
    /// Opens the one path that is named; several adapters of a file only if `all` may be.
    ///
    /// # Errors
    /// As [`OpenOptions::open`] and [`OpenOptions::open_all`].
    pub(super) fn open(&self, all: bool) -> crate::Result<Vec<Adapter>> {
        let options = self.options()?;
        let path = self.paths.first().map_or(Path::new(""), PathBuf::as_path);
        if all { options.open_all(path) } else { Ok(vec![options.open(path)?]) }
    }

    fn options(&self) -> crate::Result<OpenOptions> {
        self.base.of(open_options(self.adapter_name.as_deref()))
    }
}

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    checkpoints: &'a [Checkpoint],
    /// Checkpoints that could not be read.
    bad: Vec<Skipped>,
    /// Files that are not checkpoints.
    ignored: Vec<Skipped>,
}

#[derive(Serialize)]
struct Skipped {
    path: String,
    what: String,
}

impl Skipped {
    fn new(path: &Path, what: &impl ToString) -> Self {
        Self { path: path.display().to_string(), what: what.to_string() }
    }
}

/// Everything at and under the paths that the user named.
#[derive(Default)]
struct Found {
    checkpoints: Vec<Checkpoint>,
    ignored: Vec<(PathBuf, String)>,
    bad: Vec<(PathBuf, Error)>,
    /// What of the updates is not read, in a few lines.
    unread: Vec<String>,
}

/// A line for each of a few checkpoints with parts that are not read, or one for all of more.
fn unread_lines<'a>(adapters: impl Iterator<Item = &'a Adapter> + Clone) -> Vec<String> {
    let summary = |one: &'a Adapter| Some((one.path().display(), unread::summary(one.unread_parts())?));
    let summaries: Vec<_> = adapters.clone().filter_map(summary).collect();
    let all: Vec<_> = summaries.iter().map(|(path, summary)| (path, summary.as_str())).collect();
    match all.len() {
        0..=MAX_UNREAD_LINES => all.iter().map(|(path, summary)| format!("{path}: {summary}")).collect(),
        _ => unread::of_all(&all, adapters.count()).into_iter().collect(),
    }
}

/// Checkpoints that have a line of their own of what is not read of them.
const MAX_UNREAD_LINES: usize = 4;

impl Found {
    fn at(args: &InspectArgs, options: &OpenOptions, console: &Console) -> Self {
        let mut found = Self::default();
        let mut opened: Vec<(PathBuf, Vec<Adapter>)> = vec![];
        // A folder that is an adapter itself is shown without the checkpoints that may be in it.
        let mut paths = vec![];
        for path in &args.paths {
            match hub::expanded(path) {
                Ok(all) => paths.extend(all),
                Err(error) => found.bad.push((path.clone(), error)),
            }
        }
        let is_one = |path: &PathBuf| !path.is_dir() || options.is_checkpoint(path);
        let direct: Vec<_> =
            paths.par_iter().map(|path| is_one(path).then(|| options.open_all(path))).collect();
        for (path, direct) in paths.iter().zip(direct) {
            match direct {
                Some(Ok(adapters)) => opened.push((path.clone(), adapters)),
                _ if path.is_dir() => match search(path, options, std::convert::identity) {
                    Ok((inside, adapters)) => {
                        opened.extend(inside.checkpoints.into_iter().zip(adapters));
                        found.ignored.extend(inside.ignored);
                        found.bad.extend(inside.bad);
                    }
                    Err(error) => found.bad.push((path.clone(), error)),
                },
                // A bad path does not hide the others.
                Some(Err(error)) => found.bad.push((path.clone(), error)),
                None => {}
            }
        }
        let n_checkpoints: usize = opened.iter().map(|(_, adapters)| adapters.len()).sum();
        let detail = match args.spectra {
            true => Detail::Spectra,
            // A list of checkpoints has no rows of modules.
            false if n_checkpoints > 1 && !args.json => Detail::Checkpoint,
            false => Detail::Modules,
        };
        let looks_at_numbers = flaws::are_few(opened.iter().flat_map(|(_, adapters)| adapters));
        let depth = Depth { detail, looks_at_numbers };
        let facts = |(path, adapters): &(PathBuf, Vec<Adapter>)| -> crate::Result<Vec<Checkpoint>> {
            adapters.iter().map(|adapter| Checkpoint::of(path, adapter, depth)).collect()
        };
        let checkpoints: Vec<_> = opened.par_iter().map(facts).collect();
        found.unread = unread_lines(opened.iter().flat_map(|(_, adapters)| adapters));
        let adapters = opened.iter().flat_map(|(_, adapters)| adapters);
        adapters.for_each(|adapter| list_unread(adapter, console));
        for ((path, _), checkpoints) in opened.into_iter().zip(checkpoints) {
            match checkpoints {
                Ok(checkpoints) => found.checkpoints.extend(checkpoints),
                Err(error) => found.bad.push((path, error)),
            }
        }
        found
    }

    /// Reports what was not shown, and why.
    fn report_skipped(self, console: &Console) -> Result<Outcome> {
        self.unread.iter().for_each(|warning| console.warning(warning));
        if !self.ignored.is_empty() {
            let files = counted(self.ignored.len(), "file");
            console.note("ignored", format!("{files} of other kinds (listed with -v)"));
        }
        if let Some(warning) = ScanWarning::of_special_files(&self.ignored) {
            console.warning(warning);
        }
        for (path, what) in &self.ignored {
            console.detail("ignored", format!("{}: {what}", path.display()));
        }
        if self.checkpoints.is_empty() && self.bad.is_empty() {
            console.note("note", "no adapter found");
        }
        let outcome = if self.bad.is_empty() { Outcome::Done } else { Outcome::Skipped };
        for (_, error) in self.bad {
            console.error(&error.into());
        }
        Ok(outcome)
    }
}
