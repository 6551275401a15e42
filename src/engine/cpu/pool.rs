//! Large buffers that are kept for the next block, in place of memory that the system has to clear each time.

use std::sync::{Mutex, MutexGuard};

use super::product::Step;
use super::tile::Scratch;
use crate::sync::lock;

/// What blocks reuse of each other.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// Packed bases.
    pub(super) steps: Pool<Vec<Step>>,
    /// One for each thread that computes a tile.
    pub(super) scratches: Pool<Scratch>,
}

/// Values that are not in use.
#[derive(Debug, Default)]
pub(super) struct Pool<T>(Mutex<Vec<T>>);

impl<T: Default> Pool<T> {
    pub(super) fn take(&self) -> T {
        self.free().pop().unwrap_or_default()
    }

    pub(super) fn give_back(&self, value: T) {
        self.free().push(value);
    }

    /// Lends a value.
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let mut value = self.take();
        let result = work(&mut value);
        self.give_back(value);
        result
    }

    fn free(&self) -> MutexGuard<'_, Vec<T>> {
        lock(&self.0)
    }
}
