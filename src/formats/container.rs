//! Tells by its first bytes what kind of file it is, and opens it.

use crate::adapter::{FileFormat, Source};
use crate::error::{Error, Fault, Result};
use crate::formats::header::Metadata;
use crate::formats::tensor::Tensors;
use crate::formats::{Limits, npz, safetensors, sniff, torch, zip};
use crate::text::listed;

/// The kind of file, every tensor by name, and what the file says about itself.
///
/// # Errors
/// As the container's reader; `Unsupported` or `Malformed` for a file of another kind, saying which.
pub(super) fn open(source: &Source, limits: &Limits) -> Result<(FileFormat, Tensors, Metadata)> {
    let reader = source.open()?;
    let path = reader.path();
    let head = reader.head(sniff::HEAD_BYTES)?;
    if torch::is_legacy(&head) {
        let tensors = torch::legacy_tensors(source, &reader, limits)?;
        return Ok((FileFormat::TorchLegacy, tensors, Metadata::new()));
    }
    if !sniff::is_zip(&head) {
        let read = safetensors::tensors(source, &reader, limits);
        // What does not even begin like that is no checkpoint of any kind.
        let read = if sniff::is_safetensors(&head) { read } else { read.map_err(Error::other_kind) };
        let (tensors, metadata) = read?;
        return Ok((FileFormat::Safetensors, tensors, metadata));
    }
    let members = zip::members(source, &reader, limits);
    let members = if sniff::is_known_zip(&head) { members? } else { members.map_err(Error::other_kind)? };
    if torch::is_torch(&members) {
        return Ok((FileFormat::TorchZip, torch::zip_tensors(path, &members, limits)?, Metadata::new()));
    }
    if npz::is_npz(&members) {
        return Ok((FileFormat::Npz, npz::tensors(path, &members, limits)?, Metadata::new()));
    }
    let found = format!("a zip archive of {}", listed(members.keys().map(String::as_str)));
    let fault = Fault::new(found, "one of torch.save (data.pkl) or of numpy.savez (.npy)").at(path);
    Err(fault.other_kind().unsupported())
}
