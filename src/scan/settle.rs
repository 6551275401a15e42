//! The plan of a scan put in its folder, while no other process can: a first one, or the one that is there with what is
//! new.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use rayon::prelude::*;

use super::blocks::{BlockSpec, Blocks};
use super::finish::{AdaptersTable, BlockCounts, WithoutBasis};
use super::folder::Folder;
use super::header::HeaderSummary;
use super::journal::records::Journal;
use super::memory::Memory;
use super::plan::{Extension, Plan, ScanOptions};
use super::presence::Presence;
use super::record::changed;
use super::side_modules::SideModules;
use super::survey::Survey;
use crate::error::{Error, Fault, Remedy, Result};
use crate::files::FileStamp;
use crate::sync::stop;
use crate::text::counted;

/// How a plan is settled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Settling<'a> {
    /// What is read of the checkpoints.
    pub(super) modules: &'a SideModules,
    /// Whether an earlier scan in the folder is removed first.
    pub(super) fresh: bool,
    /// Whether this process does a share of the blocks.
    pub(super) is_share: bool,
    /// Whether the scan goes on without inputs that are gone.
    pub(super) forget: bool,
    /// Set when it is to stop.
    pub(super) stop: &'a AtomicBool,
}

/// A plan that is in place.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) plan: Plan,
    pub(super) extension: Extension,
    /// Adapters whose files are gone, and that the plan goes on without from now on.
    pub(super) forgotten: Vec<u32>,
    /// This process in the folder; none where nothing was put in place.
    pub(super) presence: Option<Presence>,
}

impl Settling<'_> {
    /// Puts the plan in place, and says how memory is used for it. What cannot be planned, or needs more memory than there is, makes
    /// no folder, removes nothing and leaves the plan that is there.
    ///
    /// # Errors
    /// `Invalid` when the inputs or the options do not go with the scan that is there, or there is nothing to compare; `Io`
    /// when the system refuses.
    pub(super) fn put_in_place(
        &self,
        folder: &Folder,
        options: ScanOptions,
        opened: Vec<HeaderSummary>,
        memory: &dyn Fn(&Plan) -> Result<Memory>,
    ) -> Result<(Settled, Memory)> {
        // Before anything else is found wrong, and nothing is made in a folder that is another program's.
        let is_removed = self.fresh && folder.has_removable_scan()?;
        if self.fresh || folder.read_plan()?.is_none() {
            let plan = first(self.modules, options.clone(), &opened)?;
            Blocks::of(&plan)?;
            memory(&plan)?;
        }
        folder.make()?;
        let _lock = folder.lock(self.stop)?;
        if is_removed {
            if let Some(process) = Presence::of_another(folder)? {
                return Err(at_work(folder, &process));
            }
            folder.clear()?;
        }
        folder.finish_clear()?;
        let there = folder.read_plan()?;
        if there.is_none() {
            refuse_blocks(folder)?;
        }
        let presence = Presence::begin(folder)?;
        folder.remove_stale_parts()?;
        let is_first = there.is_none();
        let is_shared = self.is_share && there.as_ref().is_some_and(|plan| !is_complete(plan, folder));
        if let Some(there) = &there {
            check_options(there, &options)?;
            check_unchanged(folder, there, &opened, self.modules, self.stop)?;
        }
        let mut settled = self.extended(folder, there, options, opened)?;
        let memory = memory(&settled.plan)?;
        settled.presence = Some(presence);
        if is_first {
            settled.plan.id = Plan::new_id();
        }
        let n_added = settled.extension.n_added;
        if is_shared && n_added > 0 {
            let found = format!("{} that the other shares do not have", counted(n_added, "checkpoint"));
            return Err(Fault::new(found, "the files that this scan was divided with")
                .of("share")
                .remedy(Remedy::KeepInputsOfShares)
                .invalid());
        }
        if is_first || n_added > 0 || !settled.forgotten.is_empty() {
            Blocks::of(&settled.plan)?;
            folder.write_plan(&settled.plan, || Ok(()))?;
            // For those who read the table before it is complete.
            let records = Journal::open(folder, &settled.plan.id)?;
            let table = AdaptersTable { is_finished: false, keeps: !is_first };
            table.write(&settled.plan, folder, &records, &WithoutBasis::new(), std::iter::empty())?;
        }
        Ok((settled, memory))
    }

    /// The plan of a first run, or the one that is there, with what is new and without what is gone.
    ///
    /// # Errors
    /// As [`first`], [`Plan::settle_gone`] and [`Plan::extend`]; `Invalid` when the options are not those of the plan that is
    /// there.
    pub(super) fn extended(
        &self,
        folder: &Folder,
        there: Option<Plan>,
        options: ScanOptions,
        opened: Vec<HeaderSummary>,
    ) -> Result<Settled> {
        match there {
            None => {
                let plan = first(self.modules, options, &opened)?;
                let extension = Extension { n_before: 0, n_added: plan.adapters.len() };
                Ok(Settled { plan, extension, forgotten: vec![], presence: None })
            }
            Some(mut plan) => {
                check_options(&plan, &options)?;
                let forgotten = plan.settle_gone(&opened, self.forget, folder, self.stop)?;
                let extension = plan.extend(opened)?;
                Ok(Settled { plan, extension, forgotten, presence: None })
            }
        }
    }
}

/// The plan of a first run.
///
/// # Errors
/// As [`SideModules::require_all`] and [`Plan::new`].
fn first(modules: &SideModules, options: ScanOptions, opened: &[HeaderSummary]) -> Result<Plan> {
    let paths: Vec<&Path> = opened.iter().map(|opened| opened.path.as_path()).collect();
    modules.require_all(&paths)?;
    Plan::new(options, opened)
}

fn check_options(plan: &Plan, options: &ScanOptions) -> Result<()> {
    if plan.options == *options {
        return Ok(());
    }
    let [now, first] = options.differing(&plan.options);
    Err(Fault::new(now, format!("{first} as in its first run"))
        .of("options")
        .remedy(Remedy::KeepOptions)
        .invalid())
}

/// Whether every block of a plan is done; one that cannot be cut is not.
fn is_complete(plan: &Plan, folder: &Folder) -> bool {
    Blocks::of(plan).is_ok_and(|blocks| BlockCounts::of(&Survey::of(&blocks, folder), |_| true).is_complete())
}

/// The error for a scan that is not to be removed yet.
fn at_work(folder: &Folder, process: &str) -> Error {
    let fault = Fault::new(format!("a scan at work ({process})"), "a folder that no process works in");
    fault.at(folder.path()).remedy(Remedy::WaitForProcess).invalid()
}

/// Sees to it that a first plan does not take blocks for its own that are there already: nothing tells what they were made of.
fn refuse_blocks(folder: &Folder) -> Result<()> {
    let files = folder.pair_files()?;
    let is_block =
        |path: &&PathBuf| path.file_stem().is_some_and(|stem| BlockSpec::is_name(&stem.to_string_lossy()));
    let n = files.iter().filter(is_block).count();
    if n == 0 {
        return Ok(());
    }
    let found = format!("{} without the plan that they belong to", counted(n, "block"));
    let fault = Fault::new(found, "no blocks, or their plan.json");
    Err(fault.at(folder.pairs()).remedy(Remedy::RestorePlan).invalid())
}

/// Looks for inputs that were read before and have other bytes now: where size or time differ, what the scan needs of the
/// file is read again.
///
/// # Errors
/// `Invalid` for the first one that changed; `Io` when the system refuses.
fn check_unchanged(
    folder: &Folder,
    plan: &Plan,
    opened: &[HeaderSummary],
    modules: &SideModules,
    stop: &AtomicBool,
) -> Result<()> {
    let records = Journal::open(folder, &plan.id)?;
    let stamps: HashMap<&Path, FileStamp> =
        opened.iter().map(|opened| (opened.path.as_path(), opened.stamp)).collect();
    (0u32..).zip(&plan.adapters).par_bridge().try_for_each(|(number, adapter)| {
        let stamp = stamps.get(adapter.path.as_path()).filter(|_| !plan.is_forgotten(number));
        let Some(stamp) = stamp else { return Ok(()) };
        match records.get(number) {
            Some(record) if record.stamp != *stamp => {
                stop::check(stop)?;
                let opened = modules.open(&adapter.path)?;
                if record.is_of(&opened, modules)? { Ok(()) } else { Err(changed(&adapter.path)) }
            }
            _ => Ok(()),
        }
    })
}
