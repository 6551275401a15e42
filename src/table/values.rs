//! The values of a column, one a row.

use parquet::data_type::ByteArray;

use super::schema::ColumnType;

/// The values of a column.
#[derive(Debug, Clone)]
pub(crate) enum Values {
    Int32(Cells<i32>),
    Int64(Cells<i64>),
    /// NaN where a row has no value.
    Float32(Vec<f32>),
    /// NaN where a row has no value.
    Float64(Vec<f64>),
    Bool(Cells<bool>),
    Text(Cells<ByteArray>),
    /// The lengths of the rows' lists, and all of their numbers.
    Float32List(Vec<usize>, Vec<f32>),
}

/// Values that need not all be there.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cells<T> {
    /// One in every row.
    All(Vec<T>),
    /// In some rows.
    Some(Vec<Option<T>>),
    /// The same in so many rows.
    Same(Option<T>, usize),
}

impl Values {
    /// Of a column without rows.
    pub(crate) fn none(column_type: ColumnType, is_nullable: bool) -> Self {
        fn none<T>(is_nullable: bool) -> Cells<T> {
            if is_nullable { Cells::Some(vec![]) } else { Cells::All(vec![]) }
        }
        match column_type {
            ColumnType::Int32 => Self::Int32(none(is_nullable)),
            ColumnType::Int64 => Self::Int64(none(is_nullable)),
            ColumnType::Float32 => Self::Float32(vec![]),
            ColumnType::Float64 => Self::Float64(vec![]),
            ColumnType::Bool => Self::Bool(none(is_nullable)),
            ColumnType::Text => Self::Text(none(is_nullable)),
            ColumnType::Float32List => Self::Float32List(vec![], vec![]),
        }
    }

    /// A text in every row.
    pub(crate) fn texts(texts: impl IntoIterator<Item = String>) -> Self {
        Self::Text(Cells::All(texts.into_iter().map(text).collect()))
    }

    /// A text in some rows.
    pub(crate) fn optional_texts(texts: impl IntoIterator<Item = Option<String>>) -> Self {
        Self::Text(Cells::Some(texts.into_iter().map(|value| value.map(text)).collect()))
    }

    /// One text in `n` rows, or none.
    pub(crate) fn same_text(value: Option<String>, n: usize) -> Self {
        Self::Text(Cells::Same(value.map(text), n))
    }

    /// The values of these rows.
    ///
    /// # Panics
    /// For lists, of which all rows are kept, and for rows that are not there.
    pub(crate) fn only(self, rows: &[usize]) -> Self {
        match self {
            Self::Int32(cells) => Self::Int32(cells.only(rows)),
            Self::Int64(cells) => Self::Int64(cells.only(rows)),
            Self::Float32(values) => Self::Float32(at(&values, rows)),
            Self::Float64(values) => Self::Float64(at(&values, rows)),
            Self::Bool(cells) => Self::Bool(cells.only(rows)),
            Self::Text(cells) => Self::Text(cells.only(rows)),
            Self::Float32List(..) => unreachable!("whole grids are kept of every pair"),
        }
    }

    /// Adds the values of more rows.
    ///
    /// # Panics
    /// For values of another type, and for lists.
    pub(crate) fn append(&mut self, more: Self) {
        match (self, more) {
            (Self::Int32(to), Self::Int32(from)) => to.append(from),
            (Self::Int64(to), Self::Int64(from)) => to.append(from),
            (Self::Float32(to), Self::Float32(from)) => to.extend(from),
            (Self::Float64(to), Self::Float64(from)) => to.extend(from),
            (Self::Bool(to), Self::Bool(from)) => to.append(from),
            (Self::Text(to), Self::Text(from)) => to.append(from),
            _ => unreachable!("batches of one column are of one type"),
        }
    }
}

impl<T: Clone> Cells<T> {
    /// The value of a row; none past the last.
    pub(crate) fn get(&self, row: usize) -> Option<&T> {
        match self {
            Self::All(values) => values.get(row),
            Self::Some(values) => values.get(row)?.as_ref(),
            Self::Same(value, n) => value.as_ref().filter(|_| row < *n),
        }
    }

    /// The values, and `none` where there is none.
    pub(super) fn or(self, none: T) -> Vec<T> {
        match self {
            Self::All(values) => values,
            Self::Some(values) => values.into_iter().map(|value| value.unwrap_or(none.clone())).collect(),
            Self::Same(value, n) => vec![value.unwrap_or(none); n],
        }
    }

    fn only(self, rows: &[usize]) -> Self {
        match self {
            Self::All(values) => Self::All(at(&values, rows)),
            Self::Some(values) => Self::Some(at(&values, rows)),
            Self::Same(value, _) => Self::Same(value, rows.len()),
        }
    }

    fn append(&mut self, more: Self) {
        match (&mut *self, more) {
            (Self::All(to), Self::All(from)) => to.extend(from),
            (Self::Some(to), Self::Some(from)) => to.extend(from),
            (_, more) => {
                let mut values = std::mem::replace(self, Self::All(vec![])).into_options();
                values.extend(more.into_options());
                *self = Self::Some(values);
            }
        }
    }

    fn into_options(self) -> Vec<Option<T>> {
        match self {
            Self::All(values) => values.into_iter().map(Some).collect(),
            Self::Some(values) => values,
            Self::Same(value, n) => vec![value; n],
        }
    }
}

fn at<T: Clone>(values: &[T], rows: &[usize]) -> Vec<T> {
    rows.iter().map(|&row| values[row].clone()).collect()
}

fn text(text: String) -> ByteArray {
    text.into_bytes().into()
}
