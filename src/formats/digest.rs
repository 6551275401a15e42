//! Digests of a checkpoint's file, which say what a result was made of.

use std::fmt::Write as _;
#[cfg(feature = "cli")]
use std::path::Path;

use sha2::{Digest as _, Sha256};

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
        self.each_chunk(|chunk| hash.update(chunk))?;
        Ok(hash.finalize().iter().fold(String::new(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        }))
    }

    /// BLAKE3 of the same bytes, 64 hexadecimal digits: several times faster, for folders of checkpoints.
    ///
    /// # Errors
    /// As [`Adapter::digest`].
    #[cfg(feature = "cli")]
    pub(crate) fn blake3(&self) -> Result<[u8; 32]> {
        let mut hash = blake3::Hasher::new();
        self.each_chunk(|chunk| {
            hash.update(chunk);
        })?;
        Ok(*hash.finalize().as_bytes())
    }

    /// The file that holds the tensors.
    #[cfg(feature = "cli")]
    pub(crate) fn model_file(&self) -> &Path {
        self.modules.first().map_or(&self.path, |module| module.a.path())
    }

    fn each_chunk(&self, mut take: impl FnMut(&[u8])) -> Result<()> {
        let Some(module) = self.modules.first() else { return Ok(()) };
        let reader = module.a.source.whole().open()?;
        let (mut offset, end) = (0, reader.n_bytes());
        let mut chunk = vec![0; CHUNK_BYTES.min(usize::try_from(end).unwrap_or(CHUNK_BYTES))];
        while offset < end {
            let n = (end - offset).min(CHUNK_BYTES as u64) as usize;
            reader.read_at(offset, &mut chunk[..n])?;
            take(&chunk[..n]);
            offset += n as u64;
        }
        Ok(())
    }
}
