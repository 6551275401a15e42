//! What a statistic of a pair declares, and the values that it makes of many pairs.

use std::fmt;

use super::batch::{PairBatch, Wanted};
use super::needs::Needs;
use super::values::Values;
use crate::error::Result;

/// A statistic of a pair. Each has a file of its own, which states its formula, source, range and chance law, and a line in
/// [`STATISTICS`](super::STATISTICS), which everything that lists statistics reads.
#[derive(Debug, Clone, Copy)]
pub struct Statistic {
    /// Its key in JSON; the column's name where it has one column.
    pub key: &'static str,
    /// What it is computed from.
    pub needs: Needs,
    /// Its columns in a table.
    pub columns: Columns,
    /// How a table for people shows it; `None` where another column says it.
    pub text: Option<Text>,
    /// The values of every pair, one for each column.
    pub(super) values: fn(&PairBatch<'_>) -> Result<Vec<Values>>,
}

impl Statistic {
    /// The names and types of its columns.
    pub fn columns_for(&self, wanted: &Wanted) -> Vec<(String, Kind)> {
        match self.columns {
            Columns::Fixed(columns) => {
                columns.iter().map(|column| (column.name.to_owned(), column.kind)).collect()
            }
            Columns::Optional { columns, is_wanted } if is_wanted(wanted) => {
                columns.iter().map(|column| (column.name.to_owned(), column.kind)).collect()
            }
            Columns::Optional { .. } => vec![],
            Columns::Family { kind, names, also, .. } => {
                let mut columns: Vec<_> = names(wanted).into_iter().map(|name| (name, kind)).collect();
                if !columns.is_empty() {
                    columns.extend(also.iter().map(|column| (column.name.to_owned(), column.kind)));
                }
                columns
            }
        }
    }
}

/// The columns of a statistic.
#[derive(Debug, Clone, Copy)]
pub enum Columns {
    /// These, always.
    Fixed(&'static [Column]),
    /// These, for those who ask for them.
    Optional {
        /// The columns.
        columns: &'static [Column],
        /// Whether they are asked for; else the statistic has no values.
        is_wanted: fn(&Wanted) -> bool,
    },
    /// As many as are wanted.
    Family {
        /// Names with letters in place of numbers, as the documentation has them.
        patterns: &'static [&'static str],
        /// Of each.
        kind: Kind,
        /// The names.
        names: fn(&Wanted) -> Vec<String>,
        /// Numbers that follow from the others, in columns after them, where there are any.
        also: &'static [Column],
    },
}

/// A column of a statistic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
}

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number, which hardly changes from row to row.
    Int,
    /// A number that hardly changes from row to row.
    SteadyFloat,
    /// A number.
    Float,
    /// A number, or null.
    OptionalFloat,
    /// A number of any size, in f64, or null: one for all pairs of an adapter.
    OptionalDouble,
    /// Yes or no.
    Bool,
    /// Yes, no or null.
    OptionalBool,
    /// A number for each cell of the pair's grid, row by row.
    GridOfFloats,
}

impl Kind {
    /// Bytes of a value on the disk, about: numbers hardly compress, but for those that repeat.
    pub fn stored_bytes(self, wanted: &Wanted) -> usize {
        match self {
            Self::Int | Self::SteadyFloat | Self::OptionalDouble | Self::Bool | Self::OptionalBool => 0,
            Self::Float | Self::OptionalFloat => 4,
            Self::GridOfFloats => 4 * wanted.max_rank * wanted.max_rank,
        }
    }

    /// Bytes of a value in memory, at most.
    pub fn memory_bytes(self) -> usize {
        match self {
            Self::Int => 4,
            Self::SteadyFloat | Self::Float | Self::OptionalFloat | Self::OptionalDouble => 8,
            Self::Bool | Self::OptionalBool => 1,
            // A few at once, see `PairTable::grids_at_once`.
            Self::GridOfFloats => 0,
        }
    }

    /// No value of any pair.
    pub fn empty(self) -> Values {
        match self {
            Self::Int => Values::Ints(vec![]),
            Self::SteadyFloat | Self::Float | Self::OptionalFloat | Self::OptionalDouble => {
                Values::Numbers(vec![])
            }
            Self::Bool | Self::OptionalBool => Values::Flags(vec![]),
            Self::GridOfFloats => Values::Lists { lengths: vec![], values: vec![] },
        }
    }
}

impl fmt::Display for Kind {
    /// As the documentation of the table says it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Int => "int32",
            Self::SteadyFloat | Self::Float => "float",
            Self::OptionalFloat => "float, null",
            Self::OptionalDouble => "double, null",
            Self::Bool => "bool",
            Self::OptionalBool => "bool, null",
            Self::GridOfFloats => "list of float",
        })
    }
}

/// How a table for people shows a statistic.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    /// Above the column.
    pub heading: &'static str,
    /// The text for a pair's numbers, of which there is at least one and none is NaN.
    pub cell: fn(&[f64]) -> String,
}
