//! Whether tensors lie under a value, and whether their names speak of LoRA, before anything is taken.

use crate::formats::containers::pickle::{Id, Made, Value, Values, Yields};

/// What lies under a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Nothing,
    Tensors,
    /// Tensors, one of them under a key that speaks of LoRA.
    Lora,
}

/// Looks below values. Each search sees every value once.
pub(super) struct Reach<'a> {
    values: &'a Values,
    /// The number of the last search that saw a value.
    seen: Vec<u32>,
    n_searches: u32,
}

impl<'a> Reach<'a> {
    pub(super) fn new(values: &'a Values) -> Self {
        Self { values, seen: vec![0; values.len()], n_searches: 0 }
    }

    /// What lies under this value; `named`: its own key speaks of LoRA.
    pub(super) fn holds(&mut self, id: Id, named: bool) -> Holds {
        self.n_searches += 1;
        let mut holds = Holds::Nothing;
        let mut left = vec![(id, named)];
        while let Some((id, named)) = left.pop() {
            let Some(seen) = self.seen.get_mut(id as usize) else { continue };
            if std::mem::replace(seen, self.n_searches) == self.n_searches {
                continue;
            }
            let value = self.values.get(id);
            let is_tensor = match value {
                Value::Tensor(_) => true,
                Value::Inert(inert) => inert.yields == Yields::Tensor && inert.made != Made::Named,
                _ => false,
            };
            match (is_tensor, named) {
                (true, true) => return Holds::Lora,
                (true, false) => holds = Holds::Tensors,
                (false, _) => {
                    for (key, value) in children(value).into_iter().flatten() {
                        let named = named || key.is_some_and(|key| self.is_lora(key));
                        left.push((value, named));
                    }
                }
            }
        }
        holds
    }

    fn is_lora(&self, key: Id) -> bool {
        matches!(self.values.get(key), Value::Text(place) if is_lora(&self.values.text(place)))
    }
}

/// What lies directly in a value, with its key if it has one; `None` for what holds nothing.
pub(super) fn children(value: &Value) -> Option<Box<dyn Iterator<Item = (Option<Id>, Id)> + '_>> {
    Some(match value {
        Value::Items(items) => Box::new(items.iter().map(|&item| (None, item))),
        Value::Dict(entries) => Box::new(entries.iter().map(|&(key, value)| (Some(key), value))),
        Value::Inert(object) => {
            let entries = object.entries.iter().map(|&(key, value)| (Some(key), value));
            let others = object.items.iter().copied().chain(object.state);
            Box::new(entries.chain(others.map(|other| (None, other))))
        }
        _ => return None,
    })
}

/// Whether a name speaks of LoRA.
pub(super) fn is_lora(name: &str) -> bool {
    name.as_bytes().windows(4).any(|word| word.eq_ignore_ascii_case(b"lora"))
}
