//! The end of a scan: when every block is there, the table of adapters is written and what was only needed on the way is
//! removed.

use std::fs;
use std::io::ErrorKind;

use super::blocks::Blocks;
use super::folder::Folder;
use super::journal::records::Journal;
use super::memory::Room;
use super::plan::Plan;
use super::relations::write_relations;
use super::side_modules::SideModules;
use super::table::{AdapterRow, write_adapters};
use super::top;
use super::without_basis::problem;
use crate::error::{Error, Result};

/// How far the blocks of a scan are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct BlockCounts {
    /// Blocks of the plan.
    pub n_blocks: u64,
    /// Those whose file is there.
    pub n_done: u64,
    /// Rows of the plan: a pair of adapters in a module each.
    pub n_rows: u64,
    /// Those of blocks that are not there.
    pub n_rows_left: u64,
    /// Rows that are not of the plan any more, since the file of an adapter was gone before they were computed.
    pub n_rows_left_out: u64,
}

impl BlockCounts {
    /// Counts the blocks of these places of the plan.
    pub fn of(blocks: &Blocks<'_>, folder: &Folder, is_counted: impl Fn(usize) -> bool) -> Self {
        Self::with_missing(blocks, folder, is_counted, |_, _| {})
    }

    /// The same, and hands each block that is not there to `missing`: its place and its name.
    pub fn with_missing(
        blocks: &Blocks<'_>,
        folder: &Folder,
        is_counted: impl Fn(usize) -> bool,
        mut missing: impl FnMut(usize, String),
    ) -> Self {
        let mut counts = Self::default();
        for (place, block) in blocks.iter().enumerate().filter(|(place, _)| is_counted(*place)) {
            let (n_rows, name) = (blocks.n_pairs(&block), block.name());
            counts.n_blocks += 1;
            counts.n_rows += n_rows;
            counts.n_rows_left_out += blocks.n_left_out(&block);
            if folder.block_file(&name).exists() {
                counts.n_done += 1;
            } else {
                counts.n_rows_left += n_rows;
                missing(place, name);
            }
        }
        counts
    }

    /// Whether nothing is left to do.
    pub fn is_complete(&self) -> bool {
        self.n_done == self.n_blocks
    }
}

/// An adapter with modules that have no basis.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingBases {
    /// The adapter, as it was named or found.
    pub path: String,
    /// Which modules, and why.
    pub problem: String,
    /// How many modules have none; 0 for a problem of another kind, such as a file that was gone.
    pub n_modules: usize,
}

/// Cuts the table down to what `top:K` keeps, writes the table of adapters and removes what was only needed on the way: bases that were kept
/// for this scan alone, and what processes that were killed left half written. Returns what is missing.
///
/// # Errors
/// `Io` when the system refuses.
pub(super) fn finish(
    plan: &Plan,
    blocks: &Blocks<'_>,
    folder: &Folder,
    modules: &SideModules,
    room: &Room,
) -> Result<Vec<MissingBases>> {
    top::finalise(plan, blocks, folder)?;
    let problems = adapters_table(plan, folder)?;
    if plan.options.update {
        write_relations(plan, blocks, folder, modules, room)?;
    }
    folder.remove_parts()?;
    match fs::remove_dir_all(folder.bases()) {
        // A share that was started twice is still at work: it removes what it has added when it ends itself.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => {
            Ok(problems)
        }
        Err(error) => Err(Error::io("remove", folder.bases(), error)),
        Ok(()) => Ok(problems),
    }
}

/// Writes the table of adapters as far as they are known. Returns what is missing.
///
/// # Errors
/// `Io` when the system refuses.
pub fn adapters_table(plan: &Plan, folder: &Folder) -> Result<Vec<MissingBases>> {
    let mut problems = vec![];
    let records = Journal::open(folder)?;
    let rows = adapter_rows(plan, &records).inspect(|row| {
        let missing = |problem: &String| MissingBases {
            path: row.path.clone(),
            problem: problem.clone(),
            n_modules: if plan.has_left_out(row.id as u32) { 0 } else { row.n_left_out as usize },
        };
        problems.extend(row.problem.as_ref().map(missing));
    });
    write_adapters(&folder.adapters_file(), rows.map(Ok))?;
    Ok(problems)
}

/// The adapters of a plan, as far as they are known.
pub fn adapter_rows(plan: &Plan, records: &Journal) -> impl Iterator<Item = AdapterRow> {
    (0u32..).zip(&plan.adapters).map(|(id, adapter)| {
        let record = records.get(id);
        let layout = &plan.layouts[adapter.layout as usize].modules;
        AdapterRow {
            id: id as i32,
            path: adapter.path.display().to_string(),
            run: plan.run(id).display().to_string(),
            step: adapter.step.and_then(|step| i64::try_from(step).ok()),
            base_model: plan.base_model(id).map(str::to_owned),
            naming_scheme: adapter.naming_scheme.clone(),
            n_modules: layout.len() as i32,
            n_left_out: record.as_ref().map_or(0, |record| record.missing.len() as i32),
            rank: layout.iter().map(|&(_, r)| r as i32).max().unwrap_or(0),
            problem: match plan.has_left_out(id) {
                true => Some("its file was gone before all its rows were computed".to_owned()),
                false => record.as_ref().and_then(|record| problem(&record.missing)),
            },
            digest: record.map(|record| record.digest),
            unread: adapter.unread.clone(),
        }
    })
}
