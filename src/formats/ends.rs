//! Values for the modules whose dotted names end with a key.

use std::collections::HashMap;

/// Parts of a name that are looked at; real names have up to twenty.
const MAX_PARTS: usize = 64;

/// Values by keys; a key is for every name that it is, or that ends with a dot and it.
#[derive(Debug)]
pub(super) struct Ends<T>(HashMap<String, T>);

impl<T> Default for Ends<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Default> Ends<T> {
    /// The value of a key, the default one if it is new.
    pub(super) fn entry(&mut self, key: String) -> &mut T {
        self.0.entry(key).or_default()
    }

    /// The values of all keys that a name ends with, the longest first; `None` for a name of more parts than any real one.
    /// Takes as long for many keys as for one.
    pub(super) fn of<'a>(&'a self, name: &str) -> Option<impl Iterator<Item = &'a T>> {
        if self.0.is_empty() {
            return Some(Found { ends: self, rest: None });
        }
        let n_dots = name.bytes().filter(|byte| *byte == b'.').take(MAX_PARTS).count();
        (n_dots < MAX_PARTS).then_some(Found { ends: self, rest: Some(name) })
    }
}

struct Found<'a, 'n, T> {
    ends: &'a Ends<T>,
    rest: Option<&'n str>,
}

impl<'a, T> Iterator for Found<'a, '_, T> {
    type Item = &'a T;

    fn next(&mut self) -> Option<&'a T> {
        while let Some(name) = self.rest {
            self.rest = name.split_once('.').map(|(_, rest)| rest);
            if let Some(value) = self.ends.0.get(name) {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_for_its_own_name_and_for_what_ends_with_a_dot_and_it() {
        let mut ends: Ends<usize> = Ends::default();
        for (n, key) in ["q", "0.q", "h.0.q", "", "lf.q"].into_iter().enumerate() {
            *ends.entry(key.to_owned()) = n + 1;
        }
        let of = |name: &str| ends.of(name).unwrap().copied().collect::<Vec<_>>();
        assert_eq!(of("h.0.q"), [3, 2, 1]);
        assert_eq!(of("x.h.0.q"), [3, 2, 1]);
        assert_eq!(of("self.q"), [1]);
        assert_eq!(of("q."), [4]);
        assert_eq!(of("k"), [0; 0]);
        assert!(ends.of(&"a.".repeat(63)).is_some() && ends.of(&"a.".repeat(64)).is_none());
        assert!(Ends::<usize>::default().of(&"a.".repeat(64)).is_some());
    }
}
