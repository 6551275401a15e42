//! Fields of a config that are read in every form that people write them in: a number as text, a flag as a number.
//!
//! A config is for the program that wrote it. A field that cannot be read here is not known, which is better than no adapter at
//! all; one that is not there has the default of that program.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// The fields of a JSON object, each as its text.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Object(pub(super) BTreeMap<String, Box<RawValue>>);

/// A field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Field<T> {
    /// It is not there, or null.
    #[default]
    Absent,
    Known(T),
    /// It is there in a form that is not understood.
    Unknown,
}

impl<T> Field<T> {
    /// The value, if it is known.
    pub(super) fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Absent | Self::Unknown => None,
        }
    }

    pub(super) fn map<U>(self, f: impl FnOnce(T) -> U) -> Field<U> {
        match self {
            Self::Absent => Field::Absent,
            Self::Known(value) => Field::Known(f(value)),
            Self::Unknown => Field::Unknown,
        }
    }
}

impl<T> From<Option<T>> for Field<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Self::Known)
    }
}

impl Object {
    /// The field with this name, as `read` reads its text.
    pub(super) fn field<T>(&self, name: &str, read: impl FnOnce(&str) -> Option<T>) -> Field<T> {
        match self.0.get(name).map(|raw| raw.get()) {
            None | Some("null") => Field::Absent,
            Some(text) => read(text).map_or(Field::Unknown, Field::Known),
        }
    }

    pub(super) fn number(&self, name: &str) -> Field<f64> {
        self.field(name, number)
    }

    pub(super) fn flag(&self, name: &str) -> Field<bool> {
        self.field(name, flag)
    }

    pub(super) fn text(&self, name: &str) -> Field<String> {
        self.field(name, text)
    }

    /// A list of texts, or one text.
    pub(super) fn texts(&self, name: &str) -> Field<Vec<String>> {
        self.field(name, |json| serde_json::from_str(json).ok().or_else(|| Some(vec![text(json)?])))
    }
}

fn text(json: &str) -> Option<String> {
    serde_json::from_str(json).ok()
}

/// A number, or the text of one.
pub(super) fn number(json: &str) -> Option<f64> {
    let number = serde_json::from_str(json).ok().or_else(|| text(json)?.trim().parse().ok());
    number.filter(|number: &f64| number.is_finite())
}

fn flag(json: &str) -> Option<bool> {
    let word = text(json).unwrap_or_else(|| json.to_owned());
    match word.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "1.0" => Some(true),
        "false" | "0" | "0.0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: &str) -> Object {
        serde_json::from_str(&format!(r#"{{"x": {value}}}"#)).unwrap()
    }

    #[test]
    fn numbers_are_read_as_text_too() {
        let number = |json: &str| object(json).number("x");
        for json in ["8", "8.0", r#""8""#, r#"" 8.0 ""#, r#""8e0""#] {
            assert_eq!(number(json), Field::Known(8.0), "{json}");
        }
        assert_eq!(number("null"), Field::Absent);
        assert_eq!(object("8").number("y"), Field::Absent);
        for json in [r#""eight""#, r#""""#, r#""nan""#, r#""inf""#, "[8]", r#"{"x": [{}]}"#, "true"] {
            assert_eq!(number(json), Field::Unknown, "{json}");
        }
    }

    #[test]
    fn flags_are_read_as_text_and_numbers_too() {
        let flag = |json: &str| object(json).flag("x");
        for json in ["true", "1", "1.0", r#""True""#, r#""true""#] {
            assert_eq!(flag(json), Field::Known(true), "{json}");
        }
        assert_eq!([flag("false"), flag("0"), flag(r#""False""#)], [Field::Known(false); 3]);
        assert_eq!([flag("2"), flag("[]"), flag(r#""yes""#)], [Field::Unknown; 3]);
    }

    #[test]
    fn one_text_is_a_list_of_one() {
        let texts = |json: &str| object(json).texts("x");
        assert_eq!(texts(r#"["a", "b"]"#), Field::Known(vec!["a".into(), "b".into()]));
        assert_eq!(texts(r#""a""#), Field::Known(vec!["a".into()]));
        assert_eq!([texts("[1]"), texts("{}"), texts(r#"["a", 1]"#)], [const { Field::Unknown }; 3]);
        assert_eq!(texts("null"), Field::Absent);
    }
}
