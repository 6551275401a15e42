//! Tells the caller how far the work is.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::bases::Bases;
use super::event::{Event, Listener, Progress};
use super::run::Tally;
use crate::error::Result;

/// How often.
const TICK: Duration = Duration::from_millis(100);

/// Ends the watcher when it is dropped, also by a panic in the work, which would wait for it for ever.
struct End<'a> {
    ended: &'a AtomicBool,
    watcher: Thread,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        self.watcher.unpark();
    }
}

/// What is watched.
pub(super) struct Watch<'a, 'b> {
    pub(super) listener: &'a Listener<'b>,
    pub(super) tally: &'a Tally,
    pub(super) bases: &'a Bases<'a>,
    pub(super) n_adapters: usize,
    pub(super) n_rows: u64,
}

impl Watch<'_, '_> {
    /// Runs `work` while another thread tells how far it is.
    ///
    /// # Errors
    /// Those of `work`.
    pub(super) fn during(&self, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let ended = AtomicBool::new(false);
        let started = Instant::now();
        thread::scope(|scope| {
            let watcher = scope.spawn(|| {
                while !ended.load(Ordering::Relaxed) {
                    thread::park_timeout(TICK);
                    self.listener.emit(&Event::Progress(self.progress(started.elapsed())));
                }
            });
            let _end = End { ended: &ended, watcher: watcher.thread().clone() };
            work()
        })
    }

    fn progress(&self, elapsed: Duration) -> Progress {
        Progress {
            n_done: self.tally.n_rows.load(Ordering::Relaxed) as u64,
            n_rows: self.n_rows,
            n_ready: self.bases.n_ready(),
            n_adapters: self.n_adapters,
            bases: self.bases.come_from(),
            elapsed,
        }
    }
}
