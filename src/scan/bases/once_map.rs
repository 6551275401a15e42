//! Work on adapters that is done once, by whichever thread comes first.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard};

use rayon::prelude::*;

use crate::error::Result;
use crate::sync::{lock, wait};

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

impl<T: Clone + Send> OnceMap<T> {
    pub(super) fn new() -> Self {
        Self { states: Mutex::new(HashMap::new()), changed: Condvar::new() }
    }

    /// Makes what is not there of these adapters, on all threads, in this order, and waits for what other threads are at.
    ///
    /// # Errors
    /// The first of `make`; the adapter is then as if nobody had asked.
    pub(super) fn ensure(&self, adapters: &[u32], make: impl Fn(u32) -> Result<T> + Sync) -> Result<()> {
        let waiting: Vec<u32> = {
            let states = self.states();
            adapters.iter().copied().filter(|adapter| !states.contains_key(adapter)).collect()
        };
        waiting.par_iter().try_for_each(|&adapter| self.make(adapter, &make))?;
        let mut states = self.states();
        while adapters.iter().any(|adapter| matches!(states.get(adapter), Some(State::Busy))) {
            states = wait(&self.changed, states);
        }
        Ok(())
    }

    fn make(&self, adapter: u32, make: impl Fn(u32) -> Result<T>) -> Result<()> {
        {
            let mut states = self.states();
            if states.contains_key(&adapter) {
                return Ok(());
            }
            states.insert(adapter, State::Busy);
        }
        let made = make(adapter);
        let mut states = self.states();
        let made = match made {
            Ok(made) => {
                states.insert(adapter, State::Ready(made));
                Ok(())
            }
            Err(error) => {
                states.remove(&adapter);
                Err(error)
            }
        };
        drop(states);
        self.changed.notify_all();
        made
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
                    once.ensure(&adapters, make).unwrap();
                    assert_eq!(once.get(49), Some(98));
                });
            }
        });
        assert_eq!((n_made.into_inner(), once.get(50)), (50, None));
    }

    #[test]
    fn what_failed_can_be_made_later() {
        let once = OnceMap::new();
        assert!(once.ensure(&[7], |_| Err(Fault::new("none", "one").invalid())).is_err());
        assert_eq!(once.get(7), None);
        once.ensure(&[7], Ok).unwrap();
        assert_eq!(once.get(7), Some(7));
    }
}
