//! Files of systems that tests describe.

use std::fs;
use std::path::Path;

/// Writes a file under a root, with its folders.
pub(super) fn write(root: &Path, path: &str, bytes: impl AsRef<[u8]>) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}
