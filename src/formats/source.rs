//! Reads byte ranges of a checkpoint, from a file or from memory.
//!
//! A file is read range by range and never mapped: training rewrites checkpoints, and a mapped file that shrinks
//! underneath stops the process.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};

use flate2::Crc;
use flate2::read::DeflateDecoder;

use crate::adapter::Source;
use crate::adapter::factor::{Member, Quantised, StoredFile};
use crate::error::{Error, Fault, Result};
use crate::files::{FileStamp, read_exact_at};
use crate::formats::quants;

/// Bytes that are read at once to be unpacked or summed.
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
    Member(Box<Reader<'a>>, &'a Member),
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
            Self::Member(member) => {
                let file = Box::new(member.file.open()?);
                Ok(Reader { path: self.path(), n_bytes: member.n_bytes, bytes: Bytes::Member(file, member) })
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

    /// Fills `to` with the bytes from `offset` on. Unpacks all that stands before them.
    pub(super) fn read_at(&self, offset: u64, to: &mut [u8]) -> Result<()> {
        self.forward()?.read_at(offset, to)
    }

    /// Reads one piece after the other, each after the one before: what is compressed is unpacked once.
    pub(super) fn forward(&self) -> Result<Forward<'_>> {
        let unpacked = match &self.bytes {
            Bytes::Member(file, member) if member.is_deflated => {
                let packed =
                    Packed { file, offset: member.offset_bytes, n_left: member.n_stored, failed: None };
                Some((DeflateDecoder::new(BufReader::with_capacity(CHUNK_BYTES, packed)), 0))
            }
            _ => None,
        };
        Ok(Forward { reader: self, unpacked })
    }

    /// Sees to it that a member of an archive has its checksum. Reads all of it, once however often it is asked.
    ///
    /// # Errors
    /// `Malformed` when it has another one or cannot be unpacked, `Io` when the system refuses to read.
    pub(super) fn check(&self) -> Result<()> {
        let Bytes::Member(_, member) = &self.bytes else { return Ok(()) };
        let Some(expected) = member.crc32.filter(|_| !member.is_checked.load(Ordering::Relaxed)) else {
            return Ok(());
        };
        let (mut sum, mut forward) = (Crc::new(), self.forward()?);
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut at = 0;
        while at < self.n_bytes {
            let n = (self.n_bytes - at).min(CHUNK_BYTES as u64);
            let Some(chunk) = chunk.get_mut(..n as usize) else { break };
            forward.read_at(at, chunk)?;
            sum.update(chunk);
            at += n;
        }
        if sum.sum() != expected {
            let found = format!("a member whose bytes have the checksum {:08x}", sum.sum());
            let fault = Fault::new(found, format!("{expected:08x}, as the archive says")).at(self.path);
            return Err(fault.hint(DAMAGED).malformed());
        }
        member.is_checked.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// The first bytes, at most `n`.
    pub(super) fn head(&self, n: usize) -> Result<Vec<u8>> {
        let mut head = vec![0; n.min(usize::try_from(self.n_bytes).unwrap_or(n))];
        self.read_at(0, &mut head)?;
        Ok(head)
    }
}

const DAMAGED: &str = "the file was damaged: download or copy it again";

/// Reads pieces of a file or of a member, in their order.
pub(super) struct Forward<'a> {
    reader: &'a Reader<'a>,
    /// Of a compressed member: what unpacks it, and where that is.
    unpacked: Option<(DeflateDecoder<BufReader<Packed<'a>>>, u64)>,
}

impl Forward<'_> {
    /// Fills `to` with the bytes from `offset` on, which must not stand before those that were read last where the bytes are
    /// compressed.
    ///
    /// # Errors
    /// `Malformed` when they cannot be unpacked, `Io` when the system refuses to read.
    pub(super) fn read_at(&mut self, offset: u64, to: &mut [u8]) -> Result<()> {
        let Reader { path, n_bytes, bytes } = self.reader;
        let n = to.len() as u64;
        let done = match (bytes, &mut self.unpacked) {
            (Bytes::Member(file, member), Some((decoder, at))) => {
                let skipped =
                    offset.checked_sub(*at).ok_or_else(|| io::Error::other("bytes before the last"));
                let done = skipped.and_then(|skipped| {
                    io::copy(&mut decoder.by_ref().take(skipped), &mut io::sink())?;
                    decoder.read_exact(to)
                });
                *at = offset.saturating_add(n);
                return done.map_err(|cause| broken(file, member, decoder, cause));
            }
            (Bytes::Member(file, member), None) => {
                let is_inside = offset.checked_add(n).is_some_and(|end| end <= *n_bytes);
                match member.offset_bytes.checked_add(offset).filter(|_| is_inside) {
                    Some(start) => return file.read_at(start, to),
                    None => Err(io::ErrorKind::UnexpectedEof.into()),
                }
            }
            (Bytes::Quantised(file, part), _) => return dequantise(file, part, offset, to),
            (Bytes::Memory(bytes), _) => slice(bytes, offset, to.len()).map(|from| to.copy_from_slice(from)),
            (Bytes::File(file), _) => read_exact_at(file, to, offset),
        };
        done.map_err(|source| Error::io("read", path, source))
    }
}

/// The error of what cannot be unpacked, or of the file that it is read from.
fn broken(
    file: &Reader<'_>,
    member: &Member,
    decoder: &mut DeflateDecoder<BufReader<Packed<'_>>>,
    cause: io::Error,
) -> Error {
    if let Some(failed) = decoder.get_mut().get_mut().failed.take() {
        return failed;
    }
    let found = format!("compressed data that cannot be unpacked ({cause})");
    let expected = format!("{} bytes in {} compressed ones", member.n_bytes, member.n_stored);
    Fault::new(found, expected).at(file.path).malformed()
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
        let stored = stored.get_mut(..n_here * n_bytes).unwrap_or_default();
        file.read_at(blocks.start, stored)?;
        quants::dequantise(part.quant, stored, &mut numbers);
        made.chunks_exact_mut(4)
            .zip(&numbers)
            .for_each(|(to, number)| to.copy_from_slice(&number.to_le_bytes()));
        // The first byte that is wanted may be inside of a block.
        let first = (at % (4 * n_numbers as u64)) as usize;
        let n = (4 * n_here * n_numbers - first).min(rest.len());
        let (here, after) = rest.split_at_mut(n);
        here.iter_mut().zip(made.iter().skip(first)).for_each(|(to, byte)| *to = *byte);
        (at, rest) = (at + n as u64, after);
    }
    Ok(())
}

/// The compressed bytes, one after the other.
struct Packed<'a> {
    file: &'a Reader<'a>,
    offset: u64,
    n_left: u64,
    /// Why the file could not be read.
    failed: Option<Error>,
}

impl Read for Packed<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let n = to.len().min(usize::try_from(self.n_left).unwrap_or(usize::MAX));
        let to = to.get_mut(..n).unwrap_or_default();
        if let Err(error) = self.file.read_at(self.offset, to) {
            self.failed = Some(error);
            return Err(io::ErrorKind::Other.into());
        }
        (self.offset, self.n_left) = (self.offset + n as u64, self.n_left - n as u64);
        Ok(n)
    }
}

fn slice(bytes: &[u8], offset: u64, n: usize) -> io::Result<&[u8]> {
    let start = usize::try_from(offset).ok();
    let range = start.and_then(|start| Some(start..start.checked_add(n)?));
    range.and_then(|range| bytes.get(range)).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}
