//! Size and time of a file, which show whether it is still the one that was read.

use std::fs::Metadata;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Size and time of a file, or of several as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStamp {
    /// Bytes.
    pub n_bytes: u64,
    /// When it was last written, in nanoseconds since 1970; `None` where the system does not record it. Of several files, a
    /// number that changes with the size and the time of each.
    pub modified_ns: Option<u64>,
}

impl FileStamp {
    /// The stamp of a file as it is now.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    #[cfg(any(feature = "scan", test))]
    pub fn of(path: &std::path::Path) -> crate::Result<Self> {
        std::fs::metadata(path)
            .map(|metadata| Self::new(&metadata))
            .map_err(|error| crate::Error::io("read", path, error))
    }

    /// The stamp of several files: that of the one, where there is only one.
    #[cfg(any(feature = "scan", test))]
    pub(crate) fn of_all(stamps: impl IntoIterator<Item = Self>) -> Self {
        let mut stamps = stamps.into_iter();
        let first = stamps.next().unwrap_or(Self { n_bytes: 0, modified_ns: None });
        stamps.fold(first, |all, one| {
            // FNV-1a, over numbers instead of bytes: an older file may take the place of another, too.
            let mixed = |hash: u64, n: u64| (hash ^ n).wrapping_mul(0x0100_0000_01b3);
            let hash = [all.modified_ns, Some(one.n_bytes), one.modified_ns].into_iter().flatten();
            let hash = hash.fold(0xcbf2_9ce4_8422_2325, mixed);
            Self { n_bytes: all.n_bytes + one.n_bytes, modified_ns: Some(hash & (u64::MAX >> 1)) }
        })
    }

    pub(crate) fn new(metadata: &Metadata) -> Self {
        let since = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Self {
            n_bytes: metadata.len(),
            modified_ns: since.and_then(|since| u64::try_from(since.as_nanos()).ok()),
        }
    }

    pub(crate) fn modified(&self) -> Option<SystemTime> {
        self.modified_ns.map(|ns| UNIX_EPOCH + Duration::from_nanos(ns))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_stamp_of_several_files_changes_with_each_of_them() {
        let stamp = |n_bytes, ns| FileStamp { n_bytes, modified_ns: Some(ns) };
        let all = |stamps: [FileStamp; 3]| FileStamp::of_all(stamps);
        let (a, b, c) = (stamp(5, 100), stamp(6, 300), stamp(7, 200));
        let first = all([a, b, c]);
        assert_eq!(first.n_bytes, 18);
        assert_eq!(FileStamp::of_all([b]), b);
        // Older, newer, bytes that move from one to another, the same in another order.
        for other in [
            [stamp(5, 99), b, c],
            [a, stamp(6, 301), c],
            [a, b, stamp(7, 1)],
            [stamp(6, 100), stamp(5, 300), c],
            [b, a, c],
        ] {
            assert_ne!(all(other), first, "{other:?}");
        }
    }

    #[test]
    fn the_time_comes_back_to_the_nanosecond() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "abc").unwrap();
        for time in [UNIX_EPOCH, UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789)] {
            fs::File::options().append(true).open(&path).unwrap().set_modified(time).unwrap();
            let stamp = FileStamp::of(&path).unwrap();
            assert_eq!((stamp.n_bytes, stamp.modified()), (3, Some(time)));
        }
    }
}
