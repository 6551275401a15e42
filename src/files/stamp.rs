//! Size and time of a file, which show whether it is still the one that was read.

use std::fs::Metadata;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Size and time of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStamp {
    /// Bytes.
    pub n_bytes: u64,
    /// When it was last written, in nanoseconds since 1970; `None` where the system does not record it.
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
