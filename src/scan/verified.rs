//! What is known of the bytes of blocks in this process: a table of gigabytes is read once to see that it is what was written.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Mutex;

use crate::sync::lock;

/// Blocks whose bytes were looked at, or that this process wrote, by their names.
#[derive(Debug, Default)]
pub(super) struct Verified(Mutex<HashMap<String, Bytes>>);

/// How the bytes of a block are.
#[derive(Debug, Clone)]
pub(super) enum Bytes {
    /// As they were written.
    Whole,
    /// This process wrote them, and has not waited for the disk.
    Written,
    Damaged(Damage),
}

/// A block that is not what was written.
#[derive(Debug, Clone)]
pub(super) struct Damage {
    pub(super) path: PathBuf,
    /// What is wrong with it, with the path.
    pub(super) text: String,
}

impl Verified {
    /// Takes up what was found of a block.
    pub(super) fn put(&self, name: String, bytes: Bytes) {
        lock(&self.0).insert(name, bytes);
    }

    /// What is known of a block.
    pub(super) fn get(&self, name: &str) -> Option<Bytes> {
        lock(&self.0).get(name).cloned()
    }

    /// Files that are damaged, in the order of their names.
    pub(super) fn damaged(&self) -> Vec<PathBuf> {
        let path = |bytes: &Bytes| match bytes {
            Bytes::Damaged(damage) => Some(damage.path.clone()),
            Bytes::Whole | Bytes::Written => None,
        };
        let mut paths: Vec<PathBuf> = lock(&self.0).values().filter_map(path).collect();
        paths.sort();
        paths
    }
}
