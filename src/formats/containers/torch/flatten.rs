//! Flattens nested dictionaries to tensors with names.
//!
//! The keys of nested dictionaries, the positions in lists and the attributes of objects are joined by dots. The keys of
//! [`WRAPPERS`] around a state_dict are not a part of the names: the first that holds LoRA gives the tensors, and of what stands
//! next to it LoRA that it does not have is taken too. Where another one has other tensors of the same names, all names begin with the
//! keys. Other values than tensors are left out.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use super::reach::{Holds, Reach, children, is_lora};
use crate::error::{Error, Fault, Result};
use crate::formats::containers::pickle::{Id, Inert, MAX_KEY_BYTES, Made, Value, Values, View, Yields};
use crate::formats::limits::{Limit, Limits};
use crate::text::quoted;

/// The keys under which trainers store a state_dict, the likeliest first.
const WRAPPERS: &[&str] = &[
    "state_dict",
    "model_state_dict",
    "lora_state_dict",
    "adapter_state_dict",
    "model",
    "module",
    "lora",
    "adapter",
    "weights",
    "net",
    "network",
    "params",
    "model_ema",
    "ema_state_dict",
    "ema_model",
    "ema",
    "shadow",
];

/// How the keys begin under which trainers store what is not the model.
const BESIDE: &[&str] = &[
    "optim",
    "lr_sched",
    "sched",
    "scaler",
    "grad_scaler",
    "rng",
    "random_state",
    "callbacks",
    "hyper_parameters",
    "hparams",
    "loops",
    "loss",
];

/// The attributes in which torch's modules keep their parts.
const PARTS: &[&str] = &["_modules", "_parameters", "_buffers"];

/// Real files are one to three dictionaries deep.
const MAX_DEPTH: usize = 32;

/// A tensor, or what only running the pickle would make one of.
pub(super) enum Leaf<'a> {
    Tensor(&'a View),
    Unread(&'a Inert),
}

/// What lies in a pickle.
pub(super) struct Flat<'a> {
    /// Every tensor, by name.
    pub(super) leaves: Leaves<'a>,
    /// The keys of state_dicts of the same names, with which the names of their tensors begin.
    pub(super) copies: Vec<String>,
}

type Leaves<'a> = BTreeMap<String, Leaf<'a>>;

/// Every tensor under `root`.
///
/// # Errors
/// `Malformed` for a name that occurs twice or for dictionaries that are nested too deeply, `Limit` for too many tensors or
/// too long names.
pub(super) fn flatten<'a>(path: &Path, values: &'a Values, root: Id, limits: &Limits) -> Result<Flat<'a>> {
    let reach = Reach::of(values);
    // What holds a value sees it once, except for the few that have several names.
    let n_left = (values.len() + reach.n_links()).saturating_mul(2).saturating_add(MAX_DEPTH);
    let mut walk = Walk {
        path,
        values,
        n_left,
        n_name_bytes: 0,
        limits,
        name: String::new(),
        found: BTreeMap::new(),
        copies: vec![],
        n_kept: 0,
        seen: HashSet::new(),
    };
    walk.unwrap(&reach, root, 0)?;
    Ok(Flat { leaves: walk.found, copies: walk.copies })
}

/// A name without the key that it was found under, if it begins with one, and without the wrappers that follow.
fn bare<'n>(name: &'n str, front: &str) -> &'n str {
    if front.is_empty() {
        return name;
    }
    let mut rest = name.strip_prefix(front).unwrap_or(name);
    while let Some((first, inner)) = rest.split_once('.')
        && WRAPPERS.contains(&first)
    {
        rest = inner;
    }
    rest
}

/// Where a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In dictionaries and lists.
    Plain,
    /// In an object, whose parts may refer to each other in any way.
    Object,
    /// It is the attributes of an object.
    State,
}

struct Walk<'a, 'b> {
    path: &'b Path,
    values: &'a Values,
    n_left: usize,
    n_name_bytes: u64,
    limits: &'b Limits,
    /// The keys so far, joined.
    name: String,
    found: Leaves<'a>,
    copies: Vec<String>,
    n_kept: usize,
    /// What was met in objects.
    seen: HashSet<Id>,
}

impl<'a> Walk<'a, '_> {
    /// Takes the tensors of a dictionary that may be wrapped around the state_dict.
    fn unwrap(&mut self, reach: &Reach, id: Id, level: usize) -> Result<()> {
        let values = self.values;
        let entries: Vec<(Id, Id)> = match values.get(id) {
            Value::Dict(entries) if level < MAX_DEPTH => entries.clone(),
            // A dictionary of a class of its own.
            Value::Inert(object) if level < MAX_DEPTH && !object.entries.is_empty() => object.entries.clone(),
            _ => return self.visit(id, 0, Place::Plain),
        };
        self.spend(entries.len(), Place::Plain)?;
        let is_beside = |key: Id| matches!(values.get(key), Value::Text(place) if BESIDE.iter().any(|start| values.text(place).starts_with(start)));
        let mut wrappers: Vec<(Id, Id, Holds)> = vec![];
        for wrapper in WRAPPERS {
            let entry = entries.iter().find(|(key, value)| {
                values.is_text(*key, wrapper)
                    && matches!(values.get(*value), Value::Dict(_) | Value::Inert(_))
            });
            if let Some(&(key, value)) = entry {
                wrappers.push((key, value, reach.holds(value, is_lora(wrapper))));
            }
        }
        wrappers.retain(|(.., holds)| *holds != Holds::Nothing);
        let first = wrappers.iter().find(|(.., holds)| *holds == Holds::Lora).or(wrappers.first());
        let Some(&(chosen, inner, _)) = first else {
            let mut kept: Vec<(Id, Id)> =
                entries.iter().filter(|(key, _)| !is_beside(*key)).copied().collect();
            if kept.iter().all(|&(_, value)| reach.holds(value, false) == Holds::Nothing) {
                kept = entries;
            }
            return self.each(&kept, 0, Place::Plain, Place::Plain);
        };
        self.unwrap(reach, inner, level + 1)?;
        let mut main = std::mem::take(&mut self.found);
        let mut copies: Vec<(String, Leaves<'a>)> = vec![];
        let mut others = vec![];
        for (key, value) in entries.iter().copied().filter(|(key, _)| *key != chosen && !is_beside(*key)) {
            let text = self.key(key)?.unwrap_or_default();
            if reach.holds(value, is_lora(&text)) != Holds::Lora {
                continue;
            }
            // What the names begin with.
            let front = match wrappers.iter().any(|(wrapper, ..)| *wrapper == key) {
                true => {
                    self.unwrap(reach, value, level + 1)?;
                    String::new()
                }
                false => {
                    self.each(&[(key, value)], 0, Place::Plain, Place::Plain)?;
                    format!("{text}.")
                }
            };
            let found = std::mem::take(&mut self.found);
            let is_other = |(name, leaf): (&String, &Leaf<'_>)| {
                main.get(bare(name, &front)).is_some_and(|known| !self.are_one(known, leaf))
            };
            if found.iter().any(is_other) {
                let bare = |(name, leaf): (String, _)| (bare(&name, &front).to_owned(), leaf);
                copies.push((text, found.into_iter().map(bare).collect()));
            } else {
                others.push((front, found));
            }
        }
        for (front, found) in others {
            for (name, leaf) in found {
                if !main.contains_key(bare(&name, &front)) {
                    main.entry(name).or_insert(leaf);
                }
            }
        }
        self.found = main;
        if !copies.is_empty() {
            let chosen = self.key(chosen)?.unwrap_or_default();
            copies.insert(0, (chosen, std::mem::take(&mut self.found)));
            self.keep_apart(copies)?;
        }
        Ok(())
    }

    /// Puts the keys of state_dicts of the same names before the names of their tensors.
    fn keep_apart(&mut self, copies: Vec<(String, Leaves<'a>)>) -> Result<()> {
        for (key, leaves) in copies {
            // One part of a name.
            let front = if key.is_empty() { "other".to_owned() } else { key.replace('.', "_") };
            for (name, leaf) in leaves {
                self.count_name(front.len() + 1 + name.len(), front.len() + 1)?;
                self.insert(format!("{front}.{name}"), leaf)?;
            }
            self.copies.push(front);
        }
        Ok(())
    }

    fn insert(&mut self, name: String, leaf: Leaf<'a>) -> Result<()> {
        let error = || self.wrong(format!("two tensors of the name {}", quoted(&name)), "each name once");
        if self.found.contains_key(&name) {
            return Err(error());
        }
        self.found.insert(name, leaf);
        Ok(())
    }

    /// Whether two tensors are the same numbers in the file.
    fn are_one(&self, one: &Leaf<'_>, other: &Leaf<'_>) -> bool {
        match (one, other) {
            (Leaf::Tensor(one), Leaf::Tensor(other)) => {
                let place = |view: &View| (view.storage.part, view.numbers, view.offset);
                let shape = |view: &'_ View| [view.shape.clone(), view.strides.clone()];
                place(one) == place(other)
                    && shape(one) == shape(other)
                    && self.values.text(&one.storage.key) == self.values.text(&other.storage.key)
            }
            (Leaf::Unread(_), Leaf::Unread(_)) => true,
            _ => false,
        }
    }

    fn visit(&mut self, id: Id, depth: usize, place: Place) -> Result<()> {
        let value = self.values.get(id);
        let is_plain = place == Place::Plain;
        if !matches!(value, Value::Tensor(_)) && !is_plain && !self.seen.insert(id) {
            return Ok(());
        }
        let n_inner = children(value).map_or(0, |children| children.size_hint().0);
        if !self.spend(n_inner.saturating_add(1), place)? {
            return Ok(());
        }
        if depth > MAX_DEPTH {
            let found = format!("dictionaries more than {MAX_DEPTH} deep");
            let error = self.wrong(found, "a dictionary of tensors");
            return if is_plain { Err(error) } else { Ok(()) };
        }
        let inner = if is_plain { Place::Plain } else { Place::Object };
        match value {
            Value::Tensor(view) => self.keep(Leaf::Tensor(view)),
            Value::Inert(object) => self.object(id, object, depth, place),
            Value::Dict(entries) => self.each(entries, depth, place, inner),
            Value::Items(items) => items
                .iter()
                .enumerate()
                .try_for_each(|(n, &item)| self.enter(&n.to_string(), item, depth, inner)),
            _ => Ok(()),
        }
    }

    /// Counts work before it is done. What objects hold beyond that is left out, since their parts may refer to each other in any
    /// way.
    fn spend(&mut self, n: usize, place: Place) -> Result<bool> {
        match (self.n_left.checked_sub(n), place) {
            (Some(n_left), _) => {
                self.n_left = n_left;
                Ok(true)
            }
            (None, Place::Plain) => {
                Err(self.wrong("values that have many names each".into(), "a dictionary of tensors"))
            }
            (None, _) => Ok(false),
        }
    }

    fn object(&mut self, id: Id, object: &'a Inert, depth: usize, place: Place) -> Result<()> {
        match object.yields {
            _ if object.made == Made::Named => return Ok(()),
            Yields::Tensor => return self.keep(Leaf::Unread(object)),
            // Arrays hold the states of random generators, too.
            Yields::Array if is_lora(&self.name) => return self.keep(Leaf::Unread(object)),
            Yields::Array => return Ok(()),
            Yields::Object => {}
        }
        if place == Place::Plain && !self.seen.insert(id) {
            return Ok(());
        }
        for (n, &item) in object.items.iter().enumerate() {
            self.enter(&n.to_string(), item, depth, Place::Object)?;
        }
        self.each(&object.entries, depth, Place::Object, Place::Object)?;
        let values = self.values;
        let states = object.state.as_slice().iter().flat_map(|state| match values.get(*state) {
            // Attributes and slots.
            Value::Items(states) => states.get(..2).unwrap_or(states),
            _ => std::slice::from_ref(state),
        });
        for &state in states {
            if matches!(self.values.get(state), Value::Dict(_)) {
                self.visit(state, depth, Place::State)?;
            }
        }
        Ok(())
    }

    /// The values of a dictionary, each under its key.
    fn each(&mut self, entries: &[(Id, Id)], depth: usize, place: Place, inner: Place) -> Result<()> {
        for &(key, value) in entries {
            let Some(text) = self.key(key)? else { continue };
            let is_part = place == Place::State && PARTS.contains(&text.as_str());
            if is_part && matches!(self.values.get(value), Value::Dict(_)) {
                self.visit(value, depth, Place::Object)?;
            } else {
                self.enter(&text, value, depth, inner)?;
            }
        }
        Ok(())
    }

    /// A key as a part of a name, if it can be one.
    fn key(&self, key: Id) -> Result<Option<String>> {
        Ok(match self.values.get(key) {
            Value::Text(place) if place.len() > MAX_KEY_BYTES => {
                let found = format!("a key of {} bytes", place.len());
                return Err(self.wrong(found, &format!("at most {MAX_KEY_BYTES}")));
            }
            Value::Text(place) => Some(self.values.text(place).into_owned()),
            Value::Int(n) => Some(n.to_string()),
            _ => None,
        })
    }

    fn enter(&mut self, key: &str, value: Id, depth: usize, place: Place) -> Result<()> {
        if children(self.values.get(value)).is_none() && !matches!(self.values.get(value), Value::Tensor(_)) {
            return Ok(());
        }
        let outer = self.name.len();
        if outer > 0 {
            self.name.push('.');
        }
        self.name.push_str(key);
        self.visit(value, depth + 1, place)?;
        self.name.truncate(outer);
        Ok(())
    }

    fn keep(&mut self, leaf: Leaf<'a>) -> Result<()> {
        self.count_name(self.name.len(), self.name.len())?;
        if self.n_kept == self.limits.n_tensors {
            return Err(self.over(Limit::Tensors, "more tensors".into()));
        }
        self.n_kept += 1;
        self.insert(self.name.clone(), leaf)
    }

    /// Counts a name of so many bytes, of which so many are new.
    fn count_name(&mut self, n_bytes: usize, n_new: usize) -> Result<()> {
        if n_bytes as u64 > self.limits.name_bytes {
            return Err(self.over(Limit::NameBytes, format!("a name of {n_bytes} bytes")));
        }
        self.n_name_bytes += n_new as u64;
        if self.n_name_bytes > self.limits.header_bytes {
            return Err(self.over(Limit::HeaderBytes, "more bytes of tensor names".into()));
        }
        Ok(())
    }

    fn over(&self, limit: Limit, found: String) -> Error {
        self.limits.over(limit, found).at(self.path).of("pickle").limit()
    }

    fn fault(&self, found: String, expected: &str) -> Fault {
        Fault::new(found, expected).at(self.path).of("pickle")
    }

    fn wrong(&self, found: String, expected: &str) -> Error {
        self.fault(found, expected).malformed()
    }
}
