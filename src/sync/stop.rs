//! A flag that the caller sets when no further work is to be begun.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};

/// The flag of work that nobody stops.
pub static NEVER: AtomicBool = AtomicBool::new(false);

/// Looks at the flag, between two steps of work that takes long.
///
/// # Errors
/// `Stopped` when it is set.
pub fn check(stop: &AtomicBool) -> Result<()> {
    if stop.load(Ordering::Relaxed) { Err(Error::Stopped) } else { Ok(()) }
}
