//! An open entry: its table is in memory, its records are read by position.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::Key;
use super::format::{self, Checksum, HEADER_BYTES, IndexLine, WORD};
use super::record::{CachedModule, Summary};
use crate::basis::{Basis, UpdateFactors};
use crate::error::{Error, Fault, Result};
use crate::files::read_exact_at;

/// The records of one key. It may be shared by threads.
#[derive(Debug)]
pub struct Entry {
    path: PathBuf,
    file: File,
    lines: Vec<IndexLine>,
}

impl Entry {
    /// # Errors
    /// `Malformed` for a file that is not the whole entry of this key, `Io` when the system refuses to read it.
    pub(super) fn new(path: PathBuf, file: File, key: &Key) -> Result<Self> {
        let n_bytes = file.metadata().map_err(|error| Error::io("read", &path, error))?.len();
        let wrong = || damaged(&path);
        // The end of something that lies within the file, as an offset and as a length in memory.
        let end = |start: u64, n: u64| {
            let end = start.checked_add(n).filter(|&end| end <= n_bytes);
            end.and_then(|end| Some((end, usize::try_from(end).ok()?))).ok_or_else(wrong)
        };
        let mut length = [0; WORD];
        read(&path, &file, &mut length, 0)?;
        let (json_end, n_json) = end(WORD as u64, u64::from_le_bytes(length))?;
        let mut header = [0; HEADER_BYTES];
        read(&path, &file, &mut header, json_end)?;
        let table_bytes = format::table_bytes(&header, key, n_bytes).ok_or_else(wrong)?;
        let (start, n_head) = end(json_end + HEADER_BYTES as u64, table_bytes)?;
        let mut head = vec![0; n_head];
        read(&path, &file, &mut head, 0)?;
        let (json, index) = head[WORD..].split_at(n_json - WORD);
        let (header, table) = index.split_at(HEADER_BYTES);
        let lines = format::lines(json, header, table, start, n_bytes).ok_or_else(wrong)?;
        Ok(Self { path, file, lines })
    }

    pub(super) fn written(path: PathBuf, file: File, lines: Vec<IndexLine>) -> Self {
        Self { path, file, lines }
    }

    /// Its records.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Record `i` but for the rows of its basis, which are left unread.
    ///
    /// # Errors
    /// `Invalid` when there is no record `i`; `Malformed` when it was damaged on the disk, and then the entry is removed,
    /// so that it can be made again; `Io` when the system refuses to read.
    pub fn summary(&self, i: usize) -> Result<Summary> {
        let line = self.line(i)?;
        let mut bytes = vec![0; self.size(line.summary_bytes)?];
        self.fill([&mut bytes], line.offset, line.summary_checksum)?;
        format::parse_summary(&bytes, line.rows_bytes).ok_or_else(|| self.removed())
    }

    /// Record `i`, and no other.
    ///
    /// # Errors
    /// As [`Entry::summary`].
    pub fn read(&self, i: usize) -> Result<CachedModule> {
        let (r, d, n_uncertain, sigma, projection, update) = match self.summary(i)? {
            Summary::Missing(reason) => return Ok(CachedModule::Missing(reason)),
            Summary::Basis { r, d, n_uncertain, sigma, projection, update } => {
                (r, d, n_uncertain, sigma, projection, update)
            }
        };
        let line = self.line(i)?;
        // Each in memory of its own: what is cut off a list is copied.
        let n_rows = sigma.len() * d;
        let mut rows = vec![0f32; n_rows];
        let mut of_update = vec![0f32; (self.size(line.rows_bytes)? / 4).saturating_sub(n_rows)];
        let parts = [&mut rows, &mut of_update].map(|part| bytemuck::cast_slice_mut(part));
        self.fill(parts, line.rows_offset(), line.rows_checksum)?;
        if cfg!(target_endian = "big") {
            let values = rows.iter_mut().chain(&mut of_update);
            values.for_each(|value| *value = f32::from_bits(value.to_bits().swap_bytes()));
        }
        let basis = Basis::from_parts(r, d, rows, sigma, n_uncertain).map_err(|_| self.removed())?;
        let update = update.map(|shape| {
            UpdateFactors::from_parts(of_update, [shape.d_in, shape.d_out], shape.norm)
                .map_err(|_| self.removed())
        });
        Ok(CachedModule::Basis { basis, projection, update: update.transpose()? })
    }

    fn line(&self, i: usize) -> Result<IndexLine> {
        let none = || {
            Fault::new(format!("record {i} asked for"), format!("one of {}", self.len()))
                .at(&self.path)
                .invalid()
        };
        self.lines.get(i).copied().ok_or_else(none)
    }

    /// Sizes are within the file's, so only a 32-bit machine can be too small for one.
    fn size(&self, bytes: u64) -> Result<usize> {
        usize::try_from(bytes).map_err(|_| self.removed())
    }

    /// Fills one part after another.
    fn fill<const N: usize>(&self, parts: [&mut [u8]; N], mut offset: u64, checksum: u64) -> Result<()> {
        let mut sum = Checksum::default();
        for part in parts {
            match read(&self.path, &self.file, part, offset) {
                Err(Error::Malformed(_)) => return Err(self.removed()),
                read => read?,
            }
            sum.add(part);
            offset += part.len() as u64;
        }
        if sum.finish() == checksum { Ok(()) } else { Err(self.removed()) }
    }

    /// Removes the entry, so that the next one who asks makes it again.
    fn removed(&self) -> Error {
        // Where it cannot be removed, it is replaced.
        let _ = fs::remove_file(&self.path);
        damaged(&self.path)
    }
}

fn read(path: &Path, file: &File, to: &mut [u8], offset: u64) -> Result<()> {
    read_exact_at(file, to, offset).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged(path),
        _ => Error::io("read", path, error),
    })
}

fn damaged(path: &Path) -> Error {
    Fault::new("a damaged entry of the cache", "it as it was written")
        .at(path)
        .hint("it was removed: run the same command again")
        .malformed()
}
