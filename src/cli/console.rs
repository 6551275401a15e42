//! What goes to stderr: errors with their hints, warnings, notes, and how much of it.

use std::fmt::Display;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use anstream::stderr;
use anstyle::{AnsiColor, Style};
use clap::{Args as ArgGroup, value_parser};

use super::limits::LimitArg;
use super::remedies;
use crate::engine::{EngineInfo, EngineWarning};
use crate::error::{Error, Remedy};
use crate::sync::lock;
use crate::text::is_unseen;

#[derive(Debug, ArgGroup)]
pub(super) struct CommonArgs {
    /// Print only errors and results
    #[arg(short, long, global = true, conflicts_with = "verbose", display_order = 100)]
    pub(super) quiet: bool,
    /// Also print what is read and compared, and how long it takes
    #[arg(short, long, global = true, display_order = 100)]
    pub(super) verbose: bool,
    /// CPU threads [default: the cores that this process may use]
    #[arg(long, global = true, value_name = "N", display_order = 100, value_parser = value_parser!(u16).range(1..=1024))]
    pub(super) threads: Option<u16>,
    /// Let files ask for more than by default, such as --limit modules=500000
    ///
    /// Files of a few bytes can claim any size, so what they may ask for has limits. The error for a file that asks for more names
    /// the limit. Sizes in bytes take K, M and G.
    #[arg(long = "limit", global = true, value_name = "NAME=N", display_order = 100, hide_short_help = true)]
    pub(super) limits: Vec<LimitArg>,
}

/// Prints to stderr, in colour where that is a terminal and NO_COLOR is not set.
pub(super) struct Console {
    level: Level,
    /// Lines of JSON in place of text.
    json: bool,
    /// In another program: what is said is kept for it.
    kept: Option<Mutex<Vec<Line>>>,
}

/// What a command says besides its result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// `warning`, `error` of what the command lives with, `note`, `engine`, ...
    pub label: String,
    /// In one line.
    pub message: String,
    /// The way out of an error.
    pub remedy: Option<Remedy>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Quiet,
    Normal,
    Verbose,
}

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();

impl Console {
    /// Before anything is known of what the user wants.
    pub(super) fn plain() -> Self {
        Self { level: Level::Normal, json: false, kept: None }
    }

    /// In another program, without progress.
    pub(super) fn keeping() -> Self {
        Self { kept: Some(Mutex::default()), ..Self::plain() }
    }

    /// What was said in another program.
    pub(super) fn into_kept(self) -> Vec<Line> {
        self.kept.map(|lines| lines.into_inner().unwrap_or_else(PoisonError::into_inner)).unwrap_or_default()
    }

    pub(super) fn new(args: &CommonArgs, json: bool) -> Self {
        let level = match (args.quiet, args.verbose) {
            (true, _) => Level::Quiet,
            (_, true) => Level::Verbose,
            _ => Level::Normal,
        };
        Self { level, json, kept: None }
    }

    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether only errors and results are shown.
    pub(super) fn is_quiet(&self) -> bool {
        self.level == Level::Quiet || self.kept.is_some()
    }

    /// The error in one line, and the way out if there is one.
    pub(super) fn error(&self, error: &anyhow::Error) {
        let remedy = error.chain().find_map(|cause| cause.downcast_ref::<Error>().and_then(Error::remedy));
        self.error_line(&format!("{error:#}"), remedy);
    }

    /// The same for an error that the library lives with.
    pub(super) fn library_error(&self, error: &Error) {
        self.error_line(&error.to_string(), error.remedy());
    }

    fn error_line(&self, error: &str, remedy: Option<&Remedy>) {
        if self.keep("error", error, remedy) {
            return;
        }
        self.line(ERROR, "error", error);
        if let Some(remedy) = remedy {
            self.line(HINT, "hint", &remedies::hint(remedy));
        }
    }

    pub(super) fn warning(&self, message: impl Display) {
        if self.level >= Level::Normal {
            self.line(WARNING, "warning", &message.to_string());
        }
    }

    /// What the user should know of how it was done.
    pub(super) fn note(&self, label: &str, message: impl Display) {
        if self.level >= Level::Normal {
            self.line(Style::new().bold(), label, &message.to_string());
        }
    }

    /// Which engine computes, why it is this one, and what to be careful of with it.
    pub(super) fn engine(&self, engine: &EngineInfo, reason: Option<&str>, warning: Option<&EngineWarning>) {
        let reason = reason.map(|reason| format!(", {reason}")).unwrap_or_default();
        self.note("engine", format!("{engine}{reason}"));
        if let Some(warning) = warning {
            self.warning(remedies::engine_warning(warning));
        }
    }

    /// What only a curious user wants to know.
    pub(super) fn detail(&self, label: &str, message: impl Display) {
        if self.level >= Level::Verbose {
            self.line(Style::new().dimmed(), label, &message.to_string());
        }
    }

    /// How far long work is, with the counts for machines.
    pub(super) fn progress(&self, message: String, n_done: u64, n: u64) {
        if self.json {
            json_line(
                &serde_json::json!({ "label": "progress", "message": message, "done": n_done, "of": n }),
            );
        } else {
            self.note("progress", message);
        }
    }

    /// One line, whatever the message holds: names in hostile files may have line breaks and escape codes.
    fn line(&self, style: Style, label: &str, message: &str) {
        if self.keep(label, message, None) {
            return;
        }
        if self.json {
            return json_line(&serde_json::json!({ "label": label, "message": message }));
        }
        let clean: String =
            message.chars().map(|char| if is_unseen(char) { '\u{fffd}' } else { char }).collect();
        // Nowhere is left to report that stderr is closed.
        let _ = writeln!(stderr().lock(), "{style}{label}:{style:#} {clean}");
    }

    /// Keeps a line for another program, if this runs in one.
    fn keep(&self, label: &str, message: &str, remedy: Option<&Remedy>) -> bool {
        let Some(lines) = &self.kept else { return false };
        let line = Line { label: label.to_owned(), message: message.to_owned(), remedy: remedy.cloned() };
        lock(lines).push(line);
        true
    }

    /// A result that stdout has no room for, since the picture goes there.
    pub(super) fn result(&self, text: &str) {
        if self.keep("result", text, None) {
            return;
        }
        // Nowhere is left to report that stderr is closed.
        let _ = stderr().lock().write_all(text.as_bytes());
    }
}

fn json_line(line: &serde_json::Value) {
    // Nowhere is left to report that stderr is closed.
    let _ = writeln!(stderr().lock(), "{line}");
}
