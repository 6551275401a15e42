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
use crate::cli::{host, hub_names, limits, recipe, run_command, scan};
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
                Some(usage) => Self::Usage(Box::new(Fault::stating(reworded(&usage.to_string())))),
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
    let (result, stdout) =
        within(words, given, |command, recipe| Ok(run_command(command, recipe, &console).map(drop)?));
    (result.map(|()| stdout), said(console))
}

/// Opens what the arguments of `inspect` name: at least one adapter; several of a file only if `all` may be.
///
/// # Errors
/// As [`OpenOptions::open`](crate::OpenOptions::open).
pub fn open(words: &[OsString], all: bool) -> Result<Vec<Adapter>, Failure> {
    let open = |command, _: Option<&str>| match command {
        Command::Inspect(args) => Ok(args.open(all)?),
        _ => Err(not_of("inspect")),
    };
    within(words, Given::default(), open).0
}

/// Two checkpoints, compared.
pub struct Pair(Measured);

/// Runs `compare` for two checkpoints.
pub fn compare(words: &[OsString], given: Given) -> Ran<Pair> {
    let console = Console::keeping();
    let (result, _) = within(words, given, |command, _| match command {
        Command::Compare(args) => Ok(Pair(measured(&args, &console)?)),
        _ => Err(not_of("compare")),
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
        Ok(self.0.json(with_grids, Some(&self.0.meta()?))?)
    }

    /// The same without grids and digests, which needs no file.
    ///
    /// # Errors
    /// None that is known.
    pub fn facts_json(&self) -> Result<String, Failure> {
        Ok(self.0.json(false, None)?)
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
    let (result, _) = within(words, Given::default(), |command, _| match command {
        Command::Scan(args) => Ok(scan::perform(&args, stop, &console, on_progress)?),
        _ => Err(not_of("scan")),
    });
    (result, said(console))
}

/// Runs a command on the threads and within the limits that its words ask for; also returns what it prints.
fn within<T: Send>(
    words: &[OsString],
    given: Given,
    run: impl FnOnce(Command, Option<&str>) -> Result<T, Failure> + Send,
) -> (Result<T, Failure>, Vec<u8>) {
    let (Args { command, common }, recipe) = match parsed(words) {
        Ok(parsed) => parsed,
        Err(failure) => return (Err(failure), vec![]),
    };
    let run = || host::within(given, limits::of(&common.limits), || run(command, recipe.as_deref()));
    let Some(threads) = common.threads else { return run() };
    match rayon::ThreadPoolBuilder::new().num_threads(threads.into()).build() {
        Ok(pool) => pool.install(run),
        Err(error) => (Err(Failure::Other(format!("cannot start {threads} threads: {error}"))), vec![]),
    }
}

fn not_of(command: &str) -> Failure {
    Failure::Other(format!("expected the arguments of {command}"))
}

/// What was said, with named arguments for options.
fn said(console: Console) -> Vec<Line> {
    let lines = console.into_kept().into_iter();
    lines.map(|line| Line { message: reworded(&line.message), ..line }).collect()
}

fn parsed(words: &[OsString]) -> Result<(Args, Option<String>), Failure> {
    let words: Vec<OsString> =
        [OsString::from("lorascope")].into_iter().chain(words.iter().cloned()).collect();
    let matches = Args::command().try_get_matches_from(&words).map_err(|said| usage(&said))?;
    let matches = recipe::expanded(matches, &words)?;
    hub_names::check(&matches)?;
    let recipe = recipe::recorded(&matches);
    Ok((Args::from_arg_matches(&matches).map_err(|said| usage(&said))?, recipe))
}

/// What the grammar finds wrong, in the words of this library.
fn usage(said: &clap::Error) -> Failure {
    let text = |kind| match said.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    // The library says more of a value than the grammar does.
    if let Some(Error::Invalid(fault)) = said.source().and_then(|source| source.downcast_ref()) {
        return Failure::Usage(fault.clone());
    }
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
            Fault::new(quoted(&value), expected).of(name.replace('-', "_"))
        }
        (Some(name), ..) if said.kind() == ErrorKind::UnknownArgument => {
            Fault::stating("there is no such argument").of(name.replace('-', "_"))
        }
        _ => {
            let all = said.to_string();
            let first = all.lines().next().unwrap_or_default();
            Fault::stating(reworded(first.strip_prefix("error: ").unwrap_or(first)))
        }
    };
    Failure::Usage(Box::new(fault))
}

#[cfg(test)]
mod tests;
