//! `pairs/*.parquet`: one row for each module and pair of adapters.

use std::borrow::Cow;
use std::path::Path;

use crate::error::Result;
use crate::measure::chance;
use crate::names::{self, Projection};
use crate::table::{self, Cells, ColumnType, Encoding, Field, Schema, Values};

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

/// The file's metadata that says what made the rows, where it was not the plan's engine.
pub(super) const FALLBACK: &str = "lorascope.fallback";

/// The name of a cell's column: `phi_8` for (8, 8), `phi_8_4` for (8, 4).
fn column_name((i, j): (usize, usize)) -> String {
    if i == j { format!("phi_{i}") } else { format!("phi_{i}_{j}") }
}

impl PairTable {
    /// The columns of the table.
    pub fn schema(&self) -> Schema {
        let none = PairRows {
            phi: vec![vec![]; self.cells.len()],
            angles: vec![vec![]; self.n_angles],
            ..PairRows::default()
        };
        Schema::new(self.columns(none).into_iter().map(|(field, _)| field))
    }

    /// Writes a file of these rows and puts it in place.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    pub fn write(&self, path: &Path, rows: PairRows) -> Result<()> {
        let counts = rows.histogram.as_ref();
        let histogram = counts.map(|counts| serde_json::to_string(counts).expect("numbers are JSON"));
        let metadata = [(FALLBACK, rows.fallback.clone()), (HISTOGRAM, histogram)];
        let metadata = metadata.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        let (fields, values): (Vec<_>, Vec<_>) = self.columns(rows).into_iter().unzip();
        table::write(path, &Schema::new(fields), std::iter::once(Ok(values)), metadata)
    }

    fn columns(&self, rows: PairRows) -> Vec<(Field, Values)> {
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
        let lengths = rows.q_a.iter().zip(&rows.q_b).map(|(a, b)| (a * b) as usize).collect();
        let layer = names::layer(&rows.module).and_then(|layer| i32::try_from(layer).ok());
        let projection = Projection::of(&rows.module).map(|projection| projection.name().to_owned());
        let mut columns = vec![
            (Field::new("module", ColumnType::Text), Values::same_text(Some(rows.module), n)),
            (integers("layer").nullable(), Values::Int32(Cells::Same(layer, n))),
            (Field::new("projection", ColumnType::Text).nullable(), Values::same_text(projection, n)),
            (Field::new("a", ColumnType::Int32), Values::Int32(Cells::All(rows.a))),
            (Field::new("b", ColumnType::Int32), Values::Int32(Cells::All(rows.b))),
            (integers("r_a"), Values::Int32(Cells::All(rows.r_a))),
            (integers("r_b"), Values::Int32(Cells::All(rows.r_b))),
            (integers("q_a"), Values::Int32(Cells::All(rows.q_a))),
            (integers("q_b"), Values::Int32(Cells::All(rows.q_b))),
            (integers("d"), Values::Int32(Cells::Same(Some(d as i32), n))),
        ];
        let phi = self.cells.iter().zip(rows.phi);
        columns.extend(
            phi.map(|(&cell, values)| (numbers(column_name(cell)).nullable(), Values::Float32(values))),
        );
        columns.extend([
            (numbers("phi_r"), Values::Float32(rows.phi_r)),
            (numbers("linear_cka"), Values::Float32(rows.linear_cka)),
            (numbers("baseline"), Values::Float32(baseline)),
            (numbers("z").nullable(), Values::Float32(z)),
            (numbers("init_cosine").nullable(), Values::Float32(rows.init_cosine)),
            (Field::new("shared_init", ColumnType::Bool), Values::Bool(Cells::All(rows.shared_init))),
            (
                Field::new("other_base", ColumnType::Bool).nullable(),
                Values::Bool(Cells::Some(rows.other_base)),
            ),
        ]);
        let angles = (1..=self.n_angles).zip(rows.angles);
        columns.extend(
            angles.map(|(k, values)| (numbers(format!("angle_{k}")).nullable(), Values::Float32(values))),
        );
        if self.with_grids {
            let grids = Field::new("phi", ColumnType::Float32List).stored(Encoding::Plain);
            columns.push((grids, Values::Float32List(lengths, rows.grids)));
        }
        columns
    }
}

/// A column of numbers of which no two are alike.
fn numbers(name: impl Into<Cow<'static, str>>) -> Field {
    Field::new(name, ColumnType::Float32).stored(Encoding::Plain)
}

/// A column of integers that hardly change from row to row.
fn integers(name: &'static str) -> Field {
    Field::new(name, ColumnType::Int32).stored(Encoding::Delta)
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
