//! What of an update is in a file and is not read.

#[cfg(feature = "scan")]
use std::collections::{BTreeMap, BTreeSet};
#[cfg(feature = "scan")]
use std::fmt;

#[cfg(feature = "scan")]
use crate::text::{counted, listed};

/// A part of an update that the file holds and that is not read: a module of another method, or one that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnreadPart {
    /// The module's path in the file, or a tensor's name if no module is known.
    pub name: String,
    /// Why, as a noun phrase that all parts of a kind share, such as `LoKr` or `a Tucker decomposition`.
    pub reason: String,
    /// What was found, if the reason does not say it.
    pub found: Option<String>,
    /// How many tensors it has.
    pub n_tensors: usize,
}

/// All parts in a few words, by reason: `3 parts of the update are not read: 2 × LoKr (...), 1 × ...`. `None` if there are
/// none.
#[cfg(feature = "scan")]
pub(crate) fn summary<'a>(parts: impl IntoIterator<Item = &'a UnreadPart>) -> Option<String> {
    let mut by_reason: BTreeMap<&str, Vec<&UnreadPart>> = BTreeMap::new();
    for part in parts {
        by_reason.entry(&part.reason).or_default().push(part);
    }
    let n = by_reason.values().map(Vec::len).sum();
    let reasons: Vec<String> = by_reason.values().map(|parts| of_reason(parts)).collect();
    (n > 0).then(|| format!("{}{NOT_READ}{}", of_update(n), reasons.join(", ")))
}

/// The summaries of several adapters, each with its path, in one line: those of one adapter as they are, of more the totals by
/// reason. `None` if there are none.
#[cfg(feature = "scan")]
pub(crate) fn of_all<P: fmt::Display>(summaries: &[(P, &str)], n_all: usize) -> Option<String> {
    let ((path, first), others) = summaries.split_first()?;
    if others.is_empty() {
        return Some(format!("{path}: {first}"));
    }
    let mut totals: BTreeMap<&str, usize> = BTreeMap::new();
    for (n, reason) in summaries.iter().flat_map(|(_, summary)| counts(summary)) {
        *totals.entry(reason).or_default() += n;
    }
    let mut totals: Vec<(&str, usize)> = totals.into_iter().collect();
    totals.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let all = totals.iter().map(|(_, n)| n).sum();
    let shown: Vec<String> = totals.iter().map(|(reason, n)| format!("{n} × {reason}")).collect();
    let shown = shown.join(", ");
    let of_first = first.split_once(NOT_READ).map_or(*first, |(_, reasons)| reasons);
    let n = summaries.len();
    Some(format!(
        "in {n} of {}, {}{NOT_READ}{shown}; in {path}, {of_first}",
        counted(n_all, "checkpoint"),
        of_update(all)
    ))
}

#[cfg(feature = "scan")]
const NOT_READ: &str = " not read: ";

/// `1 part of the update is`.
#[cfg(feature = "scan")]
fn of_update(n: usize) -> String {
    format!("{} of the update {}", counted(n, "part"), if n == 1 { "is" } else { "are" })
}

/// Parts of one reason with their names, and with what was found if it was the same in all of them.
#[cfg(feature = "scan")]
fn of_reason(parts: &[&UnreadPart]) -> String {
    let Some(first) = parts.first() else { return String::new() };
    let count = format!("{} × {}", parts.len(), first.reason);
    let found = match &first.found {
        Some(found) if parts.iter().all(|part| part.found == first.found) => format!(": {found}"),
        _ => String::new(),
    };
    // Many adapters leave out the same.
    let names: BTreeSet<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    if first.name.is_empty() { count } else { format!("{count} ({}{found})", listed(names)) }
}

/// How many parts a summary has of each reason.
#[cfg(feature = "scan")]
fn counts(summary: &str) -> Vec<(usize, &str)> {
    let mut rest = summary.split_once(NOT_READ).map_or("", |(_, reasons)| reasons);
    let mut counts = vec![];
    while let Some((n, after)) = count(rest) {
        let end = end(after);
        let (one, next) = (after.get(..end).unwrap_or(after), after.get(end..).unwrap_or_default());
        counts.push((n, one.split(NAMES).next().unwrap_or(one)));
        rest = next.strip_prefix(", ").unwrap_or_default();
    }
    counts
}

/// Where the names of a reason begin.
#[cfg(feature = "scan")]
const NAMES: &str = " (`";

/// `2 × LoKr` as 2 and `LoKr`.
#[cfg(feature = "scan")]
fn count(text: &str) -> Option<(usize, &str)> {
    let after = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let n = text.get(..text.len() - after.len())?.parse().ok()?;
    Some((n, after.strip_prefix(" × ")?))
}

/// Where the next count begins, outside of names.
#[cfg(feature = "scan")]
fn end(text: &str) -> usize {
    let mut is_in_name = false;
    for (at, c) in text.char_indices() {
        match c {
            '`' => is_in_name = !is_in_name,
            ',' if !is_in_name && text.get(at + 2..).and_then(count).is_some() => return at,
            _ => {}
        }
    }
    text.len()
}

#[cfg(all(test, feature = "scan"))]
mod tests {
    use super::*;

    #[test]
    fn parts_are_counted_by_reason() {
        let part = |name: &str, reason: &str| UnreadPart {
            name: name.to_owned(),
            reason: reason.to_owned(),
            found: None,
            n_tensors: 2,
        };
        assert_eq!(summary(&[]), None);
        assert_eq!(
            summary(&[part("x", "LoKr")]).unwrap(),
            "1 part of the update is not read: 1 × LoKr (`x`)"
        );
        assert_eq!(
            summary(&[part("x", "LoKr"), part("z", "GLoRA"), part("y", "LoKr")]).unwrap(),
            "3 parts of the update are not read: 1 × GLoRA (`z`), 2 × LoKr (`x`, `y`)"
        );
    }

    #[test]
    fn parts_of_several_adapters_are_totals_by_reason() {
        let part = |name: &str, reason: &str, found: &str| UnreadPart {
            name: name.to_owned(),
            reason: reason.to_owned(),
            found: Some(found.to_owned()),
            n_tensors: 1,
        };
        let lokr = part("x, 3 × y", "LoKr", "a rank of up to 9, of two");
        let shape = "a difference of a norm, which 2 have";
        let first = summary(&[lokr.clone(), part("z", shape, "a"), part("u", shape, "b")]).unwrap();
        assert_eq!(
            first,
            "3 parts of the update are not read: 1 × LoKr (`x, 3 × y`: a rank of up to 9, of two), 2 × a difference of a norm, \
             which 2 have (`u`, `z`)"
        );
        let second = summary(&[lokr, part("", "a magnitude vector", "c")]).unwrap();
        assert_eq!(of_all(&[("a", first.as_str())], 5).unwrap(), format!("a: {first}"));
        let both = [("a", first.as_str()), ("b", second.as_str())];
        assert_eq!(
            of_all(&both, 5).unwrap(),
            format!(
                "in 2 of 5 checkpoints, 5 parts of the update are not read: 2 × LoKr, 2 × {shape}, 1 × a magnitude vector; in a, {}",
                first.split_once("read: ").unwrap().1
            )
        );
        assert_eq!(of_all::<&str>(&[], 5), None);
    }
}
