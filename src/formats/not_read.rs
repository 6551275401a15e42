//! Why a module is not read.

use crate::adapter::UnreadPart;
use crate::error::Error;

/// A module that cannot be read: why, as all of its kind share it, and what is the matter with this one.
pub(super) struct NotRead {
    pub(super) reason: &'static str,
    pub(super) error: Error,
    /// Whether the reason says all that the error does.
    is_all: bool,
}

/// Names the kind of an error.
pub(super) fn because(reason: &'static str) -> impl FnOnce(Error) -> NotRead {
    move |error| NotRead { reason, error, is_all: false }
}

impl NotRead {
    /// An error of which the reason says all.
    pub(super) fn all(reason: &'static str, error: Error) -> Self {
        Self { reason, error, is_all: true }
    }

    pub(super) fn part(&self, module: &str, n_tensors: usize) -> UnreadPart {
        let found = match &self.error {
            _ if self.is_all => None,
            Error::Malformed(fault) | Error::Unsupported(fault) => {
                fault.expected.as_ref().map(|expected| format!("found {}, expected {expected}", fault.found))
            }
            _ => None,
        };
        UnreadPart { name: module.to_owned(), reason: self.reason.to_owned(), found, n_tensors }
    }
}
