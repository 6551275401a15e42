//! Large buffers that are kept for whoever needs one next, in place of memory that the system has to clear each time.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::product::Step;
use super::tile::Scratch;

/// What blocks reuse of each other.
#[derive(Debug, Default)]
pub(super) struct Buffers {
    /// Packed bases.
    pub(super) steps: Pool<Vec<Step>>,
    /// One for each thread that computes a tile.
    pub(super) scratches: Pool<Scratch>,
}

/// Values that nobody uses now.
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
