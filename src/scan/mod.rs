//! Many checkpoints: every pair of a folder.

pub mod cache;
