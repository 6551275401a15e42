//! An open entry: its table is in memory, its records are read by position.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::Key;
use super::format::{self, HEADER_BYTES, IndexLine, Part, WORD};
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
        let mut bytes = vec![0; self.size(line.n_bytes(Part::Summary))?];
        self.fill(&mut bytes, &line, Part::Summary)?;
        let rows_bytes = [Part::Basis, Part::Update].map(|part| line.n_bytes(part));
        format::parse_summary(&bytes, rows_bytes).ok_or_else(|| self.removed())
    }

    /// Record `i`, and no other.
    ///
    /// # Errors
    /// As [`Entry::summary`].
    pub fn read(&self, i: usize) -> Result<CachedModule> {
        let summary = self.summary(i)?;
        let basis = self.basis(i, &summary, vec![])?;
        let update = self.update(i, &summary, vec![])?;
        match (summary, basis) {
            (Summary::Basis { projection, .. }, Some(basis)) => {
                Ok(CachedModule::Basis { basis, projection, update })
            }
            (Summary::Missing(reason), _) => Ok(CachedModule::Missing(reason)),
            (Summary::Basis { .. }, None) => Err(self.removed()),
        }
    }

    /// The basis of record `i`, of this summary, if it has one. Its rows are read into `numbers`, over what is in there: a
    /// reader of many records takes that memory back out of the basis.
    ///
    /// # Errors
    /// As [`Entry::summary`].
    pub fn basis(&self, i: usize, summary: &Summary, numbers: Vec<f32>) -> Result<Option<Basis>> {
        let Summary::Basis { r, d, n_uncertain, sigma, .. } = summary else { return Ok(None) };
        let rows = self.numbers(i, Part::Basis, numbers)?;
        let basis = Basis::from_parts(*r, *d, rows, sigma.clone(), *n_uncertain);
        basis.map(Some).map_err(|_| self.removed())
    }

    /// The update of record `i`, of this summary, if it has one, as [`Entry::basis`].
    ///
    /// # Errors
    /// As [`Entry::summary`].
    pub fn update(&self, i: usize, summary: &Summary, numbers: Vec<f32>) -> Result<Option<UpdateFactors>> {
        let Summary::Basis { update: Some(shape), .. } = summary else { return Ok(None) };
        let rows = self.numbers(i, Part::Update, numbers)?;
        let update = UpdateFactors::from_parts(rows, [shape.d_in, shape.d_out], shape.norm);
        update.map(Some).map_err(|_| self.removed())
    }

    /// The numbers of a part of record `i`.
    fn numbers(&self, i: usize, part: Part, mut numbers: Vec<f32>) -> Result<Vec<f32>> {
        let line = self.line(i)?;
        numbers.resize(self.size(line.n_bytes(part))? / size_of::<f32>(), 0.0);
        self.fill(bytemuck::cast_slice_mut(&mut numbers), &line, part)?;
        if cfg!(target_endian = "big") {
            numbers.iter_mut().for_each(|value| *value = f32::from_bits(value.to_bits().swap_bytes()));
        }
        Ok(numbers)
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

    /// Reads a part of a record.
    fn fill(&self, to: &mut [u8], line: &IndexLine, part: Part) -> Result<()> {
        match read(&self.path, &self.file, to, line.offset(part)) {
            Err(Error::Malformed(_)) => return Err(self.removed()),
            read => read?,
        }
        if format::checksum(to) == line.checksum(part) { Ok(()) } else { Err(self.removed()) }
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
