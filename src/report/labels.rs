//! Labels that the user gives adapters: read from a table, and whether adapters of one label are more alike.

use std::collections::BTreeMap;
use std::path::Path;

use csv::{ReaderBuilder, StringRecord};

use super::adapters::AdapterRow;
use crate::Limits;
use crate::error::{Error, Fault, Result};
use crate::files::open_plain;
use crate::names::natural_cmp;
use crate::scan::naming::numbered;
use crate::text::{quoted, some_of};

/// The labels of a scan's adapters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Labels {
    /// In natural order.
    pub(super) names: Vec<String>,
    /// Of each adapter by its place, the number of its label.
    pub(super) of: Vec<Option<usize>>,
}

/// The label of each adapter's number.
pub(super) type LabelsByNumber = BTreeMap<i64, String>;

/// Reads a table with the columns checkpoint and label; a checkpoint is named as everywhere, so that one line may be about
/// many. A header is not needed.
///
/// # Errors
/// `Io` when it cannot be read; `Malformed` for a line that has not two fields; `Invalid` for a checkpoint that the scan does
/// not have, or that has two labels.
pub(super) fn read(path: &Path, adapters: &[AdapterRow]) -> Result<LabelsByNumber> {
    let file = open_plain(path).map_err(|error| Error::io("read", path, error))?;
    let bytes = Limits::default().read_text(path, file)?;
    // Spreadsheets put a byte order mark at the start.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).comment(Some(b'#')).from_reader(bytes);
    let mut labels = LabelsByNumber::new();
    for (n, record) in reader.records().enumerate() {
        let line = |record: &StringRecord| record.position().map_or(n as u64 + 1, csv::Position::line);
        let record = record.map_err(|error| {
            Fault::new(format!("{error}"), "lines CHECKPOINT,LABEL").at(path).of("labels").malformed()
        })?;
        let of = format!("line {}", line(&record));
        let fields: Vec<&str> = record.iter().map(str::trim).collect();
        let [name, label] = fields[..] else {
            let found = format!("{} fields", fields.len());
            return Err(Fault::new(found, "two: CHECKPOINT,LABEL").at(path).of(of).malformed());
        };
        if n == 0 && name.eq_ignore_ascii_case("checkpoint") && label.eq_ignore_ascii_case("label") {
            continue;
        }
        if label.is_empty() {
            continue;
        }
        let paths = adapters.iter().map(|adapter| Path::new(&adapter.path));
        let places = numbered(paths, adapters.iter().map(|adapter| adapter.id), name)?;
        if places.is_empty() {
            let some = some_of(adapters.iter().map(|adapter| adapter.path.clone()));
            return Err(Fault::new(format!("no checkpoint {}", quoted(name)), "one of the scan")
                .at(path)
                .of(of)
                .hint(format!("give a path, the end of one, a glob, or a number: {some}"))
                .invalid());
        }
        for place in places {
            let adapter = &adapters[place];
            if let Some(first) = labels.insert(adapter.id, label.to_owned()).filter(|first| first != label) {
                let found =
                    format!("{} for {}, which is {}", quoted(label), quoted(&adapter.path), quoted(&first));
                return Err(Fault::new(found, "one label a checkpoint").at(path).of(of).invalid());
            }
        }
    }
    Ok(labels)
}

impl Labels {
    /// The labels of these adapters.
    pub(super) fn of(labels: &LabelsByNumber, adapters: &[AdapterRow]) -> Self {
        let mut names: Vec<String> =
            adapters.iter().filter_map(|adapter| labels.get(&adapter.id)).cloned().collect();
        names.sort_by(|a, b| natural_cmp(a, b));
        names.dedup();
        let number = |label: &String| names.iter().position(|name| name == label);
        let of = adapters.iter().map(|adapter| labels.get(&adapter.id).and_then(number)).collect();
        Self { names, of }
    }

    pub(super) fn name(&self, place: usize) -> Option<&str> {
        self.of[place].map(|label| self.names[label].as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapters() -> Vec<AdapterRow> {
        let row = |(id, path): (i64, &str)| AdapterRow {
            id,
            path: path.to_owned(),
            run: String::new(),
            step: None,
            base_model: None,
            problem: None,
            unread: None,
            n_left_out: 0,
        };
        [(0, "runs/math-1"), (1, "runs/math-2"), (4, "runs/code, 1"), (7, "runs/x")].map(row).into()
    }

    fn labels(text: &str) -> Result<LabelsByNumber> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.csv");
        std::fs::write(&path, text).unwrap();
        read(&path, &adapters())
    }

    #[test]
    fn a_line_names_checkpoints_as_everywhere() {
        let expected = BTreeMap::from([(0, "m".to_owned()), (1, "m".to_owned()), (4, "c 2".to_owned())]);
        let quoted = "checkpoint,label\nmath-*,m\n\"runs/code, 1\", c 2\n4,c 2\nx,\n";
        assert_eq!(labels(quoted).unwrap(), expected);
        assert_eq!(
            labels("\u{feff}Checkpoint,Label\r\n# x\r\nmath-1,m\r\nmath-2,m\r\n4,c 2\r\n").unwrap(),
            expected
        );
        let of = Labels::of(&expected, &adapters());
        assert_eq!(
            (of.names, of.of),
            (vec!["c 2".to_owned(), "m".to_owned()], vec![Some(1), Some(1), Some(0), None])
        );
    }

    #[test]
    fn a_line_that_fits_nothing_is_named() {
        for (text, expected) in [
            ("math-1,m\nmath-3,m\n", "line 2: found no checkpoint `math-3`, expected one of the scan"),
            ("math-1\n", "line 1: found 1 fields, expected two: CHECKPOINT,LABEL"),
            ("math-1,a,b\n", "line 1: found 3 fields, expected two: CHECKPOINT,LABEL"),
            (
                "math-1,a\nmath-*,b\n",
                "line 2: found `b` for `runs/math-1`, which is `a`, expected one label a checkpoint",
            ),
        ] {
            let error = labels(text).unwrap_err().to_string();
            assert!(error.ends_with(expected), "{error}");
        }
    }
}
