//! Writes an entry record by record, beside its place, and renames it there when it is whole.

use std::borrow::Cow;
use std::fs::{File, FileTimes};
use std::io::{self, BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tempfile::NamedTempFile;

use super::entry::Entry;
use super::format::{self, HEADER_BYTES, IndexLine, LINE_BYTES, WORD};
use super::ledger;
use super::record::CachedModule;
use super::tensors::Tensors;
use super::{Cache, Key};
use crate::error::{Error, Fault, Result};
use crate::files::{hold, temp_file_next_to};
use crate::sync::lock;

/// An entry that is being written. Dropped before [`Writer::finish`], it leaves nothing.
#[derive(Debug)]
pub struct Writer<'a> {
    cache: &'a Cache,
    path: PathBuf,
    key: Key,
    file: BufWriter<NamedTempFile>,
    names: Vec<String>,
    tensors: Tensors,
    lines: Vec<IndexLine>,
    n_bytes: u64,
}

impl<'a> Writer<'a> {
    pub(super) fn new(cache: &'a Cache, path: PathBuf, key: &Key, names: Vec<String>) -> Result<Self> {
        let index_bytes = HEADER_BYTES + names.len() * LINE_BYTES;
        let tensors = Tensors::new(names.iter().map(String::as_str), index_bytes);
        let n_bytes = (WORD + tensors.n_bytes() + index_bytes) as u64;
        let file = part(&path).and_then(|mut file| {
            file.seek(SeekFrom::Start(n_bytes))?;
            Ok(BufWriter::with_capacity(1 << 16, file))
        });
        let file = file.map_err(|error| Error::io("write", &path, error))?;
        let lines = Vec::with_capacity(names.len());
        Ok(Self { cache, path, key: *key, file, names, tensors, lines, n_bytes })
    }

    /// Writes the next record.
    ///
    /// # Errors
    /// `Io`, naming the entry's file, when the system refuses to write, a full disk among the causes.
    pub fn push(&mut self, record: &CachedModule) -> Result<()> {
        let summary = format::summary(record);
        let (rows, of_update) = match record {
            CachedModule::Basis { basis, update, .. } => {
                (basis.rows(), update.as_ref().map_or(&[][..], |update| update.joined().rows()))
            }
            CachedModule::Missing(_) => (&[][..], &[][..]),
        };
        let (rows, of_update) = (little_endian(rows), little_endian(of_update));
        let parts = [&summary[..], &rows, &of_update];
        let line = IndexLine::of(self.n_bytes, parts);
        for part in parts {
            self.file.write_all(part).map_err(|error| Error::io("write", &self.path, error))?;
            self.n_bytes += part.len() as u64;
        }
        self.lines.push(line);
        if let Some(name) = self.names.get(self.lines.len() - 1) {
            self.tensors.add(name, record);
        }
        Ok(())
    }

    /// Puts the entry in its place and evicts what is over the limit.
    ///
    /// # Errors
    /// `Invalid` when the records are not as many as were announced; `Io`, naming the entry's file, when the system
    /// refuses to write, a full disk among the causes.
    pub fn finish(self) -> Result<Entry> {
        let Self { cache, path, key, file, names, tensors, lines, n_bytes } = self;
        if lines.len() != names.len() {
            let found = format!("{} records", lines.len());
            return Err(Fault::new(found, format!("{}", names.len())).at(path).invalid());
        }
        let named = |error: io::Error| Error::io("write", &path, error);
        let file = whole(file, &format::head(&tensors.json(), &key, n_bytes, &lines)).map_err(named)?;
        let file = {
            // A lock that threads of one process wait for, too, would take a file each.
            let _turn = lock(&cache.turn);
            ledger::add(&cache.dir, cache.limit_bytes, n_bytes, || {
                file.persist(&path).map_err(|error| named(error.error))
            })?
        };
        Ok(Entry::written(path, file, lines))
    }
}

/// A file that nobody takes for one that a killed process has left.
fn part(path: &Path) -> io::Result<NamedTempFile> {
    loop {
        let file = temp_file_next_to(path)?;
        if hold(file.as_file(), file.path())? {
            return Ok(file);
        }
    }
}

/// Writes what stands in front, now that it is known.
fn whole(file: BufWriter<NamedTempFile>, head: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.rewind()?;
    file.write_all(head)?;
    // The kernel's own times are coarser than those that `get` sets, and would sort before them.
    touch(file.as_file())?;
    Ok(file)
}

fn touch(file: &File) -> io::Result<()> {
    file.set_times(FileTimes::new().set_modified(SystemTime::now()))
}

fn little_endian(values: &[f32]) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") {
        Cow::Borrowed(bytemuck::cast_slice(values))
    } else {
        values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into()
    }
}
