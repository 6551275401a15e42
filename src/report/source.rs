//! A scan's folder: its adapters, what was asked for, and whether all of it is there.

use std::path::Path;

use serde::Serialize;

use super::adapters::{self, AdapterRow};
use crate::adapter::Side;
use crate::error::{Fault, Remedy, Result};
use crate::scan::finished::FinishedScan;

/// The folder of a scan.
pub(super) struct Source {
    /// `None` for tables without a plan, which nothing is known of but what they hold.
    pub(super) planned: Option<FinishedScan>,
    /// What is missing of a scan that is not finished.
    pub(super) unfinished: Option<Unfinished>,
    /// All adapters, by rising number.
    pub(super) adapters: Vec<AdapterRow>,
}

/// How far a scan is that is not finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Unfinished {
    /// Blocks of the plan.
    pub(crate) blocks: u64,
    /// Those that are not there.
    pub(crate) blocks_left: u64,
}

impl Unfinished {
    pub(super) fn words(self) -> String {
        match self.blocks_left {
            0 => "all blocks, but not the whole table of adapters".to_owned(),
            left => format!("{left} of {} blocks missing", self.blocks),
        }
    }
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
        let [blocks, blocks_left] = planned.blocks_left()?;
        let listed = if table.exists() { adapters::read(&table)? } else { vec![] };
        // The table of adapters is written last, and again when the folder has grown.
        let is_finished = blocks_left == 0 && listed.len() == planned.plan.adapters.len();
        let unfinished = (!is_finished).then_some(Unfinished { blocks, blocks_left });
        let adapters = match unfinished {
            None => listed,
            Some(unfinished) if !partial => return Err(planned.unfinished(unfinished.words())),
            Some(_) => planned.adapters()?.into_iter().map(AdapterRow::from).collect(),
        };
        Ok(Self { planned: Some(planned), unfinished, adapters })
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
