//! The bases of a scan's adapters: each is factorised once, kept in the cache, and read from there a module at a time.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use glob::Pattern;
use rayon::prelude::*;

use super::cache::{Cache, Entry, Key, Record};
use super::folder::Folder;
use super::opened::chosen;
use super::plan::Plan;
use super::profile::{Profile, Stage};
use super::record::{FileRecord, FileStamp, changed};
use super::shard::Shard;
use super::sketch::sketch;
use crate::Limits;
use crate::adapter::{Adapter, Module};
use crate::basis::Basis;
use crate::error::{Error, Fault, Result};
use crate::side::Side;

/// Open entries are kept, but no process may open files without end.
const MAX_OPEN: usize = 256;

/// The bases of the adapters of a plan.
pub struct Bases<'a> {
    plan: &'a Plan,
    folder: &'a Folder,
    cache: Cache,
    side: Side,
    globs: Vec<Pattern>,
    limits: Limits,
    shard: Shard,
    profile: &'a Profile,
    states: Mutex<Vec<State>>,
    changed: Condvar,
    open: Mutex<Vec<(u32, Arc<Entry>)>>,
    n_factorised: AtomicUsize,
    n_ready: AtomicUsize,
}

/// How far an adapter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    /// A thread is at it.
    Busy,
    /// Its bases are in the cache.
    Ready(Key),
}

impl<'a> Bases<'a> {
    /// Nothing is read yet.
    pub fn new(
        plan: &'a Plan,
        folder: &'a Folder,
        cache: Cache,
        side: Side,
        globs: Vec<Pattern>,
        shard: Shard,
        profile: &'a Profile,
    ) -> Self {
        Self {
            plan,
            folder,
            cache,
            side,
            globs,
            limits: Limits::default(),
            shard,
            profile,
            states: Mutex::new(vec![State::Waiting; plan.adapters.len()]),
            changed: Condvar::new(),
            open: Mutex::new(vec![]),
            n_factorised: AtomicUsize::new(0),
            n_ready: AtomicUsize::new(0),
        }
    }

    /// Adapters that this process factorised.
    pub fn n_factorised(&self) -> usize {
        self.n_factorised.load(Ordering::Relaxed)
    }

    /// Adapters whose bases are there.
    pub fn n_ready(&self) -> usize {
        self.n_ready.load(Ordering::Relaxed)
    }

    /// Sees to it that these adapters' bases are in the cache: factorises those that are not, on all threads, and waits for
    /// those that other threads are at.
    ///
    /// Shards begin with different ones, so that those that run side by side find each other's in the cache.
    ///
    /// # Errors
    /// `Io` when a file cannot be read or the cache not be written, `Invalid` when one changed since the scan began.
    pub fn ensure(&self, adapters: &[u32]) -> Result<()> {
        let share = |adapter: u32| {
            let Shard { k, n } = self.shard;
            (adapter as usize + n - (k - 1)) % n
        };
        let mut wanted: Vec<u32> = {
            let states = self.states();
            let is_waiting = |adapter: &u32| states[*adapter as usize] == State::Waiting;
            adapters.iter().copied().filter(is_waiting).collect()
        };
        wanted.sort_by_key(|&adapter| (share(adapter), adapter));
        wanted.dedup();
        wanted.par_iter().try_for_each(|&adapter| self.make(adapter))?;
        let mut states = self.states();
        while adapters.iter().any(|&adapter| states[adapter as usize] == State::Busy) {
            states = self.changed.wait(states).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    fn make(&self, adapter: u32) -> Result<()> {
        {
            let mut states = self.states();
            if states[adapter as usize] != State::Waiting {
                return Ok(());
            }
            states[adapter as usize] = State::Busy;
        }
        let made = self.find_or_factorise(adapter);
        let mut states = self.states();
        states[adapter as usize] = match &made {
            Ok(key) => {
                self.n_ready.fetch_add(1, Ordering::Relaxed);
                State::Ready(*key)
            }
            Err(_) => State::Waiting,
        };
        drop(states);
        self.changed.notify_all();
        made.map(drop)
    }

    fn find_or_factorise(&self, adapter: u32) -> Result<Key> {
        let path = &self.plan.adapters[adapter as usize].path;
        let record = FileRecord::read(self.folder, adapter)?;
        let opened = || -> Result<Adapter> {
            // That it opened when the plan was made and does not now is news to the user.
            Adapter::open_with(path, &self.limits).map_err(|_| changed(path))
        };
        if let Some(record) = &record
            && let Some(key) = record.key()
            && self.cache.get(&key)?.is_some()
        {
            let stamp = FileStamp::of(opened()?.model_file())?;
            if stamp == record.stamp {
                return Ok(key);
            }
        }
        let opened = opened()?;
        let stamp = FileStamp::of(opened.model_file())?;
        let name = || path.display().to_string();
        let digest = self.profile.time(Stage::Read, name, || opened.blake3())?;
        if record.is_some_and(|record| record.digest != digest) {
            return Err(changed(path));
        }
        let modules = chosen(&opened, &self.globs);
        let key = key(&digest, self.side, &modules);
        let of_entry = |entry: Entry| -> Result<Vec<(String, String)>> {
            let mut missing = vec![];
            for (place, module) in modules.iter().enumerate() {
                if let super::cache::Summary::Missing(reason) = entry.summary(place)? {
                    missing.push((module.name.clone(), reason));
                }
            }
            Ok(missing)
        };
        let there = match self.cache.get(&key)? {
            Some(entry) if entry.len() == modules.len() => match of_entry(entry) {
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
                let factorise = || self.factorise(&key, &opened, &modules, stamp);
                of_entry(self.profile.time(Stage::Factorise, name, factorise)?)?
            }
        };
        let key_text = key.iter().map(|byte| format!("{byte:02x}")).collect();
        FileRecord { digest, key: key_text, stamp, missing }.write(self.folder, adapter)?;
        Ok(key)
    }

    fn factorise(&self, key: &Key, opened: &Adapter, modules: &[&Module], stamp: FileStamp) -> Result<Entry> {
        let mut writer = self.cache.writer(key, modules.len())?;
        for module in modules {
            writer.push(&self.record(module)?)?;
        }
        // Else bases that a rewritten file does not have any more would be missing under the key of the old one for ever.
        if FileStamp::of(opened.model_file())? != stamp {
            return Err(changed(opened.path()));
        }
        writer.finish()
    }

    /// The basis of a module, or why it has none: a factor of zeros or with numbers that are not finite stops no scan.
    fn record(&self, module: &Module) -> Result<Record> {
        match Basis::with_a(module, self.side) {
            Ok((basis, a)) => Ok(Record::Basis { basis, projection: Box::new(sketch(&a)) }),
            Err(error @ Error::Io { .. }) => Err(error),
            Err(error) => Ok(Record::Missing(error.to_string())),
        }
    }

    /// The records of a module in these adapters, whose bases are ready, in their order.
    ///
    /// # Errors
    /// `Io` when the cache cannot be read.
    pub fn read(&self, module: u32, adapters: &[u32]) -> Result<Vec<Record>> {
        adapters.par_iter().map(|&adapter| self.read_one(module, adapter)).collect()
    }

    fn read_one(&self, module: u32, adapter: u32) -> Result<Record> {
        let layout = &self.plan.layouts[self.plan.adapters[adapter as usize].layout as usize];
        let place = layout.modules.iter().position(|(number, _)| *number == module);
        let place = place.expect("a block has only adapters that have its module");
        match self.entry(adapter)?.read(place) {
            // Damaged on the disk, and gone now: it is made again.
            Err(Error::Malformed(_)) => {
                self.forget(adapter);
                self.entry(adapter)?.read(place)
            }
            record => record,
        }
    }

    /// The adapter's entry; where it was evicted meanwhile, it is made again.
    fn entry(&self, adapter: u32) -> Result<Arc<Entry>> {
        let open = |entries: &Vec<(u32, Arc<Entry>)>| {
            entries.iter().find(|(number, _)| *number == adapter).map(|(_, entry)| Arc::clone(entry))
        };
        if let Some(entry) = open(&self.open.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(entry);
        }
        let key = match self.states()[adapter as usize] {
            State::Ready(key) => Some(key),
            State::Waiting | State::Busy => None,
        };
        let there = match key {
            Some(key) => self.cache.get(&key)?,
            None => None,
        };
        let entry = match there {
            Some(entry) => entry,
            None => {
                let key = self.find_or_factorise(adapter)?;
                let gone = || Fault::new("bases that were removed while they were used", "them in the cache");
                self.cache.get(&key)?.ok_or_else(|| {
                    gone().at(self.cache.dir()).hint("give the cache more room: --cache-limit").limit()
                })?
            }
        };
        let entry = Arc::new(entry);
        let mut entries = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= MAX_OPEN {
            entries.remove(0);
        }
        entries.push((adapter, Arc::clone(&entry)));
        Ok(entry)
    }

    fn forget(&self, adapter: u32) {
        let mut entries = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|(number, _)| *number != adapter);
    }

    fn states(&self) -> MutexGuard<'_, Vec<State>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes that the bases of a plan take in a cache.
pub fn n_basis_bytes(plan: &Plan) -> u64 {
    let of_layout = |layout: &super::plan::Layout| -> u64 {
        let numbers = |&(module, r): &(u32, u32)| u64::from(r) * plan.modules[module as usize].d as u64;
        layout.modules.iter().map(|module| 4 * numbers(module) + 1024).sum()
    };
    let of_layouts: Vec<u64> = plan.layouts.iter().map(of_layout).collect();
    plan.adapters.iter().map(|adapter| of_layouts[adapter.layout as usize]).sum()
}

/// How many blocks may be in flight within `memory_bytes`, from 1 to 4: each has the bases of two sides, once as they are
/// read and once as an engine packs them, and its rows.
pub fn n_in_flight(plan: &Plan, memory_bytes: u64) -> NonZeroUsize {
    let largest = plan.layouts.iter().flat_map(|layout| &layout.modules);
    let numbers = largest.map(|&(module, r)| u64::from(r) * plan.modules[module as usize].d as u64).max();
    let n = plan.block.min(plan.adapters.len()) as u64;
    let n_cells = plan.options.keep.cells(plan.max_rank).len() as u64 + 24;
    let block_bytes = 2 * 2 * 4 * n * numbers.unwrap_or(0) + 2 * 4 * n * n * n_cells;
    let fits = (memory_bytes / 2 / block_bytes.max(1)).clamp(1, 4) as usize;
    NonZeroUsize::new(fits).unwrap_or(NonZeroUsize::MIN)
}

/// What decides a basis: the file's bytes, the side, and each module with its scaling.
fn key(digest: &str, side: Side, modules: &[&Module]) -> Key {
    let mut hash = blake3::Hasher::new();
    hash.update(format!("lorascope bases 1\n{digest}\n{side}\n").as_bytes());
    for module in modules {
        let scaling = module.scaling.unwrap_or(1.0).to_bits();
        hash.update(format!("{}\0{scaling:x}\n", module.name).as_bytes());
    }
    *hash.finalize().as_bytes()
}
