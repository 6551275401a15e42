//! A checkpoint's file: opened for each read, or once for all of them.

use std::fs::{File, Metadata};
use std::io;
#[cfg(not(unix))]
use std::io::{Read as _, Seek as _};
use std::sync::Arc;

use crate::adapter::Stamp;
use crate::adapter::factor::StoredFile;
#[cfg(feature = "scan")]
use crate::adapter::{Adapter, Source};
use crate::error::{Error, Fault, Result};

impl StoredFile {
    /// The handle that is held, or a new one, if nobody has written the file since its header was read.
    pub(super) fn handle(&self) -> Result<Arc<File>> {
        let file = match self.held.get() {
            Some(held) => Arc::clone(held),
            None => Arc::new(File::open(&self.path).map_err(|source| Error::io("open", &self.path, source))?),
        };
        let metadata = file.metadata().map_err(|source| Error::io("read", &self.path, source))?;
        if stamp(&metadata) == self.stamp {
            return Ok(file);
        }
        let fault = Fault::new("the file changed", "it unchanged since its header was read").at(&self.path);
        Err(fault.hint("wait until training has written it, and start again").malformed())
    }
}

#[cfg(feature = "scan")]
impl Adapter {
    /// Opens the file once for all reads of its factors, until the adapter and all of its factors are gone. Does nothing
    /// where a handle that several threads share cannot be read by position.
    ///
    /// # Errors
    /// `Io` when the system refuses, `Malformed` when the file changed since its header was read.
    pub(crate) fn hold_open(&self) -> Result<()> {
        if let (Source::File(file), true) = (self.source.whole(), cfg!(unix)) {
            // Whoever was first, it is the same file.
            let _ = file.held.set(file.handle()?);
        }
        Ok(())
    }
}

/// Fills `to` with the bytes from `offset` on.
#[cfg(unix)]
pub(super) fn read_exact_at(file: &File, offset: u64, to: &mut [u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, to, offset)
}

/// Moves the handle's position, which is nobody else's: none is held open here.
#[cfg(not(unix))]
pub(super) fn read_exact_at(mut file: &File, offset: u64, to: &mut [u8]) -> io::Result<()> {
    file.seek(io::SeekFrom::Start(offset)).and_then(|_| file.read_exact(to))
}

/// What tells that a file is still the same.
pub(super) fn stamp(metadata: &Metadata) -> Stamp {
    Stamp { n_bytes: metadata.len(), modified: metadata.modified().ok() }
}

#[cfg(all(test, feature = "scan", unix))]
mod tests {
    use std::fs;
    use std::path::Path;

    use rayon::prelude::*;

    use super::*;

    const FILE: &str = "tests/data/adapters/roberta-mrpc/checkpoint-230/adapter_model.safetensors";

    #[test]
    fn a_held_file_is_read_by_many_threads_at_once_even_when_its_name_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        fs::copy(FILE, &path).unwrap();
        let [held, other] = [path.as_path(), Path::new(FILE)].map(|path| Adapter::open(path).unwrap());
        held.hold_open().unwrap();
        fs::remove_file(&path).unwrap();
        for _ in 0..20 {
            held.modules().par_iter().zip(other.modules()).for_each(|(held, other)| {
                assert_eq!(held.b.read().unwrap(), other.b.read().unwrap());
            });
        }
    }

    #[test]
    fn a_held_file_that_is_written_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.safetensors");
        fs::copy(FILE, &path).unwrap();
        let adapter = Adapter::open(&path).unwrap();
        adapter.hold_open().unwrap();
        fs::OpenOptions::new().append(true).open(&path).unwrap().set_len(1000).unwrap();
        let error = adapter.modules()[0].a.read().unwrap_err();
        assert!(matches!(&error, Error::Malformed(fault) if fault.found == "the file changed"), "{error}");
    }
}
