//! Reads the pickles of torch checkpoints without executing them.
//!
//! A pickle is a program for a stack machine. This machine knows the opcodes of protocols 2 to 5 and a short list of names
//! (`globals`) whose results it makes itself: what dictionaries of tensors need. Every other name, and what comes of calling it,
//! is inert: kept with what the pickle puts into it, and never called. All values are in one table and refer to each other by
//! number, so that neither loops nor a million levels of nesting matter, and each step adds a bounded number of bytes.

mod globals;
mod inert;
mod input;
mod machine;
mod objects;

use std::borrow::Cow;
use std::ops::Range;

pub(super) use globals::{Global, Numbers};
pub(super) use inert::{Inert, Made, Yields};
pub(super) use input::Input;
pub(super) use machine::Unpickler;

/// Longer than any key or name: a few bytes could otherwise repeat a megabyte.
pub(super) const MAX_KEY_BYTES: usize = 4096;

/// The position of a value in the table.
pub(super) type Id = u32;

/// What a pickle can hold.
#[derive(Debug)]
pub(super) enum Value {
    /// Text or bytes, by their position in the pickle.
    Text(Range<usize>),
    Int(i64),
    Bool(bool),
    /// A tuple or a list.
    Items(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(Box<Storage>),
    Tensor(Box<View>),
    /// A name that is not known, or what comes of it.
    Inert(Box<Inert>),
    /// What tensors are not made of: None, floats, large numbers, sets.
    Other,
}

/// A named sequence of numbers, as the pickle refers to it.
#[derive(Debug, Clone)]
pub(super) struct Storage {
    pub(super) key: Range<usize>,
    pub(super) numbers: Numbers,
    pub(super) n_numbers: u64,
    /// Only this part of the storage: first number and count.
    pub(super) part: Option<(u64, u64)>,
}

/// A tensor, as the pickle describes it.
#[derive(Debug)]
pub(super) struct View {
    pub(super) storage: Storage,
    pub(super) numbers: Numbers,
    /// In numbers, as the strides.
    pub(super) offset: u64,
    pub(super) shape: Vec<u64>,
    pub(super) strides: Vec<u64>,
}

/// The values of one or several pickles.
#[derive(Debug, Default)]
pub(super) struct Values {
    bytes: Vec<u8>,
    values: Vec<Value>,
    /// The first object of a kind that training saves next to a model, and its name.
    kind: Option<(&'static str, String)>,
}

impl Values {
    /// The kind of the first object that is known to be saved next to a model, and its name.
    pub(super) fn kind(&self) -> Option<(&'static str, &str)> {
        self.kind.as_ref().map(|(kind, name)| (*kind, name.as_str()))
    }

    /// The value; `Other` for an unknown number.
    pub(super) fn get(&self, id: Id) -> &Value {
        self.values.get(id as usize).unwrap_or(&Value::Other)
    }

    /// The number of values.
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Every storage that is referred to.
    pub(super) fn storages(&self) -> impl Iterator<Item = &Storage> {
        self.values.iter().filter_map(|value| match value {
            Value::Storage(storage) => Some(&**storage),
            _ => None,
        })
    }

    /// The text at this position, with replacement characters for what is not UTF-8.
    pub(super) fn text(&self, place: &Range<usize>) -> Cow<'_, str> {
        String::from_utf8_lossy(self.bytes.get(place.clone()).unwrap_or_default())
    }

    /// Whether the value is this text.
    pub(super) fn is_text(&self, id: Id, text: &str) -> bool {
        matches!(self.get(id), Value::Text(place) if self.bytes.get(place.clone()) == Some(text.as_bytes()))
    }

    /// The dictionary's value of this key.
    pub(super) fn entry(&self, dict: &Value, name: &str) -> Option<Id> {
        let Value::Dict(entries) = dict else { return None };
        entries.iter().find(|(key, _)| self.is_text(*key, name)).map(|(_, value)| *value)
    }
}
