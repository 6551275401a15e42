//! What threads share: locks that a panic of another thread does not take along, room, and the flag to stop.

#[cfg(feature = "scan")]
mod few_threads;
#[cfg(feature = "scan")]
mod room;
pub(crate) mod stop;

#[cfg(feature = "scan")]
use std::sync::Condvar;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[cfg(feature = "scan")]
pub(crate) use self::few_threads::FewThreads;
#[cfg(feature = "scan")]
pub(crate) use self::room::Room;

/// Waits for a lock. What it guards is changed in single steps everywhere, so that it is whole after a panic too.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives a lock up until another thread changes something, and takes it back.
#[cfg(feature = "scan")]
pub(crate) fn wait<'a, T>(changed: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    changed.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

/// What a lock guarded.
#[cfg(feature = "scan")]
pub(crate) fn into_inner<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}
