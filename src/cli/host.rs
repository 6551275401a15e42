//! Where a command runs: in a process of its own, or within another program, which takes what would go to stdout and may give
//! it adapters that are open already.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use crate::{Adapter, Limits};

/// Adapters that are open already, by the paths under which a command asks for them.
pub type Given = Arc<HashMap<PathBuf, Adapter>>;

/// What a command within another program has of its own.
#[derive(Default)]
struct Guest {
    given: Given,
    limits: Limits,
    stdout: Vec<u8>,
}

thread_local! {
    /// Of the command that runs on this thread, which opens checkpoints and writes results on it.
    static GUEST: RefCell<Option<Guest>> = const { RefCell::new(None) };
}

/// Runs within another program, and within these limits; also returns what would have gone to stdout.
pub(super) fn within<T>(given: Given, limits: Limits, run: impl FnOnce() -> T) -> (T, Vec<u8>) {
    GUEST.set(Some(Guest { given, limits, ..Guest::default() }));
    let result = run();
    (result, GUEST.take().unwrap_or_default().stdout)
}

/// The adapters that are open already.
pub(super) fn given() -> Given {
    GUEST.with_borrow(|guest| guest.as_ref().map(|guest| Arc::clone(&guest.given)).unwrap_or_default())
}

/// The limits within another program.
pub(super) fn limits() -> Option<Limits> {
    GUEST.with_borrow(|guest| guest.as_ref().map(|guest| guest.limits.clone()))
}

/// Whether results go to the process's own stdout.
pub(super) fn has_stdout() -> bool {
    GUEST.with_borrow(Option::is_none)
}

/// Where results go.
pub(super) struct Stdout;

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        GUEST.with_borrow_mut(|guest| match guest {
            Some(guest) => guest.stdout.write(bytes),
            None => io::stdout().write(bytes),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        if has_stdout() { io::stdout().flush() } else { Ok(()) }
    }
}
