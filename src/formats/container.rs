//! Tells by its first bytes what kind of file it is, and opens it.

use crate::adapter::{Container, Source};
use crate::error::Result;
use crate::formats::header::Metadata;
use crate::formats::tensor::Tensors;
use crate::formats::{Limits, safetensors};

/// The kind of file, every tensor by name, and what the file says about itself.
///
/// # Errors
/// As the container's reader; `Unsupported` or `Malformed` for a file of another kind, saying which.
pub(super) fn open(source: &Source, limits: &Limits) -> Result<(Container, Tensors, Metadata)> {
    let reader = source.open()?;
    let (tensors, metadata) = safetensors::tensors(source, &reader, limits)?;
    Ok((Container::Safetensors, tensors, metadata))
}
