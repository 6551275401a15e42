//! What adapters are ranked by, and nothing else of them: one pass over the cache, record by record in memory that is used again,
//! so that it stays in a core's own cache. The values are those that [`Candidates`](super::candidates::Candidates) has, to the
//! last bit.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::quantity::{Packed, Quantity, Rows, Sums};
use super::queries::Queries;
use crate::engine::PackedScratch;
use crate::error::{Error, Result};
use crate::report::By;
use crate::scan::bases::FinishedBases;
use crate::scan::cache::{CachedModule, Entry};

/// Adapters whose entries a thread holds open, so that a module of the queries is fetched once for all of them.
const AT_ONCE: usize = 8;

/// How near an adapter is to a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rank {
    /// Modules that both have a basis of.
    pub(super) n_modules: usize,
    /// What adapters are ranked by; `None` where no module has a value.
    pub(super) value: Option<f64>,
}

/// The ranking of all adapters.
pub(super) struct Ranking<'a> {
    bases: &'a FinishedBases<'a>,
    queries: &'a Queries,
    by: Quantity,
    /// Of each layout the places of the modules that queries have, in the order of the modules.
    places: Vec<BTreeMap<u32, usize>>,
    modules: BTreeMap<u32, Vec<Packed<'a>>>,
}

enum Source {
    Entry(Entry),
    /// Made again, for it was not there or damaged.
    Records(Vec<CachedModule>),
}

/// What one module after another uses.
#[derive(Default)]
struct Memory {
    numbers: Vec<f32>,
    scratch: PackedScratch,
}

impl<'a> Ranking<'a> {
    pub(super) fn new(bases: &'a FinishedBases<'a>, queries: &'a Queries, by: By) -> Self {
        let plan = &queries.plan;
        let by = Quantity::of(by, plan.max_rank);
        let places = plan.layouts.iter().map(|layout| {
            let modules = layout.modules.iter().enumerate().map(|(place, &(module, _))| (module, place));
            modules.filter(|(module, _)| queries.modules.contains_key(module)).collect()
        });
        let packed = |(&module, (ids, records)): (&u32, &'a (Vec<u32>, Vec<CachedModule>))| {
            (module, by.pack(queries, ids, records))
        };
        let modules = queries.modules.iter().map(packed).collect();
        Self { bases, queries, places: places.collect(), modules, by }
    }

    /// Of each adapter its rank next to each query.
    ///
    /// # Errors
    /// As [`FinishedBases::read`].
    pub(super) fn ranks(&self) -> Result<Vec<Vec<Rank>>> {
        let adapters: Vec<u32> = (0..self.queries.n_adapters).collect();
        let some: Result<Vec<Vec<Vec<Rank>>>> =
            adapters.par_chunks(AT_ONCE).map(|some| self.ranks_of(some)).collect();
        Ok(some?.into_iter().flatten().collect())
    }

    fn ranks_of(&self, adapters: &[u32]) -> Result<Vec<Vec<Rank>>> {
        let plan = &self.queries.plan;
        let mut sums = vec![vec![Sums::default(); self.queries.all.len()]; adapters.len()];
        let mut sources: Vec<Option<Source>> = adapters.iter().map(|_| None).collect();
        let mut memory = Memory::default();
        for (module, packed) in &self.modules {
            for ((&adapter, source), sums) in adapters.iter().zip(&mut sources).zip(&mut sums) {
                let layout = plan.adapters[adapter as usize].layout as usize;
                let Some(&place) = self.places[layout].get(module) else { continue };
                let numbers = std::mem::take(&mut memory.numbers);
                let Some(rows) = self.read(adapter, source, place, numbers)? else { continue };
                for packed in packed {
                    self.by.add(packed, &rows, sums, &mut memory.scratch)?;
                }
                memory.numbers = rows.into_numbers();
            }
        }
        let rank = |sums: &Sums| Rank { n_modules: sums.n_modules, value: self.by.value(sums) };
        Ok(sums.iter().map(|of_queries| of_queries.iter().map(rank).collect()).collect())
    }

    /// What is ranked by of the module at this place, if it has a basis.
    fn read(
        &self,
        adapter: u32,
        source: &mut Option<Source>,
        place: usize,
        numbers: Vec<f32>,
    ) -> Result<Option<Rows>> {
        if source.is_none() {
            *source = self.bases.entry(adapter)?.map(Source::Entry);
        }
        if let Some(Source::Entry(entry)) = source {
            match self.by.read(entry, place, numbers) {
                // Damaged on the disk, and gone now, or not readable.
                Err(Error::Malformed(_) | Error::Io { .. }) => *source = None,
                rows => return rows,
            }
        }
        if source.is_none() {
            let layout = self.queries.plan.adapters[adapter as usize].layout as usize;
            let all: Vec<usize> = (0..self.queries.plan.layouts[layout].modules.len()).collect();
            *source = Some(Source::Records(self.bases.read(adapter, &all)?));
        }
        let Some(Source::Records(records)) = source else { return Ok(None) };
        Ok(self.by.rows(&records[place]))
    }
}
