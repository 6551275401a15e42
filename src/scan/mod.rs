//! A folder of checkpoints: every pair, module by module, as a table.
//!
//! ```text
//! inputs ──► opened ──► plan ──► blocks ──► bases ──────► compute ──► table
//! paths,     headers    numbers  module ×   factorised    kept cells  pairs/*.parquet,
//! globs,     alone      for ever rows ×     once, in a    of every    adapters.parquet
//! folders                        columns    cache         pair
//! ```
//!
//! A plan is a pure function of headers and options. A block is the unit of work, of resuming and of sharding: its result
//! is one file, which is whole or not there.

pub mod bases;
pub mod blocks;
pub mod cache;
mod compute;
pub mod finish;
pub mod finished;
pub mod folder;
pub mod header;
pub mod inputs;
pub mod journal;
pub mod keep;
mod pairing;
pub mod plan;
pub mod profile;
pub mod record;
pub mod run;
pub mod selection;
pub mod shard;
pub mod status;
pub mod table;
mod top;
