//! The bytes of a config's file.

use std::path::Path;

use crate::adapter::Source;
use crate::error::Result;
use crate::formats::limits::{Limit, Limits};

/// # Errors
/// `Io` when it cannot be read, `Limit` when it is too large.
pub(super) fn read(path: &Path, limits: &Limits) -> Result<Vec<u8>> {
    let source = Source::file(path)?;
    let reader = source.open()?;
    let n_bytes = reader.n_bytes();
    limits.check(Limit::ConfigBytes, n_bytes, path, || format!("{n_bytes} bytes"))?;
    reader.head(n_bytes as usize)
}
