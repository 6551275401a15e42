//! PEFT's `rank_pattern` and `alpha_pattern`: numbers for the modules whose name a key matches.
//!
//! PEFT takes the first key that matches as the regular expression `(.*\.)?(KEY)$`. Plain keys are compared as text, where an
//! unescaped dot is a dot. A regular expression that the engine here does not support (a look-around) makes the number
//! "not known", because a guess would be a wrong number.

use std::fmt;
use std::iter::Sum;
use std::ops::Add;
use std::path::Path;
use std::sync::OnceLock;

use regex_lite::{Regex, RegexBuilder};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{Fault, Result};
use crate::formats::lenient::number;

/// Pattern keys times modules: real adapters with a key for each module stay under a million.
const MAX_COMPARISONS: usize = 1 << 24;

/// The same for regular expressions, which take longer.
const MAX_REGEX_COMPARISONS: usize = 1 << 15;

/// Regular expressions of one file: each takes up to a millisecond to compile.
const MAX_REGEXES: usize = 1 << 10;

/// Regular expressions longer than this are not tried, nor any on longer names, nor those that count to thousands.
const MAX_REGEX_BYTES: usize = 300;
const MAX_REGEX_PROGRAM_BYTES: usize = 64 << 10;

/// What the patterns have for a module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Lookup {
    Value(f64),
    /// No key matches.
    Absent,
    /// A key that is not understood might match.
    Unknown,
}

/// Keys with their numbers, in the file's order; `None` for a number that cannot be read.
#[derive(Debug, Default)]
pub(super) struct Patterns(Vec<(Key, Option<f64>)>);

/// How many keys there are, and how many of them are regular expressions.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    n_keys: usize,
    n_regexes: usize,
}

#[derive(Debug)]
enum Key {
    /// Matches this name, and any that ends with a dot and this name.
    End(String),
    /// Matches only this name.
    Whole(String),
    /// Its text, and what it is compiled to when it is first tried; `None` for one that cannot be.
    Regex(String, OnceLock<Option<Regex>>),
}

impl Key {
    fn parse(written: &str) -> Self {
        let text = written.replace("\\.", ".");
        let name = text.strip_suffix('$').unwrap_or(&text);
        let (name, is_whole) = name.strip_prefix('^').map_or((name, false), |name| (name, true));
        let is_plain = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'));
        match is_plain {
            false => Self::Regex(written.to_owned(), OnceLock::new()),
            true if is_whole => Self::Whole(name.to_owned()),
            true => Self::End(name.to_owned()),
        }
    }

    /// Whether the module's name matches; `None` if that is not known.
    fn matches(&self, module: &str) -> Option<bool> {
        match self {
            Self::End(end) => {
                let front = module.strip_suffix(end.as_str());
                Some(front.is_some_and(|front| front.is_empty() || front.ends_with('.')))
            }
            Self::Whole(name) => Some(module == name),
            Self::Regex(text, regex) => {
                let regex = regex.get_or_init(|| Self::regex(text)).as_ref();
                Some(regex.filter(|_| module.len() <= MAX_REGEX_BYTES)?.is_match(module))
            }
        }
    }

    fn regex(key: &str) -> Option<Regex> {
        // Python's `match` starts at the front.
        let mut builder = RegexBuilder::new(&format!(r"^(?:.*\.)?(?:{key})$"));
        let builder = builder.size_limit(MAX_REGEX_PROGRAM_BYTES);
        (key.len() <= MAX_REGEX_BYTES).then(|| builder.build().ok())?
    }
}

impl Counts {
    /// Fails when there are too many keys to match them with so many modules in reasonable time, before any is compiled.
    ///
    /// # Errors
    /// `Limit`.
    pub(super) fn check(self, path: &Path, n_modules: usize) -> Result<()> {
        let fault = |found: String, expected: String| Err(Fault::new(found, expected).at(path).limit());
        if self.n_regexes > MAX_REGEXES {
            let found = format!("{} regular expressions in rank_pattern or alpha_pattern", self.n_regexes);
            return fault(found, format!("at most {MAX_REGEXES}"));
        }
        for (n, max) in [(self.n_keys, MAX_COMPARISONS), (self.n_regexes, MAX_REGEX_COMPARISONS)] {
            if n.saturating_mul(n_modules) > max {
                let found = format!("{n} keys in rank_pattern or alpha_pattern");
                return fault(found, format!("at most {} for {n_modules} modules", max / n_modules));
            }
        }
        Ok(())
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { n_keys: self.n_keys + other.n_keys, n_regexes: self.n_regexes + other.n_regexes }
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}

impl Patterns {
    pub(super) fn counts(&self) -> Counts {
        let n_regexes = self.0.iter().filter(|(key, _)| matches!(key, Key::Regex(..))).count();
        Counts { n_keys: self.0.len(), n_regexes }
    }

    /// The number of the first key that matches.
    pub(super) fn find(&self, module: &str) -> Lookup {
        for (key, value) in &self.0 {
            match key.matches(module) {
                Some(true) => return value.map_or(Lookup::Unknown, Lookup::Value),
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
                while let Some((key, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    // AdaLoRA has masks of the directions that it kept, which the stored factors show too.
                    if !value.get().starts_with('[') {
                        pairs.push((Key::parse(&key), number(value.get())));
                    }
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
    fn a_key_matches_the_whole_name_or_its_end_after_a_dot() {
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
    fn a_regular_expression_is_tried_at_the_front_and_after_a_dot() {
        for key in [r"layers\\.[0-9]+\\.q", ".*q", "(k|q)", r"h\\.layers\\..*"] {
            assert_eq!(found(&format!(r#"{{"{key}": 3}}"#), "h.layers.0.q"), Lookup::Value(3.0), "{key}");
        }
        for key in ["ayers.[0-9].q", "[k]", "layers.[0-9]"] {
            assert_eq!(found(&format!(r#"{{"{key}": 3}}"#), "h.layers.0.q"), Lookup::Absent, "{key}");
        }
    }

    #[test]
    fn one_that_cannot_be_tried_is_unknown_unless_an_earlier_key_matches() {
        let counts = r#"{"(((q|z){99}){99}){99}": 1}"#;
        assert_eq!(found(counts, "q"), Lookup::Unknown);
        let json = r#"{"k": 1, "layers.(?!1).*": 2, "q": 3}"#;
        assert_eq!(found(json, "layers.0.k"), Lookup::Value(1.0));
        assert_eq!(found(json, "layers.0.q"), Lookup::Unknown);
    }

    #[test]
    fn masks_of_adalora_are_not_numbers() {
        assert_eq!(found(r#"{"q": [true, false], "k": 2}"#, "q"), Lookup::Absent);
    }

    #[test]
    fn a_number_may_be_text_and_what_is_none_leaves_its_modules_unknown() {
        assert_eq!(found(r#"{"q": "8"}"#, "q"), Lookup::Value(8.0));
        let json = r#"{"q": "eight", "k": 2, "v": null, "o": {}}"#;
        assert_eq!(["q", "v", "o"].map(|name| found(json, name)), [Lookup::Unknown; 3]);
        assert_eq!([found(json, "k"), found(json, "z")], [Lookup::Value(2.0), Lookup::Absent]);
        assert!(serde_json::from_str::<Patterns>(r#"["q"]"#).is_err());
    }

    #[test]
    fn regular_expressions_are_counted_before_any_is_compiled() {
        let keys: Vec<String> = (0..=MAX_REGEXES).map(|n| format!(r#""(q|k{n})": 1"#)).collect();
        let patterns: Patterns = serde_json::from_str(&format!("{{{}}}", keys.join(","))).unwrap();
        let is_compiled =
            |(key, _): &(Key, Option<f64>)| matches!(key, Key::Regex(_, regex) if regex.get().is_some());
        let error = patterns.counts().check(Path::new("x"), 1).unwrap_err();
        let found =
            "x: found 1025 regular expressions in rank_pattern or alpha_pattern, expected at most 1024";
        assert_eq!(error.to_string(), found);
        assert!(!patterns.0.iter().any(is_compiled));
        let fewer: Patterns = serde_json::from_str(&format!("{{{}}}", keys[1..].join(","))).unwrap();
        fewer.counts().check(Path::new("x"), 1).unwrap();
        // The sum over all configs of a file counts.
        assert!((fewer.counts() + fewer.counts()).check(Path::new("x"), 1).is_err());
        assert!(fewer.counts().check(Path::new("x"), 33).is_err());
        assert_eq!(fewer.find("q"), Lookup::Value(1.0));
        assert_eq!(fewer.0.iter().filter(|one| is_compiled(one)).count(), 1);
    }
}
