//! Inputs that are gone: what was computed of them stays, and what was not is left out.
//!
//! A trainer that keeps its last checkpoints only deletes the others while a scan compares them. A run that is told to forget
//! them writes so into the plan: their pairs are left out of the blocks that are not there yet, and of all blocks of adapters
//! that come later. Names and places of blocks stay what they are, for resumed runs and for other shares.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::AtomicBool;

use super::blocks::Blocks;
use super::folder::Folder;
use super::forgotten::Forgotten;
use super::header::HeaderSummary;
use super::plan::Plan;
use super::survey::Survey;
use crate::adapter::Adapter;
use crate::error::{Error, Fault, Remedy, Result};
use crate::text::{counted, some_of};

impl Plan {
    /// Adapters that runs have gone on without.
    pub fn n_forgotten(&self) -> usize {
        self.forgotten.iter().map(|forgotten| forgotten.adapters.len()).sum()
    }

    /// Whether a run has gone on without an adapter.
    pub fn is_forgotten(&self, adapter: u32) -> bool {
        self.forgotten.iter().any(|forgotten| forgotten.adapters.binary_search(&adapter).is_ok())
    }

    /// Whether rows of an adapter are left out because its file was gone.
    pub fn has_left_out(&self, adapter: u32) -> bool {
        self.forgotten.iter().any(|forgotten| {
            let has_grown = self.adapters.len() > forgotten.n_adapters as usize;
            let adapters = if has_grown { &forgotten.adapters } else { &forgotten.unfinished };
            adapters.binary_search(&adapter).is_ok()
        })
    }

    /// Sees to inputs of the plan that are not among those of this run: with `forget`, the plan goes on without those whose
    /// files are gone. Returns their numbers.
    ///
    /// # Errors
    /// `Invalid` when files are gone that are not to be forgotten, or when one is there that was not named; `Stopped` when it was
    /// told to stop.
    pub(super) fn settle_gone(
        &mut self,
        opened: &[HeaderSummary],
        forget: bool,
        folder: &Folder,
        stop: &AtomicBool,
    ) -> Result<Vec<u32>> {
        let there: HashSet<_> = opened.iter().map(|opened| opened.path.as_path()).collect();
        let is_missing = |&number: &u32| {
            let path = self.adapters[number as usize].path.as_path();
            !there.contains(path) && !self.is_forgotten(number)
        };
        let missing: Vec<u32> = (0..self.adapters.len() as u32).filter(is_missing).collect();
        let path = |number: u32| &self.adapters[number as usize].path;
        let wrong = |found: &str| Fault::new(found, "the adapter that this scan began with");
        if let Some(&unnamed) = missing.iter().find(|&&number| !is_gone(path(number))) {
            let found = "no such input any more, though the file is there";
            return Err(wrong(found).at(path(unnamed)).remedy(Remedy::KeepInputs).invalid());
        }
        match missing[..] {
            [] => return Ok(missing),
            _ if forget => {}
            [one] => {
                let fault = wrong("no such input any more").at(path(one));
                return Err(fault.remedy(Remedy::ForgetInputs).invalid());
            }
            _ => {
                let paths = some_of(missing.iter().map(|&number| path(number).display().to_string()));
                let found = format!("{} gone: {paths}", counted(missing.len(), "input"));
                let fault = Fault::new(found, "every adapter that this scan began with").of("scan");
                return Err(fault.remedy(Remedy::ForgetInputs).invalid());
            }
        }
        let forgotten = self.left_out_of(&missing, folder, stop)?;
        self.forgotten.push(forgotten);
        Ok(missing)
    }

    /// What is left out when these adapters are forgotten now.
    fn left_out_of(&self, gone: &[u32], folder: &Folder, stop: &AtomicBool) -> Result<Forgotten> {
        let all = Blocks::of(self)?;
        let survey = Survey::of(&all, folder);
        // What is damaged cannot be made again without them.
        survey.verify(|_| true, stop)?;
        let mut unfinished = BTreeSet::new();
        let mut blocks = vec![];
        for block in all.iter() {
            let name = block.name();
            if survey.is_done(&block) {
                continue;
            }
            let of_block = all.pairs(&block).paired();
            let before = blocks.len();
            blocks.extend(gone.iter().any(|adapter| of_block.contains(adapter)).then_some(name));
            if blocks.len() > before {
                unfinished.extend(gone.iter().copied().filter(|adapter| of_block.contains(adapter)));
            }
        }
        Ok(Forgotten {
            adapters: gone.to_vec(),
            unfinished: unfinished.into_iter().collect(),
            n_adapters: self.adapters.len() as u32,
            blocks,
        })
    }
}

/// Whether there is no checkpoint at a path any more. One that cannot be read is still there.
fn is_gone(path: &std::path::Path) -> bool {
    match Adapter::open(path) {
        Err(Error::NotFound(_)) => true,
        // A folder of a checkpoint without the checkpoint.
        Err(Error::Invalid(_)) => path.is_dir(),
        _ => false,
    }
}
