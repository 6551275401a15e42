//! A scan's folder: its adapters, what was asked for, and whether all of it is there.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::adapters::{self, AdapterRow};
use super::cut::Cut;
use crate::adapter::Side;
use crate::error::{Fault, Remedy, Result};
use crate::scan::Keep;
use crate::scan::finished::{FinishedScan, Unfinished};
use crate::scan::folder::Folder;
use crate::table::TableFile;

/// The folder of a scan.
pub(super) struct Source {
    /// `None` for tables without a plan, which nothing is known of but what they hold.
    pub(super) planned: Option<FinishedScan>,
    /// What is missing of a scan that is not finished.
    pub(super) unfinished: Option<Unfinished>,
    /// All adapters, by rising number.
    pub(super) adapters: Vec<AdapterRow>,
}

impl Source {
    /// Looks at a folder; `partial` allows a scan that is not finished.
    ///
    /// # Errors
    /// `Invalid` for a folder that is not a scan's, or whose scan is not finished; `Malformed` and `Unsupported` for damaged
    /// files; `Io` when the system refuses to read.
    pub(super) fn open(path: &Path, partial: bool) -> Result<Self> {
        let table = path.join("adapters.parquet");
        if !path.join("plan.json").exists() {
            if !table.exists() {
                let fault = Fault::new("no adapters.parquet", "the output folder of a scan that is done");
                return Err(fault.at(path).remedy(Remedy::MakeScan).invalid());
            }
            return Ok(Self { planned: None, unfinished: None, adapters: adapters::read(&table)? });
        }
        let planned = FinishedScan::open(path)?;
        let unfinished = planned.missing()?;
        let adapters = match unfinished {
            None => adapters::read(&table)?,
            Some(unfinished) if !partial => return Err(planned.unfinished(unfinished.words())),
            Some(_) => planned.adapters()?.into_iter().map(AdapterRow::from).collect(),
        };
        Ok(Self { planned: Some(planned), unfinished, adapters })
    }

    /// The files of the table of pairs: those of the plan's blocks, where there is one.
    ///
    /// # Errors
    /// `Malformed` where one has bytes that were not written; `Io` when the system refuses to read.
    pub(super) fn pair_files(&self, path: &Path) -> Result<Vec<PathBuf>> {
        match &self.planned {
            Some(planned) => planned.pair_files(),
            None => {
                let files = Folder::at(path).pair_files()?;
                files.par_iter().try_for_each(|file| TableFile::open(file)?.verify())?;
                Ok(files)
            }
        }
    }

    /// What the scan did not keep, if it was asked for the most alike pairs only and has this many rows.
    ///
    /// # Errors
    /// `Malformed` for a damaged table, `Io` when the system refuses to read.
    pub(super) fn cut(&self, path: &Path, n_kept: u64) -> Result<Option<Cut>> {
        let histograms = Folder::at(path).histograms_file();
        let k = match self.planned.as_ref().map(|planned| &planned.plan.options.keep) {
            Some(&Keep::Top(k)) => k,
            // Tables without their plan have it all the same.
            None if histograms.exists() => 0,
            _ => return Ok(None),
        };
        let mut n_made = 0u64;
        match self.unfinished {
            None => TableFile::open(&histograms)?.read(&["n_pairs"], 1, |batch| {
                let rows = (0..batch.n_rows).filter_map(|row| batch.integer(0, row));
                n_made = rows.fold(n_made, |sum, n| sum.saturating_add(n.max(0) as u64));
                Ok(())
            })?,
            // Nobody has counted them yet.
            Some(_) => n_made = u64::MAX,
        }
        Ok((n_made > n_kept).then_some(Cut { k, n_made, n_kept }))
    }

    /// Bytes of an adapter's factors in its file, 0 where nothing is known of it.
    pub(super) fn n_bytes(&self, id: i64) -> u64 {
        let planned = self.planned.as_ref().map(|planned| &planned.plan.adapters);
        let adapter = planned.and_then(|adapters| adapters.get(usize::try_from(id).ok()?));
        adapter.map_or(0, |adapter| adapter.n_bytes)
    }

    /// The side that was compared, where it is known.
    pub(super) fn side(&self) -> Option<Side> {
        self.planned.as_ref().map(|planned| planned.plan.options.side)
    }
}
