//! Bases that no block shares: made from the file when their block needs them, and gone with it.

use std::sync::{Arc, Mutex};

use super::files::{Files, OpenFile};
use super::once_map::OnceMap;
use crate::error::{Error, Result};
use crate::files::n_kept_open;
use crate::scan::cache::CachedModule;
use crate::scan::profile::Stage;
use crate::scan::record::AdapterRecord;
use crate::sync::lock;

pub(super) struct OnDemand {
    /// As they were opened last.
    files: OnceMap<Arc<Mutex<Arc<OpenFile>>>>,
    /// Whether an earlier run has done blocks.
    is_resumed: bool,
    /// Files that may be held open from the first block to the last.
    n_kept_open: usize,
}

impl OnDemand {
    pub(super) fn new(is_resumed: bool) -> Self {
        Self::keeping(is_resumed, n_kept_open())
    }

    pub(super) fn keeping(is_resumed: bool, n_kept_open: usize) -> Self {
        Self { files: OnceMap::new(), is_resumed, n_kept_open }
    }

    /// Adapters that were opened and digested.
    pub(super) fn n_ready(&self) -> usize {
        self.files.n_ready()
    }

    pub(super) fn ensure(&self, files: &Files<'_>, adapters: &[u32]) -> Result<()> {
        self.files.ensure(&files.threads, adapters, |adapter| {
            let record = files.records.find(adapter)?;
            let mut file = files.open(adapter, files.plan.adapters.len() <= self.n_kept_open)?;
            if record.as_ref().is_none_or(|record| record.stamp != file.stamp()) {
                let digest = match files.digest(&file, record.as_ref()) {
                    // Touched while it was read, maybe.
                    Err(Error::Invalid(_)) => {
                        file = files.open(adapter, true)?;
                        files.digest(&file, record.as_ref())?
                    }
                    digest => digest?,
                };
                let missing = match record {
                    Some(record) => record.missing,
                    // Lost with a power cut, maybe, and some of the blocks that it told of are done.
                    None if self.is_resumed => missing(files, &file)?,
                    None => vec![],
                };
                files.check_same(&file, digest)?;
                files
                    .records
                    .put(adapter, AdapterRecord { digest, key: None, stamp: file.stamp(), missing })?;
            }
            Ok(Arc::new(Mutex::new(Arc::new(self.kept(files, adapter, file)?))))
        })
    }

    /// The file as it is kept: open, or not where there are too many.
    fn kept(&self, files: &Files<'_>, adapter: u32, file: OpenFile) -> Result<OpenFile> {
        let n_files = files.plan.adapters.len() * file.n_held();
        if n_files <= self.n_kept_open { Ok(file) } else { files.let_go(adapter, &file) }
    }

    /// The record of the module at this place of the adapter's layout.
    pub(super) fn make(&self, files: &Files<'_>, adapter: u32, place: usize) -> Result<CachedModule> {
        let kept = self.files.get(adapter).expect("a block ensures its adapters before it reads them");
        let file = Arc::clone(&lock(&kept));
        let factorise = || file.factorise(files, &file.modules()[place]);
        let record = match files.profile.time(Stage::Factorise, || file.name(), factorise) {
            Ok(record) if file.is_unchanged()? => record,
            // It was touched, or has other bytes.
            Ok(_) | Err(Error::Invalid(_)) => self.make_again(files, adapter, place, &kept)?,
            Err(error) => return Err(error),
        };
        if let CachedModule::Missing(reason) = &record {
            let module = &file.modules()[place];
            files.records.add_missing(adapter, module.name.clone(), reason.clone())?;
        }
        Ok(record)
    }

    /// The same from a file whose time is another one, if its bytes are those of the adapter's record.
    fn make_again(
        &self,
        files: &Files<'_>,
        adapter: u32,
        place: usize,
        kept: &Mutex<Arc<OpenFile>>,
    ) -> Result<CachedModule> {
        let (record, file) = files.factorise_again(adapter, place)?;
        *lock(kept) = Arc::new(self.kept(files, adapter, file)?);
        Ok(record)
    }
}

/// The modules that have no basis, and why.
fn missing(files: &Files<'_>, file: &OpenFile) -> Result<Vec<(String, String)>> {
    let mut missing = vec![];
    for module in file.modules() {
        if let CachedModule::Missing(reason) = file.factorise(files, module)? {
            missing.push((module.name.clone(), reason));
        }
    }
    Ok(missing)
}
