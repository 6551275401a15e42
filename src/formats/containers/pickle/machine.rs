//! The stack machine: one opcode after the other.

use std::collections::HashMap;
use std::ops::Range;

use super::globals;
use super::inert::{Inert, Made, Name};
use super::input::Input;
use super::{Id, Value, Values};
use crate::error::{Error, Fault, Remedy, Result};
use crate::formats::limits::{Limit, Limits};

/// Reads the pickles of a file one after the other into one table of values.
pub(in crate::formats) struct Unpickler<'a> {
    pub(super) input: Input<'a>,
    pub(super) values: Vec<Value>,
    stack: Vec<Id>,
    /// The height of the stack at each open mark.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    n_steps: usize,
    max_steps: usize,
    kind: Option<(&'static str, String)>,
}

impl<'a> Unpickler<'a> {
    pub(in crate::formats) fn new(input: Input<'a>, limits: &Limits) -> Self {
        let (values, stack, marks, memo) = Default::default();
        Self { input, values, stack, marks, memo, n_steps: 0, max_steps: limits.pickle_steps, kind: None }
    }

    /// Where the last pickle that was read ends.
    pub(in crate::formats) fn end(&self) -> u64 {
        self.input.at as u64
    }

    /// Every value that was read.
    pub(in crate::formats) fn into_values(self) -> Values {
        Values { bytes: self.input.bytes, values: self.values, kind: self.kind }
    }

    /// Reads one pickle and returns its value.
    ///
    /// # Errors
    /// `Malformed` when it is not of protocol 2 to 5, is cut short, or misuses a name that tensors need; `Limit` when it takes
    /// too many steps.
    pub(in crate::formats) fn next(&mut self) -> Result<Id> {
        (self.stack, self.marks, self.memo) = Default::default();
        let start = self.input.array::<2>()?;
        if !matches!(start, [0x80, 2..=5]) {
            let found = format!("the bytes 0x{:02x} 0x{:02x}", start[0], start[1]);
            return Err(self.wrong(found, "a pickle of protocol 2 to 5"));
        }
        loop {
            self.spend(1)?;
            let [code] = self.input.array::<1>()?;
            if code == b'.' {
                return self.pop();
            }
            self.step(code)?;
        }
    }

    /// Counts work, which a few bytes could otherwise repeat forever.
    pub(super) fn spend(&mut self, n: usize) -> Result<()> {
        self.n_steps = self.n_steps.saturating_add(n);
        if self.n_steps <= self.max_steps {
            return Ok(());
        }
        let remedy = Remedy::RaiseLimit { name: Limit::PickleSteps.name() };
        let expected = format!("at most {}", self.max_steps);
        Err(self.fault("a pickle of more steps".into(), &expected).remedy(remedy).limit())
    }

    fn step(&mut self, code: u8) -> Result<()> {
        match code {
            0x80 | b'K' | b'C' | b'U' | 0x8c | b'h' | b'q' | 0x8a | 0x82 => {
                let [n] = self.input.array::<1>()?;
                self.step_short(code, n)
            }
            b'M' | 0x83 => {
                let n = u16::from_le_bytes(self.input.array()?);
                self.push(if code == b'M' { Value::Int(n.into()) } else { Inert::extension(n.into()) })
            }
            b'J' | 0x84 => {
                let n = i32::from_le_bytes(self.input.array()?);
                self.push(if code == b'J' { Value::Int(n.into()) } else { Inert::extension(n) })
            }
            b'X' | b'T' | b'B' | 0x8b | b'j' | b'r' => {
                let n = u32::from_le_bytes(self.input.array()?);
                self.step_long(code, n)
            }
            0x8d | 0x8e | 0x96 => {
                let n = u64::from_le_bytes(self.input.array()?);
                self.push_text(usize::try_from(n).unwrap_or(usize::MAX))
            }
            // A frame is only the number of bytes to fetch.
            0x95 => self.input.take(8).map(drop),
            b'G' => {
                self.input.take(8)?;
                self.push(Value::Other)
            }
            b'N' | 0x8f => self.push(Value::Other),
            0x88 | 0x89 => self.push(Value::Bool(code == 0x88)),
            b']' | b')' => self.push(Value::Items(vec![])),
            b'}' => self.push(Value::Dict(vec![])),
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b'0' => self.pop().map(drop),
            b'1' => self.pop_to_mark().map(drop),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
                Ok(())
            }
            0x94 => self.put(self.memo.len() as u32),
            b'c' => {
                let (module, name) = (self.input.line()?, self.input.line()?);
                self.push_global(module, name)
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (self.value(module), self.value(name)) {
                    (Value::Text(module), Value::Text(name)) => {
                        self.push_global(module.clone(), name.clone())
                    }
                    _ => Err(self.wrong("a global whose name is not text".into(), "a module and a name")),
                }
            }
            b't' | b'l' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Items(items))
            }
            0x85..=0x87 => {
                let items = self.pop_n(usize::from(code) - 0x84)?;
                self.push(Value::Items(items))
            }
            b'd' => {
                let items = self.pop_to_mark()?;
                self.push(Value::Dict(vec![]))?;
                self.set_items(items)
            }
            b'a' => {
                let items = self.pop_n(1)?;
                self.append(items)
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.append(items)
            }
            b's' => {
                let items = self.pop_n(2)?;
                self.set_items(items)
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set_items(items)
            }
            // Sets hold no tensors.
            0x90 => self.pop_to_mark().map(drop),
            0x91 => {
                self.pop_to_mark()?;
                self.push(Value::Other)
            }
            b'Q' => self.storage(),
            b'R' | 0x81 | 0x92 => {
                if code == 0x92 {
                    let _keywords = self.pop()?;
                }
                let (arguments, function) = (self.pop()?, self.pop()?);
                self.call(function, arguments, if code == b'R' { Made::Called } else { Made::Instance })
            }
            // The class is named by the opcode, or is the first value after the mark.
            b'i' | b'o' => {
                let class = match code {
                    b'i' => Some((self.input.line()?, self.input.line()?)),
                    _ => None,
                };
                let mut arguments = self.pop_to_mark()?;
                match class {
                    Some((module, name)) => self.push_global(module, name)?,
                    None if arguments.is_empty() => {
                        return Err(self.wrong("a call of nothing".into(), "a class after the mark"));
                    }
                    None => self.stack.push(arguments.remove(0)),
                }
                let function = self.pop()?;
                let arguments = self.add(Value::Items(arguments));
                self.call(function, arguments, Made::Called)
            }
            b'b' => self.build(),
            _ => {
                let found = format!("the opcode 0x{code:02x} at byte {}", self.input.at - 1);
                Err(self.wrong(found, "one that dictionaries of tensors are written with"))
            }
        }
    }

    fn step_short(&mut self, code: u8, n: u8) -> Result<()> {
        match code {
            b'K' => self.push(Value::Int(n.into())),
            b'h' => self.get(n.into()),
            b'q' => self.put(n.into()),
            0x8a => self.push_long(n.into()),
            0x82 => self.push(Inert::extension(n.into())),
            // The protocol once more.
            0x80 => Ok(()),
            _ => self.push_text(n.into()),
        }
    }

    fn step_long(&mut self, code: u8, n: u32) -> Result<()> {
        match code {
            b'j' => self.get(n),
            b'r' => self.put(n),
            0x8b => self.push_long(n as usize),
            _ => self.push_text(n as usize),
        }
    }

    fn push_text(&mut self, n: usize) -> Result<()> {
        let place = self.input.take(n)?;
        self.push(Value::Text(place))
    }

    /// A whole number of `n` bytes, the lowest first.
    fn push_long(&mut self, n: usize) -> Result<()> {
        let place = self.input.take(n)?;
        let bytes = self.input.get(&place);
        let sign = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
        let mut low = [sign; 8];
        if n > low.len() {
            return self.push(Value::Other);
        }
        low.iter_mut().zip(bytes).for_each(|(to, byte)| *to = *byte);
        self.push(Value::Int(i64::from_le_bytes(low)))
    }

    fn push_global(&mut self, module: Range<usize>, name: Range<usize>) -> Result<()> {
        let text = |place: &Range<usize>| String::from_utf8_lossy(self.input.get(place));
        let (in_module, called) = (text(&module), text(&name));
        if let Some(global) = globals::find(&in_module, &called) {
            return self.push(Value::Global(global));
        }
        if self.kind.is_none() {
            self.kind = globals::other_kind(&in_module).map(|kind| (kind, format!("{in_module}.{called}")));
        }
        let yields = globals::yields(&in_module, &called);
        self.push(Inert::named(Name::Global(module, name), yields))
    }

    /// A value of the table.
    pub(super) fn value(&self, id: Id) -> &Value {
        static NONE: Value = Value::Other;
        self.values.get(id as usize).unwrap_or(&NONE)
    }

    /// Puts a value into the table, but not on the stack.
    fn add(&mut self, value: Value) -> Id {
        // The number of steps, and so of values, is bounded far under this.
        let id = Id::try_from(self.values.len()).unwrap_or(Id::MAX);
        self.values.push(value);
        id
    }

    pub(super) fn push(&mut self, value: Value) -> Result<()> {
        let id = self.add(value);
        self.stack.push(id);
        Ok(())
    }

    /// Pushes a value that is in the table already.
    pub(super) fn push_again(&mut self, id: Id) {
        self.stack.push(id);
    }

    /// The stack's floor: what lies under the last mark is out of reach.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Result<Id> {
        let top = self.stack.get(self.floor()..).and_then(|above| above.last());
        top.copied()
            .ok_or_else(|| self.wrong(format!("nothing to take at byte {}", self.input.at), "a value"))
    }

    pub(super) fn pop(&mut self) -> Result<Id> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    fn pop_n(&mut self, n: usize) -> Result<Vec<Id>> {
        let start = self.stack.len().checked_sub(n).filter(|&start| start >= self.floor());
        let start =
            start.ok_or_else(|| self.wrong("too few values".into(), "one for each place of a tuple"))?;
        Ok(self.stack.split_off(start))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>> {
        match self.marks.pop() {
            Some(mark) => Ok(self.stack.split_off(mark.min(self.stack.len()))),
            None => Err(self.wrong(format!("no mark at byte {}", self.input.at), "one before it")),
        }
    }

    fn put(&mut self, at: u32) -> Result<()> {
        let top = self.top()?;
        self.memo.insert(at, top);
        Ok(())
    }

    fn get(&mut self, at: u32) -> Result<()> {
        match self.memo.get(&at) {
            Some(&id) => {
                self.stack.push(id);
                Ok(())
            }
            None => Err(self.wrong(format!("a reference to value {at}"), "one that was kept before")),
        }
    }

    fn append(&mut self, mut items: Vec<Id>) -> Result<()> {
        let top = self.top()?;
        match self.values.get_mut(top as usize) {
            Some(Value::Items(list)) => list.append(&mut items),
            Some(Value::Inert(object)) => object.items.append(&mut items),
            Some(Value::Other) => {}
            _ => return Err(self.wrong("items for something else than a list".into(), "a list")),
        }
        Ok(())
    }

    fn set_items(&mut self, items: Vec<Id>) -> Result<()> {
        let top = self.top()?;
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(self.wrong("a key without a value".into(), "pairs"));
        }
        match self.values.get_mut(top as usize) {
            Some(Value::Dict(entries)) => entries.extend(pairs.iter().map(|&[key, value]| (key, value))),
            Some(Value::Inert(object)) => {
                object.entries.extend(pairs.iter().map(|&[key, value]| (key, value)))
            }
            Some(Value::Other) => {}
            _ => {
                return Err(self.wrong("entries for something else than a dictionary".into(), "a dictionary"));
            }
        }
        Ok(())
    }

    /// An object's attributes. Those of a dictionary (the `_metadata` of a state_dict) or a tensor are left out.
    fn build(&mut self) -> Result<()> {
        let (state, object) = (self.pop()?, self.top()?);
        if let Some(Value::Inert(object)) = self.values.get_mut(object as usize) {
            object.state = Some(state);
        }
        Ok(())
    }

    pub(super) fn fault(&self, found: String, expected: &str) -> Fault {
        Fault::new(found, expected).at(self.input.path()).of("pickle")
    }

    pub(super) fn wrong(&self, found: String, expected: &str) -> Error {
        self.fault(found, expected).malformed()
    }
}
