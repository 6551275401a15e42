//! Whether tensors lie under a value, and whether their names speak of LoRA, before anything is taken.

use crate::formats::containers::pickle::{Id, MAX_KEY_BYTES, Made, Value, Values, Yields};

/// What lies under a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Nothing,
    Tensors,
    /// Tensors, one of them under a key that speaks of LoRA.
    Lora,
}

/// What lies under every value, found once for all of them, however they share what they hold.
pub(super) struct Reach {
    /// For each value, [`TENSORS`] and [`LORA`].
    marks: Vec<u8>,
    n_links: usize,
}

/// A tensor lies under it, or it is one.
const TENSORS: u8 = 1;

/// A tensor lies under a key below it that speaks of LoRA.
const LORA: u8 = 2;

/// As a key, it has been looked at, and speaks of LoRA.
const SEEN_KEY: u8 = 4;
const LORA_KEY: u8 = 8;

impl Reach {
    pub(super) fn of(values: &Values) -> Self {
        let links = Links::of(values);
        let mut reach = Self { marks: vec![0; values.len()], n_links: links.parents.len() };
        let tensors = ids(values).filter(|&id| is_tensor(values.get(id))).collect();
        reach.spread(TENSORS, tensors, &links);
        let mut named = vec![];
        for id in ids(values).filter(|&id| !is_tensor(values.get(id))) {
            for (key, value) in children(values.get(id)).into_iter().flatten() {
                if reach.has(value, TENSORS) && key.is_some_and(|key| reach.is_lora_key(values, key)) {
                    named.push(id);
                    break;
                }
            }
        }
        reach.spread(LORA, named, &links);
        reach
    }

    /// How many values are held by others, each time counted.
    pub(super) fn n_links(&self) -> usize {
        self.n_links
    }

    /// What lies under this value; `named`: its own key speaks of LoRA.
    pub(super) fn holds(&self, id: Id, named: bool) -> Holds {
        match (self.has(id, TENSORS), named || self.has(id, LORA)) {
            (false, _) => Holds::Nothing,
            (true, true) => Holds::Lora,
            (true, false) => Holds::Tensors,
        }
    }

    fn has(&self, id: Id, mark: u8) -> bool {
        self.marks.get(id as usize).is_some_and(|marks| marks & mark != 0)
    }

    fn set(&mut self, id: Id, mark: u8) {
        if let Some(marks) = self.marks.get_mut(id as usize) {
            *marks |= mark;
        }
    }

    /// Marks these values and all that hold them, at any depth.
    fn spread(&mut self, mark: u8, from: Vec<Id>, links: &Links) {
        let mut left = from;
        while let Some(id) = left.pop() {
            if !self.has(id, mark) {
                self.set(id, mark);
                left.extend(links.of_value(id).iter().filter(|&&parent| !self.has(parent, mark)));
            }
        }
    }

    fn is_lora_key(&mut self, values: &Values, key: Id) -> bool {
        if !self.has(key, SEEN_KEY) {
            let is_lora = match values.get(key) {
                Value::Text(place) => place.len() <= MAX_KEY_BYTES && is_lora(&values.text(place)),
                _ => false,
            };
            self.set(key, if is_lora { SEEN_KEY | LORA_KEY } else { SEEN_KEY });
        }
        self.has(key, LORA_KEY)
    }
}

fn ids(values: &Values) -> impl Iterator<Item = Id> {
    0..Id::try_from(values.len()).unwrap_or(Id::MAX)
}

/// Whether it is a tensor, or only running the pickle would make it one: what lies in it is its own.
fn is_tensor(value: &Value) -> bool {
    match value {
        Value::Tensor(_) => true,
        Value::Inert(inert) => inert.yields == Yields::Tensor && inert.made != Made::Named,
        _ => false,
    }
}

/// Which values hold each value.
struct Links {
    /// Where those of each value end.
    ends: Vec<usize>,
    parents: Vec<Id>,
}

impl Links {
    fn of(values: &Values) -> Self {
        let each = |take: &mut dyn FnMut(Id, Id)| {
            for id in ids(values).filter(|&id| !is_tensor(values.get(id))) {
                children(values.get(id)).into_iter().flatten().for_each(|(_, value)| take(id, value));
            }
        };
        let mut ends = vec![0; values.len()];
        each(&mut |_, value| {
            if let Some(n) = ends.get_mut(value as usize) {
                *n += 1;
            }
        });
        let mut n_links = 0;
        for end in &mut ends {
            // Where they begin; filling moves it to where they end.
            n_links += std::mem::replace(end, n_links);
        }
        let mut parents = vec![0; n_links];
        each(&mut |id, value| {
            if let Some(at) = ends.get_mut(value as usize)
                && let Some(place) = parents.get_mut(*at)
            {
                *place = id;
                *at += 1;
            }
        });
        Self { ends, parents }
    }

    fn of_value(&self, id: Id) -> &[Id] {
        let id = id as usize;
        let start = id.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(id).copied().unwrap_or(start);
        self.parents.get(start..end).unwrap_or_default()
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
