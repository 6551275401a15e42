//! safetensors: 8 bytes of header length (little-endian), a JSON header, then the tensors' bytes.
//!
//! The header gives each tensor's dtype, shape and byte range. The ranges must cover the bytes from the end of the header
//! to the end of the file without overlaps or holes.

mod header;

use std::collections::BTreeMap;
use std::path::Path;

use self::header::Entry;
use super::container::{Container, Encoding, Plain};
use crate::adapter::{FileFormat, Source};
use crate::error::{Error, Fault, Result};
use crate::formats::contents::Contents;
use crate::formats::limits::{Limit, Limits};
use crate::formats::source::Reader;
use crate::formats::tensor::Tensor;
use crate::text::quoted;

pub(super) static CONTAINER: Container = Container {
    file_format: FileFormat { name: "safetensors" },
    suffixes: &["safetensors"],
    encoding: Encoding::Plain(Plain { is_start, read }),
};

const CUT: &str = "the file was cut short: download or copy it again";

/// Bytes before the header.
const LENGTH_BYTES: u64 = 8;

/// Whether a file begins with a length under 4 GiB and a brace.
fn is_start(head: &[u8]) -> bool {
    head.get(4..9) == Some(b"\0\0\0\0{")
}

/// Every tensor of the file, by name, and its metadata.
///
/// # Errors
/// `Malformed` when header or byte ranges break the format, `Limit` when the header is too large.
pub(super) fn read(source: &Source, reader: &Reader<'_>, limits: &Limits) -> Result<Contents> {
    let path = reader.path();
    let header = read_header(reader, limits)?;
    let data_offset = LENGTH_BYTES + header.len() as u64;
    let (entries, metadata) = header::entries(path, &header, limits)?;
    drop(header);
    check_layout(path, &entries, reader.n_bytes() - data_offset)?;
    let placed = entries.into_iter().map(|(name, entry)| {
        let (start, end) = entry.data_offsets;
        let (dtype, shape) = (entry.dtype, entry.shape);
        (name, Tensor::contiguous(dtype, shape, source.clone(), data_offset + start, end - start))
    });
    Ok(Contents { tensors: placed.collect(), metadata, copies: vec![] })
}

fn read_header(reader: &Reader<'_>, limits: &Limits) -> Result<Vec<u8>> {
    let head = reader.head(LENGTH_BYTES as usize + 1)?;
    let fault = |found: String, expected: String| Fault::new(found, expected).at(reader.path()).of("header");
    let Some(length) = head.first_chunk() else {
        let found = format!("a file of {} bytes", head.len());
        return Err(fault(found, "8 bytes of header length".into()).hint(CUT).malformed());
    };
    let n_bytes = u64::from_le_bytes(*length);
    let n_there = reader.n_bytes() - LENGTH_BYTES;
    let found = format!("a length of {n_bytes} bytes");
    if n_bytes > n_there {
        let hint =
            if n_bytes > limits.header_bytes { "this may not be a safetensors file at all" } else { CUT };
        let expected = format!("at most {n_there}, all that the file holds");
        return Err(fault(found, expected).hint(hint).malformed());
    }
    if n_bytes > limits.header_bytes {
        return Err(limits.over(Limit::HeaderBytes, found).at(reader.path()).of("header").limit());
    }
    let begin = head.get(LENGTH_BYTES as usize).filter(|_| n_bytes > 0);
    if begin != Some(&b'{') {
        let found = begin.map_or("nothing".into(), |byte| format!("the byte 0x{byte:02x} at its start"));
        return Err(fault(found, "`{`".into()).malformed());
    }
    let mut header = vec![0; n_bytes as usize];
    reader.read_at(LENGTH_BYTES, &mut header)?;
    Ok(header)
}

/// Checks that the size of every entry is right, and that the byte ranges cover the `n_data_bytes` exactly once.
fn check_layout(path: &Path, entries: &BTreeMap<String, Entry>, n_data_bytes: u64) -> Result<()> {
    let mut in_order: Vec<(&String, &Entry)> = entries.iter().collect();
    in_order.sort_by_key(|(_, entry)| entry.data_offsets);
    let last = in_order.last().map_or(0, |(_, entry)| entry.data_offsets.1);
    let mut covered = 0;
    let mut before = None;
    for (name, entry) in in_order {
        check_size(path, name, entry)?;
        let (start, end) = entry.data_offsets;
        let malformed = |found: String, expected: String| wrong(path, name, found, expected).malformed();
        if start < covered {
            let other = before.map_or_else(String::new, |name: &String| format!(", inside {}", quoted(name)));
            return Err(malformed(format!("data from byte {start}{other}"), format!("from byte {covered}")));
        }
        if start > covered {
            let found = format!("data from byte {start}, after a hole of {} bytes", start - covered);
            return Err(malformed(found, format!("from byte {covered}")));
        }
        if end > n_data_bytes {
            // The last range in order ends last, unless it is inside an earlier one.
            let n_missing = last.max(end) - n_data_bytes;
            let found = format!("data up to byte {end}");
            let expected =
                format!("at most {n_data_bytes}, all that the file holds ({n_missing} bytes are missing)");
            return Err(wrong(path, name, found, expected).hint(CUT).malformed());
        }
        (covered, before) = (end, Some(name));
    }
    if covered < n_data_bytes {
        let found = format!("{} bytes after the last tensor", n_data_bytes - covered);
        return Err(Fault::new(found, "none").at(path).malformed());
    }
    Ok(())
}

fn check_size(path: &Path, name: &str, entry: &Entry) -> Result<()> {
    let (start, end) = entry.data_offsets;
    if start > end {
        let found = format!("data_offsets [{start}, {end}]");
        return Err(wrong(path, name, found, "the start before the end".into()).malformed());
    }
    // The size of an unknown type cannot be checked, but its range still has to fit the others.
    let Some(n_bits) = number_bits(&entry.dtype) else { return Ok(()) };
    let shape = &entry.shape;
    let overflow = || -> Error {
        wrong(path, name, format!("shape {shape:?}"), "fewer than 2^64 bits".into()).malformed()
    };
    let n_numbers = shape.iter().try_fold(1u64, |n, &dim| n.checked_mul(dim)).ok_or_else(overflow)?;
    let n_bytes = n_numbers.checked_mul(n_bits).ok_or_else(overflow)?.div_ceil(8);
    if n_bytes != end - start {
        let found = format!("{} bytes of data", end - start);
        let expected = format!("{n_bytes} for shape {shape:?} of {}", entry.dtype);
        return Err(wrong(path, name, found, expected).malformed());
    }
    Ok(())
}

fn wrong(path: &Path, name: &str, found: String, expected: String) -> Fault {
    Fault::new(found, expected).at(path).of(format!("tensor {}", quoted(name)))
}

/// Size of one number, of the types that the format has.
fn number_bits(dtype: &str) -> Option<u64> {
    Some(match dtype {
        "F4" => 4,
        "F6_E2M3" | "F6_E3M2" => 6,
        "BOOL" | "U8" | "I8" => 8,
        "F8_E4M3" | "F8_E5M2" | "F8_E8M0" | "F8_E4M3FNUZ" | "F8_E5M2FNUZ" => 8,
        "F16" | "BF16" | "U16" | "I16" => 16,
        "F32" | "U32" | "I32" => 32,
        "F64" | "U64" | "I64" | "C64" => 64,
        _ => return None,
    })
}
