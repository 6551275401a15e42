//! The header of a GGUF file: keys and values, of which texts and single numbers are kept, and the tensors' entries.

use std::collections::HashSet;

use super::MAGIC;
use super::cursor::Cursor;
use super::types::Kind;
use crate::error::Result;
use crate::formats::contents::Metadata;
use crate::formats::limits::{Limit, Limits};
use crate::formats::source::Reader;
use crate::text::quoted;

/// What a header says, checked against the length of the file but for the tensors' places.
pub(super) struct Header {
    /// Texts, and numbers and truth values as text.
    pub(super) metadata: Metadata,
    pub(super) infos: Vec<Info>,
    /// Where the tensors' offsets count from.
    pub(super) data_offset: u64,
    pub(super) alignment: u64,
}

/// The entry of a tensor.
pub(super) struct Info {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// As numpy has it, the dimension of neighbouring numbers last.
    pub(super) shape: Vec<u64>,
    pub(super) offset_bytes: u64,
}

const ALIGNMENT: &str = "general.alignment";
const USUAL_ALIGNMENT: u64 = 32;
/// ggml's own limit.
const MAX_DIMS: u32 = 4;
/// Arrays of arrays, which no program writes.
const MAX_DEPTH: usize = 4;

/// A key without characters, its type, and a value of one byte.
const LEAST_PAIR_BYTES: u64 = 8 + 4 + 1;
/// A name without characters, no dimensions, a type and an offset.
const LEAST_INFO_BYTES: u64 = 8 + 4 + 4 + 8;

/// # Errors
/// `Malformed` when it breaks the format, `Unsupported` for another version and for big-endian files, `Limit` when it is too large.
pub(super) fn read(reader: &Reader<'_>, limits: &Limits) -> Result<Header> {
    let mut cursor = Cursor::new(reader, limits);
    cursor.skip(MAGIC.len() as u64)?;
    check_version(&mut cursor)?;
    let (n_tensors, n_pairs) = (cursor.u64()?, cursor.u64()?);
    if n_tensors > limits.get(Limit::Tensors) {
        return Err(cursor.over_limit(Limit::Tensors, format!("{n_tensors} tensors")));
    }
    cursor.check_count(n_pairs, LEAST_PAIR_BYTES)?;
    cursor.check_count(n_tensors, LEAST_INFO_BYTES)?;
    let (mut metadata, mut keys) = (Metadata::new(), HashSet::new());
    for _ in 0..n_pairs {
        let key = cursor.name()?;
        cursor.subject = format!("key {}", quoted(&key));
        let kind = cursor.u32()?;
        let value = value(&mut cursor, kind, 0)?;
        if !keys.insert(key.clone()) {
            return Err(cursor.fault("it twice", "each key once").malformed());
        }
        metadata.extend(value.map(|value| (key, value)));
        "header".clone_into(&mut cursor.subject);
    }
    drop(keys);
    let alignment = alignment(&cursor, &metadata)?;
    let infos = (0..n_tensors).map(|_| info(&mut cursor)).collect::<Result<_>>()?;
    // Both are far below 2^64.
    let data_offset = cursor.at().next_multiple_of(alignment);
    Ok(Header { metadata, infos, data_offset, alignment })
}

fn check_version(cursor: &mut Cursor<'_>) -> Result<()> {
    let version = cursor.u32()?;
    match version {
        2 | 3 => Ok(()),
        _ if matches!(version.swap_bytes(), 1..=3) => {
            let hint = "convert it again for little-endian machines";
            Err(cursor.fault("a big-endian GGUF file", "a little-endian one").hint(hint).unsupported())
        }
        _ => Err(cursor.fault(format!("version {version} of GGUF"), "version 2 or 3").unsupported()),
    }
}

fn alignment(cursor: &Cursor<'_>, metadata: &Metadata) -> Result<u64> {
    let Some(said) = metadata.get(ALIGNMENT) else { return Ok(USUAL_ALIGNMENT) };
    let number = said.parse::<u32>().ok().filter(|n| n.is_power_of_two());
    number.map(u64::from).ok_or_else(|| {
        cursor.fault(format!("{ALIGNMENT} {}", quoted(said)), "a power of two below 2^32").malformed()
    })
}

/// Size of a value of this type, `None` for texts and arrays.
fn size_bytes(kind: u32) -> Option<u64> {
    Some(match kind {
        0 | 1 | 7 => 1,
        2 | 3 => 2,
        4..=6 => 4,
        10..=12 => 8,
        _ => return None,
    })
}

const TEXT: u32 = 8;
const ARRAY: u32 = 9;

/// A value as text. Arrays are skipped, and so are long texts.
fn value(cursor: &mut Cursor<'_>, kind: u32, depth: usize) -> Result<Option<String>> {
    Ok(Some(match kind {
        0 => cursor.array::<1>()?[0].to_string(),
        1 => i8::from_le_bytes(cursor.array()?).to_string(),
        2 => u16::from_le_bytes(cursor.array()?).to_string(),
        3 => i16::from_le_bytes(cursor.array()?).to_string(),
        4 => cursor.u32()?.to_string(),
        5 => i32::from_le_bytes(cursor.array()?).to_string(),
        6 => f64::from(f32::from_le_bytes(cursor.array()?)).to_string(),
        7 => (cursor.array::<1>()?[0] != 0).to_string(),
        TEXT => return cursor.text(),
        ARRAY => {
            skip_array(cursor, depth)?;
            return Ok(None);
        }
        10 => cursor.u64()?.to_string(),
        11 => i64::from_le_bytes(cursor.array()?).to_string(),
        12 => f64::from_le_bytes(cursor.array()?).to_string(),
        _ => return Err(cursor.fault(format!("a value of type {kind}"), "one from 0 to 12").malformed()),
    }))
}

fn skip_array(cursor: &mut Cursor<'_>, depth: usize) -> Result<()> {
    let (kind, n) = (cursor.u32()?, cursor.u64()?);
    if let Some(size) = size_bytes(kind) {
        cursor.check_count(n, size)?;
        return cursor.skip(n * size);
    }
    match kind {
        TEXT => {
            cursor.check_count(n, 8)?;
            for _ in 0..n {
                let n_bytes = cursor.u64()?;
                cursor.skip(n_bytes)?;
            }
            Ok(())
        }
        ARRAY if depth == MAX_DEPTH => {
            let found = format!("arrays in arrays over {MAX_DEPTH} deep");
            Err(cursor.fault(found, "at most so many").malformed())
        }
        ARRAY => {
            cursor.check_count(n, 4 + 8)?;
            (0..n).try_for_each(|_| skip_array(cursor, depth + 1))
        }
        _ => Err(cursor.fault(format!("an array of type {kind}"), "a type from 0 to 12").malformed()),
    }
}

fn info(cursor: &mut Cursor<'_>) -> Result<Info> {
    let name = cursor.name()?;
    cursor.subject = format!("tensor {}", quoted(&name));
    let n_dims = cursor.u32()?;
    if n_dims > MAX_DIMS {
        return Err(cursor.fault(format!("{n_dims} dimensions"), format!("at most {MAX_DIMS}")).malformed());
    }
    let mut shape = (0..n_dims).map(|_| cursor.u64()).collect::<Result<Vec<u64>>>()?;
    shape.reverse();
    let (kind, offset_bytes) = (Kind::of(cursor.u32()?), cursor.u64()?);
    "header".clone_into(&mut cursor.subject);
    Ok(Info { name, kind, shape, offset_bytes })
}
