//! Layers by number: `5`, `0-5`, `0,2,5` or `all`.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Fault};
use crate::text::{quoted, some_of};

/// Layers by number, as tensor names have it: some of them, or all. It is read from text such as `5`, `0-5`, `0,2,5` or `all`.
///
/// ```
/// use lorascope::Layers;
///
/// let layers: Layers = "0-5,11".parse()?;
/// assert!(layers.contains(3) && layers.contains(11) && !layers.contains(6));
/// # Ok::<(), lorascope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layers {
    /// Each as it was named, in order.
    items: Vec<LayerRange>,
}

/// A layer, or the layers from one to another, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LayerRange {
    first: usize,
    last: usize,
}

impl Layers {
    /// Every layer: all modules whose name has a layer number.
    pub fn all() -> Self {
        Self { items: vec![LayerRange::ALL] }
    }

    /// Whether a layer is one of these.
    pub fn contains(&self, layer: usize) -> bool {
        self.items.iter().any(|item| item.contains(layer))
    }

    /// What was named.
    pub(crate) fn items(&self) -> &[LayerRange] {
        &self.items
    }

    /// Layers of ranges that are not among `there`, as `layers 4 to 5, 9`: a single layer is either there or an error.
    pub(crate) fn missing_of_ranges(&self, there: &BTreeSet<usize>) -> Option<String> {
        let mut missing = vec![];
        let is_range = |item: &&LayerRange| item.first < item.last && **item != LayerRange::ALL;
        for &LayerRange { mut first, last } in self.items.iter().filter(is_range) {
            for &layer in there.range(first..=last) {
                if first < layer {
                    missing.push(LayerRange { first, last: layer - 1 });
                }
                first = layer + 1;
            }
            if first <= last {
                missing.push(LayerRange { first, last });
            }
        }
        (!missing.is_empty()).then(|| named(&missing))
    }
}

impl From<usize> for Layers {
    fn from(layer: usize) -> Self {
        Self { items: vec![LayerRange { first: layer, last: layer }] }
    }
}

impl LayerRange {
    const ALL: Self = Self { first: 0, last: usize::MAX };

    pub(crate) fn contains(self, layer: usize) -> bool {
        (self.first..=self.last).contains(&layer)
    }

    /// `layer 3`, `layers 3 to 5`.
    pub(super) fn shown(self) -> String {
        match self {
            Self::ALL => "layers".to_owned(),
            item => named(&[item]),
        }
    }
}

impl fmt::Display for LayerRange {
    /// `3`, `3 to 5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last - self.first {
            0 => write!(f, "{}", self.first),
            _ => write!(f, "{} to {}", self.first, self.last),
        }
    }
}

impl fmt::Display for Layers {
    /// As [`FromStr`] reads it, and the same for the same layers: `0-5,11`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.items.contains(&LayerRange::ALL) {
            return f.write_str("all");
        }
        for (n, LayerRange { first, last }) in merged(&self.items).into_iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            match last - first {
                0 => write!(f, "{comma}{first}")?,
                _ => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

impl FromStr for Layers {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.trim() == "all" {
            return Ok(Self::all());
        }
        let item = |part: &str| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let number = |text: &str| text.trim().parse::<usize>().ok();
            let item = LayerRange { first: number(first)?, last: number(last)? };
            (item.first <= item.last).then_some(item)
        };
        let items: Option<Vec<LayerRange>> = text.split(',').map(item).collect();
        let mut items = items.ok_or_else(|| {
            Fault::new(quoted(text), "layers such as 5, 0-5, 0,2,5, or all").of("layer").invalid()
        })?;
        items.sort_unstable();
        items.dedup();
        Ok(Self { items })
    }
}

/// `layers 0 to 5, 7`.
pub(super) fn of_numbers(layers: &BTreeSet<usize>) -> String {
    let items: Vec<LayerRange> =
        layers.iter().map(|&layer| LayerRange { first: layer, last: layer }).collect();
    named(&merged(&items))
}

fn named(items: &[LayerRange]) -> String {
    let noun = match items {
        [LayerRange { first, last }] if first == last => "layer",
        _ => "layers",
    };
    format!("{noun} {}", some_of(items.iter().map(LayerRange::to_string)))
}

/// Sorted ranges, with those that touch in one.
fn merged(sorted: &[LayerRange]) -> Vec<LayerRange> {
    let mut merged: Vec<LayerRange> = vec![];
    for &item in sorted {
        match merged.last_mut() {
            Some(before) if item.first <= before.last.saturating_add(1) => {
                before.last = before.last.max(item.last);
            }
            _ => merged.push(item),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_names_layers_ranges_and_all() {
        for (text, canonical) in [
            ("5", "5"),
            ("0-5", "0-5"),
            ("5,0,2", "0,2,5"),
            ("0-2,3", "0-3"),
            ("3, 1-4 ,4", "1-4"),
            ("7-7", "7"),
            ("all", "all"),
        ] {
            let layers: Layers = text.parse().unwrap();
            assert_eq!(layers.to_string(), canonical, "{text}");
            assert_eq!(canonical.parse::<Layers>().unwrap().to_string(), canonical);
        }
        for text in ["", "x", "5-", "-5", "5-3", "1,,2", "1..3", "99999999999999999999", "all,1"] {
            let error = text.parse::<Layers>().unwrap_err().to_string();
            assert_eq!(
                error,
                format!("layer: found `{text}`, expected layers such as 5, 0-5, 0,2,5, or all")
            );
        }
    }

    #[test]
    fn the_holes_of_a_range_are_named_and_single_layers_are_not() {
        let there = BTreeSet::from([1, 2, 4, 9]);
        let missing = |text: &str| text.parse::<Layers>().unwrap().missing_of_ranges(&there);
        assert_eq!(missing("0-5").as_deref(), Some("layers 0, 3, 5"));
        assert_eq!(missing("2-1000000000").as_deref(), Some("layers 3, 5 to 8, 10 to 1000000000"));
        assert_eq!(missing("2-4").as_deref(), Some("layer 3"));
        assert_eq!((missing("1-2"), missing("5"), missing("all")), (None, None, None));
    }

    #[test]
    fn layers_are_shown_as_ranges() {
        assert_eq!(of_numbers(&BTreeSet::from([7, 0, 1, 2])), "layers 0 to 2, 7");
        assert_eq!(of_numbers(&BTreeSet::from([3])), "layer 3");
        assert_eq!(of_numbers(&BTreeSet::from([1, 3, 5, 7, 9, 11])), "layers 1, 3, 5, 7 and 2 more");
    }
}
