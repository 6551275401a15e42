//! `adapters.parquet`: one row for each adapter of a scan.

use std::path::Path;

use super::columns::{self, Column, Group};
use super::properties;
use crate::error::Result;
use crate::files::{Durability, replace_atomically};

/// One adapter.
#[derive(Debug, Clone)]
pub struct AdapterRow {
    /// Its number in the pairs' table.
    pub id: i32,
    /// As the user named it.
    pub path: String,
    /// The folder of its run.
    pub run: String,
    /// The step that its name says.
    pub step: Option<i64>,
    /// The base model that its config names.
    pub base_model: Option<String>,
    /// Whose names the tensors have.
    pub format: String,
    /// How many modules the scan compares.
    pub n_modules: i32,
    /// The largest rank of these.
    pub rank: i32,
    /// BLAKE3 of the file that holds the tensors, 64 hexadecimal digits; `None` where it could not be read.
    pub digest: Option<String>,
    /// Why pairs of it are missing from the table.
    pub problem: Option<String>,
}

/// Rows of a row group: few enough that a hundred thousand adapters take no memory to speak of.
const N_ROWS_GROUP: usize = 4096;

/// Writes the table and puts it in place.
///
/// # Errors
/// As [`replace_atomically`], and whatever a row is in place of itself.
pub fn write_adapters(path: &Path, mut rows: impl Iterator<Item = Result<AdapterRow>>) -> Result<()> {
    let mut next = || -> Result<Vec<AdapterRow>> { rows.by_ref().take(N_ROWS_GROUP).collect() };
    let first = columns(&next()?);
    let more = std::iter::from_fn(|| match next() {
        Ok(rows) if rows.is_empty() => None,
        rows => Some(rows.map(|rows| columns(&rows))),
    });
    replace_atomically(path, Durability::PowerCut, |file| {
        columns::write(file, path, &first, more, properties().build())
    })
}

fn columns(rows: &[AdapterRow]) -> Group {
    let text = |value: &dyn Fn(&AdapterRow) -> String| Column::Text(rows.iter().map(value).collect());
    let optional = |value: &dyn Fn(&AdapterRow) -> Option<String>| {
        Column::OptionalText(rows.iter().map(value).collect())
    };
    let columns = [
        ("id", Column::Int(rows.iter().map(|row| row.id).collect())),
        ("path", text(&|row| row.path.clone())),
        ("run", text(&|row| row.run.clone())),
        ("step", Column::OptionalLong(rows.iter().map(|row| row.step).collect())),
        ("base_model", optional(&|row| row.base_model.clone())),
        ("format", text(&|row| row.format.clone())),
        ("n_modules", Column::Int(rows.iter().map(|row| row.n_modules).collect())),
        ("rank", Column::Int(rows.iter().map(|row| row.rank).collect())),
        ("digest", optional(&|row| row.digest.clone())),
        ("problem", optional(&|row| row.problem.clone())),
    ];
    columns.into_iter().map(|(name, column)| (name.to_owned(), column)).collect()
}
