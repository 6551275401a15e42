//! A scan to be made: what is compared, what is kept, and how it is done.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use super::base::PlannedBase;
use super::engines::{EngineOptions, Gpus};
use super::event::{Event, Listener};
use super::keep::Keep;
use super::plan::PairChoice;
use super::shard::ShardChoice;
use crate::Limits;
use crate::adapter::Side;
use crate::basis::range_finder::HowMany;
use crate::engine::{EngineChoice, Precision};
use crate::select::Layers;
use crate::sync::stop::NEVER;

/// A scan to be made: every pair of a folder of checkpoints, as a table.
///
/// The same scan goes on where it was stopped, whatever stopped it, and adds only what is new when the folder has grown.
///
/// ```
/// use std::sync::atomic::AtomicBool;
/// use lorascope::scan::{Scan, ScanEnd};
/// use lorascope::engine::EngineChoice;
/// # let dir = tempfile::tempdir().unwrap();
/// # let out = dir.path().join("out");
/// # let cache = dir.path().join("cache");
///
/// let stop = AtomicBool::new(false);
/// let scan = Scan::new(["tests/data/adapters/day21-r8"], &out).engine(EngineChoice::Cpu).cache_dir(&cache);
/// let outcome = scan.on_event(|event| println!("{event:?}")).stop(&stop).run()?;
/// assert!(matches!(outcome.end, ScanEnd::Complete { .. }));
/// # Ok::<(), lorascope::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a scan is made by `run`"]
pub struct Scan<'a> {
    pub(super) inputs: Vec<PathBuf>,
    pub(super) output: PathBuf,
    pub(super) side: Side,
    pub(super) pairs: PairChoice,
    pub(super) same_base: bool,
    pub(super) modules: Vec<String>,
    pub(super) layers: Option<Layers>,
    pub(super) projections: Vec<String>,
    pub(super) keep: Keep,
    pub(super) angles: bool,
    pub(super) update: bool,
    pub(super) shard: Option<ShardChoice>,
    pub(super) n_shards: Option<usize>,
    pub(super) engine: EngineOptions,
    pub(super) memory_bytes: Option<u64>,
    pub(super) base: Option<PlannedBase>,
    pub(super) limits: Limits,
    pub(super) cache: CacheChoice,
    pub(super) cache_limit_bytes: Option<u64>,
    pub(super) strict: bool,
    pub(super) fresh: bool,
    pub(super) forget: bool,
    pub(super) profile: Option<PathBuf>,
    pub(super) listener: Listener<'a>,
    stop: &'a AtomicBool,
}

/// Where bases are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CacheChoice {
    /// In the user's own cache folder.
    OfUser,
    /// In this folder.
    Dir(PathBuf),
    /// In memory, or in the output folder until the scan is complete.
    None,
}

impl<'a> Scan<'a> {
    /// Every pair of these inputs, into a folder. An input is a checkpoint, a folder that is searched for checkpoints, or a
    /// glob.
    pub fn new<P: Into<PathBuf>>(inputs: impl IntoIterator<Item = P>, output: impl Into<PathBuf>) -> Self {
        Self {
            inputs: inputs.into_iter().map(Into::into).collect(),
            output: output.into(),
            side: Side::A,
            pairs: PairChoice::All,
            same_base: false,
            modules: vec![],
            layers: None,
            projections: vec![],
            keep: Keep::Powers,
            angles: false,
            update: false,
            shard: None,
            n_shards: None,
            engine: EngineOptions::default(),
            memory_bytes: None,
            base: None,
            limits: Limits::default(),
            cache: CacheChoice::OfUser,
            cache_limit_bytes: None,
            strict: false,
            fresh: false,
            forget: false,
            profile: None,
            listener: Listener::default(),
            stop: &NEVER,
        }
    }

    /// Which subspace is compared: side A by default.
    pub fn side(self, side: Side) -> Self {
        Self { side, ..self }
    }

    /// Which adapters are paired: each with each other by default.
    pub fn pairs(self, pairs: PairChoice) -> Self {
        Self { pairs, ..self }
    }

    /// Pairs only adapters that name the same base model; those that name none are paired with each other.
    pub fn same_base(self, same_base: bool) -> Self {
        Self { same_base, ..self }
    }

    /// Compares only modules whose name matches one of these globs, with `*`, `?` and `[...]`.
    pub fn modules<S: Into<String>>(mut self, globs: impl IntoIterator<Item = S>) -> Self {
        self.modules.extend(globs.into_iter().map(Into::into));
        self
    }

    /// Compares only modules of these layers, numbered as in the tensor names.
    pub fn layers(self, layers: impl Into<Layers>) -> Self {
        Self { layers: Some(layers.into()), ..self }
    }

    /// Compares only these projections, such as `q` or `down`, found across naming habits, or last parts of module names.
    pub fn projections<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.projections.extend(names.into_iter().map(Into::into));
        self
    }

    /// What is kept of each pair: φ(k, k) at powers of two by default.
    pub fn keep(self, keep: Keep) -> Self {
        Self { keep, ..self }
    }

    /// Adds the principal angles of each pair, which takes an SVD of r × r for each.
    pub fn angles(self, angles: bool) -> Self {
        Self { angles, ..self }
    }

    /// Adds the cosine of each pair's updates and their norms, which takes a second product for each pair.
    pub fn update(self, update: bool) -> Self {
        Self { update, ..self }
    }

    /// What bases are kept in for the products: f32 by default.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.engine.precision = precision;
        self
    }

    /// Does only a share of the blocks. Any number of processes that share the output folder and the cache complete one
    /// table.
    pub fn shard(self, shard: ShardChoice) -> Self {
        Self { shard: Some(shard), ..self }
    }

    /// How many shares there are, for [`ShardChoice::Auto`] where the job does not say.
    pub fn n_shards(self, n_shards: usize) -> Self {
        Self { n_shards: Some(n_shards), ..self }
    }

    /// What computes: by default the engine that the scan began with, else a GPU if there is one and the work is worth it.
    pub fn engine(mut self, engine: EngineChoice) -> Self {
        self.engine.choice = engine;
        self
    }

    /// Which GPUs are used: the best one by default.
    pub fn gpus(mut self, gpus: Gpus) -> Self {
        self.engine.gpus = gpus;
        self
    }

    /// The GPU's kernel for blocks of pairs, in place of the one that the scan began with or the fastest one.
    pub fn kernel(mut self, kernel: impl Into<String>) -> Self {
        self.engine.kernel = Some(kernel.into());
        self
    }

    /// Reads full fine-tunes and merged models too, as what changed of this base model, and DoRA as it is applied: see
    /// [`OpenOptions::base`](crate::OpenOptions::base).
    pub fn base(self, path: impl Into<PathBuf>, how_many: HowMany) -> Self {
        Self { base: Some(PlannedBase { path: path.into(), how_many }), ..self }
    }

    /// Memory that the scan may take: by default half of what is free, or as much as it needs. Given less than it needs, it says how
    /// much that is.
    pub fn memory_bytes(self, memory_bytes: u64) -> Self {
        Self { memory_bytes: Some(memory_bytes), ..self }
    }

    /// What the checkpoints may ask for.
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Where bases are kept for the next scan: by default the user's own cache folder.
    pub fn cache_dir(self, dir: impl AsRef<Path>) -> Self {
        Self { cache: CacheChoice::Dir(dir.as_ref().to_owned()), ..self }
    }

    /// Keeps bases in memory, or in the output folder until the scan is complete, and nowhere else.
    pub fn no_cache(self) -> Self {
        Self { cache: CacheChoice::None, ..self }
    }

    /// Size of the cache above which the bases that were used the longest ago are removed: by default 20 GiB.
    pub fn cache_limit_bytes(self, limit_bytes: u64) -> Self {
        Self { cache_limit_bytes: Some(limit_bytes), ..self }
    }

    /// Whether a checkpoint that cannot be read, or a module without a basis, is an error. By default it is left out.
    pub fn strict(self, strict: bool) -> Self {
        Self { strict, ..self }
    }

    /// Removes what an earlier scan left in the output folder, and starts over.
    pub fn fresh(self, fresh: bool) -> Self {
        Self { fresh, ..self }
    }

    /// Goes on without inputs whose files are gone: what is computed of them stays, and what is not is left out, for ever.
    pub fn forget(self, forget: bool) -> Self {
        Self { forget, ..self }
    }

    /// Writes every span of time into this file, in the Trace Event Format that Perfetto opens.
    pub fn profile(self, path: impl Into<PathBuf>) -> Self {
        Self { profile: Some(path.into()), ..self }
    }

    /// Calls a function for everything that happens. It is called by several threads, one at a time, and holds them up
    /// while it runs.
    pub fn on_event(self, on_event: impl FnMut(&Event) + Send + 'a) -> Self {
        Self { listener: Listener::new(on_event), ..self }
    }

    /// Stops when the flag is set: the blocks in flight are finished, and the same scan goes on later.
    pub fn stop(self, stop: &'a AtomicBool) -> Self {
        Self { stop, ..self }
    }

    pub(super) fn stop_flag(&self) -> &AtomicBool {
        self.stop
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}
