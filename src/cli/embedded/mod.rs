//! Commands for a program that runs them within itself, such as the Python package: what they print and say is returned, and
//! adapters may be open already.

mod wording;

use std::error::Error as _;
use std::ffi::OsString;
use std::sync::atomic::AtomicBool;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches};

pub use self::wording::{hint, reworded};
use crate::cli::compare::{CompareArgs, Measured};
use crate::cli::console::Console;
pub use crate::cli::console::Line;
use crate::cli::grammar::{Args, Command};
pub use crate::cli::host::Given;
use crate::cli::usage::Usage;
use crate::cli::{host, recipe, run_command, scan};
use crate::engine::EngineInfo;
use crate::error::{Error, Fault};
use crate::relation::Relation;
use crate::scan::{Progress, ScanOutcome};
use crate::text::quoted;
use crate::{Adapter, Comparison, Side};

/// Why a command failed.
#[derive(Debug)]
pub enum Failure {
    /// The library's own error.
    Library(Error),
    /// Arguments that cannot be, of which the subject is named as the command line names it, without dashes.
    Usage(Box<Fault>),
    /// Anything else, in one line.
    Other(String),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<Error>() {
            Ok(error) => Self::Library(error),
            Err(error) => match error.downcast_ref::<Usage>() {
                Some(usage) => Self::Usage(Box::new(Fault::stating(usage.to_string()))),
                None => Self::Other(format!("{error:#}")),
            },
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Library(error)
    }
}

/// What came of a command, and what it said, whatever came of it.
pub type Ran<T> = (Result<T, Failure>, Vec<Line>);

/// Runs a command line without the program's name, and returns what it prints.
pub fn run(words: &[OsString], given: Given) -> Ran<Vec<u8>> {
    let console = Console::keeping();
    let (result, stdout) = host::within(given, || {
        let (command, recipe) = parsed(words)?;
        Ok(run_command(command, recipe.as_deref(), &console).map(drop)?)
    });
    (result.map(|()| stdout), said(console))
}

/// Two checkpoints, compared.
pub struct Pair(Measured);

/// Runs `compare` for two checkpoints.
pub fn compare(words: &[OsString], given: Given) -> Ran<Pair> {
    let console = Console::keeping();
    let (result, _) = host::within(given, || match parsed(words)? {
        (Command::Compare(args), _) => Ok(Pair(measured(&args, &console)?)),
        _ => Err(Failure::Other("expected the arguments of compare".to_owned())),
    });
    (result, said(console))
}

fn measured(args: &CompareArgs, console: &Console) -> anyhow::Result<Measured> {
    args.check()?;
    Measured::of(args.two()?, args, console)
}

impl Pair {
    /// What `compare --json` prints, with whole grids or without; reads both files whole, for their digests.
    ///
    /// # Errors
    /// `Io` when a file cannot be read.
    pub fn json(&self, with_grids: bool) -> Result<String, Failure> {
        Ok(self.0.json(with_grids, &self.0.meta()?)?)
    }

    /// The rows of the modules only, which need no file.
    ///
    /// # Errors
    /// None that is known.
    pub fn rows_json(&self) -> Result<String, Failure> {
        Ok(self.0.rows_json()?)
    }

    /// The modules that were compared, in the order of the rows.
    pub fn modules(&self) -> &[Comparison] {
        &self.0.done.comparisons
    }

    /// Both checkpoints.
    pub fn adapters(&self) -> &[Adapter; 2] {
        &self.0.runs
    }

    /// The side that was compared.
    pub fn side(&self) -> Side {
        self.0.side
    }

    /// What the two are to each other.
    pub fn relation(&self) -> Relation {
        self.0.relation
    }

    /// What computed the grids.
    pub fn engine(&self) -> &EngineInfo {
        self.0.done.engine.info()
    }
}

/// Runs `scan`, which ends between two blocks when `stop` is set.
pub fn scan(
    words: &[OsString],
    stop: &AtomicBool,
    on_progress: impl FnMut(&Progress) + Send,
) -> Ran<ScanOutcome> {
    let console = Console::keeping();
    let result = match parsed(words) {
        Ok((Command::Scan(args), _)) => {
            scan::perform(&args, stop, &console, on_progress).map_err(Failure::from)
        }
        Ok(_) => Err(Failure::Other("expected the arguments of scan".to_owned())),
        Err(failure) => Err(failure),
    };
    (result, said(console))
}

/// What was said, with named arguments for options.
fn said(console: Console) -> Vec<Line> {
    let lines = console.into_kept().into_iter();
    lines.map(|line| Line { message: reworded(&line.message), ..line }).collect()
}

fn parsed(words: &[OsString]) -> Result<(Command, Option<String>), Failure> {
    let words: Vec<OsString> =
        [OsString::from("lorascope")].into_iter().chain(words.iter().cloned()).collect();
    let matches = Args::command().try_get_matches_from(&words).map_err(|said| usage(&said))?;
    let matches = recipe::expanded(matches, &words)?;
    let recipe = recipe::recorded(&matches);
    let args = Args::from_arg_matches(&matches).map_err(|said| usage(&said))?;
    Ok((args.command, recipe))
}

/// What the grammar finds wrong, in the words of this library.
fn usage(said: &clap::Error) -> Failure {
    let text = |kind| match said.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    let expected = match said.kind() {
        ErrorKind::ValueValidation => said.source().map(ToString::to_string),
        ErrorKind::InvalidValue => text(ContextKind::ValidValue).map(|values| format!("one of {values}")),
        _ => None,
    };
    let name = text(ContextKind::InvalidArg);
    let name =
        name.as_deref().and_then(|arg| arg.split([' ', '=']).next()).map(|name| name.trim_start_matches('-'));
    let fault = match (name, text(ContextKind::InvalidValue), expected) {
        (Some(name), Some(value), Some(expected)) => {
            let expected = expected.strip_prefix("expected ").unwrap_or(&expected);
            Fault::new(quoted(&value), expected).of(name)
        }
        _ => {
            let all = said.to_string();
            let first = all.lines().next().unwrap_or_default();
            Fault::stating(first.strip_prefix("error: ").unwrap_or(first))
        }
    };
    Failure::Usage(Box::new(fault))
}
