//! The adapters of a scan that are the nearest to other checkpoints, from the bases that the scan left in the cache.
//!
//! ```no_run
//! use lorascope::report::By;
//! use lorascope::search::Search;
//!
//! let found = Search::new("out").top(3).by(By::LinearCka).run(&["runs/new"])?;
//! for neighbour in &found.queries[0].nearest {
//!     println!("{}: {:?}, {:?}", neighbour.path.display(), neighbour.linear_cka, neighbour.relation);
//! }
//! # Ok::<(), lorascope::Error>(())
//! ```
//!
//! A query joins the scan's plan as one more adapter, so that its modules are matched as those of the scan are, and its
//! numbers are those that the scan's table would have. All adapters are read once for what they are ranked by; only those that
//! can be among the nearest are then compared in everything else.

mod candidates;
mod mean;
mod quantity;
mod queries;
mod ranking;
mod relations;

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use self::candidates::{Candidates, PairSums};
use self::queries::Queries;
use self::ranking::{Rank, Ranking};
use crate::adapter::{Side, UnreadPart};
use crate::engine::CpuEngine;
use crate::error::{Fault, Remedy, Result};
use crate::relation::Relation;
use crate::report::By;
use crate::scan::bases::FinishedBases;
use crate::scan::cache::Cache;
use crate::scan::finished::{FinishedScan, Unfinished};
use crate::scan::profile::Profile;
use crate::select::FewMeet;

/// A search in a scan.
#[derive(Debug, Clone)]
pub struct Search {
    scan: PathBuf,
    cache: Option<PathBuf>,
    by: By,
    top: usize,
    partial: bool,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Found {
    /// The side that the scan compares.
    pub side: Side,
    /// What neighbours are ranked by.
    pub by: By,
    /// What is missing of a scan that is not finished, in words.
    pub unfinished: Option<String>,
    /// How many adapters the scan has.
    pub n_adapters: usize,
    /// How many of them were not in the cache and were factorised again.
    pub n_factorised: usize,
    /// Of each query, in their order.
    pub queries: Vec<FoundQuery>,
}

/// The neighbours of one query.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FoundQuery {
    /// As it was named.
    pub path: PathBuf,
    /// How many modules it has, of those that the scan compares.
    pub n_modules: usize,
    /// How many of these the scan has too, in the same dimension.
    pub n_in_scan: usize,
    /// Modules without a basis, and why.
    pub without_basis: Vec<(String, String)>,
    /// Parts of its update that are not read.
    pub unread: Vec<UnreadPart>,
    /// How many adapters of the scan have a module in common with it.
    pub n_compared: usize,
    /// The nearest of them, the nearest first.
    pub nearest: Vec<Neighbour>,
    /// The first of these that most modules of the query have no partner in, by its place.
    pub few_meet: Option<(usize, FewMeet)>,
}

/// An adapter of the scan next to a query.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Neighbour {
    /// Its number in the scan.
    pub id: u32,
    /// As the scan named it.
    pub path: PathBuf,
    /// How many modules were compared.
    pub n_modules: usize,
    /// What it was ranked by; `None` where no module has a value.
    pub value: Option<f64>,
    /// The mean of φ at full ranks corrected for chance over the modules: see [`crate::measure::adjusted`].
    pub adjusted: Option<f64>,
    /// The mean of φ at full ranks.
    pub phi_full: Option<f64>,
    /// The mean linear CKA of the factors.
    pub linear_cka: Option<f64>,
    /// The cosine of the updates of all modules, taken as one vector, in [−1, 1]; `None` where the scan did not keep them.
    pub cosine: Option<f64>,
    /// Whether more than half of the modules share their random start.
    pub shared_init: bool,
    /// Whether the two name different base models.
    pub other_base: bool,
    /// What it is to the query, which is a of the two, by the files of both; `None` where its file is gone or was changed
    /// since the scan.
    pub relation: Option<Relation>,
}

impl Search {
    /// In the scan of this output folder, with the user's own cache.
    pub fn new(scan: impl Into<PathBuf>) -> Self {
        Self { scan: scan.into(), cache: None, by: By::default(), top: 10, partial: false }
    }

    /// The cache that the scan used.
    pub fn cache(self, dir: impl Into<PathBuf>) -> Self {
        Self { cache: Some(dir.into()), ..self }
    }

    /// What neighbours are ranked by; [`By::Adjusted`] unless told otherwise.
    pub fn by(self, by: By) -> Self {
        Self { by, ..self }
    }

    /// How many neighbours are wanted of each query; 10 unless told otherwise.
    pub fn top(self, top: usize) -> Self {
        Self { top, ..self }
    }

    /// Whether the scan need not be finished: all adapters of its plan are searched, also those that it has not compared yet.
    pub fn partial(self, partial: bool) -> Self {
        Self { partial, ..self }
    }

    /// Searches for the neighbours of these checkpoints. Computes on the CPU, on all threads.
    ///
    /// # Errors
    /// `NotFound` and `Invalid` when the folder is not that of a scan, or the scan is not finished; `Invalid` for the cosine where the scan did not keep
    /// the updates, for a query without any of the scan's modules, and for an adapter that is neither in the cache nor in its
    /// place any more; as [`Adapter::open`](crate::Adapter::open) for queries.
    pub fn run<P: AsRef<Path>>(&self, queries: &[P]) -> Result<Found> {
        let scan = FinishedScan::open(&self.scan)?;
        let plan = &scan.plan;
        let unfinished = scan.missing()?.map(Unfinished::words);
        if let Some(missing) = unfinished.clone().filter(|_| !self.partial) {
            return Err(scan.unfinished(missing));
        }
        if self.by == By::Cosine && !plan.options.update {
            return Err(Fault::new(
                "a scan without the updates",
                "the cosine of the updates, which a scan keeps when it is asked for",
            )
            .at(&self.scan)
            .remedy(Remedy::KeepUpdate)
            .invalid());
        }
        let dir = self.cache.clone().map_or_else(Cache::default_dir, Ok)?;
        let profile = Profile::begin(false);
        let bases = FinishedBases::of(&scan, Cache::open(dir, Cache::DEFAULT_LIMIT_BYTES)?, &profile)?;
        let paths: Vec<&Path> = queries.iter().map(AsRef::as_ref).collect();
        let queries = Queries::open(plan, &bases, &paths)?;
        let ranks = Ranking::new(&bases, &queries, self.by).ranks()?;
        let adapters = nearest(&ranks, self.top);
        let engine = CpuEngine::with_precision(plan.options.precision);
        let pairs = Candidates::new(&engine, &bases, &queries, self.by).compare(&adapters)?;
        let of_query = |(n, query): (usize, &queries::Query)| {
            let n_compared = ranks.iter().filter(|ranks| ranks[n].n_modules > 0).count();
            let compared = adapters.iter().zip(&pairs).filter(|(_, sums)| sums[n].n_modules > 0);
            let mut all: Vec<Neighbour> =
                compared.map(|(&id, sums)| neighbour(&scan, self.by, id, &sums[n])).collect();
            all.sort_by(nearer);
            all.truncate(self.top);
            relations::find(&bases, &query.adapter, &mut all);
            let few_meet = |one: &Neighbour| queries.plan.few_meet(queries.n_adapters + n as u32, one.id);
            let few_meet = all.iter().enumerate().find_map(|(place, one)| Some((place, few_meet(one)?)));
            FoundQuery {
                path: query.adapter.path().to_owned(),
                n_modules: query.n_modules,
                n_in_scan: query.n_in_scan,
                without_basis: query.without_basis.clone(),
                unread: query.adapter.unread_and_magnitudes(),
                n_compared,
                nearest: all,
                few_meet,
            }
        };
        Ok(Found {
            side: plan.options.side,
            by: self.by,
            unfinished,
            n_adapters: plan.adapters.len(),
            n_factorised: bases.n_factorised(),
            queries: queries.all.iter().enumerate().map(of_query).collect(),
        })
    }
}

fn neighbour(scan: &FinishedScan, by: By, id: u32, sums: &PairSums) -> Neighbour {
    let cosine = scan.plan.options.update.then(|| sums.updates.whole().cosine).flatten();
    let [adjusted, phi_full, linear_cka, chosen] = sums.means();
    Neighbour {
        id,
        path: scan.plan.adapters[id as usize].path.clone(),
        n_modules: sums.n_modules,
        value: if by == By::Cosine { cosine } else { chosen },
        adjusted,
        phi_full,
        linear_cka,
        cosine,
        shared_init: 2 * sums.n_shared_init > sums.n_modules,
        other_base: sums.is_other_base,
        relation: None,
    }
}

/// The adapters that can be among the `top` nearest of a query, in ascending order: equal values are told apart by more than
/// what they are ranked by.
fn nearest(ranks: &[Vec<Rank>], top: usize) -> Vec<u32> {
    let mut nearest = BTreeSet::new();
    for query in 0..ranks.first().map_or(0, Vec::len) {
        let of_query = (0..).zip(ranks).map(|(id, ranks)| (id, ranks[query]));
        let compared = of_query.filter(|(_, rank)| rank.n_modules > 0);
        let mut all: Vec<(i64, u32)> = compared.map(|(id, rank)| (steps(rank.value), id)).collect();
        all.sort_unstable_by_key(|&(value, _)| std::cmp::Reverse(value));
        let least = all.get(top.saturating_sub(1)).map_or(i64::MIN, |&(value, _)| value);
        nearest.extend(all.iter().take_while(|(value, _)| *value >= least).map(|&(_, id)| id));
    }
    nearest.into_iter().collect()
}

/// A value in steps of what an engine may be off by; those without a value last.
fn steps(value: Option<f64>) -> i64 {
    value.map_or(i64::MIN, |value| (value * 1e5).round() as i64)
}

/// The nearest first, those without a value last. Values that are equal but for the error of an engine are ordered by the
/// cosine and then by the linear CKA, so that a copy stands before a negated one.
fn nearer(a: &Neighbour, b: &Neighbour) -> Ordering {
    let key = |one: &Neighbour| [one.value, one.cosine, one.linear_cka].map(steps);
    key(b).cmp(&key(a)).then(a.id.cmp(&b.id))
}
