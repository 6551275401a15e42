//! Headers that break the format, each with its error, and what of good ones is read.

use std::path::Path;

use super::*;
use crate::adapter::{Adapter, Factor, Quant};
use crate::error::Error;
use crate::formats::containers;

/// A file of these pairs (key, type, bytes of the value) and tensors (name, dimensions as stored, type, offset).
struct File<'a> {
    pairs: Vec<(&'a str, u32, Vec<u8>)>,
    tensors: Vec<(&'a str, Vec<u64>, u32, u64)>,
    data: Vec<u8>,
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

fn array(kind: u32, n: u64, values: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &n.to_le_bytes(), values].concat()
}

const U32: u32 = 4;
const TEXT: u32 = 8;
const ARRAY: u32 = 9;
const F32: u32 = 0;
const Q8_0: u32 = 8;

impl File<'_> {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = [MAGIC, &3u32.to_le_bytes()].concat();
        bytes.extend((self.tensors.len() as u64).to_le_bytes());
        bytes.extend((self.pairs.len() as u64).to_le_bytes());
        for (key, kind, value) in &self.pairs {
            bytes.extend([&text(key), &kind.to_le_bytes()[..], value].concat());
        }
        for (name, dims, kind, offset) in &self.tensors {
            bytes.extend([&text(name), &(dims.len() as u32).to_le_bytes()[..]].concat());
            dims.iter().for_each(|dim| bytes.extend(dim.to_le_bytes()));
            bytes.extend([&kind.to_le_bytes()[..], &offset.to_le_bytes()].concat());
        }
        bytes.resize(bytes.len().next_multiple_of(32), 0);
        bytes.extend(&self.data);
        bytes
    }
}

/// A pair of rank 1, (1, 8) and (4, 1), in 128 bytes of data.
fn pair() -> File<'static> {
    File {
        pairs: vec![
            ("general.architecture", TEXT, text("llama")),
            ("adapter.lora.alpha", 6, 2f32.to_le_bytes().to_vec()),
        ],
        tensors: vec![
            ("blk.0.attn_v.weight.lora_a", vec![8, 1], F32, 0),
            ("blk.0.attn_v.weight.lora_b", vec![1, 4], F32, 64),
        ],
        data: vec![0x3f; 128],
    }
}

fn with_pair(key: &'static str, kind: u32, value: Vec<u8>) -> Vec<u8> {
    let mut file = pair();
    file.pairs.push((key, kind, value));
    file.bytes()
}

fn with_tensor(name: &'static str, dims: &[u64], kind: u32, offset: u64) -> Vec<u8> {
    let mut file = pair();
    file.tensors.push((name, dims.to_vec(), kind, offset));
    file.bytes()
}

fn contents(bytes: Vec<u8>) -> Result<Contents> {
    let source = Source::Memory(Path::new("x").into(), std::sync::Arc::new(bytes.into()));
    containers::open(&source, &Limits::default()).map(|(_, contents)| contents)
}

fn message(bytes: Vec<u8>) -> String {
    let error = contents(bytes).unwrap_err();
    assert!(!error.to_string().contains(char::is_control));
    error.to_string()
}

#[test]
fn the_header_s_texts_and_numbers_are_kept_and_its_arrays_skipped() {
    let mut file = pair();
    let inner = array(U32, 2, &[7; 8]);
    file.pairs.extend([
        ("general.alignment", U32, 64u32.to_le_bytes().to_vec()),
        ("words", ARRAY, array(TEXT, 2, &[text("one"), text("")].concat())),
        ("nested", ARRAY, array(ARRAY, 2, &[inner.clone(), inner].concat())),
        ("flag", 7, vec![1]),
        ("least", 11, i64::MIN.to_le_bytes().to_vec()),
        ("long", TEXT, text(&"x".repeat(1 << 17))),
    ]);
    let mut bytes = file.bytes();
    let n_header = bytes.len() - 128;
    bytes.splice(n_header..n_header, vec![0; n_header.next_multiple_of(64) - n_header]);
    let Contents { tensors, metadata, .. } = contents(bytes).unwrap();
    let pairs: Vec<(&str, &str)> =
        metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let expected = [
        ("adapter.lora.alpha", "2"),
        ("flag", "true"),
        ("general.alignment", "64"),
        ("general.architecture", "llama"),
        ("least", "-9223372036854775808"),
    ];
    assert_eq!(pairs, expected);
    let shapes: Vec<_> = tensors.values().map(|tensor| tensor.shape.clone()).collect();
    assert_eq!(shapes, [[1, 8], [4, 1]]);
}

#[test]
fn a_file_that_is_cut_anywhere_is_an_error_of_one_line() {
    for name in ["experts", "q4_k"] {
        let bytes = std::fs::read(format!("tests/data/libraries/gguf/{name}.gguf")).unwrap();
        let read = |bytes: &[u8]| -> Result<Vec<f64>> {
            let adapter = Adapter::from_bytes("x", bytes.to_vec())?;
            let factors = adapter.modules().iter().flat_map(|module| [&module.a, &module.b]);
            Ok(factors
                .map(Factor::read)
                .collect::<Result<Vec<_>>>()?
                .into_iter()
                .flat_map(|m| m.values)
                .collect())
        };
        let whole = read(&bytes).unwrap();
        for n in 0..bytes.len() {
            match read(&bytes[..n]) {
                // Zeros may follow the last tensor.
                Ok(values) => assert!(values == whole && bytes.len() - n < 32, "{name} {n}"),
                Err(error) => {
                    let line = error.to_string();
                    assert!(
                        line.starts_with("x: ") && !line.contains(char::is_control),
                        "{name} {n}: {line}"
                    );
                    assert!(matches!(error, Error::Malformed(_)), "{name} {n}: {line}");
                }
            }
        }
    }
}

#[test]
fn only_little_endian_files_of_versions_2_and_3_are_read() {
    let version = |number: u32| {
        let mut bytes = pair().bytes();
        bytes[4..8].copy_from_slice(&number.to_le_bytes());
        bytes
    };
    assert_eq!(contents(version(2)).unwrap().tensors.len(), 2);
    assert!(message(version(1)).ends_with("found version 1 of GGUF, expected version 2 or 3"));
    assert!(message(version(4)).ends_with("found version 4 of GGUF, expected version 2 or 3"));
    let big = message(version(3u32.swap_bytes()));
    assert_eq!(big, "x: header: found a big-endian GGUF file, expected a little-endian one");
}

#[test]
fn counts_beyond_the_file_are_refused_before_anything_is_kept() {
    let count = |at: usize, n: u64| {
        let mut bytes = pair().bytes();
        bytes[at..at + 8].copy_from_slice(&n.to_le_bytes());
        bytes
    };
    assert_eq!(
        message(count(8, 1 << 40)),
        format!("x: header: found {} tensors, expected at most 1000000", 1u64 << 40)
    );
    assert!(message(count(8, 999_999)).contains("found 23999976 bytes at byte 24, expected at most"));
    for n in [1 << 20, 1 << 60, u64::MAX] {
        let line = message(count(16, n));
        assert!(line.contains("bytes at byte 24, expected at most"), "{line}");
    }
}

#[test]
fn lengths_of_texts_and_arrays_beyond_the_file_are_refused() {
    let long = |n: u64| n.to_le_bytes().to_vec();
    for n in [1 << 12, 1 << 40, u64::MAX] {
        let line = message(with_pair("word", TEXT, long(n)));
        assert!(line.starts_with(&format!("x: key `word`: found {n} bytes at byte")), "{line}");
        for kind in [U32, TEXT, ARRAY, 10] {
            let line = message(with_pair("list", ARRAY, array(kind, n, &[])));
            assert!(line.starts_with("x: key `list`: found ") && line.contains("expected at most"), "{line}");
        }
        let line = message(with_pair("words", ARRAY, array(TEXT, 1, &long(n))));
        assert!(line.starts_with(&format!("x: key `words`: found {n} bytes at byte")), "{line}");
    }
    let mut name = pair().bytes();
    let at = name.windows(7).position(|bytes| bytes == b"general").unwrap() - 8;
    name[at..at + 8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(message(name).contains(&format!("found {} bytes at byte", u64::MAX)));
    let line = message(with_pair("\u{1b}[31m", 13, vec![]));
    assert!(line.contains("\\u{1b}"), "{line}");
}

#[test]
fn arrays_are_nested_only_so_deep() {
    let nested = |depth: usize| (0..depth).fold(array(U32, 0, &[]), |inner, _| array(ARRAY, 1, &inner));
    assert!(contents(with_pair("deep", ARRAY, nested(4))).is_ok());
    for depth in [5, 1000] {
        let line = message(with_pair("deep", ARRAY, nested(depth)));
        assert_eq!(line, "x: key `deep`: found arrays in arrays over 4 deep, expected at most so many");
    }
}

#[test]
fn types_that_do_not_exist_are_refused() {
    let line = message(with_pair("odd", 13, vec![0; 8]));
    assert_eq!(line, "x: key `odd`: found a value of type 13, expected one from 0 to 12");
    let line = message(with_pair("odd", ARRAY, array(77, 1, &[0; 8])));
    assert_eq!(line, "x: key `odd`: found an array of type 77, expected a type from 0 to 12");
    // That of a tensor may be newer than this program.
    let tensors = contents(with_tensor("new", &[4], 99, 0)).unwrap().tensors;
    let line = tensors["new"].factor("new", &Limits::default()).unwrap_err().to_string();
    assert!(
        line.contains("found numbers of type `ggml type 99`, expected F64, F32, F16, BF16, Q4_0"),
        "{line}"
    );
    let tensors = contents(with_tensor("small", &[256], 16, 96)).map(|_| ());
    assert!(tensors.unwrap_err().to_string().contains("found data up to byte 162"));
}

#[test]
fn names_are_there_once() {
    let line = message(with_pair("general.architecture", TEXT, text("bert")));
    assert_eq!(line, "x: key `general.architecture`: found it twice, expected each key once");
    // An array is not kept, and counts as well.
    let mut file = pair();
    file.pairs.extend([("a", ARRAY, array(U32, 0, &[])), ("a", ARRAY, array(U32, 0, &[]))]);
    assert!(message(file.bytes()).contains("key `a`: found it twice"));
    let line = message(with_tensor("blk.0.attn_v.weight.lora_b", &[2], F32, 96));
    assert_eq!(line, "x: tensor `blk.0.attn_v.weight.lora_b`: found it twice, expected each name once");
}

#[test]
fn alignments_are_powers_of_two() {
    for (kind, value) in [(U32, vec![0; 4]), (U32, vec![48, 0, 0, 0]), (TEXT, text("x"))] {
        let line = message(with_pair("general.alignment", kind, value));
        assert!(
            line.contains("found general.alignment ") && line.ends_with("expected a power of two below 2^32"),
            "{line}"
        );
    }
    // Beyond the end of the file.
    let line = message(with_pair("general.alignment", U32, (1u32 << 31).to_le_bytes().to_vec()));
    assert!(line.contains("expected at most 0, all that the file holds"), "{line}");
    let line = message(with_tensor("t", &[2], F32, 4));
    assert_eq!(line, "x: tensor `t`: found data from byte 4, expected a multiple of the alignment, 32");
}

#[test]
fn shapes_that_cannot_be_are_refused() {
    let line = message(with_tensor("t", &[1; 5], F32, 96));
    assert_eq!(line, "x: tensor `t`: found 5 dimensions, expected at most 4");
    let mut file = pair().bytes();
    let at = file.windows(6).rposition(|bytes| bytes == b"lora_b").unwrap() + 6;
    file[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(message(file).contains("found 4294967295 dimensions"));
    for dims in [&[1u64 << 32, 1 << 32][..], &[u64::MAX, 2], &[1 << 62], &[u64::MAX; 4]] {
        let line = message(with_tensor("t", dims, F32, 96));
        assert!(line.ends_with(" of F32, expected fewer than 2^64 bytes"), "{line}");
    }
    let line = message(with_tensor("t", &[33, 2], Q8_0, 96));
    assert_eq!(
        line,
        "x: tensor `t`: found shape [2, 33] of Q8_0, expected rows of whole blocks of 32 numbers"
    );
    // No numbers take no bytes.
    assert!(contents(with_tensor("t", &[0, u64::MAX], F32, 96)).is_ok());
}

#[test]
fn tensors_lie_in_the_file_and_apart() {
    let line = message(with_tensor("t", &[9], F32, 96));
    assert_eq!(
        line,
        "x: tensor `t`: found data up to byte 132, expected at most 128, all that the file holds"
    );
    let line = message(with_tensor("t", &[2], F32, 1 << 40));
    assert!(line.contains("expected at most 128"), "{line}");
    let line = message(with_tensor("t", &[8], F32, u64::MAX - 31));
    assert!(line.contains("found data beyond 2^64"), "{line}");
    let line = message(with_tensor("t", &[9], F32, 0));
    assert_eq!(
        line,
        "x: tensor `t`: found data from byte 0, inside `blk.0.attn_v.weight.lora_a`, expected from byte 32"
    );
    let line = message(with_tensor("t", &[17], F32, 32));
    assert!(line.contains("`blk.0.attn_v.weight.lora_b`: found data from byte 64, inside `t`"), "{line}");
}

#[test]
fn a_header_takes_at_most_what_is_allowed() {
    let words = text("").repeat(1000);
    let bytes = with_pair("words", ARRAY, array(TEXT, 1000, &words));
    let source = Source::Memory(Path::new("x").into(), std::sync::Arc::new(bytes.into()));
    let limits = Limits { header_bytes: 4000, ..Limits::default() };
    let error = containers::open(&source, &limits).unwrap_err();
    assert!(matches!(error, Error::Limit(_)), "{error}");
    assert!(
        error.to_string().ends_with("found more than 4000 bytes of header, expected at most 4000"),
        "{error}"
    );
}

/// A list of a million words, as tokenizers have, in a few passes over its bytes.
#[test]
fn long_lists_are_passed_in_little_time() {
    let words = text("word").repeat(1_000_000);
    let file = with_pair("words", ARRAY, array(TEXT, 1_000_000, &words));
    let start = std::time::Instant::now();
    assert_eq!(contents(file).unwrap().tensors.len(), 2);
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}

#[test]
fn a_part_of_a_quantised_tensor_is_read_as_of_any_other() {
    let adapter = Adapter::open("tests/data/libraries/gguf/types.gguf").unwrap();
    for module in adapter.modules() {
        let whole = module.a.read().unwrap();
        assert_eq!((whole.rows, whole.cols), (2, 256));
        let second = module.a.clone().row_range(1..2).read().unwrap();
        assert_eq!(second.values, whole.values[256..]);
        let columns = module.a.clone().transposed().row_range(37..39).read().unwrap();
        assert_eq!(columns.values, [37, 256 + 37, 38, 256 + 38].map(|at| whole.values[at]));
    }
}

/// As many as are made of a chunk of blocks, and more.
#[test]
fn a_large_quantised_tensor_is_read_chunk_by_chunk() {
    for quant in Quant::ALL {
        let n_blocks = 3 * (1 << 16) / quant.block_bytes() as u64 + 1;
        let stored = vec![0u8; n_blocks as usize * quant.block_bytes()];
        // The number of each block is where its scale may be, or its numbers are.
        let mut bytes = stored;
        for (at, block) in bytes.chunks_mut(quant.block_bytes()).enumerate() {
            block
                .iter_mut()
                .zip((at as u32).to_le_bytes().into_iter().cycle())
                .for_each(|(to, byte)| *to = byte & 0x3b);
        }
        let mut expected = vec![0.0; n_blocks as usize * quant.block_numbers()];
        crate::formats::quants::dequantise(quant, &bytes, &mut expected);
        let file = Source::Memory(Path::new("x").into(), std::sync::Arc::new(bytes.into()));
        let shape = vec![n_blocks, quant.block_numbers() as u64];
        let tensor = Tensor::quantised(shape, Quantised { file, quant, offset_bytes: 0, n_blocks });
        let factor = tensor.factor("t", &Limits::default()).unwrap();
        let found = factor.read().unwrap().values;
        assert!(
            found.iter().zip(&expected).all(|(found, expected)| *found == f64::from(*expected)),
            "{quant:?}"
        );
        let part = factor.row_range(5..n_blocks as usize - 1).read().unwrap().values;
        assert_eq!(part, found[5 * quant.block_numbers()..found.len() - quant.block_numbers()], "{quant:?}");
    }
}
