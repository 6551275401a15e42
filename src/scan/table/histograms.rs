//! `histograms.parquet`: how φ at full rank of all pairs of a module is spread, where only the most alike are kept.

use std::path::Path;

use crate::error::Result;
use crate::files::Durability;
use crate::table::{self, Cells, ColumnType, Field, Schema, Values};

/// Classes of a histogram: φ at full rank in steps of 0.01.
pub const N_CLASSES: usize = 100;

/// Where a class begins: the f32 nearest to so many hundredths.
pub fn class_edge(class: usize) -> f32 {
    (class as f64 / N_CLASSES as f64) as f32
}

/// The class of a φ in [0, 1], by comparison with the edges: 1 is in the last one.
pub fn class_of(phi: f32) -> usize {
    // Rounding puts it one class off at most.
    let near = ((phi * N_CLASSES as f32) as usize).min(N_CLASSES - 1);
    if phi < class_edge(near) {
        near - 1
    } else if near + 1 < N_CLASSES && phi >= class_edge(near + 1) {
        near + 1
    } else {
        near
    }
}

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
/// d, and the counts of pairs in the [`N_CLASSES`] from 0 to 1.
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
            let classes = counts.iter().enumerate().filter(|(_, n)| **n > 0);
            classes.map(move |(class, &n)| (module, *d, class_edge(class), class_edge(class + 1), n))
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
    table::write(
        path,
        Durability::PowerCut,
        &histograms_schema(),
        std::iter::once(Ok(columns)).chain(refusal),
        vec![],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_the_numbers_that_they_read_as() {
        for class in 0..=N_CLASSES {
            let text = format!("{}.{:02}", class / 100, class % 100);
            assert_eq!(class_edge(class), text.parse::<f32>().unwrap(), "{text}");
        }
    }

    #[test]
    fn an_edge_is_in_the_class_that_it_begins_and_the_number_below_in_the_one_before() {
        for class in 0..N_CLASSES {
            let edge = class_edge(class);
            assert_eq!((class_of(edge), class_of(edge.next_up())), (class, class));
            assert_eq!(class_of(edge.next_down().max(0.0)), class.saturating_sub(1));
        }
        assert_eq!((class_of(1.0), class_of(1.0f32.next_down())), (99, 99));
        // Each number is in [from, to) of its class, whatever it is.
        for k in 0..100_000 {
            let phi = k as f32 / 100_000.0;
            let class = class_of(phi);
            assert!(class_edge(class) <= phi && phi < class_edge(class + 1), "{phi}: {class}");
        }
    }
}
