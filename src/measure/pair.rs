//! Every statistic of one pair: what `compare` and `figure --json` show.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::batch::PairBatch;
use super::statistic::{Columns, Statistic};
use super::values::Values;
use super::{STATISTICS, Text};
use crate::error::Result;

/// Every statistic of one pair. As JSON it has a key for each: the name of its column, and a list for angles.
#[derive(Debug, Clone, PartialEq)]
pub struct PairStatistics {
    /// One value of each column of each of [`STATISTICS`].
    values: Vec<Vec<Values>>,
}

impl PairStatistics {
    /// Of the one pair of a batch.
    ///
    /// # Errors
    /// As [`values`](super::values).
    pub(crate) fn of(batch: &PairBatch<'_>) -> Result<Self> {
        debug_assert_eq!(batch.places.len(), 1);
        let values = STATISTICS.iter().map(|statistic| (statistic.values)(batch)).collect::<Result<_>>()?;
        Ok(Self { values })
    }

    /// The number of a column, such as `phi_r`; `None` if it is null or unknown.
    pub fn number(&self, column: &str) -> Option<f64> {
        let (values, _) = self.named().find(|(_, name)| *name == column)?;
        Some(values.number(0)).filter(|number| !number.is_nan())
    }

    /// The flag of a column, such as `shared_init`; `None` if it is null or unknown.
    pub fn flag(&self, column: &str) -> Option<bool> {
        match self.named().find(|(_, name)| *name == column)?.0 {
            Values::Flags(flags) => flags[0],
            _ => None,
        }
    }

    /// The numbers of a statistic of several columns, such as `angles`, without those past the pair's ranks.
    pub fn numbers(&self, key: &str) -> Vec<f64> {
        let found = STATISTICS.iter().position(|statistic| statistic.key == key);
        found.map_or(vec![], |at| numbers(&self.values[at]))
    }

    /// The statistics that a table for people shows, each with its text, or `None` if it is null.
    pub fn texts(&self) -> impl Iterator<Item = (Text, Option<String>)> + '_ {
        STATISTICS.iter().zip(&self.values).filter_map(|(statistic, values)| {
            let text = statistic.text.filter(|_| !values.is_empty())?;
            let numbers = numbers(values);
            Some((text, (!numbers.is_empty()).then(|| (text.cell)(&numbers))))
        })
    }

    /// The values of the fixed columns, with their names.
    fn named(&self) -> impl Iterator<Item = (&Values, &'static str)> {
        STATISTICS.iter().zip(&self.values).flat_map(|(statistic, values)| match statistic.columns {
            Columns::Fixed(columns) | Columns::Optional { columns, .. } => {
                values.iter().zip(columns.iter().map(|column| column.name)).collect()
            }
            Columns::Family { .. } => vec![],
        })
    }
}

fn numbers(values: &[Values]) -> Vec<f64> {
    values.iter().map(|values| values.number(0)).take_while(|number| !number.is_nan()).collect()
}

impl Serialize for PairStatistics {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (Statistic { key, columns, .. }, values) in STATISTICS.iter().zip(&self.values) {
            match columns {
                Columns::Fixed(columns) | Columns::Optional { columns, .. } => {
                    for (column, values) in columns.iter().zip(values) {
                        match values {
                            Values::Ints(values) => map.serialize_entry(column.name, &values[0])?,
                            Values::Flags(flags) => map.serialize_entry(column.name, &flags[0])?,
                            values => {
                                // NaN has no JSON, and is written as null.
                                map.serialize_entry(column.name, &values.number(0))?;
                            }
                        }
                    }
                }
                Columns::Family { .. } if values.is_empty() => {}
                Columns::Family { .. } => map.serialize_entry(key, &numbers(values))?,
            }
        }
        map.end()
    }
}
