//! Reads byte ranges of a checkpoint, from a file or from memory.
//!
//! A file is read range by range and never mapped: training rewrites checkpoints, and a mapped file that shrinks
//! underneath stops the process.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use flate2::read::DeflateDecoder;

use crate::adapter::Source;
use crate::adapter::factor::{Deflated, Quantised, StoredFile};
use crate::error::{Error, Fault, Result};
use crate::files::{FileStamp, read_exact_at};
use crate::formats::quants;

/// Compressed bytes that are read at once.
const CHUNK_BYTES: usize = 64 << 10;

/// An open checkpoint.
pub(super) struct Reader<'a> {
    path: &'a Path,
    n_bytes: u64,
    bytes: Bytes<'a>,
}

enum Bytes<'a> {
    /// Opened for this reader, or held for all of them.
    File(Arc<File>),
    Memory(&'a [u8]),
    Deflated(Box<Reader<'a>>, &'a Deflated),
    Quantised(Box<Reader<'a>>, &'a Quantised),
}

impl Source {
    /// The file at `path`, as it is now.
    pub(super) fn file(path: &Path) -> Result<Self> {
        let metadata = std::fs::metadata(path).map_err(|source| Error::io("open", path, source))?;
        if !metadata.is_file() {
            let found = if metadata.is_dir() { "a folder" } else { "a pipe or a device" };
            return Err(Fault::new(found, "a regular file, which can be read by position")
                .at(path)
                .unsupported());
        }
        let stamp = FileStamp::new(&metadata);
        Ok(Self::File(Arc::new(StoredFile { path: path.to_owned(), stamp, held: OnceLock::new() })))
    }

    pub(super) fn open(&self) -> Result<Reader<'_>> {
        match self {
            Self::Memory(path, bytes) => {
                Ok(Reader { path, n_bytes: bytes.len() as u64, bytes: Bytes::Memory(bytes) })
            }
            Self::Deflated(part) => {
                let file = Box::new(part.file.open()?);
                Ok(Reader { path: self.path(), n_bytes: part.n_bytes, bytes: Bytes::Deflated(file, part) })
            }
            Self::Quantised(part) => {
                let file = Box::new(part.file.open()?);
                Ok(Reader { path: self.path(), n_bytes: part.n_bytes(), bytes: Bytes::Quantised(file, part) })
            }
            Self::File(file) => Ok(Reader {
                path: &file.path,
                n_bytes: file.stamp.n_bytes,
                bytes: Bytes::File(file.handle()?),
            }),
        }
    }
}

impl Reader<'_> {
    pub(super) fn path(&self) -> &Path {
        self.path
    }

    /// Length of the whole.
    pub(super) fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    /// Fills `to` with the bytes from `offset` on.
    pub(super) fn read_at(&self, offset: u64, to: &mut [u8]) -> Result<()> {
        let done = match &self.bytes {
            Bytes::Memory(bytes) => slice(bytes, offset, to.len()).map(|from| to.copy_from_slice(from)),
            Bytes::File(file) => read_exact_at(file, to, offset),
            Bytes::Deflated(file, part) => return inflate(file, part, offset, to),
            Bytes::Quantised(file, part) => return dequantise(file, part, offset, to),
        };
        done.map_err(|source| Error::io("read", self.path, source))
    }

    /// The first bytes, at most `n`.
    pub(super) fn head(&self, n: usize) -> Result<Vec<u8>> {
        let mut head = vec![0; n.min(usize::try_from(self.n_bytes).unwrap_or(n))];
        self.read_at(0, &mut head)?;
        Ok(head)
    }
}

/// Unpacks up to the bytes that are wanted: deflate has no places to start at but the first.
fn inflate(file: &Reader<'_>, part: &Deflated, offset: u64, to: &mut [u8]) -> Result<()> {
    let packed = Packed { file, offset: part.offset_bytes, n_left: part.n_compressed };
    let mut unpacked = DeflateDecoder::new(BufReader::with_capacity(CHUNK_BYTES, packed));
    let done =
        io::copy(&mut unpacked.by_ref().take(offset), &mut io::sink()).and_then(|_| unpacked.read_exact(to));
    done.map_err(|cause| {
        let found = format!("compressed data that cannot be unpacked ({cause})");
        let expected = format!("{} bytes in {} compressed ones", part.n_bytes, part.n_compressed);
        Fault::new(found, expected).at(file.path).malformed()
    })
}

/// Makes F32 of the blocks that hold these bytes of it, some blocks at a time.
fn dequantise(file: &Reader<'_>, part: &Quantised, offset: u64, to: &mut [u8]) -> Result<()> {
    let (n_numbers, n_bytes) = (part.quant.block_numbers(), part.quant.block_bytes());
    let n_blocks = CHUNK_BYTES / n_bytes;
    let (mut stored, mut numbers) = (vec![0; n_blocks * n_bytes], vec![0.0; n_blocks * n_numbers]);
    let mut made = vec![0; 4 * numbers.len()];
    let (mut at, mut rest) = (offset, to);
    while !rest.is_empty() {
        let blocks = part.stored(at..at + rest.len() as u64);
        let n_here = ((blocks.end - blocks.start) / n_bytes as u64).min(n_blocks as u64) as usize;
        let stored = &mut stored[..n_here * n_bytes];
        file.read_at(blocks.start, stored)?;
        quants::dequantise(part.quant, stored, &mut numbers);
        made.chunks_exact_mut(4)
            .zip(&numbers)
            .for_each(|(to, number)| to.copy_from_slice(&number.to_le_bytes()));
        // The first byte that is wanted may be inside of a block.
        let first = (at % (4 * n_numbers as u64)) as usize;
        let n = (4 * n_here * n_numbers - first).min(rest.len());
        let (here, after) = rest.split_at_mut(n);
        here.copy_from_slice(&made[first..first + n]);
        (at, rest) = (at + n as u64, after);
    }
    Ok(())
}

/// The compressed bytes, one after the other.
struct Packed<'a> {
    file: &'a Reader<'a>,
    offset: u64,
    n_left: u64,
}

impl Read for Packed<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let n = to.len().min(usize::try_from(self.n_left).unwrap_or(usize::MAX));
        self.file.read_at(self.offset, &mut to[..n]).map_err(io::Error::other)?;
        (self.offset, self.n_left) = (self.offset + n as u64, self.n_left - n as u64);
        Ok(n)
    }
}

fn slice(bytes: &[u8], offset: u64, n: usize) -> io::Result<&[u8]> {
    let start = usize::try_from(offset).ok();
    let range = start.and_then(|start| Some(start..start.checked_add(n)?));
    range.and_then(|range| bytes.get(range)).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}
