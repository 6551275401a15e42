//! Room for work, such as bytes of memory or open files: as much of it at once as fits.

use std::sync::{Condvar, Mutex};

use super::{lock, wait};

/// What threads share.
#[derive(Debug)]
pub struct Room {
    all: u64,
    left: Mutex<u64>,
    changed: Condvar,
}

/// What a thread has until this is dropped.
#[derive(Debug)]
pub struct Taken<'a> {
    room: &'a Room,
    n: u64,
}

impl Room {
    /// So much of it.
    pub fn of(all: u64) -> Self {
        Self { all, left: Mutex::new(all), changed: Condvar::new() }
    }

    /// Room for all work at once.
    pub fn unlimited() -> Self {
        Self::of(u64::MAX)
    }

    /// Waits until there is room. What needs more than there is takes all of it. No thread may ask for more before it has dropped
    /// what it has, nor wait for other work of its thread pool meanwhile: that may wait here.
    pub fn take(&self, n: u64) -> Taken<'_> {
        let n = n.min(self.all);
        let mut left = lock(&self.left);
        while *left < n {
            left = wait(&self.changed, left);
        }
        *left -= n;
        Taken { room: self, n }
    }

    /// All of it.
    pub fn all(&self) -> u64 {
        self.all
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        *lock(&self.room.left) += self.n;
        self.room.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn no_more_happens_at_once_than_fits() {
        let (room, at_once, most) = (Room::of(10), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (room, at_once, most) = (&room, &at_once, &most);
                scope.spawn(move || {
                    for n in 0..50 {
                        // Some need more than there is.
                        let wanted = (thread * n) % 14;
                        let _taken = room.take(wanted);
                        let now = at_once.fetch_add(wanted.min(10), Ordering::SeqCst) + wanted.min(10);
                        most.fetch_max(now, Ordering::SeqCst);
                        std::thread::yield_now();
                        at_once.fetch_sub(wanted.min(10), Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!((most.into_inner(), *lock(&room.left)), (10, 10));
    }

    #[test]
    fn work_that_takes_one_place_is_done_so_many_at_once() {
        let (room, n_in, most) = (Room::of(3), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        let _place = room.take(1);
                        most.fetch_max(n_in.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        std::thread::yield_now();
                        n_in.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        assert!((1..=3).contains(&most.into_inner()));
        assert_eq!(*lock(&room.left), 3);
    }
}
