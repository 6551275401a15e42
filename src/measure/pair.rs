//! Every statistic of one pair: what `compare` and `figure --json` show.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::batch::PairBatch;
use super::statistic::{Column, Columns, Statistic};
use super::values::Values;
use super::{STATISTICS, Text};
use crate::error::Result;

/// Every statistic of one pair. As JSON it has a key for each: the name of its column, and a list for angles.
#[derive(Debug, Clone, PartialEq)]
pub struct PairStatistics {
    /// The columns of each of [`STATISTICS`], each with its one value.
    columns: Vec<Vec<(String, Values)>>,
}

/// The value of a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell {
    /// `None` for null.
    Number(Option<f64>),
    /// `None` for null.
    Flag(Option<bool>),
}

impl PairStatistics {
    /// Of the one pair of a batch.
    ///
    /// # Errors
    /// As [`values`](super::values).
    pub(crate) fn of(batch: &PairBatch<'_>) -> Result<Self> {
        debug_assert_eq!(batch.places.len(), 1);
        let columns = |statistic: &Statistic| {
            let names = statistic.columns_for(batch.wanted).into_iter().map(|(name, _)| name);
            Ok(names.zip((statistic.values)(batch)?).collect())
        };
        Ok(Self { columns: STATISTICS.iter().map(columns).collect::<Result<_>>()? })
    }

    /// The number of a column, such as `phi_r`; `None` if it is null or unknown.
    pub fn number(&self, column: &str) -> Option<f64> {
        match self.cells().find(|(name, _)| *name == column)? {
            (_, Cell::Number(number)) => number,
            (_, Cell::Flag(_)) => None,
        }
    }

    /// The flag of a column, such as `shared_init`; `None` if it is null or unknown.
    pub fn flag(&self, column: &str) -> Option<bool> {
        match self.cells().find(|(name, _)| *name == column)? {
            (_, Cell::Flag(flag)) => flag,
            (_, Cell::Number(_)) => None,
        }
    }

    /// The numbers of a statistic of several columns, such as `angles`, without those past the pair's ranks.
    pub fn numbers(&self, key: &str) -> Vec<f64> {
        let found = STATISTICS.iter().zip(&self.columns).find(|(statistic, _)| statistic.key == key);
        found.map_or(vec![], |(statistic, columns)| numbers(split(statistic, columns).0))
    }

    /// The statistics that a table for people shows, each with its text, or `None` if it is null.
    pub fn texts(&self) -> impl Iterator<Item = (Text, Option<String>)> + '_ {
        STATISTICS.iter().zip(&self.columns).flat_map(|(statistic, columns)| {
            let (list, also) = split(statistic, columns);
            let shown = |text: Text, columns| {
                let numbers = numbers(columns);
                (text, (!numbers.is_empty()).then(|| (text.cell)(&numbers)))
            };
            let first = statistic.text.filter(|_| !columns.is_empty()).map(|text| shown(text, list));
            let also = additional(statistic).iter().zip(also.chunks(1)).map(move |(column, columns)| {
                shown(Text { heading: column.name, cell: |numbers| format!("{:.3}", numbers[0]) }, columns)
            });
            first.into_iter().chain(also)
        })
    }

    /// The values of all columns, with their names.
    pub(crate) fn cells(&self) -> impl Iterator<Item = (&str, Cell)> {
        self.columns.iter().flatten().map(|(name, values)| (name.as_str(), cell(values)))
    }
}

fn cell(values: &Values) -> Cell {
    match values {
        Values::Flags(flags) => Cell::Flag(flags[0]),
        values => Cell::Number(Some(values.number(0)).filter(|number| !number.is_nan())),
    }
}

/// The columns that follow from a family's others.
fn additional(statistic: &Statistic) -> &'static [Column] {
    match statistic.columns {
        Columns::Fixed(_) | Columns::Optional { .. } => &[],
        Columns::Family { also, .. } => also,
    }
}

/// A column's name and the value of the pair.
type NamedColumn = (String, Values);

/// The columns of a statistic that are one list, and those that follow from them.
fn split<'a>(statistic: &Statistic, columns: &'a [NamedColumn]) -> (&'a [NamedColumn], &'a [NamedColumn]) {
    columns.split_at(columns.len().saturating_sub(additional(statistic).len()))
}

fn numbers(columns: &[(String, Values)]) -> Vec<f64> {
    columns.iter().map(|(_, values)| values.number(0)).take_while(|number| !number.is_nan()).collect()
}

impl Serialize for PairStatistics {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (statistic, columns) in STATISTICS.iter().zip(&self.columns) {
            let named = match statistic.columns {
                Columns::Family { .. } if columns.is_empty() => continue,
                Columns::Family { .. } => {
                    let (list, also) = split(statistic, columns);
                    map.serialize_entry(statistic.key, &numbers(list))?;
                    also
                }
                Columns::Fixed(_) | Columns::Optional { .. } => columns,
            };
            for (name, values) in named {
                match values {
                    Values::Ints(values) => map.serialize_entry(name, &values[0])?,
                    Values::Flags(flags) => map.serialize_entry(name, &flags[0])?,
                    // NaN has no JSON, and is written as null.
                    values => map.serialize_entry(name, &values.number(0))?,
                }
            }
        }
        map.end()
    }
}
