//! `histograms.parquet`: how φ at full rank of all pairs of a module is spread, where only the most alike are kept.

use std::path::Path;

use super::columns::{self, Column};
use super::properties;
use crate::error::Result;
use crate::files::{Durability, replace_atomically};

/// Writes a row for each module and class with pairs in it, and puts the table in place: module, d, the bounds of the
/// class, φ in [phi_from, phi_to), and the count of pairs. 1 is in the last class.
///
/// # Errors
/// As [`replace_atomically`].
pub fn write_histograms(path: &Path, histograms: &[(String, usize, Vec<u64>)]) -> Result<()> {
    let rows = || {
        histograms.iter().flat_map(|(module, d, counts)| {
            let width = 1.0 / counts.len() as f32;
            let classes = counts.iter().enumerate().filter(|(_, n)| **n > 0);
            classes.map(move |(class, &n)| (module, *d, class as f32 * width, (class + 1) as f32 * width, n))
        })
    };
    let columns = [
        ("module", Column::Text(rows().map(|row| row.0.clone()).collect())),
        ("d", Column::Int(rows().map(|row| row.1 as i32).collect())),
        ("phi_from", Column::Float(rows().map(|row| row.2).collect())),
        ("phi_to", Column::Float(rows().map(|row| row.3).collect())),
        ("n_pairs", Column::OptionalLong(rows().map(|row| i64::try_from(row.4).ok()).collect())),
    ];
    let columns = columns.map(|(name, column)| (name.to_owned(), column));
    replace_atomically(path, Durability::PowerCut, |file| {
        columns::write(file, path, &columns, std::iter::empty(), properties().build())
    })
}
