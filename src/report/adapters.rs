//! The adapters of a scan, from `adapters.parquet`.

use std::path::Path;

use crate::error::{Fault, Result};
use crate::scan::table;
use crate::table::TableFile;

/// One adapter of a scan.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AdapterRow {
    /// Its number in the pairs' files.
    pub(crate) id: i64,
    pub(crate) path: String,
    /// The folder of its training run.
    pub(crate) run: String,
    pub(crate) step: Option<i64>,
    pub(crate) base_model: Option<String>,
    /// Why pairs of it are missing.
    pub(crate) problem: Option<String>,
    /// What of its update is not read.
    pub(crate) unread: Option<String>,
    /// How many of its modules have no basis.
    pub(crate) n_left_out: usize,
}

impl From<table::AdapterRow> for AdapterRow {
    fn from(row: table::AdapterRow) -> Self {
        let table::AdapterRow { id, path, run, step, base_model, problem, n_left_out, unread, .. } = row;
        let n_left_out = n_left_out.max(0) as usize;
        Self { id: id.into(), path, run, step, base_model, problem, unread, n_left_out }
    }
}

const COLUMNS: [&str; 8] = ["id", "path", "run", "step", "base_model", "problem", "unread", "n_left_out"];

/// All adapters, by rising number.
///
/// # Errors
/// As [`TableFile::read`].
pub(super) fn read(path: &Path) -> Result<Vec<AdapterRow>> {
    let table = TableFile::open(path)?;
    table.verify()?;
    let mut adapters = vec![];
    table.read(&COLUMNS, 2, |batch| {
        for row in 0..batch.n_rows {
            let (Some(id), Some(path)) = (batch.integer(0, row), batch.text(1, row)) else {
                let fault = Fault::new("a row without id or path", "both").at(table.path());
                return Err(fault.malformed());
            };
            adapters.push(AdapterRow {
                id,
                path,
                run: batch.text(2, row).unwrap_or_default(),
                step: batch.integer(3, row),
                base_model: batch.text(4, row),
                problem: batch.text(5, row),
                unread: batch.text(6, row),
                n_left_out: batch.integer(7, row).map_or(0, |n| n.max(0) as usize),
            });
        }
        Ok(())
    })?;
    adapters.sort_by_key(|adapter| adapter.id);
    Ok(adapters)
}
