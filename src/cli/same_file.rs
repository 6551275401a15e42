//! Whether two checkpoints are one file under two names, or a copy of one another.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use crate::Adapter;

/// How two files are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Same {
    /// One file, however it is named.
    File,
    /// Two files of the same bytes.
    Content,
}

impl Same {
    /// How the files that hold the tensors are the same, if they are. Files that are not there, such as what is built into the
    /// binary, are not looked at; files that differ are read up to their first difference.
    pub(super) fn of(checkpoints: [&Adapter; 2]) -> Option<Self> {
        let [a, b] = checkpoints;
        if a.has_files_of(b) {
            return Some(Self::File);
        }
        let [a, b] = checkpoints.map(|checkpoint| checkpoint.model_files().collect::<Vec<_>>());
        // What cannot be read is an error where it is needed, not here.
        let is_same = |(a, b): (&&Path, &&Path)| same_bytes(a, b).unwrap_or(false);
        (!a.is_empty() && a.len() == b.len() && a.iter().zip(&b).all(is_same)).then_some(Self::Content)
    }
}

/// Bytes that are compared at once.
const CHUNK_BYTES: usize = 1 << 16;

fn same_bytes(a: &Path, b: &Path) -> io::Result<bool> {
    let (a, b) = (File::open(a)?, File::open(b)?);
    let n_bytes = a.metadata()?.len();
    if n_bytes != b.metadata()?.len() {
        return Ok(false);
    }
    let [mut a, mut b] = [a, b].map(|file| BufReader::with_capacity(CHUNK_BYTES, file));
    let [mut of_a, mut of_b] = [vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]];
    let mut left = n_bytes;
    while left > 0 {
        let n = left.min(CHUNK_BYTES as u64) as usize;
        a.read_exact(&mut of_a[..n])?;
        b.read_exact(&mut of_b[..n])?;
        if of_a[..n] != of_b[..n] {
            return Ok(false);
        }
        left -= n as u64;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn files_are_the_same_to_their_last_byte_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            path
        };
        let long = vec![7; 3 * CHUNK_BYTES + 5];
        let first = write("first", &long);
        assert!(same_bytes(&first, &write("copy", &long)).unwrap());
        for at in [0, CHUNK_BYTES, long.len() - 1] {
            let mut other = long.clone();
            other[at] = 8;
            assert!(!same_bytes(&first, &write("other", &other)).unwrap(), "{at}");
        }
        assert!(!same_bytes(&first, &write("shorter", &long[1..])).unwrap());
        assert!(same_bytes(&write("empty", b""), &write("none", b"")).unwrap());
    }
}
