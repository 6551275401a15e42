//! Inputs that are gone: what was computed of them stays, and what was not is left out.
//!
//! A trainer that keeps its last checkpoints only deletes the others while a scan compares them. A run that is told to forget
//! them writes so into the plan: their pairs are left out of the blocks that are not there yet, and of all blocks of adapters
//! that come later. Names and places of blocks stay what they are, for resumed runs and for other shares.

use std::collections::{BTreeSet, HashSet};

use serde::{Deserialize, Serialize};

use super::blocks::{BlockPairs, Blocks, PairLayout};
use super::folder::Folder;
use super::header::HeaderSummary;
use super::plan::Plan;
use crate::adapter::Adapter;
use crate::error::{Error, Fault, Remedy, Result};
use crate::text::{counted, some_of};

/// Adapters that one run has gone on without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forgotten {
    /// Their numbers, in order.
    pub adapters: Vec<u32>,
    /// Those that blocks of that time leave out.
    pub unfinished: Vec<u32>,
    /// How many adapters there were: blocks with later ones leave all of these out.
    pub n_adapters: u32,
    /// Names of the blocks of that time that leave them out.
    pub blocks: Vec<String>,
}

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
    /// `Invalid` when files are gone that are not to be forgotten, or when one is there that was not named.
    pub(super) fn settle_gone(
        &mut self,
        opened: &[HeaderSummary],
        forget: bool,
        folder: &Folder,
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
        let forgotten = self.left_out_of(&missing, folder)?;
        self.forgotten.push(forgotten);
        Ok(missing)
    }

    /// What is left out when these adapters are forgotten now.
    fn left_out_of(&self, gone: &[u32], folder: &Folder) -> Result<Forgotten> {
        let all = Blocks::of(self)?;
        let mut unfinished = BTreeSet::new();
        let mut blocks = vec![];
        for block in all.iter() {
            let name = block.name();
            if folder.block_file(&name).exists() {
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

/// What blocks leave out, for fast look-up.
#[derive(Debug)]
pub(super) struct LeftOut {
    adapters: HashSet<u32>,
    n_adapters: u32,
    blocks: HashSet<String>,
}

impl LeftOut {
    pub(super) fn of(plan: &Plan) -> Vec<Self> {
        let of_run = |forgotten: &Forgotten| Self {
            adapters: forgotten.adapters.iter().copied().collect(),
            n_adapters: forgotten.n_adapters,
            blocks: forgotten.blocks.iter().cloned().collect(),
        };
        plan.forgotten.iter().map(of_run).collect()
    }

    /// The adapters that a block leaves out, for one run that forgot some.
    pub(super) fn of_block(&self, name: &str, pairs: &BlockPairs) -> Option<&HashSet<u32>> {
        // A block is of one generation, of which it has an adapter.
        let is_later = || pairs.adapters().any(|adapter| adapter >= self.n_adapters);
        (self.blocks.contains(name) || is_later()).then_some(&self.adapters)
    }
}

impl BlockPairs {
    /// The adapters that are in a pair.
    fn paired(&self) -> HashSet<u32> {
        match &self.which {
            _ if self.n_pairs() == 0 => HashSet::new(),
            PairLayout::All | PairLayout::Upper => self.adapters().collect(),
            PairLayout::List(list) => {
                let b = if self.b.is_empty() { &self.a } else { &self.b };
                list.iter().flat_map(|&(x, y)| [self.a[x as usize], b[y as usize]]).collect()
            }
        }
    }

    /// The block without some adapters.
    pub(super) fn without(self, gone: &HashSet<u32>) -> Self {
        let Self { a, b, which } = self;
        let keep = |adapters: &[u32]| -> Vec<u32> {
            adapters.iter().copied().filter(|adapter| !gone.contains(adapter)).collect()
        };
        let which = match which {
            PairLayout::List(list) => {
                // How many adapters before each place stay.
                let places = |adapters: &[u32]| -> Vec<Option<u32>> {
                    let mut n = 0;
                    let place = |adapter: &u32| {
                        let stays = !gone.contains(adapter);
                        n += u32::from(stays);
                        stays.then(|| n - 1)
                    };
                    adapters.iter().map(place).collect()
                };
                let (of_a, of_b) = (places(&a), places(if b.is_empty() { &a } else { &b }));
                let moved = |(x, y): (u32, u32)| Some((of_a[x as usize]?, of_b[y as usize]?));
                PairLayout::List(list.into_iter().filter_map(moved).collect())
            }
            whole => whole,
        };
        Self { a: keep(&a), b: keep(&b), which }
    }
}
