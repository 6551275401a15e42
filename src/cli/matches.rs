//! What `--match` names: a rule, or a file of pairs.

use std::fs::File;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Context;

use super::limits::limits;
use crate::{Fault, Matching};

/// How modules are matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum MatchArg {
    Canonical,
    Exact,
    File(PathBuf),
}

impl FromStr for MatchArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "canonical" => Ok(Self::Canonical),
            "exact" => Ok(Self::Exact),
            file if file.to_ascii_lowercase().ends_with(".csv") => Ok(Self::File(file.into())),
            _ => Err("expected canonical, exact, or a .csv file".to_owned()),
        }
    }
}

impl MatchArg {
    /// Reads the file, if there is one. Lines that begin with # are left out.
    pub(super) fn read(&self) -> anyhow::Result<Matching> {
        let path = match self {
            Self::Canonical => return Ok(Matching::Canonical),
            Self::Exact => return Ok(Matching::Exact),
            Self::File(path) => path,
        };
        let shown = || format!("{}: cannot read the pairs", path.display());
        let mut builder = csv::ReaderBuilder::new();
        let builder = builder.has_headers(false).flexible(true).comment(Some(b'#')).trim(csv::Trim::All);
        let mut pairs = vec![];
        let file = File::open(path).with_context(shown)?;
        let text = limits().read_text(path, file)?;
        for record in builder.from_reader(&text[..]).records() {
            let record = record.with_context(shown)?;
            let mut fields = record.iter();
            let (Some(first), Some(second), None) = (fields.next(), fields.next(), fields.next()) else {
                let found = format!("{} fields", record.len());
                let line = record.position().map_or(0, csv::Position::line);
                let fault = Fault::new(found, "two fields: a module of the first file and one of the second");
                return Err(fault.at(path).of(format!("line {line}")).invalid().into());
            };
            pairs.push([first.to_owned(), second.to_owned()]);
        }
        Ok(Matching::Pairs(pairs))
    }
}
