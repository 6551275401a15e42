//! A scan that is there: how far it is, its adapters, and their bases from the cache.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde::Serialize;

use super::absent::Absences;
use super::again;
use super::blocks::Blocks;
use super::cache::{Cache, CachedModule, Entry};
use super::digest::Digest;
use super::finish::{BlockCounts, adapter_rows, without_basis};
use super::folder::Folder;
use super::header::HeaderSummary;
use super::journal::records::Journal;
use super::keep::Keep;
use super::naming::numbered;
use super::plan::Plan;
use super::record::{AdapterRecord, FileStamp, changed};
use super::relations::relations_schema;
use super::side_modules::SideModules;
use super::survey::Survey;
use super::table::{
    AdapterRow, Schema, adapters_schema, histograms_schema, is_marked_unfinished, stored_digests,
};
use super::verified::Verified;
use crate::OpenOptions;
use crate::adapter::{Adapter, Module};
use crate::compare::Factorised;
use crate::error::{Error, Fault, Result};
use crate::measure::start_projection::init_cosine;
use crate::names::by_nearness;
use crate::select::ModulePair;
use crate::sync::stop::NEVER;
use crate::table::TableFile;
use crate::text::{counted, quoted, some_of};

/// How far a scan is that is not finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Unfinished {
    /// Blocks of the plan.
    pub(crate) blocks: u64,
    /// Those that are not there, or are damaged.
    pub(crate) blocks_left: u64,
    /// A table of the whole that is not there, or is damaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) table_left: Option<&'static str>,
}

impl Unfinished {
    pub(crate) fn words(self) -> String {
        match self.blocks_left {
            0 => format!("all blocks, but not the whole table of {}", self.table_left.unwrap_or("adapters")),
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
    /// Digests from the table of adapters, where a record is lost.
    stored: OnceLock<HashMap<i32, Digest>>,
    /// What is known of the bytes of its blocks.
    verified: Arc<Verified>,
    /// How its checkpoints are opened, with the base model, which is opened once.
    modules: OnceLock<SideModules>,
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
        Ok(Self { folder, plan, stored: OnceLock::new(), verified: Arc::default(), modules: OnceLock::new() })
    }

    /// The output folder.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// What is missing or damaged, if something is. Reads all bytes of the table of pairs.
    ///
    /// # Errors
    /// As [`Blocks::of`]; `Io` when the system refuses to read.
    pub(crate) fn missing(&self) -> Result<Option<Unfinished>> {
        let all = Blocks::of(&self.plan)?;
        let survey = self.survey(&all)?;
        survey.verify(|_| true, &NEVER)?;
        let counts = BlockCounts::of(&survey, |_| true);
        let (blocks, blocks_left) = (counts.n_blocks, counts.n_blocks - counts.n_done);
        // Tables of the whole are written last, and again when the folder has grown. A damaged one is made again too.
        let is_there = |table: PathBuf, schema: &Schema, n_rows: Option<u64>| {
            let whole = |file: TableFile| file.check(schema).and_then(|()| file.verify()).map(|()| file);
            TableFile::open(&table).and_then(whole).is_ok_and(|file| {
                !is_marked_unfinished(&file) && n_rows.is_none_or(|n_rows| file.n_rows() == n_rows)
            })
        };
        let options = &self.plan.options;
        let table_left = match () {
            () if !is_there(
                self.folder.adapters_file(),
                &adapters_schema(),
                Some(self.plan.adapters.len() as u64),
            ) =>
            {
                Some("adapters")
            }
            () if options.update && !is_there(self.folder.relations_file(), &relations_schema(), None) => {
                Some("relations")
            }
            () if matches!(options.keep, Keep::Top(_))
                && !is_there(self.folder.histograms_file(), &histograms_schema(), None) =>
            {
                Some("histograms")
            }
            () => None,
        };
        let is_finished = blocks_left == 0 && table_left.is_none();
        Ok((!is_finished).then_some(Unfinished { blocks, blocks_left, table_left }))
    }

    /// Looks at the blocks of the plan.
    ///
    /// # Errors
    /// `Io` when the system refuses to read.
    pub(super) fn survey<'a>(&'a self, blocks: &'a Blocks<'a>) -> Result<Survey<'a>> {
        let records = Journal::open(&self.folder, &self.plan.id)?;
        Ok(Survey::of(blocks, &self.folder).with_records(&records).knowing(&self.verified))
    }

    /// The files of the table of pairs that are there and whole, in the order of their names.
    ///
    /// # Errors
    /// As [`Blocks::of`]; `Io` when the system refuses to read.
    pub(crate) fn pair_files(&self) -> Result<Vec<PathBuf>> {
        let blocks = Blocks::of(&self.plan)?;
        let mut files: Vec<PathBuf> = self.survey(&blocks)?.files().collect();
        files.sort();
        Ok(files)
    }

    /// The error for a scan that is not finished: how far it is, what is damaged, and the way to go on.
    pub(crate) fn unfinished(&self, missing: String) -> Error {
        let remedy = again::remedy(&self.plan, &self.folder);
        let found = match self.verified.damaged().as_slice() {
            [] => missing,
            [one] => format!("{missing} ({} is damaged)", one.display()),
            [first, others @ ..] => {
                format!(
                    "{missing} ({} and {} are damaged)",
                    first.display(),
                    counted(others.len(), "other file")
                )
            }
        };
        Fault::new(found, "a finished scan").at(self.folder.path()).remedy(remedy).invalid()
    }

    /// The adapters, as far as they are known.
    ///
    /// # Errors
    /// `Io` when the system refuses to read.
    pub(crate) fn adapters(&self) -> Result<Vec<AdapterRow>> {
        let blocks = Blocks::of(&self.plan)?;
        let without_basis = without_basis(&self.survey(&blocks)?);
        Ok(adapter_rows(&self.plan, &Journal::open(&self.folder, &self.plan.id)?, &without_basis).collect())
    }

    /// What tells why pairs are absent from the table.
    ///
    /// # Errors
    /// `Invalid` when the plan's pairs name no adapter; `Io` when the system refuses to read.
    pub(crate) fn absences(
        &self,
        is_complete: bool,
        has_problem: impl Fn(u32) -> bool,
    ) -> Result<Absences<'_>> {
        Absences::of(&self.plan, has_problem, is_complete)
    }

    /// How the scan opened its checkpoints.
    ///
    /// # Errors
    /// As [`BaseModel::open`](crate::BaseModel::open).
    pub fn open_options(&self) -> Result<OpenOptions> {
        self.modules()?.open_options()
    }

    fn modules(&self) -> Result<&SideModules> {
        match self.modules.get() {
            Some(modules) => Ok(modules),
            None => {
                let modules = self.plan.options.side_modules()?;
                Ok(self.modules.get_or_init(|| modules))
            }
        }
    }

    /// Sees to it that a checkpoint that was opened now is the one that was scanned: by its stamp, or else by its header and by
    /// what the scan read of it.
    ///
    /// # Errors
    /// `Invalid` when it has changed since; `Io` when the system refuses to read.
    pub fn check_unchanged(&self, adapter: u32, opened: &Adapter) -> Result<()> {
        let planned = &self.plan.adapters[adapter as usize];
        let modules = self.modules()?;
        let now = modules.open(&planned.path)?;
        let header = HeaderSummary::of(now.clone(), modules)?;
        let is_same = now.stamp() == opened.stamp()
            && header.fingerprint == planned.fingerprint
            && match self.record(&Journal::open(&self.folder, &self.plan.id)?, adapter) {
                Some(record) => record.is_of(&now, modules)?,
                // Nothing was read of it.
                None => true,
            };
        if is_same { Ok(()) } else { Err(changed(&planned.path)) }
    }

    /// What is known of an adapter's file: its record, or what the table of adapters has of it.
    pub(super) fn record(&self, records: &Journal, adapter: u32) -> Option<AdapterRecord> {
        records.get(adapter).or_else(|| {
            let stored = || stored_digests(&self.folder.adapters_file(), &self.plan);
            let digest = *self.stored.get_or_init(stored).get(&(adapter as i32))?;
            // No file has this stamp, so that it is digested.
            let stamp = FileStamp { n_bytes: 0, modified_ns: None };
            Some(AdapterRecord { digest, key: None, stamp, missing: vec![] })
        })
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
        let records = Journal::open(&self.folder, &self.plan.id)?;
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
            let layout = self.plan.layout(self.pair[side]);
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
