//! What a shared library is built for and what it is linked to: the few numbers of an ELF file that the dynamic loader reads
//! first. Every count and position in the file is bounded before it is believed.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// The processor and word size that a library is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Machine {
    /// 1 for 32 bits, 2 for 64.
    class: u8,
    /// ELF's number of the processor.
    processor: u16,
}

impl Machine {
    /// What this program can load; `None` where ELF's number of the processor is not listed here.
    pub(super) fn of_this_program() -> Option<Self> {
        let processor = match std::env::consts::ARCH {
            "x86_64" => 62,
            "aarch64" => 183,
            _ => return None,
        };
        Some(Self { class: 2, processor })
    }

    /// `32-bit`, or `for another processor`.
    pub(super) fn kind(self) -> &'static str {
        if self.class == 1 { "32-bit" } else { "for another processor" }
    }
}

/// The part of a library that says whether it can be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Elf {
    pub(super) machine: Machine,
    /// Names of the libraries that must be loaded with it (`DT_NEEDED`).
    pub(super) needed: Vec<String>,
    /// Folders where these are looked for first (`DT_RUNPATH`, `DT_RPATH`), as written.
    pub(super) run_path: Vec<String>,
}

/// No real file comes near these.
const MAX_SEGMENTS: usize = 64;
const MAX_DYNAMIC_BYTES: u64 = 1 << 16;
const MAX_NEEDED: usize = 128;
const MAX_NAME_BYTES: u64 = 4096;

const SEGMENT_BYTES: usize = 56;
const LOADED: u32 = 1;
const DYNAMIC: u32 = 2;
const NEEDED: u64 = 1;
const STRINGS: u64 = 5;
const R_PATH: u64 = 15;
const RUN_PATH: u64 = 29;

/// A part of the file that is mapped to an address.
struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    bytes: u64,
}

/// Reads the file's header, and of a 64-bit library what it is linked to.
pub(super) fn read(path: &Path) -> Result<Elf, String> {
    let is_file = path.metadata().map_err(|error| error.to_string())?.is_file();
    if !is_file {
        return Err("not a file".to_owned());
    }
    let mut file = File::open(path).map_err(|error| error.to_string())?;
    parse(&mut file).ok_or_else(|| "not an ELF library, or cut short".to_owned())
}

fn parse(file: &mut File) -> Option<Elf> {
    let header = bytes_at(file, 0, 64)?;
    // Little-endian, as every machine with a GPU is.
    if header.get(..4)? != b"\x7fELF" || *header.get(5)? != 1 {
        return None;
    }
    let machine = Machine { class: *header.get(4)?, processor: u16_at(&header, 18)? };
    let mut elf = Elf { machine, needed: vec![], run_path: vec![] };
    if machine.class != 2 {
        return Some(elf);
    }
    let n_segments = usize::from(u16_at(&header, 56)?).min(MAX_SEGMENTS);
    let table = bytes_at(file, u64_at(&header, 32)?, (n_segments * SEGMENT_BYTES) as u64)?;
    let segments: Vec<Segment> = table.chunks_exact(SEGMENT_BYTES).filter_map(segment).collect();
    let Some(dynamic) = segments.iter().find(|segment| segment.kind == DYNAMIC) else { return Some(elf) };
    let entries = bytes_at(file, dynamic.offset, dynamic.bytes.min(MAX_DYNAMIC_BYTES))?;
    let entries: Vec<(u64, u64)> =
        entries.chunks_exact(16).filter_map(|entry| Some((u64_at(entry, 0)?, u64_at(entry, 8)?))).collect();
    let strings = entries.iter().find(|(tag, _)| *tag == STRINGS).map(|(_, address)| *address)?;
    let strings = segments.iter().find_map(|segment| {
        let within = strings.checked_sub(segment.address).filter(|within| *within < segment.bytes);
        within.filter(|_| segment.kind == LOADED)?.checked_add(segment.offset)
    })?;
    for (tag, at) in entries.into_iter().filter(|(tag, _)| [NEEDED, R_PATH, RUN_PATH].contains(tag)) {
        let text = text_at(file, strings.checked_add(at)?)?;
        if tag != NEEDED {
            elf.run_path.extend(text.split(':').map(str::to_owned));
        } else if elf.needed.len() < MAX_NEEDED {
            elf.needed.push(text);
        }
    }
    Some(elf)
}

fn segment(entry: &[u8]) -> Option<Segment> {
    Some(Segment {
        kind: u32::from_le_bytes(*entry.first_chunk()?),
        offset: u64_at(entry, 8)?,
        address: u64_at(entry, 16)?,
        bytes: u64_at(entry, 32)?,
    })
}

/// Fewer where the file ends.
fn bytes_at(file: &mut File, offset: u64, n: u64) -> Option<Vec<u8>> {
    file.seek(SeekFrom::Start(offset)).ok()?;
    let mut bytes = vec![];
    file.take(n).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Up to the zero that ends it.
fn text_at(file: &mut File, offset: u64) -> Option<String> {
    let bytes = bytes_at(file, offset, MAX_NAME_BYTES)?;
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some(String::from_utf8_lossy(bytes.get(..end)?).into_owned())
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A library for this machine that is linked to others.
    pub(in super::super) fn library(needed: &[&str], run_path: &str) -> Vec<u8> {
        let mut strings = vec![0];
        let mut dynamic: Vec<u64> = vec![];
        for (tag, name) in needed.iter().map(|name| (NEEDED, *name)).chain([(RUN_PATH, run_path)]) {
            if !name.is_empty() {
                dynamic.extend([tag, strings.len() as u64]);
                strings.extend_from_slice(name.as_bytes());
                strings.push(0);
            }
        }
        let address = 0x1000;
        let dynamic_at = 64 + 2 * SEGMENT_BYTES as u64;
        let strings_at = dynamic_at + 8 * (dynamic.len() as u64 + 4);
        dynamic.extend([STRINGS, address + strings_at, 0, 0]);
        let whole = strings_at + strings.len() as u64;

        let mut image = b"\x7fELF\x02\x01\x01".to_vec();
        image.resize(64, 0);
        let processor = Machine::of_this_program().map_or(62, |machine| machine.processor);
        image[18..20].copy_from_slice(&processor.to_le_bytes());
        image[32..40].copy_from_slice(&64u64.to_le_bytes());
        image[54..56].copy_from_slice(&(SEGMENT_BYTES as u16).to_le_bytes());
        image[56..58].copy_from_slice(&2u16.to_le_bytes());
        for (kind, offset, bytes) in [(LOADED, 0, whole), (DYNAMIC, dynamic_at, 8 * dynamic.len() as u64)] {
            image.extend_from_slice(&u64::from(kind).to_le_bytes());
            for value in [offset, address + offset, 0, bytes, bytes, 0] {
                image.extend_from_slice(&value.to_le_bytes());
            }
        }
        image.extend(dynamic.iter().flat_map(|value| value.to_le_bytes()));
        image.extend(strings);
        image
    }

    /// The same for 32 bits.
    pub(in super::super) fn library_of_32_bits() -> Vec<u8> {
        let mut image = library(&[], "");
        image[4] = 1;
        image
    }

    fn of(bytes: &[u8]) -> Result<Elf, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lib.so");
        std::fs::write(&path, bytes).unwrap();
        read(&path)
    }

    #[test]
    fn reads_what_a_library_is_linked_to() {
        let elf = of(&library(&["libX11.so.6", "libc.so.6"], "$ORIGIN/../lib:/opt/lib")).unwrap();
        assert_eq!(elf.needed, ["libX11.so.6", "libc.so.6"]);
        assert_eq!(elf.run_path, ["$ORIGIN/../lib", "/opt/lib"]);
        assert_eq!(of(&library_of_32_bits()).unwrap().machine.kind(), "32-bit");
    }

    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    #[test]
    fn reads_this_very_program() {
        let elf = read(&std::env::current_exe().unwrap()).unwrap();
        assert_eq!(Some(elf.machine), Machine::of_this_program());
        assert!(elf.needed.iter().any(|name| name.starts_with("libc.so")), "{elf:?}");
    }

    #[test]
    fn what_is_not_a_library_says_so() {
        for bytes in [&b""[..], b"\x7fEL", b"GROUP ( /lib/libm.so.6 )", b"\x7fELF\x02\x02"] {
            assert!(of(bytes).unwrap_err().contains("not an ELF library"));
        }
        assert_eq!(read(Path::new("/")).unwrap_err(), "not a file");
    }

    #[test]
    fn no_damage_makes_it_panic_or_read_without_end() {
        let image = library(&["libX11.so.6"], "/opt");
        for end in 0..image.len() {
            let _ = of(&image[..end]);
        }
        for at in 0..image.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut damaged = image.clone();
                damaged[at] = value;
                if let Ok(elf) = of(&damaged) {
                    assert!(
                        elf.needed.len() <= MAX_NEEDED && elf.run_path.len() <= 2 + MAX_NAME_BYTES as usize
                    );
                }
            }
        }
    }
}
