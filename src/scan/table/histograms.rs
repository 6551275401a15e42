//! `histograms.parquet`: how φ at full rank of all pairs of a module is spread, where only the most alike are kept.

use std::path::Path;

use crate::error::Result;
use crate::table::{self, Cells, ColumnType, Field, Schema, Values};

/// Classes of a histogram: φ at full rank in steps of 0.01.
pub const N_CLASSES: usize = 100;

/// The columns of the table: a row counts the pairs of a module with φ in [phi_from, phi_to); 1 is in the last class.
pub fn histograms_schema() -> Schema {
    Schema::new([
        Field::new("module", ColumnType::Text),
        Field::new("d", ColumnType::Int32),
        Field::new("phi_from", ColumnType::Float32),
        Field::new("phi_to", ColumnType::Float32),
        Field::new("n_pairs", ColumnType::Int64).nullable(),
    ])
}

/// Writes a row for each module and class with pairs in it, and puts the table in place. A histogram is the module's name,
/// d, and the counts of pairs in classes of equal width from 0 to 1.
///
/// # Errors
/// That of `refusal`, if there is one once the table is written; `Io` when the system refuses.
pub(crate) fn write_histograms(
    path: &Path,
    histograms: &[(String, usize, Vec<u64>)],
    refusal: impl Iterator<Item = Result<Vec<Values>>>,
) -> Result<()> {
    let rows = || {
        histograms.iter().flat_map(|(module, d, counts)| {
            let width = 1.0 / counts.len() as f32;
            let classes = counts.iter().enumerate().filter(|(_, n)| **n > 0);
            classes.map(move |(class, &n)| (module, *d, class as f32 * width, (class + 1) as f32 * width, n))
        })
    };
    // In the order of the schema.
    let columns = vec![
        Values::texts(rows().map(|row| row.0.clone())),
        Values::Int32(Cells::All(rows().map(|row| row.1 as i32).collect())),
        Values::Float32(rows().map(|row| row.2).collect()),
        Values::Float32(rows().map(|row| row.3).collect()),
        Values::Int64(Cells::Some(rows().map(|row| i64::try_from(row.4).ok()).collect())),
    ];
    table::write(path, &histograms_schema(), std::iter::once(Ok(columns)).chain(refusal), vec![])
}
