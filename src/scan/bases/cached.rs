//! Bases in the cache: an adapter is factorised once, and a module of it read from there whenever a block needs it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::files::{Files, OpenFile};
use super::once_map::OnceMap;
use super::stores::Stores;
use crate::adapter::Module;
use crate::error::{Error, Result};
use crate::files::{n_at_work, n_kept_open};
use crate::scan::cache::{CachedModule, Entry, Key, Summary};
use crate::scan::digest::Digest;
use crate::scan::profile::Stage;
use crate::scan::record::AdapterRecord;
use crate::scan::shard::Shard;
use crate::scan::side_modules::SideModules;
use crate::sync::{Room, lock};

pub(super) struct Cached {
    stores: Stores,
    shard: Shard,
    keys: OnceMap<Key>,
    /// The last that were used, as many as this.
    open: Mutex<Vec<(u32, Arc<Entry>)>>,
    n_kept_open: usize,
    /// How many checkpoints are worked on at once, for each takes some files.
    at_work: Room,
    n_factorised: AtomicUsize,
}

impl Cached {
    pub(super) fn new(stores: Stores, shard: Shard) -> Self {
        Self {
            stores,
            shard,
            keys: OnceMap::new(),
            open: Mutex::new(vec![]),
            n_kept_open: n_kept_open(),
            at_work: Room::of(n_at_work() as u64),
            n_factorised: AtomicUsize::new(0),
        }
    }

    /// See [`Stores::refusal`].
    pub(super) fn refusal(&self) -> Option<&str> {
        self.stores.refusal()
    }

    /// Adapters that this process factorised.
    pub(super) fn n_factorised(&self) -> usize {
        self.n_factorised.load(Ordering::Relaxed)
    }

    /// Adapters whose bases are there.
    pub(super) fn n_ready(&self) -> usize {
        self.keys.n_ready()
    }

    /// Shards begin with different adapters, so that those that run side by side find each other's in the cache.
    pub(super) fn ensure(&self, files: &Files<'_>, adapters: &[u32]) -> Result<()> {
        let share = |adapter: u32| {
            let Shard { k, n } = self.shard;
            (adapter as usize + n - (k - 1)) % n
        };
        let mut wanted = adapters.to_vec();
        wanted.sort_by_key(|&adapter| (share(adapter), adapter));
        self.keys.ensure(&files.threads, &wanted, |adapter| {
            self.find_or_factorise(files, adapter).map(|(key, _)| key)
        })
    }

    /// The adapter's entry, open: whoever removes it meanwhile does not take it from who reads it.
    fn find_or_factorise(&self, files: &Files<'_>, adapter: u32) -> Result<(Key, Entry)> {
        let _place = self.at_work.take(1);
        let record = files.records.find(adapter)?;
        let file = files.open(adapter, true)?;
        if let Some(record) = &record
            && let Some(key) = record.key.map(Key::from)
            && file.stamp() == record.stamp
            && let Some(entry) = self.stores.get(&key)?
        {
            return Ok((key, entry));
        }
        let digest = files.digest(&file, record.as_ref())?;
        let key = cache_key(digest, &files.modules, file.modules());
        let there = self.stores.get(&key)?.filter(|entry| entry.len() == file.modules().len());
        // Damaged on the disk, or not readable: it is made again.
        let there = there.and_then(|entry| missing(&file, &entry).ok().map(|missing| (entry, missing)));
        let (entry, missing) = match there {
            Some(there) => there,
            None => {
                self.n_factorised.fetch_add(1, Ordering::Relaxed);
                let factorise = || self.factorise(files, &key, &file, digest);
                let entry = files.profile.time(Stage::Factorise, || file.name(), factorise)?;
                let missing = missing(&file, &entry)?;
                (entry, missing)
            }
        };
        files
            .records
            .put(adapter, AdapterRecord { digest, key: Some(key.into()), stamp: file.stamp(), missing })?;
        Ok((key, entry))
    }

    /// Puts the bases of a file of this digest in the cache.
    pub(super) fn factorise(
        &self,
        files: &Files<'_>,
        key: &Key,
        file: &OpenFile,
        digest: Digest,
    ) -> Result<Entry> {
        self.stores.put(|cache| {
            let names = file.modules().iter().map(|module| module.name.clone()).collect();
            let mut writer = match cache.writer(key, names) {
                Ok(writer) => writer,
                Err(refused) => return Ok(Err(refused)),
            };
            for module in file.modules() {
                let record = file.factorise(files, module)?;
                if let Err(refused) = writer.push(&record) {
                    return Ok(Err(refused));
                }
            }
            // Else bases that a rewritten file does not have any more would be missing under the key of the old one for ever.
            files.check_same(file, digest)?;
            Ok(writer.finish())
        })
    }

    /// The record of the module at this place of the adapter's layout.
    pub(super) fn read(&self, files: &Files<'_>, adapter: u32, place: usize) -> Result<CachedModule> {
        for _ in 0..2 {
            match self.entry(files, adapter)?.read(place) {
                // Damaged on the disk, and gone now, or not readable: it is made again.
                Err(Error::Malformed(_) | Error::Io { .. }) => self.forget(adapter),
                record => return record,
            }
        }
        // The disk does not give back what it takes.
        files.factorise_again(adapter, place).map(|(record, _)| record)
    }

    /// The adapter's entry; where it was removed meanwhile, it is made again.
    fn entry(&self, files: &Files<'_>, adapter: u32) -> Result<Arc<Entry>> {
        let open = |entries: &Vec<(u32, Arc<Entry>)>| {
            entries.iter().find(|(number, _)| *number == adapter).map(|(_, entry)| Arc::clone(entry))
        };
        if let Some(entry) = open(&lock(&self.open)) {
            return Ok(entry);
        }
        let there = match self.keys.get(adapter) {
            Some(key) => self.stores.get(&key)?,
            None => None,
        };
        let entry = match there {
            Some(entry) => entry,
            None => self.find_or_factorise(files, adapter)?.1,
        };
        let entry = Arc::new(entry);
        let mut entries = lock(&self.open);
        while entries.len() >= self.n_kept_open {
            entries.remove(0);
        }
        entries.push((adapter, Arc::clone(&entry)));
        Ok(entry)
    }

    pub(super) fn forget(&self, adapter: u32) {
        let mut entries = lock(&self.open);
        entries.retain(|(number, _)| *number != adapter);
    }
}

/// The modules that have no basis in an entry, and why.
fn missing(file: &OpenFile, entry: &Entry) -> Result<Vec<(String, String)>> {
    let mut missing = vec![];
    for (place, module) in file.modules().iter().enumerate() {
        if let Summary::Missing(reason) = entry.summary(place)? {
            missing.push((module.name.clone(), reason));
        }
    }
    Ok(missing)
}

/// What decides a basis: the bytes of the factors, the side, and each module with its scaling.
pub fn cache_key(digest: Digest, of: &SideModules, modules: &[Arc<Module>]) -> Key {
    let mut hash = blake3::Hasher::new();
    let update = if of.update { " with updates" } else { "" };
    hash.update(format!("lorascope bases 5\n{digest}\n{}{update}\n", of.side).as_bytes());
    for module in modules {
        let scaling = module.scaling.unwrap_or(1.0).to_bits();
        hash.update(format!("{}\0{scaling:x}\n", module.name).as_bytes());
    }
    *hash.finalize().as_bytes()
}
