//! Ctrl-C and SIGTERM: the blocks in flight are finished, then the scan ends. A second one ends it at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// What has been caught.
pub(super) struct Signals {
    stop: Arc<AtomicBool>,
    caught: Arc<AtomicUsize>,
}

impl Signals {
    /// Begins to listen.
    pub(super) fn catch() -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let caught = Arc::new(AtomicUsize::new(0));
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first signal sets the flag, the second finds it set.
            flag::register_conditional_shutdown(signal, exit_code(signal), Arc::clone(&stop))?;
            flag::register_usize(signal, Arc::clone(&caught), signal as usize)?;
            flag::register(signal, Arc::clone(&stop))?;
        }
        Ok(Self { stop, caught })
    }

    /// Set when no further block is to be begun.
    pub(super) fn stop(&self) -> &AtomicBool {
        &self.stop
    }

    /// The exit code of the signal that was caught.
    pub(super) fn caught(&self) -> Option<u8> {
        match self.caught.load(Ordering::SeqCst) as i32 {
            0 => None,
            signal => Some(exit_code(signal) as u8),
        }
    }
}

/// As shells have it: 130 for Ctrl-C, 143 for SIGTERM.
fn exit_code(signal: i32) -> i32 {
    128 + signal
}
