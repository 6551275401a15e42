//! `pairs/*.parquet`: one row for each module and pair of adapters.

use std::path::Path;

use parquet::basic::Encoding;
use parquet::file::metadata::KeyValue;
use parquet::schema::types::ColumnPath;

use super::columns::{self, Column};
use super::properties;
use crate::error::Result;
use crate::files::{Durability, replace_atomically};
use crate::measure::chance;
use crate::names::{self, Projection};

/// The columns of a scan: the same in every file.
#[derive(Debug, Clone)]
pub struct PairTable {
    /// The cells (i, j) that are kept, counted from 1.
    pub cells: Vec<(usize, usize)>,
    /// Columns for principal angles, up to the largest rank; 0 for none.
    pub n_angles: usize,
    /// Whether every row has its whole grid.
    pub with_grids: bool,
}

/// The rows of one file, as columns. All lists have one entry a row.
#[derive(Debug, Default)]
pub struct PairRows {
    /// Canonical name of the module, the same in every row.
    pub module: String,
    /// Dimension of the space, the same in every row.
    pub d: usize,
    /// Adapters.
    pub a: Vec<i32>,
    /// Adapters.
    pub b: Vec<i32>,
    /// Ranks of the factors.
    pub r_a: Vec<i32>,
    /// Ranks of the factors.
    pub r_b: Vec<i32>,
    /// Numerical ranks.
    pub q_a: Vec<i32>,
    /// Numerical ranks.
    pub q_b: Vec<i32>,
    /// φ at each of the table's cells, in [0, 1]; NaN where there is none.
    pub phi: Vec<Vec<f32>>,
    /// φ(m, m), m = min(q_a, q_b), in [0, 1].
    pub phi_r: Vec<f32>,
    /// The linear CKA, in [0, 1] by Cauchy–Schwarz.
    pub linear_cka: Vec<f32>,
    /// cos(vec A₁, vec A₂), estimated; NaN where the shapes differ.
    pub init_cosine: Vec<f32>,
    /// Whether that is over [`SHARED_INIT`](crate::measure::init_cosine::SHARED_INIT).
    pub shared_init: Vec<bool>,
    /// Whether the configs name different base models; `None` where one names none.
    pub other_base: Vec<Option<bool>>,
    /// The principal angles in degrees, the smallest first: a column for each; NaN where there is none.
    pub angles: Vec<Vec<f32>>,
    /// (q_a, q_b) row-major grids, one after another.
    pub grids: Vec<f32>,
    /// How φ at full rank of all pairs is spread, where not all are kept.
    pub histogram: Option<Vec<u64>>,
    /// What made them, where it was not the plan's engine.
    pub fallback: Option<String>,
}

/// The file's metadata that holds the histogram: a list of counts as JSON.
pub(super) const HISTOGRAM: &str = "lorascope.histogram";

/// Writes columns with some metadata and puts the file in place.
pub(super) fn write_columns(
    path: &Path,
    columns: &[(String, Column)],
    metadata: Vec<KeyValue>,
) -> Result<()> {
    let mut properties = properties().set_key_value_metadata((!metadata.is_empty()).then_some(metadata));
    for (name, column) in columns {
        let path = match column {
            Column::Lists(..) => ColumnPath::new([name, "list", "element"].map(str::to_owned).into()),
            _ => ColumnPath::new(vec![name.clone()]),
        };
        match column {
            // No two numbers are alike: a dictionary would only be thrown away.
            Column::Float(_) | Column::OptionalFloat(_) | Column::Lists(..) => {
                properties = properties.set_column_dictionary_enabled(path, false);
            }
            // Ranks hardly change from row to row: no dictionary is as short, or as soon made.
            Column::Int(_) | Column::OptionalConstantInt(..) if !["a", "b"].contains(&name.as_str()) => {
                properties = properties
                    .set_column_dictionary_enabled(path.clone(), false)
                    .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
            }
            _ => {}
        }
    }
    replace_atomically(path, Durability::PowerCut, |file| {
        columns::write(file, path, columns, std::iter::empty(), properties.build())
    })
}

/// The name of a cell's column: `phi_8` for (8, 8), `phi_8_4` for (8, 4).
fn column_name((i, j): (usize, usize)) -> String {
    if i == j { format!("phi_{i}") } else { format!("phi_{i}_{j}") }
}

impl PairTable {
    /// Writes a file of these rows and puts it in place.
    ///
    /// # Errors
    /// As [`replace_atomically`].
    pub fn write(&self, path: &Path, rows: PairRows) -> Result<()> {
        let mut metadata = vec![];
        if let Some(made_by) = &rows.fallback {
            metadata.push(KeyValue::new("lorascope.fallback".to_owned(), made_by.clone()));
        }
        if let Some(counts) = &rows.histogram {
            let json = serde_json::to_string(counts).expect("numbers are JSON");
            metadata.push(KeyValue::new(HISTOGRAM.to_owned(), json));
        }
        write_columns(path, &self.columns(rows), metadata)
    }

    fn columns(&self, rows: PairRows) -> Vec<(String, Column)> {
        let n = rows.a.len();
        let d = rows.d;
        let full = |row: usize| rows.q_a[row].min(rows.q_b[row]) as usize;
        let baseline: Vec<f32> = (0..n).map(|row| chance::baseline(full(row), full(row), d) as f32).collect();
        let z = |row: usize| {
            let variance = chance::variance(full(row), full(row), d);
            // z tests independence, which a common start rules out.
            if variance <= 0.0 || rows.shared_init[row] {
                return f32::NAN;
            }
            let excess = f64::from(rows.phi_r[row]) - chance::baseline(full(row), full(row), d);
            (excess / variance.sqrt()) as f32
        };
        let z: Vec<f32> = (0..n).map(z).collect();
        let layer = names::layer(&rows.module).and_then(|layer| i32::try_from(layer).ok());
        let projection = Projection::of(&rows.module).map(|projection| projection.name().to_owned());
        let mut columns = vec![
            ("module".to_owned(), Column::Constant(rows.module, n)),
            ("layer".to_owned(), Column::OptionalConstantInt(layer, n)),
            ("projection".to_owned(), Column::OptionalConstant(projection, n)),
            ("a".to_owned(), Column::Int(rows.a)),
            ("b".to_owned(), Column::Int(rows.b)),
            ("r_a".to_owned(), Column::Int(rows.r_a)),
            ("r_b".to_owned(), Column::Int(rows.r_b)),
            ("q_a".to_owned(), Column::Int(rows.q_a)),
            ("q_b".to_owned(), Column::Int(rows.q_b)),
            ("d".to_owned(), Column::Int(vec![d as i32; n])),
        ];
        let phi = self.cells.iter().zip(rows.phi);
        columns.extend(phi.map(|(&cell, values)| (column_name(cell), Column::OptionalFloat(values))));
        columns.extend([
            ("phi_r".to_owned(), Column::Float(rows.phi_r)),
            ("linear_cka".to_owned(), Column::Float(rows.linear_cka)),
            ("baseline".to_owned(), Column::Float(baseline)),
            ("z".to_owned(), Column::OptionalFloat(z)),
            ("init_cosine".to_owned(), Column::OptionalFloat(rows.init_cosine)),
            ("shared_init".to_owned(), Column::Bool(rows.shared_init)),
            ("other_base".to_owned(), Column::OptionalBool(rows.other_base)),
        ]);
        let angles = (1..=self.n_angles).zip(rows.angles);
        columns.extend(angles.map(|(k, values)| (format!("angle_{k}"), Column::OptionalFloat(values))));
        if self.with_grids {
            let lengths = rows_lengths(&columns);
            columns.push(("phi".to_owned(), Column::Lists(lengths, rows.grids)));
        }
        columns
    }
}

/// Cells of each row's grid, from the numerical ranks that are columns already.
fn rows_lengths(columns: &[(String, Column)]) -> Vec<usize> {
    let ranks = |name: &str| {
        columns.iter().find_map(|(column, values)| match values {
            Column::Int(values) if column == name => Some(values),
            _ => None,
        })
    };
    match (ranks("q_a"), ranks("q_b")) {
        (Some(q_a), Some(q_b)) => q_a.iter().zip(q_b).map(|(a, b)| (a * b) as usize).collect(),
        _ => vec![],
    }
}

impl PairRows {
    /// The rows at these places.
    pub fn only(&self, places: &[usize]) -> Self {
        fn only<T: Copy>(values: &[T], places: &[usize]) -> Vec<T> {
            places.iter().map(|&place| values[place]).collect()
        }
        let columns = |columns: &[Vec<f32>]| columns.iter().map(|values| only(values, places)).collect();
        Self {
            module: self.module.clone(),
            d: self.d,
            a: only(&self.a, places),
            b: only(&self.b, places),
            r_a: only(&self.r_a, places),
            r_b: only(&self.r_b, places),
            q_a: only(&self.q_a, places),
            q_b: only(&self.q_b, places),
            phi: columns(&self.phi),
            phi_r: only(&self.phi_r, places),
            linear_cka: only(&self.linear_cka, places),
            init_cosine: only(&self.init_cosine, places),
            shared_init: only(&self.shared_init, places),
            other_base: only(&self.other_base, places),
            angles: columns(&self.angles),
            // Whole grids are kept of every pair or of none.
            grids: self.grids.clone(),
            histogram: self.histogram.clone(),
            fallback: self.fallback.clone(),
        }
    }
}
