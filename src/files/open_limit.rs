//! How many files a process may keep open for later.

/// Files that are kept open for later, at most: more gain nothing.
const MAX_KEPT: usize = 256;

/// What a process has open besides: standard streams, libraries, a GPU's driver.
const RESERVED: usize = 64;

/// What work on a checkpoint has open at once: its files, an entry of the cache, one that is being written, and the lock.
const OF_ONE_WORK: usize = 7;

/// Files that may be kept open for later, within the system's limit as it is now.
pub(crate) fn n_kept_open() -> usize {
    kept_within(limit())
}

/// Checkpoints that may be worked on at once, next to the files that are kept open.
pub(crate) fn n_at_work() -> usize {
    at_work_within(limit())
}

fn kept_within(limit: Option<u64>) -> usize {
    half_of_free(limit).clamp(1, MAX_KEPT)
}

fn at_work_within(limit: Option<u64>) -> usize {
    (half_of_free(limit) / OF_ONE_WORK).max(1)
}

fn half_of_free(limit: Option<u64>) -> usize {
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    limit.saturating_sub(RESERVED) / 2
}

/// Raises the limit as far as a process may by itself, which programs that do not wait by `select` do.
#[cfg(feature = "cli")]
pub(crate) fn raise_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        // macOS knows no more, whatever the hard limit says.
        const MOST: u64 = 10_240;
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        if current.is_none() || current == maximum {
            return;
        }
        let raised = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
        let most = Some(maximum.unwrap_or(MOST).min(MOST));
        if raised.is_err() && most > current {
            // It stays as it was then, and fewer files are kept open.
            let _ = setrlimit(Resource::Nofile, Rlimit { current: most, maximum });
        }
    }
}

#[cfg(unix)]
fn limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

#[cfg(not(unix))]
fn limit() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_leaves_room_for_libraries() {
        assert_eq!(
            (kept_within(None), kept_within(Some(u64::MAX)), kept_within(Some(1024))),
            (256, 256, 256)
        );
        assert_eq!((kept_within(Some(256)), at_work_within(Some(256))), (96, 13));
        for limit in [0, 16, 64, 65, 128, 300, 1024, 1 << 20] {
            let (kept, at_work) = (kept_within(Some(limit)), at_work_within(Some(limit)));
            assert!(kept >= 1 && at_work >= 1, "{limit}");
            let open = kept + OF_ONE_WORK * at_work;
            assert!(open + RESERVED <= limit as usize || (kept, at_work) == (1, 1), "{limit}: {open}");
        }
    }
}
