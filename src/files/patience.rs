//! Files that cannot be opened because too many are open.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

/// How long it is waited for other threads to close theirs.
const PATIENCE: Duration = Duration::from_secs(10);

/// Opens something, and waits a while for other threads and processes to close files when too many are open.
///
/// # Errors
/// Those of `open`.
pub(crate) fn patiently<T>(mut open: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let mut since = None;
    loop {
        match open() {
            Err(error) if has_too_many(&error) => {
                if since.get_or_insert_with(Instant::now).elapsed() > PATIENCE {
                    return Err(error);
                }
                thread::sleep(Duration::from_millis(5));
            }
            opened => return opened,
        }
    }
}

/// Whether the system refused because this process, or all of them, have too many files open.
pub(crate) fn has_too_many(error: &io::Error) -> bool {
    // ENFILE and EMFILE have these numbers on every Unix, and no kind of their own.
    cfg!(unix) && matches!(error.raw_os_error(), Some(23 | 24))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn it_is_waited_until_files_are_closed_and_for_nothing_else() {
        let mut n = 0;
        let opened = patiently(|| {
            n += 1;
            if n < 4 { Err(io::Error::from_raw_os_error(24)) } else { Ok(n) }
        });
        assert_eq!(opened.unwrap(), 4);
        let refused = patiently(|| -> io::Result<()> {
            n += 1;
            Err(io::ErrorKind::NotFound.into())
        });
        assert_eq!((refused.unwrap_err().kind(), n), (io::ErrorKind::NotFound, 5));
    }
}
