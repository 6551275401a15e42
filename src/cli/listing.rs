//! The numbers of a plot, as a table for people and as JSON.

use serde_json::{Map, Value};

use super::summary_table::{MISSING, numbers};
use crate::text::printable;

/// Rows under headings.
pub(super) struct Listing {
    headings: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

/// What a row says.
pub(super) enum Cell {
    Text(String),
    Count(u64),
    /// NaN where there is none.
    Number(f64),
    /// One of any size.
    Size(f64),
}

impl Listing {
    /// A table without rows.
    pub(super) fn new(headings: &[&'static str]) -> Self {
        Self { headings: headings.to_vec(), rows: vec![] }
    }

    /// Adds a row, with a cell for each heading.
    pub(super) fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.headings.len());
        self.rows.push(cells);
    }

    /// Aligned columns.
    pub(super) fn text(&self) -> String {
        let shown = |cell: &Cell| match cell {
            Cell::Text(text) => printable(text, 100),
            Cell::Count(count) => count.to_string(),
            Cell::Number(number) | Cell::Size(number) if !number.is_finite() => MISSING.to_owned(),
            Cell::Number(number) => format!("{number:.3}"),
            Cell::Size(size) => format!("{size:.3e}"),
        };
        let headings = self.headings.iter().map(|heading| (*heading).to_owned()).collect();
        let rows = self.rows.iter().map(|row| row.iter().map(shown).collect());
        numbers(&std::iter::once(headings).chain(rows).collect::<Vec<_>>())
    }

    /// An object for each row.
    pub(super) fn json(&self) -> Value {
        let value = |cell: &Cell| match cell {
            Cell::Text(text) => Value::from(text.as_str()),
            Cell::Count(count) => Value::from(*count),
            // NaN has no JSON, and becomes null.
            Cell::Number(number) | Cell::Size(number) => Value::from(*number),
        };
        let object = |row: &Vec<Cell>| {
            let keys = self.headings.iter().map(|heading| heading.replace(' ', "_"));
            keys.zip(row.iter().map(value)).collect::<Map<String, Value>>()
        };
        self.rows.iter().map(object).collect()
    }
}
