//! Work on adapters that is done once, by whichever thread comes first.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Condvar, Mutex, MutexGuard};

use rayon::prelude::*;

use crate::error::Result;
use crate::sync::{FewThreads, lock, wait};

/// What was made of each adapter.
#[derive(Debug)]
pub(super) struct OnceMap<T> {
    states: Mutex<HashMap<u32, State<T>>>,
    changed: Condvar,
}

/// How far an adapter is that somebody has asked for.
#[derive(Debug)]
enum State<T> {
    /// A thread is at it.
    Busy,
    Ready(T),
}

/// A thread's work on an adapter, which ends when it is dropped.
struct Attempt<'a, T> {
    of: &'a OnceMap<T>,
    adapter: u32,
    made: Option<T>,
}

impl<T> Drop for Attempt<'_, T> {
    fn drop(&mut self) {
        let mut states = lock(&self.of.states);
        match self.made.take() {
            Some(made) => _ = states.insert(self.adapter, State::Ready(made)),
            None => _ = states.remove(&self.adapter),
        }
        drop(states);
        self.of.changed.notify_all();
    }
}

impl<T: Clone + Send> OnceMap<T> {
    pub(super) fn new() -> Self {
        Self { states: Mutex::new(HashMap::new()), changed: Condvar::new() }
    }

    /// Makes what is not there of these adapters, on these threads, in this order, and waits for what other threads are at. What
    /// another thread failed to make is tried again here, so that this thread has an error of its own to return.
    ///
    /// # Errors
    /// The first of `make`; the adapter is then as if nobody had asked.
    pub(super) fn ensure(
        &self,
        threads: &FewThreads,
        adapters: &[u32],
        make: impl Fn(u32) -> Result<T> + Sync,
    ) -> Result<()> {
        loop {
            let absent: Vec<u32> = {
                let states = self.states();
                adapters.iter().copied().filter(|adapter| !states.contains_key(adapter)).collect()
            };
            threads.run(|| absent.par_iter().try_for_each(|&adapter| self.make(adapter, &make)))?;
            if self.waited_for(adapters) {
                return Ok(());
            }
        }
    }

    fn make(&self, adapter: u32, make: impl Fn(u32) -> Result<T>) -> Result<()> {
        match self.states().entry(adapter) {
            Entry::Occupied(_) => return Ok(()),
            Entry::Vacant(place) => _ = place.insert(State::Busy),
        }
        // Dropped by an error and by a panic, too: nobody waits for what is not made any more.
        let mut attempt = Attempt { of: self, adapter, made: None };
        attempt.made = Some(make(adapter)?);
        Ok(())
    }

    /// Waits until no thread is at any of these adapters; whether all of them are there then.
    fn waited_for(&self, adapters: &[u32]) -> bool {
        let mut states = self.states();
        while adapters.iter().any(|adapter| matches!(states.get(adapter), Some(State::Busy))) {
            states = wait(&self.changed, states);
        }
        adapters.iter().all(|adapter| states.contains_key(adapter))
    }

    /// Adapters of which something was made.
    pub(super) fn n_ready(&self) -> usize {
        self.states().values().filter(|state| matches!(state, State::Ready(_))).count()
    }

    /// What was made of an adapter; `None` before.
    pub(super) fn get(&self, adapter: u32) -> Option<T> {
        match self.states().get(&adapter) {
            Some(State::Ready(made)) => Some(made.clone()),
            _ => None,
        }
    }

    fn states(&self) -> MutexGuard<'_, HashMap<u32, State<T>>> {
        lock(&self.states)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::error::Fault;

    #[test]
    fn each_is_made_once_however_many_ask() {
        let (once, n_made) = (OnceMap::new(), AtomicUsize::new(0));
        let adapters: Vec<u32> = (0..50).collect();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let make = |adapter| {
                        n_made.fetch_add(1, Ordering::Relaxed);
                        Ok(adapter * 2)
                    };
                    once.ensure(&FewThreads::default(), &adapters, make).unwrap();
                    assert_eq!(once.get(49), Some(98));
                });
            }
        });
        assert_eq!((n_made.into_inner(), once.get(50)), (50, None));
    }

    #[test]
    fn what_failed_can_be_made_later() {
        let once = OnceMap::new();
        assert!(
            once.ensure(&FewThreads::default(), &[7], |_| Err(Fault::new("none", "one").invalid())).is_err()
        );
        assert_eq!(once.get(7), None);
        once.ensure(&FewThreads::default(), &[7], Ok).unwrap();
        assert_eq!(once.get(7), Some(7));
    }
    /// One thread is in `make` while another one asks for the same.
    fn while_busy<T: Send>(
        make_first: impl Fn() -> Result<u32> + Sync,
        ask: impl FnOnce(&OnceMap<u32>) -> T + Send,
    ) -> T {
        let (once, is_in) = (OnceMap::new(), AtomicUsize::new(0));
        let waited = std::time::Duration::from_millis(50);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let first = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    once.ensure(&FewThreads::default(), &[7], |_| {
                        is_in.store(1, Ordering::SeqCst);
                        std::thread::sleep(waited);
                        make_first()
                    })
                }));
                assert!(!matches!(first, Ok(Ok(()))));
            });
            while is_in.load(Ordering::SeqCst) == 0 {
                std::thread::yield_now();
            }
            ask(&once)
        })
    }

    #[test]
    fn who_waits_for_what_failed_has_an_error_too() {
        let failed = || Err(Fault::new("none", "one").invalid());
        let error =
            while_busy(failed, |once| once.ensure(&FewThreads::default(), &[7], |_| failed()).unwrap_err());
        assert_eq!(error.to_string(), "found none, expected one");
        let made =
            while_busy(failed, |once| once.ensure(&FewThreads::default(), &[7], Ok).map(|()| once.get(7)));
        assert_eq!(made.unwrap(), Some(7));
    }

    #[test]
    fn nobody_waits_for_a_thread_that_panicked() {
        let made = while_busy(
            || panic!("on purpose"),
            |once| once.ensure(&FewThreads::default(), &[7], Ok).map(|()| once.get(7)),
        );
        assert_eq!(made.unwrap(), Some(7));
    }
}
