//! Bases in the cache: an adapter is factorised once, and a module of it read from there whenever a block needs it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::files::{Files, OpenFile};
use super::once_map::OnceMap;
use crate::adapter::Module;
use crate::error::{Error, Fault, Remedy, Result};
use crate::scan::cache::{Cache, CachedModule, Entry, Key, Summary};
use crate::scan::digest::Digest;
use crate::scan::profile::Stage;
use crate::scan::record::AdapterRecord;
use crate::scan::shard::Shard;
use crate::scan::side_modules::SideModules;
use crate::sync::lock;

/// Open entries are kept, but no process may open files without end.
const MAX_OPEN: usize = 256;

pub(super) struct Cached {
    cache: Cache,
    shard: Shard,
    keys: OnceMap<Key>,
    open: Mutex<Vec<(u32, Arc<Entry>)>>,
    n_factorised: AtomicUsize,
}

impl Cached {
    pub(super) fn new(cache: Cache, shard: Shard) -> Self {
        Self {
            cache,
            shard,
            keys: OnceMap::new(),
            open: Mutex::new(vec![]),
            n_factorised: AtomicUsize::new(0),
        }
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
        self.keys.ensure(&wanted, |adapter| self.find_or_factorise(files, adapter))
    }

    fn find_or_factorise(&self, files: &Files<'_>, adapter: u32) -> Result<Key> {
        let record = files.records.find(adapter)?;
        let file = files.open(adapter, true)?;
        if let Some(record) = &record
            && let Some(key) = record.key.map(Key::from)
            && file.stamp() == record.stamp
            && self.cache.get(&key)?.is_some()
        {
            return Ok(key);
        }
        let digest = files.digest(&file, record.as_ref())?;
        let key = key(digest, &files.modules, file.modules());
        let there = match self.cache.get(&key)? {
            Some(entry) if entry.len() == file.modules().len() => match missing(&file, &entry) {
                // Damaged on the disk, and gone now: it is made again.
                Err(Error::Malformed(_)) => None,
                missing => Some(missing?),
            },
            _ => None,
        };
        let missing = match there {
            Some(missing) => missing,
            None => {
                self.n_factorised.fetch_add(1, Ordering::Relaxed);
                let factorise = || self.factorise(files, &key, &file);
                let entry = files.profile.time(Stage::Factorise, || file.name(), factorise)?;
                missing(&file, &entry)?
            }
        };
        files
            .records
            .put(adapter, AdapterRecord { digest, key: Some(key.into()), stamp: file.stamp(), missing })?;
        Ok(key)
    }

    pub(super) fn factorise(&self, files: &Files<'_>, key: &Key, file: &OpenFile) -> Result<Entry> {
        let names = file.modules().iter().map(|module| module.name.clone()).collect();
        let mut writer = self.cache.writer(key, names)?;
        for module in file.modules() {
            writer.push(&file.factorise(files, module)?)?;
        }
        // Else bases that a rewritten file does not have any more would be missing under the key of the old one for ever.
        file.check_unchanged()?;
        writer.finish()
    }

    /// The record of the module at this place of the adapter's layout.
    pub(super) fn read(&self, files: &Files<'_>, adapter: u32, place: usize) -> Result<CachedModule> {
        match self.entry(files, adapter)?.read(place) {
            // Damaged on the disk, and gone now: it is made again.
            Err(Error::Malformed(_)) => {
                self.forget(adapter);
                self.entry(files, adapter)?.read(place)
            }
            record => record,
        }
    }

    /// The adapter's entry; where it was evicted meanwhile, it is made again.
    fn entry(&self, files: &Files<'_>, adapter: u32) -> Result<Arc<Entry>> {
        let open = |entries: &Vec<(u32, Arc<Entry>)>| {
            entries.iter().find(|(number, _)| *number == adapter).map(|(_, entry)| Arc::clone(entry))
        };
        if let Some(entry) = open(&lock(&self.open)) {
            return Ok(entry);
        }
        let there = match self.keys.get(adapter) {
            Some(key) => self.cache.get(&key)?,
            None => None,
        };
        let entry = match there {
            Some(entry) => entry,
            None => {
                let key = self.find_or_factorise(files, adapter)?;
                let gone = || Fault::stating("bases were removed from the cache while they were in use");
                let error = || gone().at(self.cache.dir()).remedy(Remedy::EnlargeCache).limit();
                self.cache.get(&key)?.ok_or_else(error)?
            }
        };
        let entry = Arc::new(entry);
        let mut entries = lock(&self.open);
        if entries.len() >= MAX_OPEN {
            entries.remove(0);
        }
        entries.push((adapter, Arc::clone(&entry)));
        Ok(entry)
    }

    fn forget(&self, adapter: u32) {
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
fn key(digest: Digest, of: &SideModules, modules: &[Arc<Module>]) -> Key {
    let mut hash = blake3::Hasher::new();
    let update = if of.update { " with updates" } else { "" };
    hash.update(format!("lorascope bases 5\n{digest}\n{}{update}\n", of.side).as_bytes());
    for module in modules {
        let scaling = module.scaling.unwrap_or(1.0).to_bits();
        hash.update(format!("{}\0{scaling:x}\n", module.name).as_bytes());
    }
    *hash.finalize().as_bytes()
}
