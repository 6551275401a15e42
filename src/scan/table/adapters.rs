//! `adapters.parquet`: one row for each adapter of a scan.

use std::path::Path;

use super::columns::{self, Column};
use super::{properties, put};
use crate::error::Result;

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

/// Writes the table and puts it in place.
///
/// # Errors
/// As [`put`].
pub fn write_adapters(path: &Path, rows: &[AdapterRow]) -> Result<()> {
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
    let columns = columns.map(|(name, column)| (name.to_owned(), column));
    put(path, |file| columns::write(file, path, &columns, properties().build()))
}
