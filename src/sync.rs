//! Locks that a panic of another thread does not take along.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits for a lock. What it guards is changed in single steps everywhere, so that it is whole after a panic too.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
