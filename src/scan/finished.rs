//! Two adapters of a scan that is there, and their bases from the cache.

use std::path::Path;

use super::cache::{Cache, CachedModule, Entry};
use super::folder::Folder;
use super::journal::records::Journal;
use super::plan::Plan;
use crate::compare::Factorised;
use crate::error::{Fault, Result};
use crate::measure::start_projection::init_cosine;
use crate::names::by_nearness;
use crate::select::ModulePair;
use crate::text::{quoted, some_of};

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

    /// The adapter that a user means: by its number in the table, its path, or the end of one path alone.
    ///
    /// # Errors
    /// `Invalid` when there is none such, or several.
    pub fn find(&self, name: &str) -> Result<u32> {
        let adapters = || (0u32..).zip(&self.plan.adapters);
        let by_path = |matches: &dyn Fn(&Path) -> bool| -> Vec<u32> {
            adapters().filter(|(_, adapter)| matches(&adapter.path)).map(|(number, _)| number).collect()
        };
        let exact = by_path(&|path| path == Path::new(name));
        if let [number] = exact[..] {
            return Ok(number);
        }
        let number = name.parse::<u32>().ok().filter(|&number| (number as usize) < self.plan.adapters.len());
        if let Some(number) = number {
            return Ok(number);
        }
        let wrong = |found: String, hint: String| {
            Fault::new(found, "one checkpoint of the scan")
                .at(self.folder.path())
                .of("pair")
                .hint(hint)
                .invalid()
        };
        match by_path(&|path| path.ends_with(name))[..] {
            [number] => Ok(number),
            [] => {
                let paths: Vec<String> =
                    adapters().map(|(_, adapter)| adapter.path.display().to_string()).collect();
                let near = by_nearness(&format!("*{name}"), paths.iter().map(String::as_str));
                let some = some_of(near.into_iter().map(str::to_owned));
                Err(wrong(
                    format!("none that ends with {}", quoted(name)),
                    format!("give a number or a path: {some}"),
                ))
            }
            ref several => {
                let paths = several.iter().map(|&number| self.plan.adapters[number as usize].path.display());
                let some = some_of(paths.map(|path| path.to_string()));
                Err(wrong(
                    format!("{} that end with {}", several.len(), quoted(name)),
                    format!("give more of it: {some}"),
                ))
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
                CachedModule::Basis { basis: a, projection: x },
                CachedModule::Basis { basis: b, projection: y },
            ) => {
                let cosine = init_cosine([a.r(), b.r()], &x, &y);
                let init_cosine = (!cosine.is_nan()).then_some(cosine);
                Ok(Some(Factorised { pair, a, b, init_cosine }))
            }
            _ => Ok(None),
        }
    }
}
