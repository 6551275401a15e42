//! Records that were lost or damaged, made again from the checkpoints.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rayon::prelude::*;

use super::bases::cache_key;
use super::folder::Folder;
use super::journal::records::Journal;
use super::plan::Plan;
use super::record::{AdapterRecord, changed, content_digest};
use super::side_modules::SideModules;
use super::survey::Survey;
use super::table::stored_digests;
use crate::error::Result;
use crate::sync::stop;

/// The adapters that blocks were made of, and of which nothing is known.
pub(super) fn lost(survey: &Survey<'_>, records: &Journal) -> Vec<u32> {
    let blocks = survey.blocks;
    let n = blocks.plan().adapters.len() as u32;
    let mut unknown: BTreeSet<u32> = (0..n).filter(|&adapter| records.digest(adapter).is_none()).collect();
    let mut lost = vec![];
    for block in blocks.iter() {
        if unknown.is_empty() {
            break;
        }
        // Most blocks are either done and known, or not done.
        if survey.is_done(&block) {
            let paired = blocks.pairs(&block).paired();
            lost.extend(paired.into_iter().filter(|adapter| unknown.remove(adapter)));
        }
    }
    lost.sort_unstable();
    lost
}

/// Makes the records of these adapters again, of those whose files are there. Returns how many. Where the table of adapters has
/// a digest still, the file must have it.
///
/// # Errors
/// `Invalid` for a checkpoint that has changed; `Io` when the system refuses, `Stopped` when it was told to stop.
pub(super) fn records(
    plan: &Plan,
    folder: &Folder,
    modules: &SideModules,
    records: &Journal,
    lost: &[u32],
    stop: &AtomicBool,
) -> Result<usize> {
    let before = stored_digests(&folder.adapters_file(), plan);
    let n = AtomicUsize::new(0);
    lost.par_iter().filter(|&&adapter| !plan.is_forgotten(adapter)).try_for_each(|&adapter| {
        stop::check(stop)?;
        let path = &plan.adapters[adapter as usize].path;
        let opened = modules.open(path)?;
        let digest = content_digest(&opened, modules)?;
        if before.get(&(adapter as i32)).is_some_and(|before| *before != digest) {
            return Err(changed(path));
        }
        let key = Some(cache_key(digest, modules, opened.modules()).into());
        // Its blocks tell which modules have no basis.
        let record = AdapterRecord { digest, key, stamp: opened.stamp(), missing: vec![] };
        n.fetch_add(1, Ordering::Relaxed);
        records.put(adapter, record)
    })?;
    Ok(n.into_inner())
}
