//! Locks that a panic of another thread does not take along.

#[cfg(feature = "scan")]
use std::sync::Condvar;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits for a lock. What it guards is changed in single steps everywhere, so that it is whole after a panic too.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives a lock up until another thread changes something, and takes it back.
#[cfg(feature = "scan")]
pub(crate) fn wait<'a, T>(changed: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    changed.wait(guard).unwrap_or_else(PoisonError::into_inner)
}

/// Lets only so many in at once. Who is in must not wait for other work of its thread pool: that may wait here.
#[cfg(feature = "scan")]
#[derive(Debug)]
pub(crate) struct Gate {
    n_free: Mutex<usize>,
    changed: Condvar,
}

#[cfg(feature = "scan")]
impl Gate {
    pub(crate) fn new(n: usize) -> Self {
        Self { n_free: Mutex::new(n), changed: Condvar::new() }
    }

    /// Waits for a place, which is held until what is returned is dropped.
    pub(crate) fn enter(&self) -> Place<'_> {
        let mut n_free = lock(&self.n_free);
        while *n_free == 0 {
            n_free = wait(&self.changed, n_free);
        }
        *n_free -= 1;
        Place(self)
    }
}

/// A place within a [`Gate`].
#[cfg(feature = "scan")]
pub(crate) struct Place<'a>(&'a Gate);

#[cfg(feature = "scan")]
impl Drop for Place<'_> {
    fn drop(&mut self) {
        *lock(&self.0.n_free) += 1;
        self.0.changed.notify_one();
    }
}

/// What a lock guarded.
#[cfg(feature = "scan")]
pub(crate) fn into_inner<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, feature = "scan"))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_gate_lets_no_more_in_than_it_has_places() {
        let (gate, n_in, most) = (Gate::new(3), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let _place = gate.enter();
                        most.fetch_max(n_in.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        n_in.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!((1..=3).contains(&most.into_inner()));
        assert_eq!(*lock(&gate.n_free), 3);
    }
}
