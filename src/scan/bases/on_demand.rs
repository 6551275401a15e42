//! Bases that no block shares: made from the file when their block needs them, and gone with it.

use std::sync::Arc;

use super::files::{Files, OpenFile};
use super::once_map::OnceMap;
use crate::error::Result;
use crate::scan::cache::CachedModule;
use crate::scan::profile::Stage;
use crate::scan::record::AdapterRecord;

/// Files that are held open from the first block to the last, at most: no process may open files without end.
const MAX_HELD: usize = 256;

pub(super) struct OnDemand {
    files: OnceMap<Arc<OpenFile>>,
    /// Whether an earlier run has done blocks.
    is_resumed: bool,
}

impl OnDemand {
    pub(super) fn new(is_resumed: bool) -> Self {
        Self { files: OnceMap::new(), is_resumed }
    }

    /// Adapters that were opened and digested.
    pub(super) fn n_ready(&self) -> usize {
        self.files.n_ready()
    }

    pub(super) fn ensure(&self, files: &Files<'_>, adapters: &[u32]) -> Result<()> {
        self.files.ensure(adapters, |adapter| {
            let file = files.open(adapter, files.plan.adapters.len() <= MAX_HELD)?;
            let record = files.records.find(adapter)?;
            if record.as_ref().is_none_or(|record| record.stamp != file.stamp()) {
                let digest = files.digest(&file, record.as_ref())?;
                let missing = match record {
                    Some(record) => record.missing,
                    // Lost with a power cut, maybe, and some of the blocks that it told of are done.
                    None if self.is_resumed => missing(files, &file)?,
                    None => vec![],
                };
                files
                    .records
                    .put(adapter, AdapterRecord { digest, key: None, stamp: file.stamp(), missing })?;
            }
            Ok(Arc::new(file))
        })
    }

    /// The record of the module at this place of the adapter's layout.
    pub(super) fn make(&self, files: &Files<'_>, adapter: u32, place: usize) -> Result<CachedModule> {
        let file = self.files.get(adapter).expect("a block ensures its adapters before it reads them");
        let module = &file.modules()[place];
        let record =
            files.profile.time(Stage::Factorise, || file.name(), || file.factorise(files, module))?;
        file.check_unchanged()?;
        if let CachedModule::Missing(reason) = &record {
            files.records.add_missing(adapter, module.name.clone(), reason.clone())?;
        }
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
