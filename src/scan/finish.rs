//! The end of a scan: when every block is there, the table of adapters is written and what was only needed on the way is
//! removed.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;

use super::claim::Claim;
use super::folder::Folder;
use super::journal::records::Journal;
use super::plan::Plan;
use super::relations::{Relations, write_relations};
use super::survey::{BlockState, Survey};
use super::table::{AdapterRow, stored_digests, write_adapters, write_unfinished_adapters};
use super::top;
use super::without_basis::problem;
use crate::error::Result;
use crate::names::natural_cmp;
use crate::sync::Room;

/// How far the blocks of a scan are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct BlockCounts {
    /// Blocks of the plan.
    pub n_blocks: u64,
    /// Those whose file is there and whole.
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
    pub fn of(survey: &Survey<'_>, is_counted: impl Fn(usize) -> bool) -> Self {
        Self::with_missing(survey, is_counted, |_, _| {})
    }

    /// The same, and hands each block that is not there to `missing`: its place and its name.
    pub fn with_missing(
        survey: &Survey<'_>,
        is_counted: impl Fn(usize) -> bool,
        mut missing: impl FnMut(usize, String),
    ) -> Self {
        let (blocks, mut counts) = (survey.blocks, Self::default());
        for (place, block) in blocks.iter().enumerate().filter(|(place, _)| is_counted(*place)) {
            let (n_rows, name) = (blocks.n_pairs(&block), block.name());
            counts.n_blocks += 1;
            counts.n_rows += n_rows;
            counts.n_rows_left_out += blocks.n_left_out(&block);
            if survey.is_done(&block) {
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

/// What the end of a scan needs.
pub(super) struct Finish<'a> {
    pub(super) plan: &'a Plan,
    /// Of its blocks.
    pub(super) survey: &'a Survey<'a>,
    pub(super) folder: &'a Folder,
    pub(super) claim: &'a Claim<'a>,
    pub(super) stop: &'a AtomicBool,
    /// The memory for what happens at once.
    pub(super) room: &'a Room,
}

impl Finish<'_> {
    /// Cuts the table down to what `top:K` keeps, writes the table of adapters and removes what was only needed on the way: bases
    /// that were kept for this scan, and what processes that were killed left half written. Returns what is missing.
    ///
    /// # Errors
    /// `Io` when the system refuses, `Malformed` for a damaged table, `Stopped` when it was told to stop; as [`Claim::check`].
    pub(super) fn run(&self) -> Result<Vec<MissingBases>> {
        let &Self { plan, survey, folder, claim, stop, room } = self;
        let records = Journal::open(folder, &plan.id)?;
        top::finalise(survey, folder, claim, stop)?;
        if plan.options.update {
            write_relations(&Relations { plan, survey, folder, records: &records, claim, stop, room })?;
        }
        survey.sync()?;
        // The last: it says that all is there.
        let without_basis = without_basis(survey);
        let table = AdaptersTable { is_finished: true, keeps: true };
        let problems = table.write(plan, folder, &records, &without_basis, claim.refusal())?;
        claim.check()?;
        folder.remove_stale_parts()?;
        folder.remove_bases()?;
        Ok(problems)
    }
}

/// Modules of adapters that have no basis, and why, by the adapters' numbers.
pub(super) type WithoutBasis = HashMap<u32, Vec<(String, String)>>;

/// What the files of all blocks that are done say of it: they stay when records are lost.
pub(super) fn without_basis(survey: &Survey<'_>) -> WithoutBasis {
    let mut all = WithoutBasis::new();
    for block in survey.blocks.iter() {
        let BlockState::Done(Some(note)) = survey.state(&block) else { continue };
        let module = &survey.blocks.plan().modules[block.module as usize].name;
        for (adapter, reason) in note.without_basis {
            all.entry(adapter).or_default().push((module.clone(), reason));
        }
    }
    all
}

/// The table of adapters, to be written.
#[derive(Debug, Clone, Copy)]
pub(super) struct AdaptersTable {
    /// Whether all of the scan is there.
    pub(super) is_finished: bool,
    /// Whether the digest of an adapter without a record stays what the table has that is there.
    pub(super) keeps: bool,
}

impl AdaptersTable {
    /// Writes the table, as far as adapters are known. Returns what is missing.
    ///
    /// # Errors
    /// `Io` when the system refuses; that of `refusal`, if there is one once the table is written.
    pub(super) fn write(
        self,
        plan: &Plan,
        folder: &Folder,
        records: &Journal,
        without_basis: &WithoutBasis,
        refusal: impl Iterator<Item = Result<AdapterRow>>,
    ) -> Result<Vec<MissingBases>> {
        let mut problems = vec![];
        let path = folder.adapters_file();
        let before = if self.keeps { stored_digests(&path, plan) } else { HashMap::new() };
        let rows = adapter_rows(plan, records, without_basis)
            .map(|row| AdapterRow { digest: row.digest.or_else(|| before.get(&row.id).copied()), ..row });
        let rows = rows.inspect(|row| {
            let missing = |problem: &String| MissingBases {
                path: row.path.clone(),
                problem: problem.clone(),
                n_modules: if plan.has_left_out(row.id as u32) { 0 } else { row.n_left_out as usize },
            };
            problems.extend(row.problem.as_ref().map(missing));
        });
        let rows = rows.map(Ok).chain(refusal);
        match self.is_finished {
            true => write_adapters(&path, rows)?,
            false => write_unfinished_adapters(&path, rows)?,
        }
        Ok(problems)
    }
}

/// The adapters of a plan, as far as they are known.
pub(super) fn adapter_rows(
    plan: &Plan,
    records: &Journal,
    without_basis: &WithoutBasis,
) -> impl Iterator<Item = AdapterRow> {
    (0u32..).zip(&plan.adapters).map(move |(id, adapter)| {
        let record = records.get(id);
        let layout = &plan.layouts[adapter.layout as usize].modules;
        let mut missing = without_basis.get(&id).cloned().unwrap_or_default();
        missing.extend(record.iter().flat_map(|record| record.missing.iter().cloned()));
        missing.sort_by(|a, b| natural_cmp(&a.0, &b.0).then_with(|| a.1.cmp(&b.1)));
        missing.dedup_by(|a, b| a.0 == b.0);
        AdapterRow {
            id: id as i32,
            path: adapter.path.display().to_string(),
            run: plan.run(id).display().to_string(),
            step: adapter.step.and_then(|step| i64::try_from(step).ok()),
            base_model: plan.base_model(id).map(str::to_owned),
            naming_scheme: adapter.naming_scheme.clone(),
            n_modules: layout.len() as i32,
            n_left_out: missing.len() as i32,
            rank: layout.iter().map(|&(_, r)| r as i32).max().unwrap_or(0),
            problem: match plan.has_left_out(id) {
                true => Some("its file was gone before all its rows were computed".to_owned()),
                false => problem(&missing),
            },
            digest: record.map(|record| record.digest),
            unread: adapter.unread.clone(),
        }
    })
}
