//! `pairs/*.parquet`: one row for each module and pair of adapters.

use std::path::Path;

use parquet::basic::Encoding;
use parquet::file::metadata::KeyValue;
use parquet::schema::types::ColumnPath;

use super::columns::{self, Column};
use super::properties;
use crate::error::Result;
use crate::files::put;
use crate::measure::{self, BlockStats, Kind, Values, Wanted};
use crate::names::{self, Projection};

/// The columns of a scan: the same in every file.
#[derive(Debug, Clone)]
pub struct PairTable {
    /// What is asked of every pair, from which its statistics have their columns.
    pub wanted: Wanted,
}

/// The rows of one file, as columns. All lists have one entry a row.
#[derive(Debug, Default)]
pub struct PairRows {
    /// Canonical name of the module, the same in every row.
    pub module: String,
    /// Adapters.
    pub a: Vec<i32>,
    /// Adapters.
    pub b: Vec<i32>,
    /// The statistics of each pair: an entry for each of [`measure::columns`].
    pub statistics: Vec<(String, Kind, Values)>,
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
    put(path, |file| columns::write(file, path, columns, std::iter::empty(), properties.build()))
}

impl PairTable {
    /// Writes a file of these rows and puts it in place.
    ///
    /// # Errors
    /// As [`put`].
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
        let layer = names::layer(&rows.module).and_then(|layer| i32::try_from(layer).ok());
        let projection = Projection::of(&rows.module).map(|projection| projection.name().to_owned());
        let mut columns = vec![
            ("module".to_owned(), Column::Constant(rows.module, n)),
            ("layer".to_owned(), Column::OptionalConstantInt(layer, n)),
            ("projection".to_owned(), Column::OptionalConstant(projection, n)),
            ("a".to_owned(), Column::Int(rows.a)),
            ("b".to_owned(), Column::Int(rows.b)),
        ];
        let statistics = rows.statistics.into_iter();
        columns.extend(statistics.map(|(name, kind, values)| (name, Column::of(kind, values))));
        columns
    }

    /// Bytes of a row on the disk, about.
    pub fn row_bytes(&self) -> usize {
        let ids = 4;
        let statistics = measure::columns(&self.wanted).into_iter();
        ids + statistics.map(|(_, kind)| kind.stored_bytes(&self.wanted)).sum::<usize>()
    }

    /// Bytes of a row in memory, at most: as an engine makes its numbers, and as they are written.
    pub fn memory_bytes(&self) -> usize {
        let numbers = size_of::<f32>() * BlockStats::n_numbers(self.wanted.cells.len());
        let (places, ids) = (size_of::<(usize, usize)>(), 2 * size_of::<i32>());
        let statistics = measure::columns(&self.wanted).into_iter();
        numbers + places + ids + statistics.map(|(_, kind)| kind.memory_bytes(&self.wanted)).sum::<usize>()
    }
}

impl Column {
    /// The values of a statistic.
    fn of(kind: Kind, values: Values) -> Self {
        let is_optional = matches!(kind, Kind::OptionalFloat | Kind::OptionalBool);
        let floats = |values: Vec<f32>| {
            if is_optional { Self::OptionalFloat(values) } else { Self::Float(values) }
        };
        match values {
            Values::Ints(values) => Self::Int(values),
            Values::Floats(values) => floats(values),
            Values::Numbers(values) => floats(values.into_iter().map(|value| value as f32).collect()),
            Values::Flags(values) if is_optional => Self::OptionalBool(values),
            Values::Flags(values) => {
                Self::Bool(values.into_iter().map(|value| value == Some(true)).collect())
            }
            Values::Lists { lengths, values } => Self::Lists(lengths, values),
        }
    }
}

impl PairRows {
    /// No rows, with the columns of a table.
    pub fn none(module: &str, wanted: &Wanted) -> Self {
        let columns = measure::columns(wanted).into_iter();
        let statistics = columns.map(|(name, kind)| (name, kind, kind.empty())).collect();
        Self { module: module.to_owned(), statistics, ..Self::default() }
    }

    /// The values of a statistic of one column, where the table has it.
    pub fn statistic(&self, name: &str) -> Option<&Values> {
        self.statistics.iter().find(|(column, ..)| column == name).map(|(.., values)| values)
    }

    /// φ at full rank of each row.
    pub fn phi_r(&self) -> &[f32] {
        match self.statistic(measure::phi_r::STATISTIC.key) {
            Some(Values::Floats(phi)) => phi,
            _ => &[],
        }
    }

    /// Rows whose flag is set.
    pub fn n_set(&self, name: &str) -> usize {
        self.statistic(name).map_or(0, Values::n_set)
    }

    /// The rows at these places.
    pub fn only(self, places: &[usize]) -> Self {
        let only = |ids: &[i32]| places.iter().map(|&place| ids[place]).collect();
        let statistics = self.statistics.into_iter();
        Self {
            a: only(&self.a),
            b: only(&self.b),
            statistics: statistics.map(|(name, kind, values)| (name, kind, values.only(places))).collect(),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Columns, STATISTICS};

    /// What a column is documented as.
    fn documented(column: &Column) -> &'static str {
        match column {
            Column::Constant(..) => "string",
            Column::OptionalConstant(..) => "string, null",
            Column::OptionalConstantInt(..) => "int32, null",
            Column::Int(_) => "int32",
            _ => unreachable!("a column that every pair has"),
        }
    }

    #[test]
    fn the_documentation_of_the_table_has_a_row_for_each_column_and_no_other() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/table.md");
        let Ok(text) = std::fs::read_to_string(path) else { return println!("skipped: no {path}") };
        let wanted = Wanted::default();
        let n_statistics = measure::columns(&wanted).len();
        let mut columns = PairTable { wanted: wanted.clone() }.columns(PairRows::none("m", &wanted));
        columns.truncate(columns.len() - n_statistics);
        let mut expected: Vec<(String, String)> =
            columns.into_iter().map(|(name, column)| (name, documented(&column).to_owned())).collect();
        for statistic in STATISTICS {
            match statistic.columns {
                Columns::Fixed(columns) => {
                    expected.extend(
                        columns.iter().map(|column| (column.name.to_owned(), column.kind.to_string())),
                    );
                }
                Columns::Family { patterns, kind, .. } => {
                    expected.extend(patterns.iter().map(|name| ((*name).to_owned(), kind.to_string())));
                }
            }
        }
        let rows = text.lines().skip_while(|line| !line.starts_with("## `pairs/")).skip(1);
        let rows = rows.take_while(|line| !line.starts_with("## "));
        let found: Vec<(String, String)> = rows
            .filter_map(|line| {
                let (name, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
                Some((name.to_owned(), rest.split_once(" |")?.0.to_owned()))
            })
            .collect();
        assert_eq!(found, expected);
    }
}
