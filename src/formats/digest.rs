//! The digest of a checkpoint's file, which says what a result was made of.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::adapter::Adapter;
use crate::error::Result;

/// Bytes that are read at once.
const CHUNK_BYTES: usize = 1 << 20;

impl Adapter {
    /// SHA-256 of the file that holds the tensors, 64 hexadecimal digits. Reads the whole file.
    ///
    /// # Errors
    /// `Io` when the system refuses to read, `Malformed` when the file changed since it was opened.
    pub fn digest(&self) -> Result<String> {
        let mut hash = Sha256::new();
        if let Some(module) = self.modules.first() {
            let reader = module.a.source.whole().open()?;
            let (mut offset, end) = (0, reader.n_bytes());
            let mut chunk = vec![0; CHUNK_BYTES];
            while offset < end {
                let n = (end - offset).min(CHUNK_BYTES as u64) as usize;
                reader.read_at(offset, &mut chunk[..n])?;
                hash.update(&chunk[..n]);
                offset += n as u64;
            }
        }
        Ok(hash.finalize().iter().fold(String::new(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        }))
    }
}
