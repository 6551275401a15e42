//! Parses the JSON of a safetensors header, and names the tensor whose entry is wrong.
//!
//! serde_json stops at 128 levels of nesting; everything else that it builds is bounded by the length of the header.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::error::{Fault, Result};
use crate::formats::contents::Metadata;
use crate::formats::limits::{Limit, Limits};
use crate::formats::tensor::MAX_DIMS;
use crate::text::quoted;

const METADATA: &str = "__metadata__";

/// The header's entry for one tensor, unchecked.
#[derive(Debug, Deserialize)]
pub(super) struct Entry {
    pub(super) dtype: String,
    #[serde(deserialize_with = "shape")]
    pub(super) shape: Vec<u64>,
    /// The first byte and the one after the last, counted from the end of the header.
    pub(super) data_offsets: (u64, u64),
}

/// Every tensor's entry, by name, and the metadata.
///
/// # Errors
/// `Malformed` when the text is not UTF-8, not JSON, has a name twice, or holds entries of another form; `Limit` for more tensors,
/// or for a longer name.
pub(super) fn entries(
    path: &Path,
    text: &[u8],
    limits: &Limits,
) -> Result<(BTreeMap<String, Entry>, Metadata)> {
    let text = std::str::from_utf8(text).map_err(|error| {
        let found = format!("a byte that is not UTF-8 at position {}", error.valid_up_to());
        Fault::new(found, "UTF-8 text").at(path).of("header").malformed()
    })?;
    let (mut current, mut over) = (None, None);
    let mut json = serde_json::Deserializer::from_str(text);
    let parsed = Entries { current: &mut current, over: &mut over, limits }.deserialize(&mut json);
    if let Some((limit, found)) = over {
        return Err(limits.over(limit, found).at(path).of("header").limit());
    }
    parsed.and_then(|entries| json.end().map(|()| entries)).map_err(|error| {
        let found = format!("JSON that cannot be read ({error})");
        let (subject, expected) = match &current {
            None => ("header".to_owned(), "an object with one entry for each tensor"),
            Some(name) if name == METADATA => (quoted(name), "an object of strings"),
            Some(name) => (format!("tensor {}", quoted(name)), "an entry with dtype, shape and data_offsets"),
        };
        Fault::new(found, expected).at(path).of(subject).malformed()
    })
}

/// Reads the object, and leaves the name of the entry that it stopped at in `current`.
struct Entries<'a> {
    current: &'a mut Option<String>,
    /// What is over a limit.
    over: &'a mut Option<(Limit, String)>,
    limits: &'a Limits,
}

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = (BTreeMap<String, Entry>, Metadata);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = (BTreeMap<String, Entry>, Metadata);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut entries = BTreeMap::new();
        let mut metadata = None;
        while let Some(name) = map.next_key::<String>()? {
            let over = match name.len() as u64 > self.limits.name_bytes {
                true => Some((Limit::NameBytes, format!("a name of {} bytes", name.len()))),
                false if entries.len() < self.limits.n_tensors || name == METADATA => None,
                false => Some((Limit::Tensors, format!("{} tensors or more", entries.len() + 1))),
            };
            if over.is_some() {
                *self.over = over;
                return Err(M::Error::custom("over a limit"));
            }
            let name = self.current.insert(name);
            let is_new = if name == METADATA {
                let words = map.next_value::<Option<Metadata>>()?.unwrap_or_default();
                metadata.replace(words).is_none()
            } else {
                entries.insert(name.clone(), map.next_value()?).is_none()
            };
            if !is_new {
                return Err(M::Error::custom("the name is there twice"));
            }
            *self.current = None;
        }
        Ok((entries, metadata.unwrap_or_default()))
    }
}

fn shape<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u64>, D::Error> {
    struct Dims;

    impl<'de> Visitor<'de> for Dims {
        type Value = Vec<u64>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {MAX_DIMS} whole numbers")
        }

        fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Vec<u64>, S::Error> {
            let mut dims = Vec::new();
            while let Some(dim) = seq.next_element()? {
                if dims.len() == MAX_DIMS {
                    return Err(S::Error::custom(format!("more than {MAX_DIMS} dimensions")));
                }
                dims.push(dim);
            }
            Ok(dims)
        }
    }

    deserializer.deserialize_seq(Dims)
}
