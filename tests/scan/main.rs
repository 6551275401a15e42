//! `lorascope scan`, as new users run it.

#[path = "../common/mod.rs"]
mod common;

mod bad;
mod blocks;
mod cache;
mod changed;
mod clear;
mod damage;
mod disk;
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
mod sharing;
mod sizes;
mod status;
mod table;
mod takeover;
mod top;
