//! Reads a header from its start to its end, through a buffer, and believes no length before the file was found to hold it.

use super::CUT;
use crate::error::{Error, Fault, Result};
use crate::formats::limits::{Limit, Limits};
use crate::formats::source::Reader;

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 64 << 10;

/// Texts over this length have no meaning here: they are skipped.
pub(super) const MAX_TEXT_BYTES: u64 = 64 << 10;

/// A place in the header.
pub(super) struct Cursor<'a> {
    reader: &'a Reader<'a>,
    at: u64,
    /// The end of the file, or the most that a header may take.
    end: u64,
    limits: &'a Limits,
    buffer: Vec<u8>,
    /// Where the buffer begins in the file.
    buffer_at: u64,
    /// What is being read, for messages.
    pub(super) subject: String,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(reader: &'a Reader<'a>, limits: &'a Limits) -> Self {
        let end = reader.n_bytes().min(limits.header_bytes);
        Self { reader, at: 0, end, limits, buffer: vec![], buffer_at: 0, subject: "header".into() }
    }

    /// Bytes before this place.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    pub(super) fn fault(&self, found: impl Into<String>, expected: impl Into<String>) -> Fault {
        Fault::new(found.into(), expected.into()).at(self.reader.path()).of(self.subject.clone())
    }

    /// The error for more bytes than there are.
    fn over(&self, n: u64) -> Error {
        let n_there = self.reader.n_bytes() - self.at;
        if n > n_there {
            let expected = format!("at most {n_there}, all that the file holds");
            return self.fault(format!("{n} bytes at byte {}", self.at), expected).hint(CUT).malformed();
        }
        let found = format!("more than {} bytes of header", self.limits.header_bytes);
        self.over_limit(Limit::HeaderBytes, found)
    }

    /// The error for more than a limit allows.
    pub(super) fn over_limit(&self, limit: Limit, found: String) -> Error {
        self.limits.over(limit, found).at(self.reader.path()).of(self.subject.clone()).limit()
    }

    /// Goes past `n` bytes without reading them.
    pub(super) fn skip(&mut self, n: u64) -> Result<()> {
        if n > self.end - self.at {
            return Err(self.over(n));
        }
        self.at += n;
        Ok(())
    }

    /// A count of things, each of which takes at least `least_bytes`.
    pub(super) fn check_count(&self, n: u64, least_bytes: u64) -> Result<()> {
        match n.checked_mul(least_bytes) {
            Some(n_bytes) if n_bytes <= self.end - self.at => Ok(()),
            Some(n_bytes) => Err(self.over(n_bytes)),
            None => Err(self.over(u64::MAX)),
        }
    }

    /// The next bytes, as many as the buffer holds at most.
    fn take(&mut self, n: usize) -> Result<&[u8]> {
        if n as u64 > self.end - self.at {
            return Err(self.over(n as u64));
        }
        let is_inside =
            self.at >= self.buffer_at && self.at + n as u64 <= self.buffer_at + self.buffer.len() as u64;
        if !is_inside {
            let n_ahead = (self.end - self.at).min(BUFFER_BYTES as u64) as usize;
            self.buffer.resize(n_ahead.max(n), 0);
            self.buffer_at = self.at;
            self.reader.read_at(self.at, &mut self.buffer)?;
        }
        let start = (self.at - self.buffer_at) as usize;
        self.at += n as u64;
        self.buffer.get(start..start + n).ok_or_else(|| self.over(n as u64))
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A text; `None` for one that is too long to keep, or not UTF-8.
    pub(super) fn text(&mut self) -> Result<Option<String>> {
        let n = self.u64()?;
        if n > MAX_TEXT_BYTES {
            self.skip(n)?;
            return Ok(None);
        }
        let bytes = self.take(n as usize)?;
        Ok(std::str::from_utf8(bytes).ok().map(str::to_owned))
    }

    /// A text that something is called by.
    pub(super) fn name(&mut self) -> Result<String> {
        let before = self.at;
        let text = self.text()?;
        text.ok_or_else(|| {
            let found = format!("a name at byte {before} that is not UTF-8 or over {MAX_TEXT_BYTES} bytes");
            self.fault(found, "a short text").malformed()
        })
    }
}
