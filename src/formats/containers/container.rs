//! What a file format is: how files of it are recognised and read.

use std::path::Path;

use crate::adapter::{FileFormat, Source};
use crate::error::Result;
use crate::formats::containers::zip::Members;
use crate::formats::contents::Contents;
use crate::formats::limits::Limits;
use crate::formats::source::Reader;

/// A file format, as a row of the table in [`super`].
pub(super) struct Container {
    pub(super) file_format: FileFormat,
    /// How such files are usually named: suffixes without the dot, in lower case.
    pub(super) suffixes: &'static [&'static str],
    pub(super) encoding: Encoding,
}

/// How the bytes of a file are laid out.
pub(super) enum Encoding {
    /// In a way of its own.
    Plain(Plain),
    /// As a zip archive.
    Archive(Archive),
}

/// A file that is not an archive.
pub(super) struct Plain {
    /// Whether a file begins like this format, from its first [`HEAD_BYTES`](super::HEAD_BYTES) bytes.
    pub(super) is_start: fn(&[u8]) -> bool,
    pub(super) read: fn(&Source, &Reader<'_>, &Limits) -> Result<Contents>,
}

/// A kind of zip archive.
pub(super) struct Archive {
    /// Whether a member of this name marks an archive of this kind.
    pub(super) is_member: fn(&str) -> bool,
    /// What writes such archives, with that member, for messages.
    pub(super) writer: &'static str,
    pub(super) read: fn(&Path, &Members, &Limits) -> Result<Contents>,
}
