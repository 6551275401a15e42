//! `lorascope scan`, as new users run it.

#[path = "../common/mod.rs"]
mod common;

mod bad;
mod blocks;
mod cache;
mod forget;
mod growth;
mod inputs;
mod memory;
mod messages;
mod modules;
mod pairs;
mod relations;
mod resume;
mod schema;
mod shards;
mod status;
mod table;
mod top;
