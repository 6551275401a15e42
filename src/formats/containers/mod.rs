//! The file formats. A file is recognised by its first bytes, or by the members of its archive, never by its name.

mod container;
mod gguf;
mod npz;
mod pickle;
mod safetensors;
mod sniff;
mod torch;
mod zip;

use std::path::Path;

use self::container::{Archive, Container, Encoding, Plain};
use crate::adapter::{FileFormat, Source};
use crate::error::{Error, Fault, Result};
use crate::formats::contents::Contents;
use crate::formats::limits::Limits;
use crate::formats::source::Reader;
use crate::text::listed;

/// Every file format. The first one that recognises a file reads it.
static CONTAINERS: &[&Container] = &[
    &safetensors::CONTAINER,
    &torch::ZIP_CONTAINER,
    &torch::LEGACY_CONTAINER,
    &npz::CONTAINER,
    &gguf::CONTAINER,
];

/// As many first bytes as it takes to recognise a file, or to say what it is instead.
const HEAD_BYTES: usize = 512;

/// Recognises a file and lists its tensors.
///
/// # Errors
/// As the format's reader; `Unsupported` or `Malformed` for a file of no known format, saying what it is instead.
pub(super) fn open(source: &Source, limits: &Limits) -> Result<(FileFormat, Contents)> {
    let reader = source.open()?;
    let head = reader.head(HEAD_BYTES)?;
    if let Some((file_format, plain)) = by_start(&head) {
        return Ok((file_format, (plain.read)(source, &reader, limits)?));
    }
    if zip::is_zip(&head) {
        return open_archive(source, &reader, &head, limits);
    }
    if let Some(error) = sniff::sniff(reader.path(), &head) {
        return Err(error);
    }
    // Most checkpoints are safetensors, so bytes that nothing is known about get its reader's complaint.
    let contents = safetensors::read(source, &reader, limits).map_err(Error::other_kind)?;
    Ok((safetensors::CONTAINER.file_format, contents))
}

/// The format with a layout of its own that a file begins like.
fn by_start(head: &[u8]) -> Option<(FileFormat, &'static Plain)> {
    CONTAINERS.iter().find_map(|container| match &container.encoding {
        Encoding::Plain(plain) if (plain.is_start)(head) => Some((container.file_format, plain)),
        _ => None,
    })
}

/// Every kind of zip archive.
fn archives() -> impl Iterator<Item = (FileFormat, &'static Archive)> {
    CONTAINERS.iter().filter_map(|container| match &container.encoding {
        Encoding::Archive(archive) => Some((container.file_format, archive)),
        Encoding::Plain(_) => None,
    })
}

fn open_archive(
    source: &Source,
    reader: &Reader<'_>,
    head: &[u8],
    limits: &Limits,
) -> Result<(FileFormat, Contents)> {
    let members = zip::members(source, reader, limits).map_err(|error| {
        let is_known = |name: &str| archives().any(|(_, archive)| (archive.is_member)(name));
        if zip::first_member(head).is_some_and(|name| is_known(&name)) { error } else { error.other_kind() }
    })?;
    let kind = archives().find(|(_, archive)| members.keys().any(|name| (archive.is_member)(name)));
    if let Some((file_format, archive)) = kind {
        return Ok((file_format, (archive.read)(reader.path(), &members, limits)?));
    }
    let writers: Vec<&str> = archives().map(|(_, archive)| archive.writer).collect();
    let found = format!("a zip archive of {}", listed(members.keys().map(String::as_str)));
    let fault = Fault::new(found, format!("one of {}", writers.join(" or of "))).at(reader.path());
    Err(fault.other_kind().unsupported())
}

/// The suffixes of all formats, without a dot; those that two formats have come twice.
fn suffixes() -> impl Iterator<Item = &'static str> {
    CONTAINERS.iter().flat_map(|container| container.suffixes).copied()
}

/// The suffixes of all formats as help lists them: `.safetensors, .bin or .npz`.
#[cfg(feature = "cli")]
pub(crate) fn listed_suffixes() -> String {
    let mut each: Vec<String> = vec![];
    for suffix in suffixes().map(|suffix| format!(".{suffix}")) {
        if !each.contains(&suffix) {
            each.push(suffix);
        }
    }
    let last = each.pop().unwrap_or_default();
    format!("{} or {last}", each.join(", "))
}

/// Whether a file is named like a checkpoint of any format.
pub(super) fn has_suffix(path: &Path) -> bool {
    path.extension().is_some_and(|end| suffixes().any(|suffix| end.eq_ignore_ascii_case(suffix)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_header_is_not_taken_for_another_formats_first_bytes() {
        let format = |head: &[u8]| by_start(head).map(|(file_format, _)| file_format.name());
        for head in
            [b"\x80\x02\0\0\0\0\0\0{\"a\"", b"\x1f\x8b\x08\0\0\0\0\0{\"a\"", b"PK\x03\x04\0\0\0\0{\"a\""]
        {
            assert_eq!(format(head), Some("safetensors"));
        }
        for head in [&b"PK\x03\x04\x14\0\0\0\0"[..], b"\x80\x02\0\0\0\0\0\0", b"{}", b""] {
            assert_eq!(format(head), None);
        }
        assert!(zip::is_zip(b"PK\x03\x04\x14\0\0\0\0"));
    }

    #[test]
    fn every_format_has_suffixes_and_their_case_does_not_matter() {
        for name in ["a.safetensors", "a.bin", "a.pt", "a.pth", "a.ckpt", "a.CKPT", "a.b.npz", "a.gguf"] {
            assert!(has_suffix(Path::new(name)), "{name}");
        }
        for name in ["a", "ckpt", "a.txt", "a.ckpt.txt", ""] {
            assert!(!has_suffix(Path::new(name)), "{name}");
        }
        assert!(CONTAINERS.iter().all(|container| !container.suffixes.is_empty()));
    }

    #[test]
    fn the_docs_list_every_format_and_suffix() {
        let docs = include_str!("../../../docs/formats.md");
        for container in CONTAINERS {
            let name = container.file_format.name();
            assert!(docs.lines().any(|line| line.starts_with(&format!("| {name}"))), "{name}");
            for suffix in container.suffixes.iter().filter(|&&suffix| suffix != name) {
                assert!(docs.contains(&format!("`.{suffix}`")), "{suffix}");
            }
        }
    }
}
