//! The factors of a module, on their way from tensors to modules.

use std::ops::Range;
use std::path::Path;

use crate::adapter::Factor;
use crate::error::{Error, Fault};
use crate::formats::context::Context;
use crate::text::quoted;

/// The factors of a module as the file has them.
#[derive(Debug, Clone)]
pub(in crate::formats) struct Pair {
    /// The module's path in the file.
    pub(in crate::formats) original: String,
    /// Its dotted path, with wrappers.
    pub(in crate::formats) path: String,
    pub(in crate::formats) a: Factor,
    pub(in crate::formats) b: Factor,
    /// The alpha that is stored next to the factors.
    pub(in crate::formats) alpha: StoredAlpha,
}

/// An alpha that is stored next to the factors.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::formats) enum StoredAlpha {
    /// There is none.
    Absent,
    /// It is not one finite number.
    Odd,
    /// This one.
    Of(f64),
}

impl Pair {
    /// The update of some rows of the weight, as a module of its own below this one.
    pub(super) fn part(&self, name: &str, rows: Range<usize>) -> Self {
        Self {
            original: format!("{}.{name}", self.original),
            path: format!("{}.{name}", self.path),
            a: self.a.clone(),
            b: self.b.clone().row_range(rows),
            alpha: self.alpha,
        }
    }
}

/// For schemes whose pairs are never split.
pub(super) fn whole(pair: Pair, _: &Context<'_>) -> Vec<Pair> {
    vec![pair]
}

/// The error for a module whose tensors do not fit together.
pub(in crate::formats) fn wrong_module(
    path: &Path,
    module: &str,
    found: String,
    expected: impl Into<String>,
) -> Error {
    Fault::new(found, expected).at(path).of(format!("module {}", quoted(module))).malformed()
}
