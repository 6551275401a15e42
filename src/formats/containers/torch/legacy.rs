//! torch legacy, which `torch.save` wrote before torch 1.6 and still writes on demand: five pickles (a magic number, the
//! version 1001, facts about the machine, the dictionary, the keys of the storages), and then each storage as a count and
//! its numbers.

use std::collections::BTreeMap;

use super::flatten::{Flat, Leaf, flatten};
use super::{Place, SUFFIXES, big_endian, tensor, unread, without_tensors};
use crate::adapter::{FileFormat, Source};
use crate::error::{Error, Fault, Result};
use crate::formats::containers::container::{Container, Encoding, Plain};
use crate::formats::containers::pickle::{Input, Numbers, Unpickler, Value, Values};
use crate::formats::contents::{Contents, Tensors};
use crate::formats::limits::Limits;
use crate::formats::source::Reader;
use crate::text::quoted;

pub(in crate::formats::containers) static CONTAINER: Container = Container {
    file_format: FileFormat { name: "torch legacy" },
    suffixes: SUFFIXES,
    encoding: Encoding::Plain(Plain { is_start, read }),
};

/// 0x1950a86a20f9469cfc6c as it is in a pickle: a number of ten bytes, the lowest first.
const MAGIC: [u8; 12] = [0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

const VERSION: i64 = 1001;

/// Bytes of a storage's count.
const COUNT_BYTES: u64 = 8;

/// Whether a file begins with the protocol of a pickle, a frame if that is 4 or later, and the magic number.
fn is_start(head: &[u8]) -> bool {
    let begins = |at: usize| head.get(at..).is_some_and(|rest| rest.starts_with(&MAGIC));
    head.first() == Some(&0x80) && (begins(2) || begins(2 + 9))
}

/// Every tensor, by name.
///
/// # Errors
/// `Malformed` when pickles or storages break the format, a storage is missing or a view reaches past its end;
/// `Unsupported` for big-endian numbers and pickles of other things; `Limit`.
fn read(source: &Source, reader: &Reader<'_>, limits: &Limits) -> Result<Contents> {
    let path = reader.path();
    let mut unpickler = Unpickler::new(Input::start_of(reader, limits.header_bytes), limits);
    let _magic = unpickler.next()?;
    let [version, machine, dictionary, keys] =
        [unpickler.next()?, unpickler.next()?, unpickler.next()?, unpickler.next()?];
    let end = unpickler.end();
    let values = unpickler.into_values();
    let fault = |found: String, expected: String| Fault::new(found, expected).at(path);
    match values.get(version) {
        Value::Int(VERSION) => {}
        Value::Int(other) => return Err(fault(format!("version {other}"), VERSION.to_string()).unsupported()),
        _ => return Err(fault("a version that is not a number".into(), VERSION.to_string()).malformed()),
    }
    let order = values.entry(values.get(machine), "little_endian");
    if order.is_some_and(|order| matches!(values.get(order), Value::Bool(false))) {
        return Err(big_endian(path));
    }
    let Value::Items(keys) = values.get(keys) else {
        return Err(fault("no list of storages".into(), "their keys".into()).malformed());
    };
    let Flat { leaves, copies } = flatten(path, &values, dictionary, limits)?;
    if leaves.is_empty()
        && let Some(error) = without_tensors(path, &values, dictionary)
    {
        return Err(error);
    }
    let places = places(source, reader, &values, keys, end)?;
    let mut tensors = Tensors::new();
    for (name, leaf) in leaves {
        let view = match leaf {
            Leaf::Tensor(view) => view,
            Leaf::Unread(inert) => {
                tensors.insert(name, unread(&values, inert, source));
                continue;
            }
        };
        let key = values.text(&view.storage.key).into_owned();
        let Some(place) = places.get(&key) else {
            let fault = fault(format!("no storage {}", quoted(&key)), "the tensor's numbers".into());
            return Err(fault.of(format!("tensor {}", quoted(&name))).malformed());
        };
        let tensor = tensor(path, &name, view, &key, place)?;
        tensors.insert(name, tensor);
    }
    Ok(Contents { copies, ..tensors.into() })
}

/// Where each storage is: they follow each other in the order of their keys.
fn places(
    source: &Source,
    reader: &Reader<'_>,
    values: &Values,
    keys: &[u32],
    mut at: u64,
) -> Result<BTreeMap<String, Place>> {
    let mut types: BTreeMap<String, Numbers> = BTreeMap::new();
    for storage in values.storages() {
        types.insert(values.text(&storage.key).into_owned(), storage.numbers);
    }
    let mut places = BTreeMap::new();
    for &key in keys {
        let wrong = |found: String, expected: &str| -> Error {
            Fault::new(found, expected).at(reader.path()).of("storages").malformed()
        };
        let Value::Text(key) = values.get(key) else {
            return Err(wrong("a key that is not text".into(), "the name of a storage"));
        };
        let key = values.text(key).into_owned();
        let Some(numbers) = types.get(&key) else {
            return Err(wrong(
                format!("the key {}, which no tensor has", quoted(&key)),
                "a tensor's storage",
            ));
        };
        let start = at.saturating_add(COUNT_BYTES);
        let n_there = reader.n_bytes().saturating_sub(start);
        let mut count = [0; COUNT_BYTES as usize];
        if start <= reader.n_bytes() {
            reader.read_at(at, &mut count)?;
        }
        let n_bytes = u64::from_le_bytes(count).checked_mul(numbers.size_bytes);
        let Some(n_bytes) = n_bytes.filter(|&n| start <= reader.n_bytes() && n <= n_there) else {
            let found = format!("storage {} past the end", quoted(&key));
            let fault = Fault::new(found, format!("at most the {n_there} bytes that the file holds"));
            let hint = "the file was cut short or damaged: download or copy it again";
            return Err(fault.at(reader.path()).hint(hint).malformed());
        };
        at = start + n_bytes;
        let place = Place { source: source.clone(), offset_bytes: start, n_bytes };
        if places.insert(key.clone(), place).is_some() {
            return Err(wrong(format!("the key {} twice", quoted(&key)), "each key once"));
        }
    }
    Ok(places)
}
