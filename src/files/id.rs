//! Which file it is, however it is named.

use std::path::Path;

/// A file of this machine: equal for all names of one file, links of both kinds included.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(Id);

#[cfg(unix)]
type Id = (u64, u64);

/// Its path with all links resolved: hard links are files of their own here.
#[cfg(not(unix))]
type Id = std::path::PathBuf;

impl FileId {
    /// `None` where nothing is there.
    #[cfg(unix)]
    pub(crate) fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self((metadata.dev(), metadata.ino())))
    }

    /// `None` where nothing is there.
    #[cfg(not(unix))]
    pub(crate) fn of(path: &Path) -> Option<Self> {
        std::fs::canonicalize(path).ok().map(Self)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_the_same_by_every_name() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a"), "x").unwrap();
        fs::write(at("b"), "x").unwrap();
        fs::hard_link(at("a"), at("hard")).unwrap();
        std::os::unix::fs::symlink("a", at("soft")).unwrap();
        let id = FileId::of(&at("a"));
        for name in ["hard", "soft", "./a"] {
            assert!(id.is_some() && FileId::of(&at(name)) == id, "{name}");
        }
        assert!(FileId::of(&at("b")) != id && FileId::of(&at("c")).is_none());
    }
}
