//! Zip archives, as `torch.save` and `numpy.savez` write them: where the bytes of each member are, checked against the file.
//!
//! Nothing is unpacked here. A stored member is read by position. The size of a deflated one is believed only if deflate
//! could have made it from its bytes.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use zip::CompressionMethod;
use zip::read::ZipArchive;
use zip::result::ZipError;

use crate::adapter::Source;
use crate::adapter::factor;
use crate::error::{Error, Fault, Result};
use crate::formats::limits::{Limit, Limits};
use crate::formats::source::Reader;
use crate::text::quoted;

const CUT: &str = "the file was cut short or damaged: download or copy it again";

/// Deflate makes at most 258 bytes from two bits.
const MAX_DEFLATE_RATIO: u64 = 1032;

/// Bytes of the directory that are read at once.
const BUFFER_BYTES: usize = 4096;

/// Where a member's bytes are.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) source: Source,
    pub(super) offset_bytes: u64,
    pub(super) n_bytes: u64,
}

impl Member {
    /// Reads all of it, which is a header.
    ///
    /// # Errors
    /// `Limit` when it is larger, `Malformed` when it cannot be unpacked to its size, `Io`.
    pub(super) fn read(&self, name: &str, limits: &Limits) -> Result<Vec<u8>> {
        if self.n_bytes > limits.header_bytes {
            let fault = limits.over(Limit::HeaderBytes, format!("{} bytes", self.n_bytes));
            return Err(fault.at(self.source.path()).of(format!("member {}", quoted(name))).limit());
        }
        self.source.open()?.check()?;
        self.start(self.n_bytes)
    }

    /// Reads the first `n` bytes, or as many as there are.
    pub(super) fn start(&self, n: u64) -> Result<Vec<u8>> {
        // Every caller bounds `n`.
        let mut bytes = vec![0; self.n_bytes.min(n) as usize];
        self.source.open()?.read_at(self.offset_bytes, &mut bytes)?;
        Ok(bytes)
    }
}

/// Every member of an archive, by name.
pub(super) type Members = BTreeMap<String, Member>;

/// Whether a file begins like a zip archive, an empty one included.
pub(super) fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
}

/// The name of the first member, from the first bytes of an archive that may be cut short.
pub(super) fn first_member(head: &[u8]) -> Option<Cow<'_, str>> {
    // The name starts at byte 30; its length is two bytes from byte 26 on.
    let length = u16::from_le_bytes(*head.get(26..)?.first_chunk()?);
    head.get(30..30 + usize::from(length)).map(String::from_utf8_lossy)
}

/// Lists the members.
///
/// # Errors
/// `Malformed` when the directory is missing or broken, members overlap, share a name or have an impossible size;
/// `Unsupported` when one is encrypted or compressed by another method; `Limit` when there are too many.
pub(super) fn members(source: &Source, reader: &Reader<'_>, limits: &Limits) -> Result<Members> {
    let path = reader.path();
    let too_many = |limit: Limit, found: String| limits.over(limit, found).at(path).of("zip archive").limit();
    let n_left = Cell::new(limits.header_bytes);
    let cursor = BufReader::with_capacity(BUFFER_BYTES, Cursor { reader, at: 0, n_left: &n_left });
    let mut archive = ZipArchive::new(cursor).map_err(|error| match n_left.get() {
        0 => too_many(Limit::HeaderBytes, "more bytes of directory".into()),
        _ => broken(path, &error),
    })?;
    if archive.len() > limits.n_tensors {
        return Err(too_many(Limit::Tensors, format!("{} members", archive.len())));
    }
    // From here on, what is read is bounded by the number of members.
    n_left.set(u64::MAX);
    let fault = |found: &str, expected: &str| Fault::new(found, expected).at(path).of("zip archive");
    if archive.has_duplicate_names() {
        return Err(fault("two members of one name", "each name once").malformed());
    }
    if archive.has_overlapping_files().map_err(|error| broken(path, &error))? {
        let expected = "each with bytes of its own, before the directory";
        return Err(fault("members that overlap", expected).hint(CUT).malformed());
    }
    let mut members = Members::new();
    for at in 0..archive.len() {
        let file = archive.by_index_raw(at).map_err(|error| broken(path, &error))?;
        let name = String::from_utf8_lossy(file.name_raw()).into_owned();
        if file.is_dir() {
            continue;
        }
        if name.len() as u64 > limits.name_bytes {
            return Err(too_many(Limit::NameBytes, format!("a name of {} bytes", name.len())));
        }
        let offset_bytes = file.data_start().unwrap_or(u64::MAX);
        let (n_stored, crc32) = (file.compressed_size(), file.crc32());
        let packed = Packed { offset_bytes, n_stored, n_bytes: file.size(), crc32 };
        let fault = |found: &str, expected: String| {
            Fault::new(found, expected).at(path).of(format!("member {}", quoted(&name)))
        };
        if file.encrypted() {
            return Err(fault("an encrypted member", "a plain one".into()).unsupported());
        }
        let is_deflated = match file.compression() {
            CompressionMethod::Stored => false,
            CompressionMethod::Deflated => true,
            other => {
                let expected = "a stored or deflated one".into();
                return Err(fault(&format!("a member packed by {other}"), expected).unsupported());
            }
        };
        let member = packed.member(source, is_deflated).map_err(|expected| {
            fault(&format!("a size of {} bytes", packed.n_bytes), expected).hint(CUT).malformed()
        })?;
        // Each of its factors is unpacked from the start of the member on.
        if is_deflated && member.n_bytes > limits.factor_bytes {
            let over = limits.over(Limit::FactorBytes, format!("{} bytes once unpacked", member.n_bytes));
            return Err(over.at(path).of(format!("member {}", quoted(&name))).limit());
        }
        // Different raw names may become the same as UTF-8.
        if members.insert(name.clone(), member).is_some() {
            return Err(fault("a second member of this name", "each name once".into()).malformed());
        }
    }
    Ok(members)
}

/// A member, according to the directory.
#[derive(Debug, Clone, Copy)]
struct Packed {
    offset_bytes: u64,
    n_stored: u64,
    n_bytes: u64,
    crc32: u32,
}

impl Packed {
    /// # Errors
    /// What would be a possible size.
    fn member(self, source: &Source, is_deflated: bool) -> Result<Member, String> {
        let Self { offset_bytes, n_stored, n_bytes, crc32 } = self;
        let most = n_stored.saturating_mul(MAX_DEFLATE_RATIO);
        if !is_deflated && n_stored != n_bytes {
            return Err(format!("the {n_stored} that are stored"));
        }
        if is_deflated && n_bytes > most {
            return Err(format!("at most {most}, all that deflate makes of {n_stored}"));
        }
        let member = factor::Member {
            file: source.clone(),
            offset_bytes,
            n_stored,
            n_bytes,
            is_deflated,
            // torch leaves it out on demand.
            crc32: (crc32 != 0).then_some(crc32),
            is_checked: AtomicBool::new(false),
        };
        Ok(Member { source: Source::Member(Arc::new(member)), offset_bytes: 0, n_bytes })
    }
}

fn broken(path: &Path, error: &ZipError) -> Error {
    let found = format!("a zip archive that cannot be read ({error})");
    Fault::new(found, "a whole one, with its directory at the end").at(path).hint(CUT).malformed()
}

/// A position in the file.
struct Cursor<'a> {
    reader: &'a Reader<'a>,
    at: u64,
    /// Bytes that may still be read.
    n_left: &'a Cell<u64>,
}

impl Read for Cursor<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let n_left = self.reader.n_bytes().saturating_sub(self.at);
        let n = to.len().min(usize::try_from(n_left).unwrap_or(usize::MAX));
        self.n_left.set(self.n_left.get().saturating_sub(n as u64));
        if self.n_left.get() == 0 {
            return Err(io::Error::other("the directory is too large"));
        }
        self.reader.read_at(self.at, to.get_mut(..n).unwrap_or_default()).map_err(io::Error::other)?;
        self.at += n as u64;
        Ok(n)
    }
}

impl Seek for Cursor<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.reader.n_bytes().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}
