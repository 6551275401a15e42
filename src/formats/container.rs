//! Tells by its first bytes what kind of file it is, and opens it.

use crate::adapter::{Container, Source};
use crate::error::Result;
use crate::formats::tensor::Tensors;
use crate::formats::{Limits, safetensors};

/// The kind of file, and every tensor by name.
///
/// # Errors
/// As the container's reader; `Unsupported` or `Malformed` for a file of another kind, saying which.
pub(super) fn open(source: &Source, limits: &Limits) -> Result<(Container, Tensors)> {
    let reader = source.open()?;
    Ok((Container::Safetensors, safetensors::tensors(source, &reader, limits)?))
}
