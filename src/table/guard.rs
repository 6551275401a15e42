//! Turns the panics of the Parquet reader into errors: some kinds of damage make it panic.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use parquet::errors::{ParquetError, Result as ParquetResult};

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `read`; a panic in it becomes an error and prints nothing.
pub(super) fn guarded<T>(read: impl FnOnce() -> ParquetResult<T>) -> ParquetResult<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !IS_GUARDED.get() {
                before(panic);
            }
        }));
    });
    IS_GUARDED.set(true);
    // What the reader leaves half done is dropped with it.
    let result = panic::catch_unwind(AssertUnwindSafe(read));
    IS_GUARDED.set(false);
    result.unwrap_or_else(|_| Err(ParquetError::General("the reader cannot go on".to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_the_next_one_outside_is_not_swallowed() {
        let error = guarded(|| -> ParquetResult<()> { panic!("damage") }).unwrap_err();
        assert_eq!(error.to_string(), "Parquet error: the reader cannot go on");
        assert_eq!(guarded(|| Ok(3)).unwrap(), 3);
        assert!(!IS_GUARDED.get());
    }
}
