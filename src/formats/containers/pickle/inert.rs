//! What a pickle names and this program does not know: kept as data, and never called.

use std::ops::Range;

use super::{Id, Value, Values};

/// A name that is not known, or what comes of it, with what the pickle puts into it.
#[derive(Debug, Default)]
pub(in crate::formats) struct Inert {
    name: Name,
    pub(in crate::formats) made: Made,
    pub(in crate::formats) yields: Yields,
    /// What it is given as a list.
    pub(in crate::formats) items: Vec<Id>,
    /// What it is given as a dictionary.
    pub(in crate::formats) entries: Vec<(Id, Id)>,
    /// Its attributes, usually a dictionary.
    pub(in crate::formats) state: Option<Id>,
}

/// What a pickle calls it.
#[derive(Debug, Clone)]
pub(super) enum Name {
    /// By the positions of module and name in the pickle.
    Global(Range<usize>, Range<usize>),
    /// By a number that only the program that wrote it has a name for.
    Extension(i32),
}

impl Default for Name {
    fn default() -> Self {
        Self::Extension(0)
    }
}

/// How it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::formats) enum Made {
    /// It is the name itself.
    #[default]
    Named,
    /// An object of a class.
    Instance,
    /// The result of a call.
    Called,
}

/// What a call of it would give.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::formats) enum Yields {
    /// Something that tensors may lie in, as in any dictionary.
    #[default]
    Object,
    /// A tensor, since it is made of one.
    Tensor,
    /// An array of numpy.
    Array,
}

impl Inert {
    /// A name.
    pub(super) fn named(name: Name, yields: Yields) -> Value {
        Value::Inert(Box::new(Self { name, yields, ..Self::default() }))
    }

    /// The name with this number in `copyreg`.
    pub(super) fn extension(number: i32) -> Value {
        Self::named(Name::Extension(number), Yields::Object)
    }

    /// What comes of it.
    pub(super) fn made(&self, made: Made, yields: Yields) -> Value {
        Value::Inert(Box::new(Self { name: self.name.clone(), made, yields, ..Self::default() }))
    }

    /// Where its module is in the pickle.
    pub(super) fn module(&self) -> Option<Range<usize>> {
        match &self.name {
            Name::Global(module, _) => Some(module.clone()),
            Name::Extension(_) => None,
        }
    }
}

impl Values {
    /// What the pickle calls it.
    pub(in crate::formats) fn name(&self, inert: &Inert) -> String {
        match &inert.name {
            Name::Global(module, name) => format!("{}.{}", self.text(module), self.text(name)),
            Name::Extension(number) => format!("extension {number} of copyreg"),
        }
    }
}
