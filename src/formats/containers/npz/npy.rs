//! The header of an `.npy` file: a magic word, a version, a length, and a Python dictionary as text.

use crate::formats::tensor::MAX_DIMS;
use crate::text::quoted;

const MAGIC: &[u8] = b"\x93NUMPY";

/// An array as its header describes it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Array {
    /// Its name in safetensors, or numpy's own name for a type that safetensors does not have.
    pub(super) dtype: String,
    /// Size of one number, if known.
    pub(super) size_bytes: Option<u64>,
    pub(super) shape: Vec<u64>,
    /// Whether numbers are stored column by column.
    pub(super) is_fortran: bool,
}

/// How many bytes precede the numbers, from a file's first bytes. The error is what was found instead.
pub(super) fn header_bytes(start: &[u8]) -> Result<u64, String> {
    let rest = start.strip_prefix(MAGIC).ok_or("no magic word of numpy")?;
    match rest {
        [1, _, a, b, ..] => Ok(10 + u64::from(u16::from_le_bytes([*a, *b]))),
        [2 | 3, _, a, b, c, d, ..] => Ok(12 + u64::from(u32::from_le_bytes([*a, *b, *c, *d]))),
        [1..=3, ..] | [] | [_] => Err("a header that is cut short".into()),
        [major, minor, ..] => Err(format!("version {major}.{minor}")),
    }
}

/// Parses a whole header. The error is what was found instead.
pub(super) fn array(header: &[u8]) -> Result<Array, String> {
    let n_front = if header.get(6) == Some(&1) { 10 } else { 12 };
    let text = header.get(n_front..).and_then(|text| std::str::from_utf8(text).ok());
    let text = text.ok_or("a header that is not text")?.trim();
    let unreadable = || format!("the header {}", quoted(text));
    let (mut descr, mut is_fortran, mut shape) = (None, None, None);
    let mut rest = text.strip_prefix('{').ok_or_else(unreadable)?.trim_start();
    while !rest.starts_with('}') {
        let (key, value) = string(rest).ok_or_else(unreadable)?;
        let value = value.trim_start().strip_prefix(':').ok_or_else(unreadable)?.trim_start();
        let end = match value.as_bytes().first() {
            Some(b'(') => value.find(')').map(|at| at + 1),
            Some(b'[') => value.rfind(']').map(|at| at + 1),
            _ => value.find([',', '}']),
        };
        let (value, tail) = value.split_at(end.ok_or_else(unreadable)?);
        let is_new = match key {
            "descr" => descr.replace(value.trim()).is_none(),
            "fortran_order" => is_fortran.replace(value.trim()).is_none(),
            "shape" => shape.replace(dims(value).ok_or_else(unreadable)?).is_none(),
            _ => return Err(unreadable()),
        };
        if !is_new {
            return Err(unreadable());
        }
        let tail = tail.trim_start();
        rest = tail.strip_prefix(',').unwrap_or(tail).trim_start();
    }
    let is_fortran = match is_fortran {
        Some("True") => true,
        Some("False") => false,
        _ => return Err(unreadable()),
    };
    let (dtype, size_bytes) = numbers(descr.ok_or_else(unreadable)?);
    Ok(Array { dtype, size_bytes, shape: shape.ok_or_else(unreadable)?, is_fortran })
}

/// The quoted text at the start of `rest`, and what follows it.
fn string(rest: &str) -> Option<(&str, &str)> {
    let mark = rest.chars().next().filter(|mark| matches!(mark, '\'' | '"'))?;
    rest[1..].split_once(mark)
}

fn dims(tuple: &str) -> Option<Vec<u64>> {
    let inner = tuple.strip_prefix('(')?.strip_suffix(')')?.trim();
    let inner = inner.strip_suffix(',').unwrap_or(inner);
    if inner.is_empty() {
        return Some(vec![]);
    }
    let dims: Option<Vec<u64>> =
        inner.split(',').take(MAX_DIMS + 1).map(|dim| dim.trim().parse().ok()).collect();
    dims.filter(|dims| dims.len() <= MAX_DIMS)
}

/// The type that a `descr` names, and its size.
fn numbers(descr: &str) -> (String, Option<u64>) {
    let name = descr.trim_matches(['\'', '"']);
    let (dtype, size) = match name {
        "<f8" => ("F64", 8),
        "<f4" => ("F32", 4),
        "<f2" => ("F16", 2),
        // numpy has no name for it, and MLX writes it so.
        "<V2" | "|V2" => ("BF16", 2),
        "<i8" => ("I64", 8),
        "<i4" => ("I32", 4),
        "<i2" => ("I16", 2),
        "|i1" => ("I8", 1),
        "|u1" => ("U8", 1),
        "|b1" => ("BOOL", 1),
        _ => return (name.to_owned(), None),
    };
    (dtype.to_owned(), Some(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(version: u8, text: &str) -> Vec<u8> {
        let mut header = [MAGIC, &[version, 0]].concat();
        match version {
            1 => header.extend((text.len() as u16).to_le_bytes()),
            _ => header.extend((text.len() as u32).to_le_bytes()),
        }
        header.extend(text.as_bytes());
        header
    }

    #[test]
    fn reads_every_version_and_either_order() {
        for version in 1..=3 {
            let bytes = header(version, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n");
            assert_eq!(header_bytes(&bytes), Ok(bytes.len() as u64));
            let array = array(&bytes).unwrap();
            assert_eq!((array.dtype.as_str(), array.size_bytes), ("F32", Some(4)));
            assert_eq!((array.shape, array.is_fortran), (vec![2, 3], false));
        }
        let array = array(&header(1, r#"{"shape":(7,),"fortran_order":True,"descr":"<f2"}"#)).unwrap();
        let expected = Array { dtype: "F16".into(), size_bytes: Some(2), shape: vec![7], is_fortran: true };
        assert_eq!(array, expected);
    }

    #[test]
    fn types_that_safetensors_does_not_have_keep_their_names() {
        let descr = |descr: &str| {
            array(&header(1, &format!("{{'descr': {descr}, 'fortran_order': False, 'shape': ()}}")))
                .unwrap()
                .dtype
        };
        assert_eq!([descr("'<V2'"), descr("'|V2'")], ["BF16", "BF16"]);
        assert_eq!(descr("'>f4'"), ">f4");
        assert_eq!(descr("'|V1'"), "|V1");
        assert_eq!(descr("'|O'"), "|O");
        assert_eq!(descr("[('a', '<f4'), ('b', '<i4', (2,))]"), "[('a', '<f4'), ('b', '<i4', (2,))]");
    }

    #[test]
    fn broken_headers_are_errors() {
        assert_eq!(header_bytes(b"\x93NUMPX\x01\0\0\0"), Err("no magic word of numpy".into()));
        assert_eq!(header_bytes(b"\x93NUMPY\x04\0\0\0"), Err("version 4.0".into()));
        assert_eq!(header_bytes(b"\x93NUMPY\x01\0\x01"), Err("a header that is cut short".into()));
        for text in [
            "",
            "{",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)",
            "{'descr': '<f4', 'fortran_order': False}",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': ()}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2,3), 'shape': (2,3)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), 'x': 1}",
            "{'é': 1}",
        ] {
            assert_eq!(array(&header(1, text)), Err(format!("the header {}", quoted(text))));
        }
        let many = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({})}}", "1,".repeat(33));
        assert!(array(&header(1, &many)).is_err());
    }
}
