//! What of an update is in a file and is not read.

#[cfg(feature = "scan")]
use std::collections::{BTreeMap, BTreeSet};

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
    let are = if n == 1 { "is" } else { "are" };
    (n > 0).then(|| format!("{} of the update {are} not read: {}", counted(n, "part"), reasons.join(", ")))
}

/// Parts of one reason, with what was found if it was the same in all of them.
#[cfg(feature = "scan")]
fn of_reason(parts: &[&UnreadPart]) -> String {
    let Some(first) = parts.first() else { return String::new() };
    let found = match &first.found {
        Some(found) if parts.iter().all(|part| part.found == first.found) => format!(": {found}"),
        _ => String::new(),
    };
    // Many adapters leave out the same.
    let names: BTreeSet<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    format!("{} × {}{found} ({})", parts.len(), first.reason, listed(names))
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
}
