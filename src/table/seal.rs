//! A digest of all bytes of a table, in the table: it goes with the file wherever that is copied or moved.
//!
//! It stands before the first page, where a Parquet file may have any bytes: readers go by the places that the footer has. A program
//! that writes the table anew leaves it out.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write};

use crate::files::read_exact_at;

/// What the digest stands after: the file's own mark, and this one.
const TAG: &[u8; 8] = b"lorasc-1";

/// Where the digest is, after `PAR1` and the tag.
const OFFSET: u64 = 4 + TAG.len() as u64;

const DIGEST_BYTES: usize = 32;

/// Bytes that are digested at once.
const CHUNK_BYTES: usize = 256 << 10;

/// The tag, and zeros in the place of the digest: what a writer puts behind the file's mark.
pub(super) fn place() -> [u8; TAG.len() + DIGEST_BYTES] {
    let mut place = [0; TAG.len() + DIGEST_BYTES];
    place[..TAG.len()].copy_from_slice(TAG);
    place
}

/// Digests what is written to a file.
pub(super) struct Sealing<'a> {
    file: &'a mut File,
    hash: blake3::Hasher,
}

impl<'a> Sealing<'a> {
    /// To an empty file.
    pub(super) fn new(file: &'a mut File) -> Self {
        Self { file, hash: blake3::Hasher::new() }
    }

    /// Puts the digest of all that was written in its place.
    pub(super) fn finish(self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(OFFSET))?;
        self.file.write_all(self.hash.finalize().as_bytes())
    }
}

impl Write for Sealing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.file.write(bytes)?;
        self.hash.update(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Whether the bytes of a file are those that were written; true too for one without a digest. Reads all of it.
pub(super) fn is_whole(file: &File, n_bytes: u64) -> io::Result<bool> {
    let mut head = [0; OFFSET as usize + DIGEST_BYTES];
    if n_bytes < head.len() as u64 {
        return Ok(true);
    }
    read_exact_at(file, &mut head, 0)?;
    let (tag, digest) = head.split_at_mut(OFFSET as usize);
    if !tag.ends_with(TAG) {
        return Ok(true);
    }
    let expected: [u8; DIGEST_BYTES] = (&*digest).try_into().expect("the rest is the digest");
    digest.fill(0);
    let mut hash = blake3::Hasher::new();
    hash.update(&head);
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut at = head.len() as u64;
    while at < n_bytes {
        let chunk = &mut chunk[..(n_bytes - at).min(CHUNK_BYTES as u64) as usize];
        read_exact_at(file, chunk, at)?;
        hash.update(chunk);
        at += chunk.len() as u64;
    }
    Ok(*hash.finalize().as_bytes() == expected)
}
