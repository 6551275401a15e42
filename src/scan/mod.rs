//! A folder of checkpoints: every pair, module by module, as a table.
//!
//! [`Scan`] is all that a program needs. It scans a folder with a callback for what happens and a flag to stop it:
//!
//! ```no_run
//! # use std::sync::atomic::AtomicBool;
//! use lorascope::Side;
//! use lorascope::scan::Scan;
//!
//! let stop = AtomicBool::new(false);
//! let scan = Scan::new(["runs/"], "out").side(Side::B);
//! let outcome = scan.on_event(|event| println!("{event:?}")).stop(&stop).run()?;
//! println!("{:?}: {}", outcome.end, outcome.pairs().display());
//! # Ok::<(), lorascope::Error>(())
//! ```
//!
//! [`Scan::dry_run`] plans it and estimates what it takes, and [`Status::read`] shows how far it is.
//!
//! ```text
//! inputs ──► headers ─► plan ──► blocks ──► bases ──────► compute ──► table
//! paths,     names,     numbers  module ×   factorised    statistics  pairs/*.parquet,
//! globs,     shapes     for ever rows ×     once, in a    of every    adapters.parquet
//! folders                        columns    cache         pair
//! ```
//!
//! A plan is a pure function of headers and options. A block is the unit of work, of resuming and of sharding: its result
//! is one file, which is whole or not there.

pub(crate) mod absent;
mod again;
mod base;
pub(crate) mod bases;
mod block_pairs;
pub(crate) mod blocks;
mod builder;
pub(crate) mod cache;
mod claim;
mod clear;
pub(crate) mod compute;
mod count;
pub(crate) mod digest;
mod dry_run;
pub(crate) mod engines;
mod event;
mod few_meet;
mod finish;
pub(crate) mod finished;
pub(crate) mod folder;
mod forget;
mod forgotten;
pub(crate) mod header;
pub(crate) mod inputs;
mod journal;
mod keep;
mod kept_rows;
mod left_out;
mod memory;
mod module_size;
pub(crate) mod naming;
mod near;
mod outcome;
mod pairing;
mod perform;
pub(crate) mod plan;
mod presence;
pub(crate) mod profile;
mod record;
mod relations;
mod restore;
mod run;
mod settle;
mod shard;
pub(crate) mod side_modules;
mod status;
mod survey;
pub(crate) mod table;
mod top;
mod verified;
mod watch;
pub(crate) mod without_basis;

pub use self::builder::Scan;
pub use self::dry_run::DryRun;
pub use self::engines::Gpus;
pub use self::event::{
    BasesFrom, Computed, Event, ModulesOf, PlanFacts, Progress, ScanWarning, SkippedInput,
};
pub use self::few_meet::FewMeetPairs;
pub use self::finish::{BlockCounts, MissingBases};
pub use self::keep::Keep;
pub use self::outcome::{ScanEnd, ScanOutcome};
pub use self::plan::PairChoice;
pub use self::profile::Stage;
pub use self::shard::{Shard, ShardChoice};
pub use self::status::{Process, Shares, Status};
