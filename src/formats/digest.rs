//! The digest of a checkpoint's file, which says what a result was made of.

use std::fmt::Write as _;
use std::ops::Range;
#[cfg(feature = "scan")]
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::source::Reader;
use crate::adapter::Adapter;
#[cfg(feature = "scan")]
use crate::adapter::Source;
use crate::error::Result;
#[cfg(feature = "scan")]
use crate::files::{FileId, FileStamp};

/// Bytes that are read at once, at most: they are still in the second cache when they are digested.
const CHUNK_BYTES: usize = 1 << 17;

impl Adapter {
    /// SHA-256 of the file that holds the tensors, 64 hexadecimal digits; of shards, one after the other. Reads all of it.
    ///
    /// # Errors
    /// `Io` when the system refuses to read, `Invalid` when the file changed since it was opened.
    pub fn digest(&self) -> Result<String> {
        let mut hash = Sha256::new();
        for source in &self.sources {
            let reader = source.whole().open()?;
            each_chunk(&reader, 0..reader.n_bytes(), &mut vec![], |chunk| hash.update(chunk))?;
        }
        Ok(hash.finalize().iter().fold(String::new(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        }))
    }

    /// The files that hold the tensors: one, or its shards.
    #[cfg(feature = "scan")]
    pub(crate) fn model_files(&self) -> impl Iterator<Item = &Path> {
        self.sources.iter().map(Source::path)
    }

    /// Whether both are in the same files, however these are named. Files that are not there, such as what is built into the
    /// binary, are not the same.
    #[cfg(feature = "scan")]
    pub(crate) fn has_files_of(&self, other: &Self) -> bool {
        self.file_ids().is_some_and(|own| other.file_ids() == Some(own))
    }

    /// Which files hold the tensors; `None` where there are none, or they are gone.
    #[cfg(feature = "scan")]
    pub(crate) fn file_ids(&self) -> Option<Vec<FileId>> {
        let ids: Vec<FileId> = self.model_files().map(FileId::of).collect::<Option<_>>()?;
        (!ids.is_empty()).then_some(ids)
    }

    /// The stamp of the files as they are now.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    #[cfg(feature = "scan")]
    pub(crate) fn stamp_now(&self) -> Result<FileStamp> {
        let files = self.model_files().chain(self.base_sources.iter().map(Source::path));
        let stamps = files.map(FileStamp::of).collect::<Result<Vec<_>>>()?;
        Ok(FileStamp::of_all(stamps))
    }
}

/// Reads these bytes through a buffer, one piece after the other.
pub(super) fn each_chunk(
    reader: &Reader<'_>,
    bytes: Range<u64>,
    buffer: &mut Vec<u8>,
    mut take: impl FnMut(&[u8]),
) -> Result<()> {
    let mut offset = bytes.start;
    while offset < bytes.end {
        let n = (bytes.end - offset).min(CHUNK_BYTES as u64) as usize;
        buffer.resize(n.max(buffer.len()), 0);
        let piece = buffer.get_mut(..n).unwrap_or_default();
        reader.read_at(offset, piece)?;
        take(piece);
        offset += n as u64;
    }
    Ok(())
}
