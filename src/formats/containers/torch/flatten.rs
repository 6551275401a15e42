//! Flattens nested dictionaries to tensors with names.
//!
//! A dictionary under one of the keys of [`WRAPPERS`], the first in their order, replaces the dictionary that contains it,
//! and so on. Below it, the keys of nested dictionaries and the positions in lists are joined by dots. Other values than
//! tensors are left out.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::{Error, Fault, Result};
use crate::formats::containers::pickle::{Id, MAX_KEY_BYTES, Value, Values, View};
use crate::formats::limits::Limits;
use crate::text::quoted;

/// The keys under which trainers store a state_dict.
const WRAPPERS: [&str; 9] = [
    "state_dict",
    "model_state_dict",
    "lora_state_dict",
    "adapter_state_dict",
    "model",
    "module",
    "lora",
    "adapter",
    "weights",
];

/// Real files are one to three dictionaries deep.
const MAX_DEPTH: usize = 32;

/// Every tensor under `root`, by name.
///
/// # Errors
/// `Malformed` for a name that occurs twice or for dictionaries that are nested too deeply, `Limit` for too many tensors or
/// too long names.
pub(super) fn flatten<'a>(
    path: &Path,
    values: &'a Values,
    root: Id,
    limits: &Limits,
) -> Result<BTreeMap<String, &'a View>> {
    // Every value is seen once, except for the few that have several names.
    let n_left = values.len().saturating_mul(2).saturating_add(MAX_DEPTH);
    let mut walk =
        Walk { path, values, n_left, n_name_bytes: 0, limits, name: String::new(), found: BTreeMap::new() };
    walk.visit(unwrap(values, root), 0)?;
    Ok(walk.found)
}

fn unwrap(values: &Values, mut id: Id) -> Id {
    for _ in 0..MAX_DEPTH {
        let Value::Dict(entries) = values.get(id) else { break };
        let under = |wrapper: &str| {
            entries.iter().find(|(key, value)| values.is_text(*key, wrapper) && holds_any(values, *value))
        };
        let Some((_, inner)) = WRAPPERS.iter().find_map(|wrapper| under(wrapper)) else { break };
        id = *inner;
    }
    id
}

/// Whether this is a dictionary with a tensor or another dictionary in it.
fn holds_any(values: &Values, id: Id) -> bool {
    let Value::Dict(entries) = values.get(id) else { return false };
    entries.iter().any(|(_, value)| matches!(values.get(*value), Value::Tensor(_) | Value::Dict(_)))
}

struct Walk<'a, 'b> {
    path: &'b Path,
    values: &'a Values,
    n_left: usize,
    n_name_bytes: u64,
    limits: &'b Limits,
    /// The keys so far, joined.
    name: String,
    found: BTreeMap<String, &'a View>,
}

impl<'a> Walk<'a, '_> {
    fn visit(&mut self, id: Id, depth: usize) -> Result<()> {
        let Some(n_left) = self.n_left.checked_sub(1) else {
            return Err(self.wrong("values that have many names each".into(), "a dictionary of tensors"));
        };
        self.n_left = n_left;
        if depth > MAX_DEPTH {
            let found = format!("dictionaries more than {MAX_DEPTH} deep");
            return Err(self.wrong(found, "a dictionary of tensors"));
        }
        let values = self.values;
        match values.get(id) {
            Value::Tensor(view) => self.keep(view),
            Value::Dict(entries) => {
                for &(key, value) in entries {
                    match values.get(key) {
                        Value::Text(place) if place.len() > MAX_KEY_BYTES => {
                            let found = format!("a key of {} bytes", place.len());
                            return Err(self.wrong(found, &format!("at most {MAX_KEY_BYTES}")));
                        }
                        Value::Text(place) => self.enter(&values.text(place), value, depth)?,
                        Value::Int(n) => self.enter(&n.to_string(), value, depth)?,
                        _ => {}
                    }
                }
                Ok(())
            }
            Value::Items(items) => {
                for (n, &item) in items.iter().enumerate() {
                    self.enter(&n.to_string(), item, depth)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn enter(&mut self, key: &str, value: Id, depth: usize) -> Result<()> {
        if !matches!(self.values.get(value), Value::Tensor(_) | Value::Dict(_) | Value::Items(_)) {
            return Ok(());
        }
        let outer = self.name.len();
        if outer > 0 {
            self.name.push('.');
        }
        self.name.push_str(key);
        self.visit(value, depth + 1)?;
        self.name.truncate(outer);
        Ok(())
    }

    fn keep(&mut self, view: &'a View) -> Result<()> {
        self.n_name_bytes += self.name.len() as u64;
        if self.n_name_bytes > self.limits.header_bytes {
            let expected = format!("at most {}", self.limits.header_bytes);
            return Err(self.fault("more bytes of tensor names".into(), &expected).limit());
        }
        if self.found.len() == self.limits.n_tensors {
            let expected = format!("at most {}", self.limits.n_tensors);
            return Err(self.fault("more tensors".into(), &expected).limit());
        }
        match self.found.insert(self.name.clone(), view) {
            None => Ok(()),
            Some(_) => {
                let found = format!("two tensors of the name {}", quoted(&self.name));
                Err(self.wrong(found, "each name once"))
            }
        }
    }

    fn fault(&self, found: String, expected: &str) -> Fault {
        Fault::new(found, expected).at(self.path).of("pickle")
    }

    fn wrong(&self, found: String, expected: &str) -> Error {
        self.fault(found, expected).malformed()
    }
}
