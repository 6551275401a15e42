//! `lorascope inspect`: what checkpoints hold, from their headers, and their spectra on demand.

mod csv;
mod facts;
mod spectrum;
mod text;

use std::path::{Path, PathBuf};

use anyhow::Result;
use rayon::prelude::*;
use serde::Serialize;

use self::facts::Run;
use super::args::{InspectArgs, open_options};
use super::report::Report;
use super::{Outcome, write_stdout};
use crate::listing::counted;
use crate::{Error, Limits, discover};

pub(super) fn run(args: &InspectArgs, report: &Report) -> Result<Outcome> {
    let found = Found::at(args);
    let is_one = found.runs.len() == 1 && found.bad.is_empty();
    let by_module = is_one || args.spectra;
    if args.json {
        let document = Document {
            schema: 1,
            runs: &found.runs,
            bad: found.bad.iter().map(|(path, error)| Told::new(path, error)).collect(),
            ignored: found.ignored.iter().map(|(path, what)| Told::new(path, what)).collect(),
        };
        write_stdout(|stdout| {
            serde_json::to_writer_pretty(&mut *stdout, &document)?;
            writeln!(stdout)
        })?;
    } else if args.csv {
        let lines = if by_module { csv::modules(&found.runs)? } else { csv::runs(&found.runs)? };
        write_stdout(|stdout| stdout.write_all(&lines))?;
    } else if by_module {
        let texts: Vec<String> = found.runs.iter().map(text::modules).collect();
        write_stdout(|stdout| stdout.write_all(texts.join("\n").as_bytes()))?;
    } else if !found.runs.is_empty() {
        write_stdout(|stdout| stdout.write_all(text::runs(&found.runs).as_bytes()))?;
    }
    found.tell(report)
}

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    runs: &'a [Run],
    /// Checkpoints that could not be read.
    bad: Vec<Told>,
    /// Files that are no checkpoints.
    ignored: Vec<Told>,
}

#[derive(Serialize)]
struct Told {
    path: String,
    what: String,
}

impl Told {
    fn new(path: &Path, what: &impl ToString) -> Self {
        Self { path: path.display().to_string(), what: what.to_string() }
    }
}

/// Everything at and under the paths that the user named.
#[derive(Default)]
struct Found {
    runs: Vec<Run>,
    ignored: Vec<(PathBuf, String)>,
    bad: Vec<(PathBuf, Error)>,
}

impl Found {
    fn at(args: &InspectArgs) -> Self {
        let mut found = Self::default();
        let mut paths = vec![];
        for path in &args.paths {
            // A folder that is an adapter itself is shown alone, though its checkpoints may lie in it.
            let is_run = !path.is_dir() || open_options(None).open_all(path).is_ok();
            match is_run.then(|| vec![path.clone()]).map_or_else(|| found.search(path), Ok) {
                Ok(runs) => paths.extend(runs),
                // A bad path does not hide the others.
                Err(error) => found.bad.push((path.clone(), error)),
            }
        }
        let opened: Vec<_> = paths.par_iter().map(|path| inspect(path, args)).collect();
        for (path, runs) in paths.into_iter().zip(opened) {
            match runs {
                Ok(runs) => found.runs.extend(runs),
                Err(error) => found.bad.push((path, error)),
            }
        }
        found
    }

    fn search(&mut self, folder: &Path) -> crate::Result<Vec<PathBuf>> {
        let found = discover(folder, &Limits::default())?;
        self.ignored.extend(found.ignored);
        self.bad.extend(found.bad);
        Ok(found.runs)
    }

    /// Says what was not shown, and why.
    fn tell(self, report: &Report) -> Result<Outcome> {
        if !self.ignored.is_empty() {
            let files = counted(self.ignored.len(), "file");
            report.note("ignored", format!("{files} of other kinds (-v lists them)"));
        }
        for (path, what) in &self.ignored {
            report.detail("ignored", format!("{}: {what}", path.display()));
        }
        if self.runs.is_empty() && self.bad.is_empty() {
            report.note("note", "no adapter found");
        }
        let outcome = if self.bad.is_empty() { Outcome::Done } else { Outcome::Skipped };
        for (_, error) in self.bad {
            report.error(&error.into());
        }
        Ok(outcome)
    }
}

fn inspect(path: &Path, args: &InspectArgs) -> crate::Result<Vec<Run>> {
    let adapters = open_options(args.adapter_name.as_deref()).open_all(path)?;
    adapters.iter().map(|adapter| Run::of(path, adapter, args.spectra)).collect()
}
