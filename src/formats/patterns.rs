//! PEFT's `rank_pattern` and `alpha_pattern`: numbers for the modules whose name a key matches.
//!
//! PEFT takes the first key that matches as the regular expression `(.*\.)?(KEY)$`. Plain keys are compared as text, where an
//! unescaped dot is a dot, and looked up however many there are. A regular expression that the engine here does not support (a
//! look-around) makes the number "not known", because a guess would be a wrong number.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

use regex_lite::{Regex, RegexBuilder};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::Result;
use crate::formats::ends::Ends;
use crate::formats::lenient::number;
use crate::formats::limits::{Limit, Limits};

/// Regular expressions longer than this are not tried, nor any on longer names.
const MAX_REGEX_BYTES: usize = 300;

/// The sizes of program that a regular expression is compiled within: the first in which it fits. One that counts to hundreds
/// fits in none and is not tried.
const PROGRAM_BYTES: [usize; 5] = [1 << 10, 2 << 10, 4 << 10, 8 << 10, 16 << 10];

/// Bytes of a program for each of its states, at least: matching sees each state for each byte of a name.
const STATE_BYTES: u64 = 24;

/// What the patterns have for a module.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Lookup {
    Value(f64),
    /// No key matches.
    Absent,
    /// A key that is not understood might match.
    Unknown,
}

/// Keys with their numbers; of those that match a name, the first of the file counts.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    /// In the file's order; `None` for a number that cannot be read.
    values: Vec<Option<f64>>,
    /// The places of keys that match this name, and any that ends with a dot and this name.
    ends: Ends<First>,
    /// The places of keys that match only this name.
    wholes: HashMap<String, First>,
    /// The other keys, with their places.
    regexes: Vec<(usize, Pattern)>,
}

/// The first place of a key that may be there twice.
#[derive(Debug, Clone, Copy)]
struct First(usize);

impl Default for First {
    fn default() -> Self {
        Self(usize::MAX)
    }
}

impl First {
    fn add(&mut self, place: usize) {
        self.0 = self.0.min(place);
    }
}

/// A regular expression: its text, and what it is compiled to when it is first tried; `None` for one that cannot be.
#[derive(Debug)]
struct Pattern {
    text: String,
    program: OnceLock<Option<Program>>,
}

#[derive(Debug)]
struct Program {
    regex: Regex,
    n_states: u64,
}

/// Counts the steps in which the patterns of a file are matched.
#[derive(Debug)]
pub(super) struct Steps {
    n: Cell<u64>,
    most: u64,
}

impl Steps {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { n: Cell::new(0), most: limits.regex_steps }
    }

    /// Counts steps before they are made; false where they are too many.
    fn spend(&self, n: u64) -> bool {
        self.n.set(self.n.get().saturating_add(n));
        self.n.get() <= self.most
    }

    /// Fails where more would have been needed than the limits allow.
    ///
    /// # Errors
    /// `Limit`.
    pub(super) fn check(&self, path: &Path, limits: &Limits) -> Result<()> {
        let found = || format!("{} steps or more to match rank_pattern or alpha_pattern", self.n.get());
        limits.check(Limit::RegexSteps, self.n.get(), path, found)
    }
}

impl Pattern {
    fn program(&self) -> Option<&Program> {
        self.program.get_or_init(|| self.compiled()).as_ref()
    }

    fn compiled(&self) -> Option<Program> {
        if self.text.len() > MAX_REGEX_BYTES {
            return None;
        }
        // Python's `match` starts at the front.
        let text = format!(r"^(?:.*\.)?(?:{})$", without_groups(&self.text));
        PROGRAM_BYTES.into_iter().find_map(|n_bytes| {
            let regex = RegexBuilder::new(&text).size_limit(n_bytes).build().ok()?;
            Some(Program { regex, n_states: n_bytes as u64 / STATE_BYTES })
        })
    }

    /// Whether the module's name matches; `None` if that is not known.
    fn matches(&self, module: &str, steps: &Steps) -> Option<bool> {
        let program = self.program().filter(|_| module.len() <= MAX_REGEX_BYTES)?;
        steps.spend(program.n_states * (module.len() as u64 + 1)).then(|| program.regex.is_match(module))
    }
}

/// The expression with groups that remember nothing: what they would remember takes memory for each state of each group.
fn without_groups(regex: &str) -> String {
    let mut text = String::with_capacity(regex.len() + 16);
    let (mut is_escaped, mut in_class) = (false, false);
    let mut rest = regex;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        text.push(c);
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            // A bracket that closes nothing is one of the characters.
            '[' if !in_class => {
                in_class = true;
                let first = ["^]", "]"].into_iter().find(|first| rest.starts_with(first)).unwrap_or_default();
                text.push_str(first);
                rest = &rest[first.len()..];
            }
            ']' => in_class = false,
            '(' if !in_class => {
                let name = rest.strip_prefix("?P<").or_else(|| rest.strip_prefix("?<"));
                let named =
                    name.filter(|name| !name.starts_with(['=', '!'])).and_then(|name| name.split_once('>'));
                if let Some((_, inner)) = named {
                    rest = inner;
                }
                if named.is_some() || !rest.starts_with('?') {
                    text.push_str("?:");
                }
            }
            _ => {}
        }
    }
    text
}

impl Patterns {
    fn add(&mut self, written: &str, value: Option<f64>) {
        let place = self.values.len();
        self.values.push(value);
        let text = written.replace("\\.", ".");
        let name = text.strip_suffix('$').unwrap_or(&text);
        let (name, is_whole) = name.strip_prefix('^').map_or((name, false), |name| (name, true));
        let is_plain = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-'));
        match (is_plain, is_whole) {
            (true, true) => self.wholes.entry(name.to_owned()).or_default().add(place),
            (true, false) => self.ends.entry(name.to_owned()).add(place),
            (false, _) => {
                self.regexes.push((place, Pattern { text: written.to_owned(), program: OnceLock::new() }));
            }
        }
    }

    /// Keys that have to be matched as regular expressions.
    pub(super) fn n_regexes(&self) -> usize {
        self.regexes.len()
    }

    /// The number of the first key that matches.
    pub(super) fn find(&self, module: &str, steps: &Steps) -> Lookup {
        let Some(ends) = self.ends.of(module) else { return Lookup::Unknown };
        let plain = ends.chain(self.wholes.get(module)).map(|first| first.0).min();
        let before = |place: usize| plain.is_none_or(|plain| place < plain);
        for (place, pattern) in self.regexes.iter().take_while(|(place, _)| before(*place)) {
            match pattern.matches(module, steps) {
                Some(true) => return self.value(*place),
                Some(false) => {}
                None => return Lookup::Unknown,
            }
        }
        plain.map_or(Lookup::Absent, |place| self.value(place))
    }

    fn value(&self, place: usize) -> Lookup {
        self.values.get(place).copied().flatten().map_or(Lookup::Unknown, Lookup::Value)
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
                let mut patterns = Patterns::default();
                while let Some((key, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    // AdaLoRA has masks of the directions that it kept, which the stored factors show too.
                    if !value.get().starts_with('[') {
                        patterns.add(&key, number(value.get()));
                    }
                }
                Ok(patterns)
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(json: &str, module: &str) -> Lookup {
        serde_json::from_str::<Patterns>(json).unwrap().find(module, &Steps::new(&Limits::default()))
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

    fn patterns(keys: impl Iterator<Item = String>) -> Patterns {
        let keys: Vec<String> = keys.map(|key| format!(r#""{key}": 1"#)).collect();
        serde_json::from_str(&format!("{{{}}}", keys.join(","))).unwrap()
    }

    #[test]
    fn a_regular_expression_is_compiled_when_it_is_tried_and_not_before() {
        let patterns = patterns((0..100).map(|n| format!("(q|k{n})")));
        let n_compiled =
            || patterns.regexes.iter().filter(|(_, pattern)| pattern.program.get().is_some()).count();
        assert_eq!((patterns.n_regexes(), n_compiled()), (100, 0));
        assert_eq!(patterns.find("q", &Steps::new(&Limits::default())), Lookup::Value(1.0));
        assert_eq!(n_compiled(), 1);
    }

    #[test]
    fn plain_keys_take_no_steps_and_regular_expressions_as_many_as_are_counted_before() {
        let limits = Limits { regex_steps: 1000, ..Limits::default() };
        let (plain, steps) = (patterns((0..1000).map(|n| format!("h.{n}.q"))), Steps::new(&limits));
        (0..1000).for_each(|n| assert_eq!(plain.find(&format!("x.h.{n}.q"), &steps), Lookup::Value(1.0)));
        assert_eq!((plain.n_regexes(), steps.n.get()), (0, 0));
        let several = patterns((0..1000).map(|n| format!("x{n}|y")));
        assert_eq!(several.find("z", &steps), Lookup::Unknown);
        assert!(several.regexes.iter().filter(|(_, one)| one.program.get().is_some()).count() < 20);
        let error = steps.check(Path::new("x"), &limits).unwrap_err().to_string();
        let found = format!(
            "x: found {} steps or more to match rank_pattern or alpha_pattern, expected at most 1000",
            steps.n.get()
        );
        assert_eq!(error, found);
    }

    #[test]
    fn groups_remember_nothing() {
        for (regex, expected) in [
            ("(q|(k))+", "(?:q|(?:k))+"),
            (r"\(q\)", r"\(q\)"),
            ("[(](?:q)(?!k)", "[(](?:q)(?!k)"),
            (r"[\](](q)", r"[\](](?:q)"),
            ("[](](q)[^](](k)", "[](](?:q)[^](](?:k)"),
            ("(?P<a>q)(?<b>k)(?<=v)", "(?:q)(?:k)(?<=v)"),
        ] {
            assert_eq!(without_groups(regex), expected);
        }
        // Each group would take memory in each state of the program.
        let many = format!("{}[a-z]{{60}}", "()".repeat(100));
        let pattern = Pattern { text: many, program: OnceLock::new() };
        assert_eq!(pattern.matches(&"a".repeat(60), &Steps::new(&Limits::default())), Some(true));
    }
}
