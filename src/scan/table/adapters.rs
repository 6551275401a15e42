//! `adapters.parquet`: one row for each adapter of a scan.

use std::collections::HashMap;
use std::path::Path;

use crate::error::Result;
use crate::files::Durability;
use crate::scan::digest::Digest;
use crate::scan::plan::Plan;
use crate::table::{self, Cells, ColumnType, Field, Schema, TableFile, Values};

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
    /// The naming scheme of the tensors.
    pub naming_scheme: String,
    /// How many modules the scan compares.
    pub n_modules: i32,
    /// How many of these have no basis, and so no rows.
    pub n_left_out: i32,
    /// The largest rank of these.
    pub rank: i32,
    /// Of what the scan reads of the file; `None` before it was read.
    pub digest: Option<Digest>,
    /// Why pairs of it are missing from the table.
    pub problem: Option<String>,
    /// What of its update is not read.
    pub unread: Option<String>,
}

/// Rows of a row group: few enough that a hundred thousand adapters take no memory to speak of.
const N_GROUP_ROWS: usize = 4096;

/// The file's metadata that a table of an unfinished scan has.
const UNFINISHED: &str = "lorascope.unfinished";

/// The columns of the table.
pub fn adapters_schema() -> Schema {
    Schema::new([
        Field::new("id", ColumnType::Int32),
        Field::new("path", ColumnType::Text),
        Field::new("run", ColumnType::Text),
        Field::new("step", ColumnType::Int64).nullable(),
        Field::new("base_model", ColumnType::Text).nullable(),
        Field::new("naming_scheme", ColumnType::Text),
        Field::new("n_modules", ColumnType::Int32),
        Field::new("n_left_out", ColumnType::Int32),
        Field::new("rank", ColumnType::Int32),
        Field::new("digest", ColumnType::Text).nullable(),
        Field::new("problem", ColumnType::Text).nullable(),
        Field::new("unread", ColumnType::Text).nullable(),
    ])
}

/// Writes the table and puts it in place.
///
/// # Errors
/// `Io` when the system refuses, and any error that stands in place of a row.
pub fn write_adapters(path: &Path, rows: impl Iterator<Item = Result<AdapterRow>>) -> Result<()> {
    write(path, rows, vec![])
}

/// The same for a scan whose blocks are not all there: the table says so.
///
/// # Errors
/// As [`write_adapters`].
pub(crate) fn write_unfinished_adapters(
    path: &Path,
    rows: impl Iterator<Item = Result<AdapterRow>>,
) -> Result<()> {
    write(path, rows, vec![(UNFINISHED, "true".to_owned())])
}

/// Whether the table was written before all blocks were there.
pub(crate) fn is_marked_unfinished(table: &TableFile) -> bool {
    table.metadata(UNFINISHED).is_some()
}

fn write(
    path: &Path,
    mut rows: impl Iterator<Item = Result<AdapterRow>>,
    metadata: Vec<(&str, String)>,
) -> Result<()> {
    let mut is_first = true;
    let groups = std::iter::from_fn(|| {
        let rows: Result<Vec<AdapterRow>> = rows.by_ref().take(N_GROUP_ROWS).collect();
        // A table without rows has an empty group all the same.
        let is_over = !std::mem::take(&mut is_first) && rows.as_ref().is_ok_and(Vec::is_empty);
        (!is_over).then(|| rows.map(|rows| columns(&rows)))
    });
    table::write(path, Durability::PowerCut, &adapters_schema(), groups, metadata)
}

/// The digests of a table that is there, by the adapters' numbers: of those that have the same path in the plan. A table that cannot
/// be read has none.
pub(crate) fn stored_digests(path: &Path, plan: &Plan) -> HashMap<i32, Digest> {
    let mut digests = HashMap::new();
    let whole = TableFile::open(path).and_then(|table| table.verify().map(|()| table));
    let Ok(table) = whole else { return digests };
    let read = table.read(&["id", "path", "digest"], 3, |batch| {
        for row in 0..batch.n_rows {
            let Some(id) = batch.integer(0, row).and_then(|id| i32::try_from(id).ok()) else { continue };
            let planned = usize::try_from(id).ok().and_then(|id| plan.adapters.get(id));
            let is_it =
                planned.is_some_and(|adapter| batch.text(1, row) == Some(adapter.path.display().to_string()));
            let digest = batch.text(2, row).and_then(|text| Digest::try_from(text).ok());
            digests.extend(digest.filter(|_| is_it).map(|digest| (id, digest)));
        }
        Ok(())
    });
    if read.is_ok() { digests } else { HashMap::new() }
}

/// In the order of [`adapters_schema`].
fn columns(rows: &[AdapterRow]) -> Vec<Values> {
    let int =
        |value: &dyn Fn(&AdapterRow) -> i32| Values::Int32(Cells::All(rows.iter().map(value).collect()));
    let text = |value: &dyn Fn(&AdapterRow) -> String| Values::texts(rows.iter().map(value));
    let optional =
        |value: &dyn Fn(&AdapterRow) -> Option<String>| Values::optional_texts(rows.iter().map(value));
    vec![
        int(&|row| row.id),
        text(&|row| row.path.clone()),
        text(&|row| row.run.clone()),
        Values::Int64(Cells::Some(rows.iter().map(|row| row.step).collect())),
        optional(&|row| row.base_model.clone()),
        text(&|row| row.naming_scheme.clone()),
        int(&|row| row.n_modules),
        int(&|row| row.n_left_out),
        int(&|row| row.rank),
        optional(&|row| row.digest.map(String::from)),
        optional(&|row| row.problem.clone()),
        optional(&|row| row.unread.clone()),
    ]
}
