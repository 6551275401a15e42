//! The bases of a scan that was made before: from the cache, else from the files again.

use std::collections::BTreeSet;
use std::sync::Mutex;

use rayon::prelude::*;

use super::cached::Cached;
use super::files::Files;
use super::stores::Stores;
use crate::adapter::{Adapter, Module};
use crate::error::{Error, Fault, Remedy, Result};
use crate::scan::cache::{Cache, CachedModule, Entry};
use crate::scan::finished::FinishedScan;
use crate::scan::journal::records::Journal;
use crate::scan::profile::Profile;
use crate::scan::record::{AdapterRecord, changed};
use crate::scan::shard::Shard;
use crate::scan::side_modules::SideModules;
use crate::sync::stop::NEVER;
use crate::sync::{FewThreads, Room, lock};

/// The bases of a scan's adapters. Threads may share it.
pub(crate) struct FinishedBases<'a> {
    scan: &'a FinishedScan,
    files: Files<'a>,
    cache: Cache,
    /// A cache that cannot be written may have the same adapter made more than once.
    factorised: Mutex<BTreeSet<u32>>,
}

impl<'a> FinishedBases<'a> {
    /// Nothing is read yet but what is known of the files.
    ///
    /// # Errors
    /// `Invalid` for a plan with options that no scan has, `Io` when the system refuses to read.
    pub(crate) fn of(scan: &'a FinishedScan, cache: Cache, profile: &'a Profile) -> Result<Self> {
        let files = Files {
            plan: &scan.plan,
            records: Journal::open(scan.folder(), &scan.plan.id)?,
            modules: scan.plan.options.side_modules()?,
            profile,
            stop: &NEVER,
            room: Room::unlimited(),
            threads: FewThreads::default(),
        };
        Ok(Self { scan, files, cache, factorised: Mutex::default() })
    }

    /// What the scan compares of each checkpoint.
    pub(crate) fn modules(&self) -> &SideModules {
        &self.files.modules
    }

    /// Adapters that the cache did not have.
    pub(crate) fn n_factorised(&self) -> usize {
        lock(&self.factorised).len()
    }

    /// The basis of a module of any checkpoint, or why it has none.
    ///
    /// # Errors
    /// `Io` when the system refuses to read.
    pub(crate) fn factorise(&self, module: &Module) -> Result<CachedModule> {
        self.files.factorise(module)
    }

    /// The records of the modules at these places of the adapter's layout.
    ///
    /// # Errors
    /// `Invalid` where they are not in the cache and the checkpoint is gone or was changed, `Io` when the system refuses.
    pub(crate) fn read(&self, adapter: u32, places: &[usize]) -> Result<Vec<CachedModule>> {
        if let Some(entry) = self.entry(adapter)? {
            match read(&entry, places) {
                // Damaged on the disk, and gone now, or not readable.
                Err(Error::Malformed(_) | Error::Io { .. }) => {}
                records => return records,
            }
        }
        self.factorise_again(adapter, self.scan.record(&self.files.records, adapter), places)
    }

    /// What the cache has of an adapter: a record for each module of its layout.
    ///
    /// # Errors
    /// `Io` when the system refuses to read what is there.
    pub(crate) fn entry(&self, adapter: u32) -> Result<Option<Entry>> {
        let Some(key) = self.files.records.get(adapter).and_then(|record| record.key) else {
            return Ok(None);
        };
        let entry = self.cache.get(&key.into())?;
        Ok(entry.filter(|entry| entry.len() == self.n_modules(adapter)))
    }

    /// From the checkpoint's file. Bases that the scan had in a cache go there again.
    fn factorise_again(
        &self,
        adapter: u32,
        record: Option<AdapterRecord>,
        places: &[usize],
    ) -> Result<Vec<CachedModule>> {
        let path = &self.scan.plan.adapters[adapter as usize].path;
        if !path.exists() {
            let found =
                format!("nothing there, and no bases of it in the cache {}", self.cache.dir().display());
            let expected = format!("one of the two, for the scan {}", self.scan.folder().path().display());
            return Err(Fault::new(found, expected).at(path).remedy(Remedy::RestoreCheckpoint).invalid());
        }
        let file = self.files.open(adapter, true)?;
        let digest = self.files.digest(&file, record.as_ref())?;
        if file.modules().len() != self.n_modules(adapter) {
            return Err(changed(path));
        }
        lock(&self.factorised).insert(adapter);
        if let Some(key) = record.and_then(|record| record.key)
            && let cached = Cached::new(Stores::only(self.cache.clone()), Shard::WHOLE)
            // A cache that cannot be written is not needed here, nor one that does not give back what it takes.
            && let Ok(entry) = cached.factorise(&self.files, &key.into(), &file, digest)
            && let Ok(records) = read(&entry, places)
        {
            return Ok(records);
        }
        let factorise = |&place: &usize| file.factorise(&self.files, &file.modules()[place]);
        let records = places.par_iter().map(factorise).collect();
        self.files.check_same(&file, digest)?;
        records
    }

    /// Whether a checkpoint of this number that was opened now is the one that was scanned.
    pub(crate) fn is_unchanged(&self, adapter: u32, opened: &Adapter) -> bool {
        let Some(record) = self.scan.record(&self.files.records, adapter) else { return true };
        record.is_of(opened, &self.files.modules).is_ok_and(|is_it| is_it)
    }

    fn n_modules(&self, adapter: u32) -> usize {
        self.scan.plan.layout(adapter).modules.len()
    }
}

fn read(entry: &Entry, places: &[usize]) -> Result<Vec<CachedModule>> {
    places.iter().map(|&place| entry.read(place)).collect()
}
