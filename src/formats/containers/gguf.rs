//! GGUF, llama.cpp's files: a header of keys and values and of tensors (names, dimensions, types, offsets), then the tensors' bytes.
//!
//! ```text
//! "GGUF", version u32 (2 or 3), tensors u64, pairs u64
//! each pair: key, type u32, value      each text: length u64, UTF-8      each array: type u32, length u64, values
//! each tensor: name, dimensions u32, each of them u64 (that of neighbouring numbers first), type u32, offset u64
//! zeros up to a multiple of `general.alignment` (32), from where offsets count, each a multiple of it too
//! ```

mod cursor;
mod header;
mod types;

use std::path::Path;

use self::header::{Header, Info};
use super::container::{Container, Encoding, Plain};
use crate::adapter::factor::Quantised;
use crate::adapter::{FileFormat, Source};
use crate::error::{Fault, Result};
use crate::formats::contents::{Contents, Tensors};
use crate::formats::limits::Limits;
use crate::formats::source::Reader;
use crate::formats::tensor::Tensor;
use crate::text::quoted;

pub(super) static CONTAINER: Container = Container {
    file_format: FileFormat { name: "GGUF" },
    suffixes: &["gguf"],
    encoding: Encoding::Plain(Plain { is_start, read }),
};

const MAGIC: &[u8] = b"GGUF";
const CUT: &str = "the file was cut short: download or copy it again";

fn is_start(head: &[u8]) -> bool {
    head.starts_with(MAGIC)
}

/// Every tensor of the file, by name, and its metadata without arrays and long texts.
///
/// # Errors
/// `Malformed` when the header breaks the format, or tensors overlap or do not lie in the file; `Unsupported` for another version and
/// for big-endian files; `Limit` when the header is too large.
fn read(source: &Source, reader: &Reader<'_>, limits: &Limits) -> Result<Contents> {
    let path = reader.path();
    let Header { metadata, infos, data_offset, alignment } = header::read(reader, limits)?;
    let n_data_bytes = reader.n_bytes().saturating_sub(data_offset);
    let mut placed = vec![];
    let mut tensors = Tensors::new();
    for info in infos {
        let n_bytes = n_bytes(path, &info)?;
        let fault = |found: String, expected: String| wrong(path, &info.name, found, expected);
        if !info.offset_bytes.is_multiple_of(alignment) {
            let found = format!("data from byte {}", info.offset_bytes);
            return Err(fault(found, format!("a multiple of the alignment, {alignment}")).malformed());
        }
        // That of an unknown type only has to begin in the file.
        let end = info.offset_bytes.checked_add(n_bytes.unwrap_or(0));
        let Some(end) = end.filter(|&end| end <= n_data_bytes) else {
            let shown = end.map_or_else(|| "beyond 2^64".to_owned(), |end| format!("up to byte {end}"));
            let expected = format!("at most {n_data_bytes}, all that the file holds");
            return Err(fault(format!("data {shown}"), expected).hint(CUT).malformed());
        };
        placed.push((info.offset_bytes, end, info.name.clone()));
        let name = info.name.clone();
        let tensor = tensor(info, source, data_offset, n_bytes);
        if tensors.insert(name.clone(), tensor).is_some() {
            return Err(wrong(path, &name, "it twice".into(), "each name once".into()).malformed());
        }
    }
    check_apart(path, placed)?;
    Ok(Contents { tensors, metadata, copies: vec![] })
}

/// Fails where two tensors share bytes.
fn check_apart(path: &Path, mut placed: Vec<(u64, u64, String)>) -> Result<()> {
    placed.retain(|(start, end, _)| start < end);
    placed.sort_unstable();
    for pair in placed.windows(2) {
        let [(_, end, before), (start, _, name)] = pair else { continue };
        if start < end {
            let found = format!("data from byte {start}, inside {}", quoted(before));
            return Err(wrong(path, name, found, format!("from byte {end}")).malformed());
        }
    }
    Ok(())
}

/// Size of the data; `None` for a type that is not known.
fn n_bytes(path: &Path, info: &Info) -> Result<Option<u64>> {
    let Some([n_numbers, n_bytes]) = info.kind.block() else { return Ok(None) };
    let fault = |expected: String| {
        wrong(path, &info.name, format!("shape {:?} of {}", info.shape, info.kind.name()), expected)
    };
    let row = info.shape.last().copied().unwrap_or(1);
    if !row.is_multiple_of(n_numbers) {
        return Err(fault(format!("rows of whole blocks of {n_numbers} numbers")).malformed());
    }
    let all = info.shape.iter().try_fold(1u64, |n, &dim| n.checked_mul(dim));
    let bytes = all.and_then(|all| (all / n_numbers).checked_mul(n_bytes));
    // The numbers of quantised tensors count as F32.
    let is_possible = all.and_then(|all| all.checked_mul(8)).is_some();
    bytes.filter(|_| is_possible).map(Some).ok_or_else(|| fault("fewer than 2^64 bytes".into()).malformed())
}

fn tensor(info: Info, source: &Source, data_offset: u64, n_bytes: Option<u64>) -> Tensor {
    let Info { kind, shape, offset_bytes, .. } = info;
    // The end was checked to lie in the file.
    let offset_bytes = data_offset + offset_bytes;
    let n_bytes = n_bytes.unwrap_or(0);
    let tensor = match kind.quant() {
        Some(quant) => {
            let n_blocks = n_bytes / quant.block_bytes() as u64;
            Tensor::quantised(shape, Quantised { file: source.clone(), quant, offset_bytes, n_blocks })
        }
        None => Tensor::contiguous(kind.name().into_owned(), shape, source.clone(), offset_bytes, n_bytes),
    };
    tensor.of_gguf()
}

fn wrong(path: &Path, name: &str, found: String, expected: String) -> Fault {
    Fault::new(found, expected).at(path).of(format!("tensor {}", quoted(name)))
}

#[cfg(test)]
mod tests;
