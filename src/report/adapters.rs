//! The adapters of a scan, from `adapters.parquet`.

use std::path::Path;

use super::table::Table;
use crate::error::{Fault, Remedy, Result};

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
}

const COLUMNS: [&str; 6] = ["id", "path", "run", "step", "base_model", "problem"];

/// All adapters, in the order of the file.
///
/// # Errors
/// `Invalid` when there is no such file; as [`Table::read`].
pub(super) fn read(scan: &Path) -> Result<Vec<AdapterRow>> {
    let path = scan.join("adapters.parquet");
    if !path.exists() {
        let remedy = match scan.join("plan.json").exists() {
            true => Remedy::FinishScan,
            false => Remedy::MakeScan,
        };
        let fault = Fault::new("no adapters.parquet", "the output folder of a scan that is done");
        return Err(fault.at(scan).remedy(remedy).invalid());
    }
    let table = Table::open(&path)?;
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
            });
        }
        Ok(())
    })?;
    Ok(adapters)
}
