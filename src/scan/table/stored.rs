//! A file of the pairs' table that is there already: read whole, and written again with fewer rows.

use std::path::{Path, PathBuf};

use super::histograms::N_CLASSES;
use super::note::NOTE;
use super::pairs::{BLOCKS, FALLBACK, HISTOGRAM, PairTable};
use crate::error::{Fault, Result};
use crate::table::{self, Cells, MAX_GROUP_ROWS, Schema, TableFile, Values};

/// The columns of a file.
#[derive(Debug)]
pub struct StoredPairs {
    path: PathBuf,
    schema: Schema,
    /// In the order of the schema.
    columns: Vec<Values>,
    n_rows: usize,
    metadata: Vec<(&'static str, String)>,
}

impl StoredPairs {
    /// Reads a file of a table without whole grids.
    ///
    /// # Errors
    /// `Io` when the system refuses, `Malformed` when the file is damaged or has other columns.
    pub fn read(path: &Path, table: &PairTable) -> Result<Self> {
        let file = TableFile::open(path)?;
        let schema = table.schema();
        file.expect(&schema)?;
        if file.n_rows() > MAX_GROUP_ROWS as u64 {
            let found = format!("{} rows", file.n_rows());
            return Err(Fault::new(found, format!("at most {MAX_GROUP_ROWS}")).at(path).malformed());
        }
        let metadata = [FALLBACK, HISTOGRAM, NOTE].into_iter();
        let metadata = metadata.filter_map(|key| Some((key, file.metadata(key)?.to_owned()))).collect();
        let mut columns: Vec<Values> =
            schema.fields.iter().map(|field| Values::none(field.column_type, field.is_nullable)).collect();
        let mut n_rows = 0;
        let names: Vec<&str> = schema.fields.iter().map(|field| field.name.as_ref()).collect();
        file.read(&names, names.len(), |batch| {
            n_rows += batch.n_rows;
            for (column, more) in columns.iter_mut().zip(batch.columns) {
                column.append(more.expect("a required column is there"));
            }
            Ok(())
        })?;
        Ok(Self { path: path.to_owned(), schema, columns, n_rows, metadata })
    }

    /// Rows of the file.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// a, b and φ at full rank of each row.
    pub fn pairs(&self) -> impl Iterator<Item = (i32, i32, f32)> + '_ {
        let column = |name: &str| {
            let place = self.schema.fields.iter().position(|field| field.name == name);
            place.map(|place| &self.columns[place])
        };
        match (column("a"), column("b"), column("phi_r")) {
            (
                Some(Values::Int32(Cells::All(a))),
                Some(Values::Int32(Cells::All(b))),
                Some(Values::Float32(phi)),
            ) => a.iter().zip(b).zip(phi).map(|((&a, &b), &phi)| (a, b, phi)),
            _ => unreachable!("every table of pairs has these columns"),
        }
    }

    /// How φ at full rank of all pairs of the block is spread, the ones that are not kept included.
    ///
    /// # Errors
    /// `Malformed` when the file does not say.
    pub fn histogram(&self) -> Result<Vec<u64>> {
        let text = self.metadata.iter().find(|(key, _)| *key == HISTOGRAM);
        let counts = text.and_then(|(_, text)| serde_json::from_str(text).ok());
        let counts = counts.filter(|counts: &Vec<u64>| counts.len() == N_CLASSES);
        counts.ok_or_else(|| {
            Fault::new("no histogram", "one, as in every file of a scan that keeps the K most alike")
                .at(&self.path)
                .malformed()
        })
    }

    /// Replaces the file by one with only these rows, unless `refusal` has an error once it is written.
    ///
    /// # Errors
    /// That of `refusal`; `Io` when the system refuses.
    pub(crate) fn rewrite(
        self,
        rows: &[usize],
        refusal: impl Iterator<Item = Result<Vec<Values>>>,
    ) -> Result<()> {
        let columns = self.columns.into_iter().map(|column| column.only(rows)).collect();
        let groups = std::iter::once(Ok(columns)).chain(refusal);
        table::write(&self.path, BLOCKS, &self.schema, groups, self.metadata)
    }
}
