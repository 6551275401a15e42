//! What the names of a pickle give when they are called: storages, tensors and dictionaries.

use super::inert::{Inert, Made, Yields};
use super::{Global, Id, MAX_KEY_BYTES, Storage, Unpickler, Value, View};
use crate::error::Result;
use crate::formats::tensor::MAX_DIMS;

/// As many arguments of an unknown function as are looked at.
const MAX_ARGUMENTS: usize = 16;

/// What can be called.
enum Callee {
    Global(Global),
    Inert,
}

impl Unpickler<'_> {
    /// A reference to a storage: ('storage', type, key, device, count of numbers), and in older files (…, part of it).
    pub(super) fn storage(&mut self) -> Result<()> {
        let reference = self.pop()?;
        let expected = "('storage', type, key, device, count)";
        let items = match self.value(reference) {
            Value::Items(items) => &items[..],
            _ => &[],
        };
        let at = |n: usize| items.get(n).map(|&id| self.value(id));
        if let Some(Value::Inert(numbers)) = at(1) {
            // Numbers of a type that only another program knows.
            let unread = numbers.made(Made::Called, Yields::Tensor);
            return self.push(unread);
        }
        let is_storage = matches!(at(0), Some(Value::Text(word)) if self.input.bytes.get(word.clone()) == Some(b"storage"));
        let (Some(Value::Global(Global::Numbers(numbers))), Some(Value::Text(key)), Some(Value::Int(n))) =
            (at(1), at(2), at(4))
        else {
            return Err(self.wrong("a reference to no storage".into(), expected));
        };
        let part = match at(5) {
            None | Some(Value::Other) => Ok(None),
            Some(Value::Items(part)) => match part[..] {
                [_, start, n] => self.count(start).and_then(|start| Ok(Some((start, self.count(n)?)))),
                _ => Err(self.wrong("a part of a storage without its size".into(), "(key, offset, size)")),
            },
            Some(_) => Err(self.wrong("a part of a storage of another form".into(), "(key, offset, size)")),
        };
        let Some(n_numbers) = u64::try_from(*n).ok().filter(|_| is_storage) else {
            return Err(self.wrong(format!("a storage of {n} numbers"), expected));
        };
        if key.len() > MAX_KEY_BYTES {
            let found = format!("a storage whose key has {} bytes", key.len());
            return Err(self.wrong(found, &format!("at most {MAX_KEY_BYTES}")));
        }
        let storage = Storage { key: key.clone(), numbers: *numbers, n_numbers, part: part? };
        self.push(Value::Storage(Box::new(storage)))
    }

    /// What a function gives for its arguments.
    pub(super) fn call(&mut self, function: Id, arguments: Id, made: Made) -> Result<()> {
        match self.callee(function)? {
            Callee::Inert => self.inert(function, arguments, made),
            Callee::Global(Global::Typed) => {
                let (function, arguments) = (self.item(arguments, 0)?, self.item(arguments, 2)?);
                match self.callee(function)? {
                    Callee::Global(Global::Typed) => {
                        Err(self.wrong("a tensor type inside another".into(), "one that makes a tensor"))
                    }
                    Callee::Global(global) => self.apply(global, arguments),
                    Callee::Inert => self.inert(function, arguments, made),
                }
            }
            Callee::Global(global) => self.apply(global, arguments),
        }
    }

    fn callee(&self, function: Id) -> Result<Callee> {
        match self.value(function) {
            Value::Global(global) => Ok(Callee::Global(*global)),
            Value::Inert(_) => Ok(Callee::Inert),
            _ => Err(self.wrong("a call of something else than a global".into(), "a global")),
        }
    }

    /// What an unknown function would give: nothing is called.
    fn inert(&mut self, function: Id, arguments: Id, made: Made) -> Result<()> {
        let Value::Inert(called) = self.value(function) else { return self.push(Value::Other) };
        let yields = if self.holds_tensor(arguments) { Yields::Tensor } else { called.yields };
        // `copyreg` makes an object of its first argument.
        let class = self.item(arguments, 0).ok().map(|id| self.value(id));
        let value = match class {
            Some(Value::Inert(class)) if self.is_copyreg(called) => {
                class.made(Made::Instance, Yields::Object)
            }
            _ => called.made(made, yields),
        };
        self.push(value)
    }

    fn is_copyreg(&self, function: &Inert) -> bool {
        function
            .module()
            .is_some_and(|module| matches!(self.input.bytes.get(module), Some(b"copyreg" | b"copy_reg")))
    }

    /// Whether a tensor or a storage is among the first arguments, or among the first of one of them.
    fn holds_tensor(&self, arguments: Id) -> bool {
        let is_one = |id: &Id| match self.value(*id) {
            Value::Tensor(_) | Value::Storage(_) => true,
            Value::Inert(inert) => inert.yields == Yields::Tensor && inert.made != Made::Named,
            _ => false,
        };
        let Value::Items(arguments) = self.value(arguments) else { return false };
        arguments.iter().take(MAX_ARGUMENTS).any(|id| {
            is_one(id)
                || match self.value(*id) {
                    Value::Items(items) => items.iter().take(MAX_ARGUMENTS).any(is_one),
                    Value::Dict(entries) => {
                        entries.iter().take(MAX_ARGUMENTS).any(|(_, value)| is_one(value))
                    }
                    _ => false,
                }
        })
    }

    fn apply(&mut self, global: Global, arguments: Id) -> Result<()> {
        match global {
            Global::Dict => self.dict(arguments),
            Global::Tensor => self.tensor(arguments),
            Global::Same | Global::Size => {
                let first = self.item(arguments, 0)?;
                self.push_again(first);
                Ok(())
            }
            Global::Typed | Global::Numbers(_) | Global::Other => self.push(Value::Other),
        }
    }

    /// An empty dictionary, or one of pairs.
    fn dict(&mut self, arguments: Id) -> Result<()> {
        let pairs = self.item(arguments, 0).ok().map(|id| match self.value(id) {
            Value::Items(pairs) => pairs.clone(),
            _ => vec![],
        });
        let pairs = pairs.unwrap_or_default();
        self.spend(pairs.len())?;
        let mut entries = vec![];
        for pair in pairs {
            entries.push((self.item(pair, 0)?, self.item(pair, 1)?));
        }
        self.push(Value::Dict(entries))
    }

    /// (storage, offset, shape, strides, …); in the newest form with the type of the numbers as the seventh.
    fn tensor(&mut self, arguments: Id) -> Result<()> {
        let storage = match self.value(self.item(arguments, 0)?) {
            Value::Storage(storage) => storage,
            Value::Inert(inert) => {
                let unread = inert.made(Made::Called, Yields::Tensor);
                return self.push(unread);
            }
            _ => {
                let expected = "a storage, an offset, a shape and strides";
                return Err(self.wrong("a tensor without a storage".into(), expected));
            }
        };
        let storage = Storage::clone(storage);
        let offset = self.count(self.item(arguments, 1)?)?;
        let (shape, strides) = (self.dims(arguments, 2)?, self.dims(arguments, 3)?);
        if shape.len() != strides.len() {
            let found = format!("shape {shape:?} with strides {strides:?}");
            return Err(self.wrong(found, "as many strides as dimensions"));
        }
        let numbers = match self.item(arguments, 6).map(|id| self.value(id)) {
            Ok(Value::Global(Global::Numbers(numbers))) => *numbers,
            _ => storage.numbers,
        };
        self.spend(shape.len())?;
        self.push(Value::Tensor(Box::new(View { storage, numbers, offset, shape, strides })))
    }

    fn dims(&self, arguments: Id, n: usize) -> Result<Vec<u64>> {
        let Value::Items(items) = self.value(self.item(arguments, n)?) else {
            return Err(self.wrong("a shape of another form".into(), "a tuple of whole numbers"));
        };
        if items.len() > MAX_DIMS {
            return Err(self.wrong(format!("{} dimensions", items.len()), "at most 32"));
        }
        items.iter().map(|&id| self.count(id)).collect()
    }

    fn item(&self, tuple: Id, n: usize) -> Result<Id> {
        let item = match self.value(tuple) {
            Value::Items(items) => items.get(n),
            _ => None,
        };
        item.copied().ok_or_else(|| self.wrong("a call with too few arguments".into(), "all that it needs"))
    }

    fn count(&self, id: Id) -> Result<u64> {
        match *self.value(id) {
            Value::Int(n) => {
                u64::try_from(n).map_err(|_| self.wrong(format!("the number {n}"), "none below 0"))
            }
            _ => Err(self.wrong("a size that is not a number".into(), "a whole number")),
        }
    }
}
