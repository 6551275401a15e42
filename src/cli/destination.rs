//! Where a result goes: a file or stdout.

use std::ffi::OsString;
use std::path::PathBuf;

/// Where a result goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    Stdout,
    File(PathBuf),
}

impl Destination {
    pub(super) fn of(name: OsString) -> Self {
        if name == "-" { Self::Stdout } else { Self::File(name.into()) }
    }

    /// The file's path as text; `None` for stdout.
    pub(super) fn path(&self) -> Option<String> {
        match self {
            Self::Stdout => None,
            Self::File(path) => Some(path.display().to_string()),
        }
    }
}
