//! A scan that is there: how far it is, its adapters, and their bases from the cache.

use std::path::Path;

use serde::Serialize;

use super::absent::Absences;
use super::again;
use super::blocks::Blocks;
use super::cache::{Cache, CachedModule, Entry};
use super::finish::adapter_rows;
use super::folder::Folder;
use super::journal::records::Journal;
use super::naming::numbered;
use super::plan::Plan;
use super::table::AdapterRow;
use crate::adapter::Module;
use crate::compare::Factorised;
use crate::error::{Error, Fault, Result};
use crate::measure::start_projection::init_cosine;
use crate::names::by_nearness;
use crate::select::ModulePair;
use crate::table::TableFile;
use crate::text::{quoted, some_of};

/// How far a scan is that is not finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Unfinished {
    /// Blocks of the plan.
    pub(crate) blocks: u64,
    /// Those that are not there.
    pub(crate) blocks_left: u64,
}

impl Unfinished {
    pub(crate) fn words(self) -> String {
        match self.blocks_left {
            0 => "all blocks, but not the whole table of adapters".to_owned(),
            left => format!("{left} of {} blocks missing", self.blocks),
        }
    }
}

/// A scan that was made before.
#[derive(Debug)]
pub struct FinishedScan {
    folder: Folder,
    /// What was compared.
    pub plan: Plan,
}

impl FinishedScan {
    /// Reads the plan of an output folder.
    ///
    /// # Errors
    /// `NotFound` when it holds no plan, `Malformed` when the plan cannot be read, `Unsupported` when another version wrote
    /// it in another layout.
    pub fn open(path: &Path) -> Result<Self> {
        let folder = Folder::open(path)?;
        let gone = || Fault::no_such_file(folder.plan_file()).not_found();
        let plan = folder.read_plan()?.ok_or_else(gone)?;
        Ok(Self { folder, plan })
    }

    /// The output folder.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// What is missing, if something is.
    ///
    /// # Errors
    /// As [`Blocks::of`]; `Malformed` for a damaged table of adapters, `Io` when the system refuses to read.
    pub(crate) fn missing(&self) -> Result<Option<Unfinished>> {
        let all = Blocks::of(&self.plan)?;
        let is_left = |name: &String| !self.folder.block_file(name).exists();
        let names = || all.iter().map(|block| block.name());
        let (blocks, blocks_left) = (names().count() as u64, names().filter(is_left).count() as u64);
        // The table of adapters is written last, and again when the folder has grown.
        let table = self.folder.adapters_file();
        let n_listed = if table.exists() { TableFile::open(&table)?.n_rows() } else { 0 };
        let is_finished = blocks_left == 0 && n_listed == self.plan.adapters.len() as u64;
        Ok((!is_finished).then_some(Unfinished { blocks, blocks_left }))
    }

    /// The error for a scan that is not finished: how far it is, and the way to go on.
    pub(crate) fn unfinished(&self, found: String) -> Error {
        let remedy = again::remedy(&self.plan, &self.folder);
        Fault::new(found, "a finished scan").at(self.folder.path()).remedy(remedy).invalid()
    }

    /// The adapters, as far as they are known.
    ///
    /// # Errors
    /// `Io` when the system refuses to read.
    pub(crate) fn adapters(&self) -> Result<Vec<AdapterRow>> {
        Ok(adapter_rows(&self.plan, &Journal::open(&self.folder)?).collect())
    }

    /// What tells why pairs are absent from the table.
    ///
    /// # Errors
    /// `Invalid` when the plan's pairs name no adapter; `Io` when the system refuses to read.
    pub(crate) fn absences(&self, is_complete: bool) -> Result<Absences<'_>> {
        Absences::of(&self.plan, &Journal::open(&self.folder)?, is_complete)
    }

    /// The adapter that a user means: by its path, the end of it or a glob on it, or by its number in the table.
    ///
    /// # Errors
    /// `Invalid` when there is none such, or several.
    pub fn find(&self, name: &str) -> Result<u32> {
        let paths = || self.plan.adapters.iter().map(|adapter| adapter.path.as_path());
        let places = numbered(paths(), 0.., name)?;
        let wrong = |found: String, hint: String| {
            Fault::new(found, "one checkpoint of the scan")
                .at(self.folder.path())
                .of("pair")
                .hint(hint)
                .invalid()
        };
        match places[..] {
            [place] => Ok(place as u32),
            [] => {
                let paths: Vec<String> = paths().map(|path| path.display().to_string()).collect();
                let near = by_nearness(&format!("*{name}"), paths.iter().map(String::as_str));
                let some = some_of(near.into_iter().map(str::to_owned));
                let found = format!("none named {}", quoted(name));
                Err(wrong(found, format!("give a path, the end of one, or a number: {some}")))
            }
            ref several => {
                let paths = several.iter().map(|&place| &self.plan.adapters[place].path);
                let some = some_of(paths.map(|path| path.display().to_string()));
                let found = format!("{} named {}", several.len(), quoted(name));
                Err(wrong(found, format!("give more of it: {some}")))
            }
        }
    }

    /// The bases of two adapters, where the cache has them still.
    ///
    /// # Errors
    /// `Io` when the system refuses to read.
    pub fn cached<'a>(&'a self, cache: &Cache, pair: [u32; 2]) -> Result<Option<CachedPair<'a>>> {
        let records = Journal::open(&self.folder)?;
        let entry = |adapter: u32| -> Result<Option<Entry>> {
            match records.get(adapter).and_then(|record| record.key) {
                Some(key) => cache.get(&key.into()),
                None => Ok(None),
            }
        };
        let (Some(a), Some(b)) = (entry(pair[0])?, entry(pair[1])?) else { return Ok(None) };
        Ok(Some(CachedPair { plan: &self.plan, pair, entries: [a, b] }))
    }
}

/// The cached bases of two adapters.
#[derive(Debug)]
pub struct CachedPair<'a> {
    plan: &'a Plan,
    pair: [u32; 2],
    entries: [Entry; 2],
}

impl CachedPair<'_> {
    /// The bases of a module, and the estimated cosine of the two starts; `None` where the cache does not have both.
    ///
    /// # Errors
    /// As [`Entry::read`].
    pub fn factorised(&self, pair: ModulePair) -> Result<Option<Factorised>> {
        let record = |side: usize| -> Result<Option<CachedModule>> {
            let layout = &self.plan.layouts[self.plan.adapters[self.pair[side] as usize].layout as usize];
            let is_named = |(module, _): &(u32, u32)| self.plan.modules[*module as usize].name == pair.name();
            layout.modules.iter().position(is_named).map(|place| self.entries[side].read(place)).transpose()
        };
        let (Some(first), Some(second)) = (record(0)?, record(1)?) else { return Ok(None) };
        match (first, second) {
            (
                CachedModule::Basis { basis: a, projection: x, .. },
                CachedModule::Basis { basis: b, projection: y, .. },
            ) => {
                let shape = |module: &Module| [module.rank(), module.d_in()];
                let cosine = init_cosine([shape(&pair.first), shape(&pair.second)], &x, &y);
                let init_cosine = (!cosine.is_nan()).then_some(cosine);
                let update_flaws = [None, None];
                Ok(Some(Factorised { pair, a, b, init_cosine, update: None, update_flaws }))
            }
            _ => Ok(None),
        }
    }
}
