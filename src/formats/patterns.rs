//! PEFT's `rank_pattern` and `alpha_pattern`: numbers for the modules whose name a key matches.
//!
//! PEFT takes the first key that matches as the regular expression `(.*\.)?(KEY)$`. Plain keys and those with `\.`, a
//! leading `^` or a trailing `$` are understood; another regular expression stands for "not known", since a guess would
//! be a wrong number. An unescaped dot only stands for a dot here.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};

/// What the patterns say about a module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Lookup {
    Value(f64),
    /// No key matches.
    Absent,
    /// A key that is not understood might match.
    Unknown,
}

/// Keys with their numbers, in the file's order.
#[derive(Debug, Default)]
pub(super) struct Patterns(Vec<(Key, f64)>);

#[derive(Debug)]
enum Key {
    /// Matches this name, and any that ends with a dot and this name.
    End(String),
    /// Matches this name alone.
    Whole(String),
    Regex,
}

impl Key {
    fn parse(text: &str) -> Self {
        let text = text.replace("\\.", ".");
        let name = text.strip_suffix('$').unwrap_or(&text);
        let (name, is_whole) = name.strip_prefix('^').map_or((name, false), |name| (name, true));
        let is_plain = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'));
        match is_plain {
            false => Self::Regex,
            true if is_whole => Self::Whole(name.to_owned()),
            true => Self::End(name.to_owned()),
        }
    }

    /// Whether the module's name matches, if that can be told.
    fn matches(&self, module: &str) -> Option<bool> {
        match self {
            Self::End(end) => {
                let front = module.strip_suffix(end.as_str());
                Some(front.is_some_and(|front| front.is_empty() || front.ends_with('.')))
            }
            Self::Whole(name) => Some(module == name),
            Self::Regex => None,
        }
    }
}

impl Patterns {
    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The number of the first key that matches.
    pub(super) fn find(&self, module: &str) -> Lookup {
        for (key, value) in &self.0 {
            match key.matches(module) {
                Some(true) => return Lookup::Value(*value),
                Some(false) => {}
                None => return Lookup::Unknown,
            }
        }
        Lookup::Absent
    }
}

impl<'de> Deserialize<'de> for Patterns {
    /// A map type would lose the order, which decides between two keys that match.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Patterns;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of numbers")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Patterns, M::Error> {
                let mut pairs = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, f64>()? {
                    pairs.push((Key::parse(&key), value));
                }
                Ok(Patterns(pairs))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(json: &str, module: &str) -> Lookup {
        serde_json::from_str::<Patterns>(json).unwrap().find(module)
    }

    #[test]
    fn a_key_matches_the_whole_name_or_its_end_behind_a_dot() {
        for key in ["q", "self.q", "0.self.q", r"0\\.self\\.q", "h.0.self.q", "q$", "^h.0.self.q$"] {
            assert_eq!(found(&format!(r#"{{"{key}": 3}}"#), "h.0.self.q"), Lookup::Value(3.0), "{key}");
        }
        for key in ["elf.q", "self", "h.0.self", "^self.q", "x.h.0.self.q"] {
            assert_eq!(found(&format!(r#"{{"{key}": 3}}"#), "h.0.self.q"), Lookup::Absent, "{key}");
        }
    }

    #[test]
    fn the_first_key_of_the_file_that_matches_counts() {
        assert_eq!(found(r#"{"z.q": 1, "a.q": 2, "q": 3}"#, "a.q"), Lookup::Value(2.0));
        assert_eq!(found(r#"{"q": 3, "a.q": 2}"#, "a.q"), Lookup::Value(3.0));
    }

    #[test]
    fn a_regular_expression_is_unknown_unless_a_plain_key_in_front_matches() {
        let json = r#"{"k": 1, "layers\\.[0-9]+\\.q": 2, "q": 3}"#;
        assert_eq!(found(json, "layers.0.k"), Lookup::Value(1.0));
        assert_eq!(found(json, "layers.0.q"), Lookup::Unknown);
    }
}
