//! Columns of a table, laid out as Arrow has them.

use std::ffi::{CStr, c_void};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// The columns of a table, of equal length.
pub(crate) struct Columns {
    pub(crate) columns: Vec<(String, Column)>,
    pub(crate) n_rows: usize,
}

/// Which values are there, a bit for each, and how many are not.
pub(crate) struct Validity {
    bits: Vec<u8>,
    n_null: usize,
}

pub(crate) enum Column {
    Int(Validity, Vec<i64>),
    Float(Validity, Vec<f64>),
    /// A bit for each of so many.
    Bool(Validity, Vec<u8>, usize),
    /// Where each text begins, and the end of the last.
    Text(Validity, Vec<i32>, Vec<u8>),
    List {
        validity: Validity,
        offsets: Vec<i32>,
        items: Box<Column>,
    },
}

impl Columns {
    /// # Errors
    /// For a value that its column cannot have.
    pub(crate) fn of(columns: Vec<(String, String, Bound<'_, PyAny>)>) -> PyResult<Self> {
        let column = |(name, kind, values): (String, String, Bound<'_, PyAny>)| {
            let column = Column::of(&kind, &values);
            column
                .map_err(|error| PyValueError::new_err(format!("column {name}: {error}")))
                .map(|column| (name, column))
        };
        let columns: Vec<_> = columns.into_iter().map(column).collect::<PyResult<_>>()?;
        let n_rows = columns.first().map_or(0, |(_, column)| column.len());
        match columns.iter().find(|(_, column)| column.len() != n_rows) {
            Some((name, column)) => {
                Err(PyValueError::new_err(format!("column {name}: {} values of {n_rows}", column.len())))
            }
            None => Ok(Self { columns, n_rows }),
        }
    }
}

impl Column {
    fn of(kind: &str, values: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(match kind {
            "int" => {
                let values: Vec<Option<i64>> = values.extract()?;
                Self::Int(Validity::of(&values), values.into_iter().map(Option::unwrap_or_default).collect())
            }
            "bool" => {
                let values: Vec<Option<bool>> = values.extract()?;
                let set = values.iter().map(|value| value.unwrap_or_default());
                Self::Bool(Validity::of(&values), bits(set), values.len())
            }
            "str" => {
                let values: Vec<Option<String>> = values.extract()?;
                let texts = || values.iter().map(|text| text.as_deref().unwrap_or_default());
                Self::Text(
                    Validity::of(&values),
                    offsets(texts().map(str::len))?,
                    texts().collect::<String>().into_bytes(),
                )
            }
            "list" => {
                let values: Vec<Option<Vec<Option<f64>>>> = values.extract()?;
                let lengths = values.iter().map(|list| list.as_ref().map_or(0, Vec::len));
                let (validity, offsets) = (Validity::of(&values), offsets(lengths)?);
                let items = Box::new(Self::floats(values.into_iter().flatten().flatten().collect()));
                Self::List { validity, offsets, items }
            }
            _ => Self::floats(values.extract()?),
        })
    }

    fn floats(values: Vec<Option<f64>>) -> Self {
        Self::Float(Validity::of(&values), values.into_iter().map(Option::unwrap_or_default).collect())
    }

    /// Rows.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Int(_, values) => values.len(),
            Self::Float(_, values) => values.len(),
            Self::Bool(_, _, n) => *n,
            Self::Text(_, offsets, _) | Self::List { offsets, .. } => offsets.len() - 1,
        }
    }

    /// What Arrow calls the type.
    pub(crate) fn format(&self) -> &'static CStr {
        match self {
            Self::Int(..) => c"l",
            Self::Float(..) => c"g",
            Self::Bool(..) => c"b",
            Self::Text(..) => c"u",
            Self::List { .. } => c"+l",
        }
    }

    /// The bits of the values that are there, if some are not, and how many are not.
    pub(crate) fn validity(&self) -> (Option<&[u8]>, usize) {
        let (Self::Int(validity, _)
        | Self::Float(validity, _)
        | Self::Bool(validity, ..)
        | Self::Text(validity, ..)
        | Self::List { validity, .. }) = self;
        ((validity.n_null > 0).then_some(&validity.bits), validity.n_null)
    }

    /// Where the other buffers begin.
    pub(crate) fn buffers(&self) -> Vec<*const c_void> {
        match self {
            Self::Int(_, values) => vec![values.as_ptr().cast()],
            Self::Float(_, values) => vec![values.as_ptr().cast()],
            Self::Bool(_, bits, _) => vec![bits.as_ptr().cast()],
            Self::Text(_, offsets, bytes) => vec![offsets.as_ptr().cast(), bytes.as_ptr().cast()],
            Self::List { offsets, .. } => vec![offsets.as_ptr().cast()],
        }
    }
}

impl Validity {
    fn of<T>(values: &[Option<T>]) -> Self {
        let n_null = values.iter().filter(|value| value.is_none()).count();
        Self { bits: bits(values.iter().map(Option::is_some)), n_null }
    }
}

/// A bit for each, the first in the lowest.
fn bits(set: impl ExactSizeIterator<Item = bool>) -> Vec<u8> {
    let mut bits = vec![0; set.len().div_ceil(8)];
    for (at, _) in set.enumerate().filter(|(_, is_set)| *is_set) {
        bits[at / 8] |= 1 << (at % 8);
    }
    bits
}

/// Where each value begins, and the end of the last.
fn offsets(lengths: impl Iterator<Item = usize>) -> PyResult<Vec<i32>> {
    let mut offsets = vec![0];
    let mut end = 0usize;
    for length in lengths {
        end += length;
        offsets.push(i32::try_from(end).map_err(|_| PyValueError::new_err("over 2 GiB"))?);
    }
    Ok(offsets)
}
