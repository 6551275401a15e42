//! What goes to stderr: errors with their hints, warnings, notes, and how much of it.

use std::fmt::Display;
use std::io::Write;

use anstream::stderr;
use anstyle::{AnsiColor, Style};

use super::args::CommonArgs;
use crate::error::Error;

/// Prints to stderr, in colour where that is a terminal and NO_COLOR is not set.
pub(super) struct Report {
    level: Level,
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

impl Report {
    pub(super) fn new(args: &CommonArgs) -> Self {
        let level = match (args.quiet, args.verbose) {
            (true, _) => Level::Quiet,
            (_, true) => Level::Verbose,
            _ => Level::Normal,
        };
        Self { level }
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.level == Level::Quiet
    }

    /// The error in one line, and the way out where there is one.
    pub(super) fn error(&self, error: &anyhow::Error) {
        line(ERROR, "error", &format!("{error:#}"));
        let hint = error.chain().find_map(|cause| cause.downcast_ref::<Error>().and_then(Error::hint));
        if let Some(hint) = hint {
            line(HINT, "hint", hint);
        }
    }

    pub(super) fn warning(&self, message: impl Display) {
        if self.level >= Level::Normal {
            line(WARNING, "warning", &message.to_string());
        }
    }

    /// What the user should know of how it was done.
    pub(super) fn note(&self, label: &str, message: impl Display) {
        if self.level >= Level::Normal {
            line(Style::new().bold(), label, &message.to_string());
        }
    }

    /// What only a curious user wants to know.
    pub(super) fn detail(&self, label: &str, message: impl Display) {
        if self.level >= Level::Verbose {
            line(Style::new().dimmed(), label, &message.to_string());
        }
    }

    /// A result that stdout has no room for, since the picture goes there.
    pub(super) fn result(&self, text: &str) {
        // Nowhere is left to report that stderr is closed.
        let _ = stderr().lock().write_all(text.as_bytes());
    }
}

/// One line, whatever the message holds: names in hostile files may have line breaks and escape codes.
fn line(style: Style, label: &str, message: &str) {
    let clean: String =
        message.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect();
    // Nowhere is left to report that stderr is closed.
    let _ = writeln!(stderr().lock(), "{style}{label}:{style:#} {clean}");
}
