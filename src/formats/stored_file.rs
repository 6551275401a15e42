//! A checkpoint's file: opened for each read, or once for all of them.

use std::fs::File;
use std::sync::Arc;

use crate::adapter::factor::StoredFile;
#[cfg(feature = "scan")]
use crate::adapter::{Adapter, Source};
use crate::error::{Error, Fault, Result};
use crate::files::{FileStamp, patiently};

impl StoredFile {
    /// The handle that is held, or a new one, if nobody has written the file since its header was read. Of a file that is held
    /// only the size is looked at here: its time changes when it is touched, too, and who holds it can compare its digest.
    pub(super) fn handle(&self) -> Result<Arc<File>> {
        let (file, is_held) = match self.held.get() {
            Some(held) => (Arc::clone(held), true),
            None => {
                let opened = patiently(|| File::open(&self.path));
                (Arc::new(opened.map_err(|source| Error::io("open", &self.path, source))?), false)
            }
        };
        let metadata = file.metadata().map_err(|source| Error::io("read", &self.path, source))?;
        let stamp = FileStamp::new(&metadata);
        if stamp == self.stamp || is_held && stamp.n_bytes == self.stamp.n_bytes {
            return Ok(file);
        }
        let fault = Fault::new("the file changed", "it unchanged since its header was read").at(&self.path);
        Err(fault.hint("wait until training has written it, and start again").invalid())
    }
}

#[cfg(feature = "scan")]
impl Adapter {
    /// Opens the file, or its shards, once for all reads of its factors, until the adapter and all of its factors are gone. Who does
    /// so sees to it at the end that the bytes were the same all the time. Does nothing where a handle that several threads share cannot be read by position.
    ///
    /// # Errors
    /// `Io` when the system refuses, `Invalid` when the file changed since its header was read.
    pub(crate) fn hold_open(&self) -> Result<()> {
        for source in &self.sources {
            if let (Source::File(file), true) = (source.whole(), cfg!(any(unix, windows))) {
                // Whoever was first, it is the same file.
                let _ = file.held.set(file.handle()?);
            }
        }
        Ok(())
    }
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
        assert!(matches!(&error, Error::Invalid(fault) if fault.found == "the file changed"), "{error}");
    }
}
