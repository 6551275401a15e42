//! Torch checkpoints made by hand, byte by byte.

use std::io::{Cursor, Write as _};

use lorascope::{Adapter, Error, Limits};
use tempfile::TempDir;
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

/// A text's opcode.
pub fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

/// A whole number's opcode.
pub fn int(n: i64) -> Vec<u8> {
    [&[0x8a, 8], &n.to_le_bytes()[..]].concat()
}

/// The opcodes of a tuple.
pub fn tuple(items: &[Vec<u8>]) -> Vec<u8> {
    [b"(", &items.concat()[..], b"t"].concat()
}

/// The opcodes of a dictionary.
pub fn dict(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let entries: Vec<u8> =
        entries.iter().flat_map(|(key, value)| [text(key), value.clone()].concat()).collect();
    [b"}(", &entries[..], b"u"].concat()
}

/// The opcodes of an F32 tensor: a view of the storage `key` of `n` numbers.
pub fn tensor(key: &str, n: i64, offset: i64, shape: &[i64], strides: &[i64]) -> Vec<u8> {
    let ints = |numbers: &[i64]| tuple(&numbers.iter().map(|&n| int(n)).collect::<Vec<_>>());
    let storage =
        tuple(&[text("storage"), b"ctorch\nFloatStorage\n".to_vec(), text(key), text("cpu"), int(n)]);
    let arguments = tuple(&[
        [storage, b"Q".to_vec()].concat(),
        int(offset),
        ints(shape),
        ints(strides),
        b"\x89N".to_vec(),
    ]);
    [b"ctorch._utils\n_rebuild_tensor_v2\n", &arguments[..], b"R"].concat()
}

/// The opcodes of factor A, (2, 3), of module `m`, in a storage of six numbers.
pub fn factor_a() -> Vec<u8> {
    tensor("0", 6, 0, &[2, 3], &[3, 1])
}

/// The opcodes of factor B, (4, 2), in a storage of eight.
pub fn factor_b() -> Vec<u8> {
    tensor("1", 8, 0, &[4, 2], &[2, 1])
}

/// The dictionary of a pair, with this in the place of B, (4, 2).
pub fn pair_with(b: Vec<u8>) -> Vec<u8> {
    dict(&[("m.lora_A.weight", factor_a()), ("m.lora_B.weight", b)])
}

/// Those opcodes as a pickle.
pub fn pickle(opcodes: &[u8]) -> Vec<u8> {
    [b"\x80\x02", opcodes, b"."].concat()
}

/// A zip archive of these members, deflated or stored.
pub fn archive(members: &[(&str, &[u8])], method: CompressionMethod) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(vec![]));
    for (name, bytes) in members {
        zip.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The archive of these opcodes, with storage 0 of six numbers and storage 1 of eight, 1.0 each.
pub fn zipped(opcodes: &[u8]) -> Vec<u8> {
    let (pickle, ones) = (pickle(opcodes), 1f32.to_le_bytes().repeat(8));
    let members: [(&str, &[u8]); 3] =
        [("x/data.pkl", &pickle), ("x/data/0", &ones[..24]), ("x/data/1", &ones)];
    archive(&members, CompressionMethod::Stored)
}

/// The same in torch's older container, with these facts about the machine and these keys of storages.
pub fn legacy_with(machine: &[u8], opcodes: &[u8], keys: &[&str], counts: &[u64]) -> Vec<u8> {
    let magic = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
    let keys: Vec<u8> = keys.iter().flat_map(|key| [text(key), b"a".to_vec()].concat()).collect();
    let keys = [b"]", &keys[..]].concat();
    let mut bytes =
        [pickle(magic), pickle(&int(1001)), pickle(machine), pickle(opcodes), pickle(&keys)].concat();
    for &n in counts {
        bytes.extend(n.to_le_bytes());
        bytes.extend(1f32.to_le_bytes().repeat(n.min(100) as usize));
    }
    bytes
}

pub fn legacy(opcodes: &[u8]) -> Vec<u8> {
    legacy_with(b"}", opcodes, &["0", "1"], &[6, 8])
}

/// Replaces bytes `at` behind the start of a member's entry in the archive's directory.
pub fn patched(mut archive: Vec<u8>, member: &str, at: usize, bytes: &[u8]) -> Vec<u8> {
    let starts = (0..archive.len()).filter(|&start| archive[start..].starts_with(b"PK\x01\x02"));
    let entry = starts.into_iter().find(|&start| archive[start + 46..].starts_with(member.as_bytes()));
    let start = entry.expect("the member is there") + at;
    archive[start..start + bytes.len()].copy_from_slice(bytes);
    archive
}

/// The error of opening these bytes as a file within these limits.
pub fn within(limits: Limits, bytes: Vec<u8>) -> Error {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("x.pt");
    std::fs::write(&path, bytes).unwrap();
    Adapter::open_with(path, &limits).unwrap_err()
}
