//! The digest of a checkpoint's file, which says what a result was made of.

use std::fmt::Write as _;
use std::ops::Range;
#[cfg(feature = "scan")]
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::source::Reader;
use crate::adapter::Adapter;
use crate::error::Result;

/// Bytes that are read at once, at most: they are still in the second cache when they are digested.
const CHUNK_BYTES: usize = 1 << 17;

impl Adapter {
    /// SHA-256 of the file that holds the tensors, 64 hexadecimal digits. Reads the whole file.
    ///
    /// # Errors
    /// `Io` when the system refuses to read, `Malformed` when the file changed since it was opened.
    pub fn digest(&self) -> Result<String> {
        let mut hash = Sha256::new();
        if let Some(module) = self.modules.first() {
            let reader = module.a.source.whole().open()?;
            each_chunk(&reader, 0..reader.n_bytes(), &mut vec![], |chunk| hash.update(chunk))?;
        }
        Ok(hash.finalize().iter().fold(String::new(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        }))
    }

    /// The file that holds the tensors.
    #[cfg(feature = "scan")]
    pub(crate) fn model_file(&self) -> &Path {
        self.modules.first().map_or(&self.path, |module| module.a.path())
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
        reader.read_at(offset, &mut buffer[..n])?;
        take(&buffer[..n]);
        offset += n as u64;
    }
    Ok(())
}
