//! Room for work that takes memory: as much of it at once as fits.

use std::sync::{Condvar, Mutex};

use crate::sync::{lock, wait};

/// Bytes that threads share.
#[derive(Debug)]
pub struct Room {
    all_bytes: u64,
    left_bytes: Mutex<u64>,
    changed: Condvar,
}

/// Bytes that a thread has until this is dropped.
#[derive(Debug)]
pub struct Taken<'a> {
    room: &'a Room,
    bytes: u64,
}

impl Room {
    /// So many bytes.
    pub fn of(bytes: u64) -> Self {
        Self { all_bytes: bytes, left_bytes: Mutex::new(bytes), changed: Condvar::new() }
    }

    /// Room for all work at once.
    pub fn unlimited() -> Self {
        Self::of(u64::MAX)
    }

    /// Waits until there is room. What needs more than there is takes all of it. No thread may ask for more before it has dropped
    /// what it has, nor wait for others meanwhile.
    pub fn take(&self, bytes: u64) -> Taken<'_> {
        let bytes = bytes.min(self.all_bytes);
        let mut left_bytes = lock(&self.left_bytes);
        while *left_bytes < bytes {
            left_bytes = wait(&self.changed, left_bytes);
        }
        *left_bytes -= bytes;
        Taken { room: self, bytes }
    }

    /// All of it.
    pub fn all_bytes(&self) -> u64 {
        self.all_bytes
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        *lock(&self.room.left_bytes) += self.bytes;
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
                        let bytes = (thread * n) % 14;
                        let _taken = room.take(bytes);
                        let now = at_once.fetch_add(bytes.min(10), Ordering::SeqCst) + bytes.min(10);
                        most.fetch_max(now, Ordering::SeqCst);
                        std::thread::yield_now();
                        at_once.fetch_sub(bytes.min(10), Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!((most.into_inner(), *lock(&room.left_bytes)), (10, 10));
    }
}
