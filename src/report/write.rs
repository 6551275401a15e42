//! A report to be written: which adapters, how it is drawn, and where it goes.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use glob::Pattern;
use rayon::prelude::*;

use super::csv::tables;
use super::pictures::pictures;
use super::scan::ScanSums;
use super::summary::findings;
use super::text::text;
use crate::error::{Error, Fault, Result};
use crate::figure::{Output, Style};
use crate::files::{Durability, replace_atomically};
use crate::text::quoted;

/// A report of a scan that is done, as tables and pictures: what is alike, where in the model, what stands apart.
///
/// ```no_run
/// use lorascope::report::Report;
///
/// let report = Report::of("out").adapters(["*/seed0/*"])?.write("seed0-report")?;
/// println!("{}", report.text);
/// # Ok::<(), lorascope::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a report is written by `write`"]
pub struct Report {
    scan: PathBuf,
    adapters: Vec<Pattern>,
    n_listed: usize,
    style: Style,
    output: Output,
}

/// What was written, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WrittenReport {
    /// Names of the pictures in the folder.
    pub pictures: Vec<String>,
    /// Names of the tables.
    pub tables: Vec<String>,
    /// A few paragraphs for people.
    pub text: String,
    /// The whole report but for its pairs, which is also the file `report.json`.
    pub json: String,
}

impl Report {
    /// Of the scan in this output folder.
    pub fn of(scan: impl Into<PathBuf>) -> Self {
        Self {
            scan: scan.into(),
            adapters: vec![],
            n_listed: 100,
            style: Style::default(),
            output: Output::default(),
        }
    }

    /// Only adapters whose path matches one of these globs, with `*`, `?` and `[...]`.
    ///
    /// # Errors
    /// `Invalid` for a glob that cannot be read.
    pub fn adapters<S: AsRef<str>>(mut self, globs: impl IntoIterator<Item = S>) -> Result<Self> {
        for glob in globs {
            let pattern = Pattern::new(glob.as_ref()).map_err(|error| {
                let found = format!("{} ({} at position {})", quoted(glob.as_ref()), error.msg, error.pos);
                Fault::new(found, "a glob such as `*/seed0/*`").of("adapter").invalid()
            })?;
            self.adapters.push(pattern);
        }
        Ok(self)
    }

    /// How many pairs the lists of the most and the least alike have at most: 100 by default.
    pub fn top(self, n_listed: usize) -> Self {
        Self { n_listed, ..self }
    }

    /// How the pictures are drawn. Their titles and ranges are the report's own.
    pub fn style(self, style: Style) -> Self {
        Self { style, ..self }
    }

    /// The format of the pictures.
    pub fn output(self, output: Output) -> Self {
        Self { output, ..self }
    }

    /// Reads the scan and writes pictures, tables and `report.json` into a folder, which is made. A file that is there is
    /// replaced in one step.
    ///
    /// # Errors
    /// `Invalid` for a folder that does not hold a finished scan, or for a style that cannot be drawn; `Limit` for more
    /// than 5,000 adapters; `Malformed` for damaged files; `Io` when the system refuses.
    pub fn write(&self, dir: impl AsRef<Path>) -> Result<WrittenReport> {
        let dir = dir.as_ref();
        let scan = ScanSums::read(&self.scan, &self.adapters)?;
        let findings = findings(&scan, self.n_listed);
        fs::create_dir_all(dir).map_err(|error| Error::io("make the folder", dir, error))?;

        let pictures = pictures(&scan, &findings, &self.style)?;
        let named = |name: &str| format!("{name}.{}", self.output.suffix());
        pictures.par_iter().try_for_each(|(name, picture)| {
            write(&dir.join(named(name)), |writer| picture.write(self.output, writer))
        })?;
        let tables = tables(&scan, &findings);
        for (name, fill) in &tables {
            write(&dir.join(name), |writer| fill(writer))?;
        }
        let json =
            serde_json::to_string_pretty(&findings).expect("numbers, strings and lists are JSON") + "\n";
        let path = dir.join("report.json");
        write(&path, |writer| {
            writer.write_all(json.as_bytes()).map_err(|error| Error::io("write", &path, error))
        })?;
        Ok(WrittenReport {
            pictures: pictures.iter().map(|(name, _)| named(name)).collect(),
            tables: tables.iter().map(|(name, _)| (*name).to_owned()).collect(),
            text: text(&findings),
            json,
        })
    }
}

/// Replaces a file, and names it where the one who fills it cannot.
fn write(path: &Path, fill: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let named = |error| match error {
        Error::Io { cause, .. } => Error::io("write", path, cause),
        other => other,
    };
    let replaced = replace_atomically(path, Durability::Process, |file| {
        let mut writer = BufWriter::new(file);
        fill(&mut writer)?;
        writer.flush().map_err(|error| Error::io("write", path, error))
    });
    replaced.map_err(named)
}
