//! The plan of a scan put in its folder, while no other process can: a first one, or the one that is there with what is
//! new.

use std::collections::HashMap;
use std::path::Path;

use rayon::prelude::*;

use super::blocks::Blocks;
use super::finish::{BlockCounts, adapters_table};
use super::folder::Folder;
use super::header::HeaderSummary;
use super::journal::records::Journal;
use super::plan::{Extension, Plan, ScanOptions};
use super::record::{changed, content_digest};
use super::side_modules::SideModules;
use crate::error::{Fault, Remedy, Result};
use crate::files::FileStamp;
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
}

/// A plan that is in place.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) plan: Plan,
    pub(super) extension: Extension,
    /// Adapters whose files are gone, and that the plan goes on without from now on.
    pub(super) forgotten: Vec<u32>,
}

impl Settling<'_> {
    /// Puts the plan in place. What cannot be planned makes no folder, removes nothing and leaves the plan that is there.
    ///
    /// # Errors
    /// `Invalid` when the inputs or the options do not go with the scan that is there, or there is nothing to compare; `Io`
    /// when the system refuses.
    pub(super) fn put_in_place(
        &self,
        folder: &Folder,
        options: ScanOptions,
        opened: Vec<HeaderSummary>,
    ) -> Result<Settled> {
        if self.fresh || folder.read_plan()?.is_none() {
            Blocks::of(&first(self.modules, options.clone(), &opened)?)?;
        }
        if self.fresh {
            folder.clear()?;
        }
        folder.make()?;
        let _lock = folder.lock()?;
        let there = folder.read_plan()?;
        let is_first = there.is_none();
        let is_shared = self.is_share && there.as_ref().is_some_and(|plan| !is_complete(plan, folder));
        if let Some(there) = &there {
            check_options(there, &options)?;
            check_unchanged(folder, there, &opened, self.modules)?;
        }
        let settled = self.extended(folder, there, options, opened)?;
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
            folder.write_plan(&settled.plan)?;
            // For those who read the table before it is complete.
            adapters_table(&settled.plan, folder)?;
        }
        Ok(settled)
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
                Ok(Settled { plan, extension, forgotten: vec![] })
            }
            Some(mut plan) => {
                check_options(&plan, &options)?;
                let forgotten = plan.settle_gone(&opened, self.forget, folder)?;
                let extension = plan.extend(opened)?;
                Ok(Settled { plan, extension, forgotten })
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
    Blocks::of(plan).is_ok_and(|blocks| BlockCounts::of(&blocks, folder, |_| true).is_complete())
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
) -> Result<()> {
    let records = Journal::open(folder)?;
    let stamps: HashMap<&Path, FileStamp> =
        opened.iter().map(|opened| (opened.path.as_path(), opened.stamp)).collect();
    (0u32..).zip(&plan.adapters).par_bridge().try_for_each(|(number, adapter)| {
        let stamp = stamps.get(adapter.path.as_path()).filter(|_| !plan.is_forgotten(number));
        let Some(stamp) = stamp else { return Ok(()) };
        match records.get(number) {
            Some(record) if record.stamp != *stamp => {
                let digest = content_digest(&modules.open(&adapter.path)?, modules)?;
                if digest == record.digest { Ok(()) } else { Err(changed(&adapter.path)) }
            }
            _ => Ok(()),
        }
    })
}
