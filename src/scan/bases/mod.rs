//! The bases of a scan's adapters, a module at a time.

mod cached;
mod files;
mod finished;
mod on_demand;
mod once_map;
mod opened;
mod starts;
mod stores;
#[cfg(test)]
mod tests;

use rayon::prelude::*;

use self::cached::Cached;
pub(super) use self::cached::cache_key;
pub use self::files::Files;
pub(crate) use self::finished::FinishedBases;
use self::on_demand::OnDemand;
use self::opened::Opened;
pub use self::stores::Stores;
use super::cache::CachedModule;
use super::digest::Digest;
use super::event::BasesFrom;
use super::plan::{Layout, Plan};
use super::shard::Shard;
use crate::error::Result;

/// The bases of the adapters of a plan.
pub struct Bases<'a> {
    files: Files<'a>,
    store: Store,
    /// Checkpoints that A is read of again.
    opened: Opened,
}

enum Store {
    Cached(Cached),
    OnDemand(OnDemand),
}

impl<'a> Bases<'a> {
    /// Each adapter is factorised once, and its bases kept in a cache; so many modules are kept of headers. Nothing is read yet.
    pub fn cached(files: Files<'a>, stores: Stores, shard: Shard, n_modules: u64) -> Self {
        let opened = Opened::keeping(n_modules);
        Self { files, store: Store::Cached(Cached::new(stores, shard)), opened }
    }

    /// Bases are made when a block needs them, and not kept. Nothing is read yet. `is_resumed`: an earlier run has done
    /// blocks. So many modules are kept of headers that are read for something else.
    pub fn on_demand(files: Files<'a>, is_resumed: bool, n_modules: u64) -> Self {
        let opened = Opened::keeping(n_modules);
        Self { files, store: Store::OnDemand(OnDemand::new(is_resumed)), opened }
    }

    /// Why nothing was put into the cache any more, if it took entries at first.
    pub fn cache_refusal(&self) -> Option<&str> {
        match &self.store {
            Store::Cached(cached) => cached.refusal(),
            Store::OnDemand(_) => None,
        }
    }

    /// Adapters that this process factorised.
    pub fn n_factorised(&self) -> usize {
        match &self.store {
            Store::Cached(cached) => cached.n_factorised(),
            Store::OnDemand(on_demand) => on_demand.n_ready(),
        }
    }

    /// Adapters that blocks need not wait for any more.
    pub fn n_ready(&self) -> usize {
        match &self.store {
            Store::Cached(cached) => cached.n_ready(),
            Store::OnDemand(on_demand) => on_demand.n_ready(),
        }
    }

    /// Where the bases come from.
    pub(super) fn come_from(&self) -> BasesFrom {
        match self.store {
            Store::Cached(_) => BasesFrom::Cache,
            Store::OnDemand(_) => BasesFrom::Demand,
        }
    }

    /// Does what has to be done once for these adapters before their bases can be read, on all threads, and waits for what
    /// other threads are at.
    ///
    /// # Errors
    /// `Io` when a file cannot be read or the cache not be written, `Invalid` when one changed since the scan began.
    pub fn ensure(&self, adapters: &[u32]) -> Result<()> {
        match &self.store {
            Store::Cached(cached) => cached.ensure(&self.files, adapters),
            Store::OnDemand(on_demand) => on_demand.ensure(&self.files, adapters),
        }
    }

    /// What was read of an adapter, once it was ensured.
    pub(super) fn digest(&self, adapter: u32) -> Option<Digest> {
        self.files.records.digest(adapter)
    }

    /// The records of a module in these adapters, in their order.
    ///
    /// # Errors
    /// As [`Bases::ensure`].
    pub fn read(&self, module: u32, adapters: &[u32]) -> Result<Vec<CachedModule>> {
        self.files
            .threads
            .run(|| adapters.par_iter().map(|&adapter| self.read_one(module, adapter)).collect())
    }

    fn read_one(&self, module: u32, adapter: u32) -> Result<CachedModule> {
        let place = self.place(module, adapter);
        match &self.store {
            Store::Cached(cached) => cached.read(&self.files, adapter, place),
            Store::OnDemand(on_demand) => on_demand.make(&self.files, adapter, place),
        }
    }

    /// The place of a module in an adapter's layout.
    fn place(&self, module: u32, adapter: u32) -> usize {
        let place = self.files.plan.layout(adapter).place(module);
        place.expect("a block has only adapters that have its module")
    }
}

/// Bytes that the bases of a plan take in a cache, and about so many for updates: their factors in f32.
pub fn n_basis_bytes(plan: &Plan) -> u64 {
    let of_layout = |layout: &Layout| -> u64 {
        let numbers = |&(module, r): &(u32, u32)| u64::from(r) * plan.modules[module as usize].d as u64;
        layout.modules.iter().map(|module| 4 * numbers(module) + 1024).fold(0, u64::saturating_add)
    };
    let of_layouts: Vec<u64> = plan.layouts.iter().map(of_layout).collect();
    // Most files have numbers of 16 bits; padding takes less than those of 32 bits leave.
    let of_update = |n_bytes: u64| if plan.options.update { 2 * n_bytes } else { 0 };
    let bytes = plan
        .adapters
        .iter()
        .map(|adapter| of_layouts[adapter.layout as usize].saturating_add(of_update(adapter.n_bytes)));
    bytes.fold(0, u64::saturating_add)
}
