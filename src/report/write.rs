//! A report to be written: which adapters, how it is drawn, and where it goes.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::by::By;
use super::colors::{Colors, End};
use super::json::Json;
use super::markdown::markdown;
use super::pictures::{PICTURES, pictures};
use super::scan::{Reading, ScanSums};
use super::summary::findings;
use super::tables::{edges, pairs, tables};
use super::text::text;
use super::{MAX_ADAPTERS, labels, matrix};
use crate::error::{Error, Result};
use crate::figure::{Output, Style};
use crate::files::{Durability, remove, remove_stale_temp_files, replace_atomically};

/// A report of a scan that is done, as tables and pictures: what is alike, where in the model, what stands apart.
///
/// ```no_run
/// use lorascope::report::{By, Report};
///
/// let report = Report::of("out").adapters(["*/seed0/*"]).by(By::LinearCka).write("seed0-report")?;
/// println!("{}", report.text);
/// # Ok::<(), lorascope::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a report is written by `write`"]
pub struct Report {
    scan: PathBuf,
    reading: Reading,
    labels: Option<PathBuf>,
    n_listed: usize,
    style: Style,
    colors: Colors,
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
            reading: Reading::default(),
            labels: None,
            n_listed: 100,
            style: Style::default(),
            colors: Colors::default(),
            output: Output::default(),
        }
    }

    /// Only adapters that one of these names means: a path, the end of one, a glob with `*`, `?` and `[...]` on the path or
    /// its end, or the adapter's number.
    pub fn adapters<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.reading.names.extend(names.into_iter().map(Into::into));
        self
    }

    /// What pairs are compared by.
    pub fn by(mut self, by: By) -> Self {
        self.reading.by = by;
        self
    }

    /// Whether the scan need not be finished: then the report is of what is there, and says so.
    pub fn partial(mut self, partial: bool) -> Self {
        self.reading.partial = partial;
        self
    }

    /// A CSV file with a line CHECKPOINT,LABEL for each checkpoint, or for several that one name means: how well the labels
    /// part the adapters.
    pub fn labels(self, path: impl Into<PathBuf>) -> Self {
        Self { labels: Some(path.into()), ..self }
    }

    /// How many pairs the lists of the most and the least alike have at most: 100 by default.
    pub fn top(self, n_listed: usize) -> Self {
        Self { n_listed, ..self }
    }

    /// How the pictures are drawn. Their titles are the report's own, and so are their ranges, but for the ends of the colours
    /// that [`vmin`](Self::vmin) and [`vmax`](Self::vmax) set.
    pub fn style(self, style: Style) -> Self {
        Self { style, ..self }
    }

    /// The value at the dark end of the colours: 0 by default, or the least where a cosine is negative.
    pub fn vmin(mut self, vmin: End) -> Self {
        self.colors.vmin = Some(vmin);
        self
    }

    /// The value at the light end of the colours: the largest by default, rounded up.
    pub fn vmax(mut self, vmax: End) -> Self {
        self.colors.vmax = Some(vmax);
        self
    }

    /// The format of the pictures.
    pub fn output(self, output: Output) -> Self {
        Self { output, ..self }
    }

    /// Reads the scan and writes pictures, tables, `report.md`, which shows the pictures, and `report.json` into a folder, which is made. A file that is there is
    /// replaced in one step; files that an earlier report left and this one does not have are removed. Nothing is touched
    /// before all has been read and laid out.
    ///
    /// # Errors
    /// `Invalid` for a folder that does not hold a finished scan, for a name or a label that fits no adapter, for a quantity
    /// that the scan did not keep, or for a style that cannot be drawn; `Limit` for more than 50 million pairs; `Malformed` for
    /// damaged files; `Io` when the system refuses.
    pub fn write(&self, dir: impl AsRef<Path>) -> Result<WrittenReport> {
        let dir = dir.as_ref();
        let scan = ScanSums::read(&self.scan, &self.reading)?;
        let labels = self.labels.as_ref().map(|path| labels::read(path, &scan.all_adapters)).transpose()?;
        let findings = findings(&scan, self.n_listed, labels.as_ref());
        let pictures = pictures(&scan, &findings, &self.style, self.colors)?;
        for (_, picture) in &pictures {
            picture.scene()?;
        }
        fs::create_dir_all(dir).map_err(|error| Error::io("make the folder", dir, error))?;
        remove_stale_temp_files(dir)?;

        let named = |name: &str| format!("{name}.{}", self.output.suffix());
        pictures.par_iter().try_for_each(|(name, picture)| {
            write(&dir.join(named(name)), |writer| picture.write(self.output, writer))
        })?;
        let is_drawn = |name: &&&str| pictures.iter().any(|(drawn, _)| drawn == *name);
        // Only next to a report of our own: other folders may have files of these names.
        if dir.join("report.json").exists() {
            for name in &PICTURES {
                let is_stale = |format: &Output| *format != self.output || !is_drawn(&name);
                for format in Output::ALL.into_iter().filter(is_stale) {
                    remove(&dir.join(format!("{name}.{}", format.suffix())))?;
                }
            }
            if scan.adapters.len() > MAX_ADAPTERS {
                ["matrix.npy", "names.txt"].iter().try_for_each(|name| remove(&dir.join(name)))?;
            }
        }
        let side = scan.side.map_or(String::new(), |side| side.to_string());
        let of_json = tables(&scan, &findings);
        let mut names = vec![];
        for table in [pairs(&scan), edges(&scan)].iter().chain(&of_json) {
            names.push(format!("{}.csv", table.name));
            write(&dir.join(&names[names.len() - 1]), |writer| table.write(&side, writer))?;
        }
        if scan.adapters.len() <= MAX_ADAPTERS {
            write(&dir.join("matrix.npy"), |writer| matrix::npy(&scan, &findings, writer))?;
            write(&dir.join("names.txt"), |writer| matrix::names(&scan, &findings, writer))?;
            names.extend(["matrix.npy", "names.txt"].map(str::to_owned));
        }
        let json = Json { scan: &scan, findings: &findings, tables: &of_json };
        let json = serde_json::to_string_pretty(&json).expect("numbers, strings and lists are JSON") + "\n";
        let path = dir.join("report.json");
        write(&path, |writer| {
            writer.write_all(json.as_bytes()).map_err(|error| Error::io("write", &path, error))
        })?;
        let drawn: Vec<&'static str> = pictures.iter().map(|(name, _)| *name).collect();
        let text = text(&scan, &findings);
        let page = markdown(&scan, &drawn, self.output, &text, &names);
        let path = dir.join("report.md");
        write(&path, |writer| {
            writer.write_all(page.as_bytes()).map_err(|error| Error::io("write", &path, error))
        })?;
        Ok(WrittenReport { pictures: drawn.into_iter().map(named).collect(), tables: names, text, json })
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
