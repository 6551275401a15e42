//! The bytes of a pickle, fetched as far as they are needed.

use std::ops::Range;
use std::path::Path;

use crate::error::{Error, Fault, Remedy, Result};
use crate::formats::limits::Limit;
use crate::formats::source::Reader;

/// Bytes that are fetched at once.
const CHUNK_BYTES: usize = 64 << 10;

/// The start of a file or of a member, from which a pickle is read.
pub(in crate::formats) struct Input<'a> {
    path: &'a Path,
    pub(super) bytes: Vec<u8>,
    pub(super) at: usize,
    /// Where more bytes come from, and how many at most.
    more: Option<(&'a Reader<'a>, u64)>,
}

impl<'a> Input<'a> {
    /// All of these bytes.
    pub(in crate::formats) fn whole(path: &'a Path, bytes: Vec<u8>) -> Self {
        Self { path, bytes, at: 0, more: None }
    }

    /// The file from its start, as far as needed and at most `limit_bytes`.
    pub(in crate::formats) fn start_of(reader: &'a Reader<'a>, limit_bytes: u64) -> Self {
        Self { path: reader.path(), bytes: Vec::new(), at: 0, more: Some((reader, limit_bytes)) }
    }

    pub(super) fn path(&self) -> &'a Path {
        self.path
    }

    /// Where the next `n` bytes are.
    pub(super) fn take(&mut self, n: usize) -> Result<Range<usize>> {
        let end = self.at.checked_add(n).ok_or_else(|| self.ended())?;
        if end > self.bytes.len() {
            self.fetch(end)?;
        }
        Ok(std::mem::replace(&mut self.at, end)..end)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let place = self.take(N)?;
        let array = self.get(&place).first_chunk::<N>().copied();
        array.ok_or_else(|| self.ended())
    }

    /// Bytes that were taken.
    pub(super) fn get(&self, place: &Range<usize>) -> &[u8] {
        self.bytes.get(place.clone()).unwrap_or_default()
    }

    /// Where the text up to the end of the line is, which is skipped.
    pub(super) fn line(&mut self) -> Result<Range<usize>> {
        let start = self.at;
        while self.array::<1>()? != *b"\n" {}
        Ok(start..self.at - 1)
    }

    fn fetch(&mut self, end: usize) -> Result<()> {
        let Some((reader, limit_bytes)) = self.more else { return Err(self.ended()) };
        let n_there = usize::try_from(reader.n_bytes()).unwrap_or(usize::MAX);
        if end > n_there {
            return Err(self.ended());
        }
        if end as u64 > limit_bytes {
            let fault = Fault::new("a pickle that does not end", format!("at most {limit_bytes} bytes"));
            let fault = fault.remedy(Remedy::RaiseLimit { name: Limit::HeaderBytes.name() });
            return Err(fault.at(self.path).limit());
        }
        let start = self.bytes.len();
        let new_end = end.max(start + CHUNK_BYTES).min(n_there);
        self.bytes.resize(new_end, 0);
        reader.read_at(start as u64, self.bytes.get_mut(start..).unwrap_or_default())
    }

    fn ended(&self) -> Error {
        let found = format!("a pickle that ends at byte {}", self.bytes.len());
        let fault = Fault::new(found, format!("more after byte {}", self.at)).at(self.path);
        fault.hint("the file was cut short or damaged: download or copy it again").malformed()
    }
}
