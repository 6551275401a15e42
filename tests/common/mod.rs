//! What the tests share.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

#[cfg(feature = "cli")]
pub mod checkpoints;
#[cfg(feature = "cli")]
pub mod command;
#[cfg(feature = "gpu")]
pub mod engines;
pub mod files;
pub mod image;
pub mod oracle;
#[cfg(feature = "cli")]
pub mod planted;
#[cfg(feature = "cli")]
pub mod reports;
#[cfg(feature = "cli")]
pub mod scans;
#[cfg(feature = "cli")]
pub mod shards;
#[cfg(feature = "cli")]
pub mod tables;
pub mod torch;
pub mod update;
pub mod vector;
