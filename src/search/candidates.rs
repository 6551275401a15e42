//! Everything about some adapters of the scan next to every query: a few adapters at a time, all modules of each, so that no entry
//! of the cache is opened twice and memory does not grow with the scan.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::mean::Mean;
use super::queries::Queries;
use crate::engine::Engine;
use crate::error::Result;
use crate::measure::update::UpdateSums;
use crate::measure::{Values, Wanted};
use crate::report::By;
use crate::scan::bases::FinishedBases;
use crate::scan::blocks::{BlockPairs, PairLayout};
use crate::scan::cache::CachedModule;
use crate::scan::compute;
use crate::scan::table::{PairRows, PairTable};

/// Bytes of the bases that a thread holds at once, about.
const CHUNK_BYTES: usize = 32 << 20;

/// Adapters that a thread compares at once, at most.
const MAX_CHUNK: usize = 64;

/// Means that every neighbour has; the last is of what was chosen.
const N_MEANS: usize = 4;

/// What the modules of an adapter and a query add up to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PairSums {
    pub(super) n_modules: usize,
    pub(super) n_shared_init: usize,
    pub(super) is_other_base: bool,
    pub(super) updates: UpdateSums,
    means: [Mean; N_MEANS],
}

impl PairSums {
    /// Of adjusted, φ full, linear CKA and what was chosen, over the modules that have a value.
    pub(super) fn means(&self) -> [Option<f64>; N_MEANS] {
        self.means.map(|mean| mean.value())
    }
}

/// The comparison.
pub(super) struct Candidates<'a> {
    engine: &'a dyn Engine,
    bases: &'a FinishedBases<'a>,
    queries: &'a Queries,
    by: By,
    table: PairTable,
}

impl<'a> Candidates<'a> {
    pub(super) fn new(
        engine: &'a dyn Engine,
        bases: &'a FinishedBases<'a>,
        queries: &'a Queries,
        by: By,
    ) -> Self {
        let plan = &queries.plan;
        let wanted = Wanted {
            cells: by.cells(),
            max_rank: plan.max_rank,
            update: plan.options.update,
            ..Wanted::default()
        };
        Self { engine, bases, queries, by, table: PairTable { wanted } }
    }

    /// The sums of each of these adapters, in ascending order, with each query.
    ///
    /// # Errors
    /// As [`FinishedBases::read`].
    pub(super) fn compare(&self, adapters: &[u32]) -> Result<Vec<Vec<PairSums>>> {
        let plan = &self.queries.plan;
        let numbers = |modules: &[(u32, u32)]| {
            modules.iter().map(|&(m, r)| r as usize * plan.modules[m as usize].d).sum::<usize>()
        };
        let largest = plan.layouts.iter().map(|layout| numbers(&layout.modules)).max().unwrap_or(1);
        let bytes = largest * size_of::<f32>() * if plan.options.update { 3 } else { 1 };
        let share = adapters.len().div_ceil(2 * rayon::current_num_threads());
        let n = (CHUNK_BYTES / bytes.max(1)).min(share).clamp(1, MAX_CHUNK);
        let chunks: Vec<Vec<Vec<PairSums>>> =
            adapters.par_chunks(n).map(|chunk| self.compare_some(chunk)).collect::<Result<_>>()?;
        Ok(chunks.into_iter().flatten().collect())
    }

    fn compare_some(&self, adapters: &[u32]) -> Result<Vec<Vec<PairSums>>> {
        let plan = &self.queries.plan;
        let mut modules: BTreeMap<u32, (Vec<u32>, Vec<CachedModule>)> = BTreeMap::new();
        for &adapter in adapters {
            let layout = plan.layout(adapter);
            let numbers = layout.modules.iter().map(|&(module, _)| module).enumerate();
            let (places, numbers): (Vec<usize>, Vec<u32>) =
                numbers.filter(|(_, module)| self.queries.modules.contains_key(module)).unzip();
            if places.is_empty() {
                continue;
            }
            for (module, record) in numbers.into_iter().zip(self.bases.read(adapter, &places)?) {
                let (ids, records) = modules.entry(module).or_default();
                ids.push(adapter);
                records.push(record);
            }
        }
        let mut sums = vec![vec![PairSums::default(); self.queries.all.len()]; adapters.len()];
        for (module, (ids, records)) in modules {
            let (queries, of_queries) = &self.queries.modules[&module];
            let pairs = BlockPairs { a: queries.clone(), b: ids, which: PairLayout::All };
            let records = [of_queries.as_slice(), &records];
            let (rows, _) =
                compute::rows(self.engine, plan, &self.table, module, &pairs, records, &|_, _| {})?;
            self.add(&mut sums, adapters, &rows);
        }
        Ok(sums)
    }

    /// Adds the rows of a module to the sums of these adapters.
    fn add(&self, sums: &mut [Vec<PairSums>], adapters: &[u32], rows: &PairRows) {
        let column =
            |name: &str| rows.statistics.iter().find(|(of, ..)| of == name).map(|(.., values)| values);
        let number = |values: Option<&Values>, row| values.map_or(f64::NAN, |values| values.number(row));
        let flag = |values: Option<&Values>, row: usize| match values {
            Some(Values::Flags(flags)) => flags[row] == Some(true),
            _ => false,
        };
        let chosen = self.by.column();
        let means = [By::Adjusted.column(), By::PhiFull.column(), By::LinearCka.column(), chosen];
        let means = means.map(|name| column(&name));
        let update = ["cosine", "norm_a", "norm_b"].map(column);
        let flags = ["shared_init", "other_base"].map(column);
        for (row, (&query, &adapter)) in rows.a.iter().zip(&rows.b).enumerate() {
            let Ok(place) = adapters.binary_search(&(adapter as u32)) else { continue };
            let sums = &mut sums[place][(query as u32 - self.queries.n_adapters) as usize];
            sums.n_modules += 1;
            sums.n_shared_init += usize::from(flag(flags[0], row));
            sums.is_other_base |= flag(flags[1], row);
            for (mean, values) in sums.means.iter_mut().zip(&means) {
                mean.add(number(*values, row));
            }
            let [cosine, norm_a, norm_b] = update.map(|values| number(values, row));
            let cosine = Some(cosine).filter(|cosine| cosine.is_finite());
            // The deviation by chance, which needs the number of weights, is not asked for.
            sums.updates.add(cosine, [norm_a, norm_b], 1);
        }
    }
}
