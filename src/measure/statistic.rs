//! What a statistic of a pair declares, and the values that it makes of many pairs.

use std::fmt;

use super::batch::{PairBatch, Wanted};
use super::product::ProductSum;
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
            Columns::Family { kind, names, .. } => {
                names(wanted).into_iter().map(|name| (name, kind)).collect()
            }
        }
    }
}

/// What a statistic is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// φ at the cells that are wanted, which engines make of the product P = V₁ᵀ·V₂.
    Cells,
    /// One more sum over P, which engines make for every pair.
    Product(ProductSum),
    /// φ at every cell.
    Grid,
    /// Ranks and singular values.
    Spectra,
    /// The vectors themselves: work of its own for every pair, on the CPU.
    Bases,
    /// A and B as they are stored, or their projections.
    Factors,
    /// What the configs say.
    Configs,
    /// Other statistics, by their keys.
    Statistics(&'static [&'static str]),
}

/// The columns of a statistic.
#[derive(Debug, Clone, Copy)]
pub enum Columns {
    /// These, always.
    Fixed(&'static [Column]),
    /// As many as are wanted.
    Family {
        /// Names with letters in place of numbers, as the documentation has them.
        patterns: &'static [&'static str],
        /// Of each.
        kind: Kind,
        /// The names.
        names: fn(&Wanted) -> Vec<String>,
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
            Self::Int | Self::SteadyFloat | Self::Bool | Self::OptionalBool => 0,
            Self::Float | Self::OptionalFloat => 4,
            Self::GridOfFloats => 4 * wanted.max_rank * wanted.max_rank,
        }
    }

    /// Bytes of a value in memory, at most.
    pub fn memory_bytes(self, wanted: &Wanted) -> usize {
        match self {
            Self::Int => 4,
            Self::SteadyFloat | Self::Float | Self::OptionalFloat => 8,
            Self::Bool | Self::OptionalBool => 1,
            Self::GridOfFloats => 4 * wanted.max_rank * wanted.max_rank,
        }
    }

    /// No value of any pair.
    pub fn empty(self) -> Values {
        match self {
            Self::Int => Values::Ints(vec![]),
            Self::SteadyFloat | Self::Float | Self::OptionalFloat => Values::Numbers(vec![]),
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

/// The values of one column, one for each pair.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Whole numbers.
    Ints(Vec<i32>),
    /// Numbers that were computed here; NaN for null.
    Numbers(Vec<f64>),
    /// Numbers as an engine made them, and angles; NaN for null.
    Floats(Vec<f32>),
    /// Yes or no; `None` for null.
    Flags(Vec<Option<bool>>),
    /// Several numbers for each pair.
    Lists {
        /// How many each pair has.
        lengths: Vec<usize>,
        /// One pair's after another's.
        values: Vec<f32>,
    },
}

impl Values {
    /// The number of a pair; NaN for null, and where there is not one number.
    pub fn number(&self, pair: usize) -> f64 {
        match self {
            Self::Ints(values) => f64::from(values[pair]),
            Self::Numbers(values) => values[pair],
            Self::Floats(values) => f64::from(values[pair]),
            Self::Flags(_) | Self::Lists { .. } => f64::NAN,
        }
    }

    /// Pairs whose flag is set.
    pub fn n_set(&self) -> usize {
        match self {
            Self::Flags(flags) => flags.iter().filter(|&&flag| flag == Some(true)).count(),
            _ => 0,
        }
    }

    /// The values of the pairs at these places.
    ///
    /// # Panics
    /// For lists: whole grids are kept of every pair.
    pub fn only(&self, places: &[usize]) -> Self {
        fn only<T: Copy>(values: &[T], places: &[usize]) -> Vec<T> {
            places.iter().map(|&place| values[place]).collect()
        }
        match self {
            Self::Ints(values) => Self::Ints(only(values, places)),
            Self::Numbers(values) => Self::Numbers(only(values, places)),
            Self::Floats(values) => Self::Floats(only(values, places)),
            Self::Flags(values) => Self::Flags(only(values, places)),
            Self::Lists { .. } => unreachable!("whole grids are kept of every pair"),
        }
    }
}
