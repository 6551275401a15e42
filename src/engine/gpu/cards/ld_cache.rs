//! `/etc/ld.so.cache`: where the dynamic loader finds a library by its name.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// Of glibc since 2.2; it may stand after a list in an older format.
const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";

/// Before the entries, from the magic on.
const HEADER_BYTES: usize = 48;

/// Flags, name, path, version of the system, and what the processor must have.
const ENTRY_BYTES: usize = 24;

/// A machine with every package has some 20,000 libraries, in 2 MB.
const MAX_BYTES: u64 = 16 << 20;

/// Names and paths, as listed; empty where there is no cache or not one of this format.
pub(super) struct LdCache {
    bytes: Vec<u8>,
}

impl LdCache {
    pub(super) fn read(path: &Path) -> Self {
        let mut bytes = vec![];
        if path.metadata().is_ok_and(|metadata| metadata.is_file())
            && let Ok(file) = File::open(path)
            && file.take(MAX_BYTES).read_to_end(&mut bytes).is_ok()
            && let Some(start) = bytes.windows(MAGIC.len()).position(|window| window == MAGIC)
        {
            bytes.drain(..start);
            return Self { bytes };
        }
        Self { bytes: vec![] }
    }

    /// Every path that is listed under a name, first the one that the loader takes.
    pub(super) fn paths<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let n = self.number(MAGIC.len()).unwrap_or(0);
        let entries = self.bytes.get(HEADER_BYTES..).unwrap_or_default().chunks_exact(ENTRY_BYTES);
        entries.take(n).filter_map(move |entry| {
            let text = |at: usize| {
                let at = u32::from_le_bytes(*entry.get(at..)?.first_chunk()?) as usize;
                let rest = self.bytes.get(at..)?;
                str::from_utf8(rest.split(|byte| *byte == 0).next()?).ok()
            };
            text(8).filter(|_| text(4) == Some(name))
        })
    }

    fn number(&self, at: usize) -> Option<usize> {
        Some(u32::from_le_bytes(*self.bytes.get(at..)?.first_chunk()?) as usize)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A cache that lists these names and paths.
    pub(in super::super) fn cache(entries: &[(&str, &str)]) -> Vec<u8> {
        let strings_at = HEADER_BYTES + ENTRY_BYTES * entries.len();
        let mut strings: Vec<u8> = vec![];
        let mut bytes = MAGIC.to_vec();
        bytes.extend((entries.len() as u32).to_le_bytes());
        bytes.resize(HEADER_BYTES, 0);
        for (name, path) in entries {
            bytes.extend(3u32.to_le_bytes());
            for text in [name, path] {
                bytes.extend(((strings_at + strings.len()) as u32).to_le_bytes());
                strings.extend(text.as_bytes());
                strings.push(0);
            }
            bytes.extend([0; 12]);
        }
        bytes.extend(strings);
        bytes
    }

    fn of(bytes: &[u8]) -> LdCache {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ld.so.cache");
        std::fs::write(&path, bytes).unwrap();
        LdCache::read(&path)
    }

    #[test]
    fn finds_paths_by_name_after_an_older_list_too() {
        let list =
            cache(&[("liba.so.1", "/x/liba.so.1"), ("libb.so.1", "/y/libb.so.1"), ("liba.so.1", "/z/a")]);
        let older = [b"ld.so-1.7.0\0\0\0\0\0".as_slice(), &list].concat();
        for bytes in [list, older] {
            let cache = of(&bytes);
            assert_eq!(cache.paths("liba.so.1").collect::<Vec<_>>(), ["/x/liba.so.1", "/z/a"]);
            assert_eq!(cache.paths("libb.so.1").collect::<Vec<_>>(), ["/y/libb.so.1"]);
            assert_eq!(cache.paths("libb.so").count(), 0);
        }
    }

    #[test]
    fn a_damaged_cache_lists_less_and_never_panics() {
        let whole = cache(&[("liba.so.1", "/x/liba.so.1")]);
        for end in 0..whole.len() {
            let cache = of(&whole[..end]);
            assert!(cache.paths("liba.so.1").count() <= 1);
        }
        let mut many = whole;
        many[MAGIC.len()..MAGIC.len() + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(of(&many).paths("liba.so.1").count(), 1);
        assert_eq!(LdCache::read(Path::new("/nowhere")).paths("liba.so.1").count(), 0);
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn lists_the_c_library_of_this_machine() {
        let cache = LdCache::read(Path::new("/etc/ld.so.cache"));
        let is_there = |path: &str| Path::new(path).exists();
        assert!(cache.bytes.is_empty() || cache.paths("libc.so.6").any(is_there));
    }
}
