//! `pairs/*.parquet`: one row for each module and pair of adapters.

use std::ops::Range;
use std::path::Path;

use super::note::{BlockNote, NOTE};
use crate::error::Result;
use crate::files::Durability;
use crate::measure::{self, BlockStats, Kind, Wanted};
use crate::names::{self, Projection};
use crate::table::{self, Cells, ColumnType, Encoding, Field, MAX_GROUP_ROWS, Schema, Values};

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
    pub statistics: Vec<(String, Kind, measure::Values)>,
    /// How φ at full rank of all pairs is spread, where not all are kept.
    pub histogram: Option<Vec<u64>>,
    /// What made them, where it was not the plan's engine.
    pub fallback: Option<String>,
    /// What the file says of itself.
    pub note: Option<BlockNote>,
}

/// The file's metadata that holds the histogram: a list of counts as JSON.
pub(super) const HISTOGRAM: &str = "lorascope.histogram";

/// The file's metadata that says what made the rows, where it was not the plan's engine.
pub(super) const FALLBACK: &str = "lorascope.fallback";

/// A block that a power cut damages is seen by its digest and made again. To wait for the disk for each takes longer than to make
/// small ones; [`Folder::sync_blocks`](crate::scan::folder::Folder::sync_blocks) waits once for all.
pub(super) const BLOCKS: Durability = Durability::Process;

impl PairTable {
    /// The columns of the table.
    pub fn schema(&self) -> Schema {
        let none = PairRows::none("", &self.wanted);
        Schema::new(self.columns(none).into_iter().map(|(field, _)| field))
    }

    /// Writes a file of these rows and puts it in place.
    ///
    /// # Errors
    /// `Io` when the system refuses.
    pub fn write(&self, path: &Path, rows: PairRows) -> Result<()> {
        self.write_unless(path, rows, None, std::iter::empty())
    }

    /// The same, unless `refusal` has an error once the rows are written. The rows have no whole grids where `grids` makes them, for
    /// some rows at a time: those of all would take gigabytes.
    ///
    /// # Errors
    /// Those of `grids` and `refusal`; `Io` when the system refuses.
    pub(crate) fn write_unless(
        &self,
        path: &Path,
        rows: PairRows,
        grids: Option<&MakeGrids<'_>>,
        refusal: impl Iterator<Item = Result<Vec<Values>>>,
    ) -> Result<()> {
        let metadata = rows.metadata();
        let Some(grids) = grids else {
            let group = std::iter::once(Ok(self.values(rows)));
            return table::write(path, BLOCKS, &self.schema(), group.chain(refusal), metadata);
        };
        let (n_rows, n_at_once) = (rows.a.len(), Self::grids_at_once(&self.wanted));
        // A file without rows has one group, too.
        let groups = (0..n_rows.max(1)).step_by(n_at_once).map(|start| {
            let group = start..n_rows.min(start + n_at_once);
            let mut rows = rows.part(group.clone());
            rows.fill_grids(grids(group)?);
            Ok(self.values(rows))
        });
        table::write(path, BLOCKS, &self.schema(), groups.chain(refusal), metadata)
    }

    /// The columns in the order of the schema.
    fn values(&self, rows: PairRows) -> Vec<Values> {
        self.columns(rows).into_iter().map(|(_, values)| values).collect()
    }

    fn columns(&self, rows: PairRows) -> Vec<(Field, Values)> {
        let n = rows.a.len();
        let layer = names::layer(&rows.module).and_then(|layer| i32::try_from(layer).ok());
        let projection = Projection::of(&rows.module).map(|projection| projection.name().to_owned());
        let mut columns = vec![
            (Field::new("module", ColumnType::Text), Values::same_text(Some(rows.module), n)),
            (
                Field::new("layer", ColumnType::Int32).nullable().stored(Encoding::Delta),
                Values::Int32(Cells::Same(layer, n)),
            ),
            (Field::new("projection", ColumnType::Text).nullable(), Values::same_text(projection, n)),
            (Field::new("a", ColumnType::Int32), Values::Int32(Cells::All(rows.a))),
            (Field::new("b", ColumnType::Int32), Values::Int32(Cells::All(rows.b))),
        ];
        let statistics = rows.statistics.into_iter();
        columns.extend(statistics.map(|(name, kind, values)| (field(name, kind), column(kind, values))));
        columns
    }

    /// Bytes of a row on the disk, about.
    pub fn row_bytes(&self) -> usize {
        let ids = 4;
        let statistics = measure::columns(&self.wanted).into_iter();
        ids + statistics.map(|(_, kind)| kind.stored_bytes(&self.wanted)).sum::<usize>()
    }

    /// Rows of a row group where whole grids are kept: as many as take some megabytes, since a grid may take a hundred kilobytes.
    /// The same for all engines and any memory, so that they write the same bytes.
    pub fn grids_at_once(wanted: &Wanted) -> usize {
        (GROUP_GRID_BYTES / (4 * wanted.max_rank * wanted.max_rank).max(1)).clamp(1, MAX_GROUP_ROWS)
    }

    /// Bytes of a row in memory, at most, but for its grid: as an engine makes its numbers, and as they are written.
    pub fn memory_bytes(&self) -> usize {
        let numbers = size_of::<f32>() * BlockStats::n_numbers(self.wanted.cells.len());
        let (places, ids) = (size_of::<(usize, usize)>(), 2 * size_of::<i32>());
        let statistics = measure::columns(&self.wanted).into_iter();
        numbers + places + ids + statistics.map(|(_, kind)| kind.memory_bytes()).sum::<usize>()
    }
}

/// What makes the column of whole grids for rows at these places.
pub type MakeGrids<'a> = dyn Fn(Range<usize>) -> Result<measure::Values> + 'a;

/// Bytes of the whole grids in a row group.
const GROUP_GRID_BYTES: usize = 4 << 20;

/// The column of a statistic.
fn field(name: String, kind: Kind) -> Field {
    match kind {
        Kind::Int => Field::new(name, ColumnType::Int32).stored(Encoding::Delta),
        Kind::SteadyFloat | Kind::Float => Field::new(name, ColumnType::Float32).stored(Encoding::Plain),
        Kind::OptionalFloat => Field::new(name, ColumnType::Float32).stored(Encoding::Plain).nullable(),
        // With a dictionary: as few numbers as there are adapters.
        Kind::OptionalDouble => Field::new(name, ColumnType::Float64).nullable(),
        Kind::Bool => Field::new(name, ColumnType::Bool),
        Kind::OptionalBool => Field::new(name, ColumnType::Bool).nullable(),
        Kind::GridOfFloats => Field::new(name, ColumnType::Float32List).stored(Encoding::Plain),
    }
}

/// The values of a statistic.
fn column(kind: Kind, values: measure::Values) -> Values {
    match values {
        measure::Values::Ints(values) => Values::Int32(Cells::All(values)),
        measure::Values::Floats(values) => Values::Float32(values),
        measure::Values::Numbers(values) if kind == Kind::OptionalDouble => Values::Float64(values),
        measure::Values::Numbers(values) => {
            Values::Float32(values.into_iter().map(|value| value as f32).collect())
        }
        measure::Values::Flags(values) if kind == Kind::OptionalBool => Values::Bool(Cells::Some(values)),
        measure::Values::Flags(values) => {
            Values::Bool(Cells::All(values.into_iter().map(|value| value == Some(true)).collect()))
        }
        measure::Values::Lists { lengths, values } => Values::Float32List(lengths, values),
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
    pub fn statistic(&self, name: &str) -> Option<&measure::Values> {
        self.statistics.iter().find(|(column, ..)| column == name).map(|(.., values)| values)
    }

    /// φ at full rank of each row.
    pub fn phi_r(&self) -> &[f32] {
        match self.statistic(measure::phi_r::STATISTIC.key) {
            Some(measure::Values::Floats(phi)) => phi,
            _ => &[],
        }
    }

    /// Rows whose flag is set.
    pub fn n_set(&self, name: &str) -> usize {
        self.statistic(name).map_or(0, measure::Values::n_set)
    }

    /// How many rows have an update that is not known, since a factor's numbers are not finite.
    pub(crate) fn n_unknown_updates(&self) -> usize {
        let [Some(norm_a), Some(norm_b)] = ["norm_a", "norm_b"].map(|name| self.statistic(name)) else {
            return 0;
        };
        let is_unknown = |row: &usize| norm_a.number(*row).is_nan() || norm_b.number(*row).is_nan();
        (0..self.a.len()).filter(is_unknown).count()
    }

    /// What the file says of its rows.
    fn metadata(&self) -> Vec<(&'static str, String)> {
        let counts = self.histogram.as_ref();
        let histogram = counts.map(|counts| serde_json::to_string(counts).expect("numbers are JSON"));
        let note = self.note.as_ref().map(BlockNote::to_json);
        let metadata = [(FALLBACK, self.fallback.clone()), (HISTOGRAM, histogram), (NOTE, note)];
        metadata.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }

    /// Puts whole grids into their column.
    fn fill_grids(&mut self, grids: measure::Values) {
        let column = self.statistics.iter_mut().find(|(_, kind, _)| *kind == Kind::GridOfFloats);
        if let Some((.., values)) = column {
            *values = grids;
        }
    }

    /// Some rows that follow each other, without grids.
    fn part(&self, rows: Range<usize>) -> Self {
        let ids = |ids: &[i32]| ids.get(rows.clone()).unwrap_or_default().to_vec();
        let places: Vec<usize> = rows.clone().collect();
        let statistics = self.statistics.iter().map(|(name, kind, values)| {
            let values = match kind {
                Kind::GridOfFloats => kind.empty(),
                _ => values.only(&places),
            };
            (name.clone(), *kind, values)
        });
        Self {
            module: self.module.clone(),
            a: ids(&self.a),
            b: ids(&self.b),
            statistics: statistics.collect(),
            histogram: None,
            fallback: None,
            note: None,
        }
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
    fn documented(field: &Field) -> String {
        let name = match field.column_type {
            ColumnType::Int32 => "int32",
            ColumnType::Text => "string",
            other => unreachable!("no pair has an id of type {other:?}"),
        };
        if field.is_nullable { format!("{name}, null") } else { name.to_owned() }
    }

    #[test]
    fn the_documentation_of_the_table_has_a_row_for_each_column_and_no_other() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/table.md");
        let text = std::fs::read_to_string(path).unwrap();
        let wanted = Wanted::default();
        let n_statistics = measure::columns(&wanted).len();
        let mut columns = PairTable { wanted: wanted.clone() }.columns(PairRows::none("m", &wanted));
        columns.truncate(columns.len() - n_statistics);
        let mut expected: Vec<(String, String)> =
            columns.into_iter().map(|(field, _)| (field.name.to_string(), documented(&field))).collect();
        for statistic in STATISTICS {
            match statistic.columns {
                Columns::Fixed(columns) | Columns::Optional { columns, .. } => {
                    expected.extend(
                        columns.iter().map(|column| (column.name.to_owned(), column.kind.to_string())),
                    );
                }
                Columns::Family { patterns, kind, also, .. } => {
                    expected.extend(patterns.iter().map(|name| ((*name).to_owned(), kind.to_string())));
                    expected
                        .extend(also.iter().map(|column| (column.name.to_owned(), column.kind.to_string())));
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
