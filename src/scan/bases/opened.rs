//! The headers of a few checkpoints, for blocks that read A of the same ones again: a header of thousands of modules takes longer to
//! read than a factor.

use std::sync::{Arc, Mutex};

use super::files::{Files, OpenFile};
use crate::error::Result;
use crate::sync::lock;

pub(super) struct Opened {
    /// The last that were used, the last one at the end.
    files: Mutex<Vec<(u32, Arc<OpenFile>)>>,
    /// Modules of all of them, at most.
    n_modules: u64,
}

impl Opened {
    pub(super) fn keeping(n_modules: u64) -> Self {
        Self { files: Mutex::default(), n_modules }
    }

    /// The checkpoint as it was opened last, if that was not a moment after it was written: then its time does not show that it is the
    /// same.
    ///
    /// # Errors
    /// As [`Files::open`].
    pub(super) fn get(&self, files: &Files<'_>, adapter: u32) -> Result<Arc<OpenFile>> {
        if let Some(file) = self.kept(adapter).filter(|file| file.is_unchanged().unwrap_or(false)) {
            return Ok(file);
        }
        let file = Arc::new(files.open(adapter, false)?);
        if file.is_unchanged().unwrap_or(false) {
            self.keep(adapter, Arc::clone(&file));
        }
        Ok(file)
    }

    fn kept(&self, adapter: u32) -> Option<Arc<OpenFile>> {
        let mut kept = lock(&self.files);
        let place = kept.iter().position(|(number, _)| *number == adapter)?;
        let last = kept.remove(place);
        let file = Arc::clone(&last.1);
        kept.push(last);
        Some(file)
    }

    fn keep(&self, adapter: u32, file: Arc<OpenFile>) {
        let mut kept = lock(&self.files);
        kept.retain(|(number, _)| *number != adapter);
        kept.push((adapter, file));
        let n_of = |kept: &[(u32, Arc<OpenFile>)]| -> u64 {
            kept.iter().map(|(_, file)| file.modules().len() as u64).sum()
        };
        while n_of(&kept) > self.n_modules {
            kept.remove(0);
        }
    }
}
