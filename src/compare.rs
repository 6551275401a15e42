//! Modules of two adapters, factorised and compared: what a library user calls for more than one pair.

#[cfg(feature = "scan")]
use std::sync::Arc;

use rayon::prelude::*;

use crate::adapter::{Adapter, Matrix, Module, Side};
use crate::basis::{Basis, Update};
use crate::engine::{Block, BlockStats, Engine, Pair, Pairs};
use crate::error::Result;
use crate::formats::run_and_step;
use crate::measure::update::UpdatePair;
use crate::measure::{Grid, Member, MemberUpdate, PairBatch, PairStatistics, Wanted, init_cosine};
use crate::relation::{Evidence, Relation};
use crate::select::ModulePair;

/// The two bases of one module, before any engine has seen them.
#[derive(Debug, Clone)]
pub struct Factorised {
    /// The module in both adapters.
    pub pair: ModulePair,
    /// The first adapter's basis.
    pub a: Basis,
    /// The second adapter's.
    pub b: Basis,
    /// cos(vec A₁, vec A₂), see [`init_cosine::cosine`].
    pub init_cosine: Option<f64>,
    /// The cosine and the norms of the two updates; `None` where the factors themselves were not read.
    pub update: Option<UpdatePair>,
}

impl Factorised {
    /// Reads and factorises both. A and B are read on every side, for the two cosines.
    ///
    /// # Errors
    /// As [`Basis::of`].
    pub fn of(pair: ModulePair, side: Side) -> Result<Self> {
        let (first, second) = rayon::join(
            || Basis::with_factors(&pair.first, side),
            || Basis::with_factors(&pair.second, side),
        );
        let ((a, [a_1, b_1]), (b, [a_2, b_2])) = (first?, second?);
        let init_cosine = init_cosine::cosine(&a_1, &a_2);
        let update = update_of(&pair.first, &a_1, &b_1).pair(update_of(&pair.second, &a_2, &b_2));
        Ok(Self { pair, a, b, init_cosine, update: Some(update) })
    }

    /// The same without the updates, so that side a reads no B.
    ///
    /// # Errors
    /// As [`Factorised::of`].
    #[cfg(feature = "cli")]
    pub(crate) fn without_update(pair: ModulePair, side: Side) -> Result<Self> {
        let (first, second) =
            rayon::join(|| Basis::with_a(&pair.first, side), || Basis::with_a(&pair.second, side));
        let ((a, a_1), (b, a_2)) = (first?, second?);
        Ok(Self { pair, a, b, init_cosine: init_cosine::cosine(&a_1, &a_2), update: None })
    }

    /// Whether the two share their random start, [`init_cosine::SHARED_INIT`].
    pub fn has_shared_init(&self) -> bool {
        self.init_cosine.is_some_and(|cosine| cosine > init_cosine::SHARED_INIT)
    }
}

/// One module of two adapters, compared. It shares the modules with the adapters and outlives them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Comparison {
    /// The bases.
    pub factorised: Factorised,
    /// φ of every (i, j).
    pub grid: Grid,
}

/// Compares modules: factorisations on all threads, then all grids at once.
///
/// ```
/// use lorascope::engine::CpuEngine;
/// use lorascope::{Adapter, Selection, Side, compare};
///
/// let a = Adapter::open("tests/data/adapters/seed0-r8-layer5")?;
/// let b = Adapter::open("tests/data/adapters/seed1-r8-layer5")?;
/// let selected = Selection::new().all().select(&a, &b, Side::A)?;
/// for comparison in compare(&CpuEngine::new(), &selected.pairs, Side::A)? {
///     println!("{}: {:?}", comparison.factorised.pair.name(), comparison.grid.phi(8, 8));
///     assert!(!comparison.factorised.has_shared_init());
/// }
/// # Ok::<(), lorascope::Error>(())
/// ```
///
/// # Errors
/// As [`Factorised::of`] and [`Engine::grids`].
pub fn compare(engine: &dyn Engine, pairs: &[ModulePair], side: Side) -> Result<Vec<Comparison>> {
    let factorised: Result<Vec<_>> =
        pairs.par_iter().map(|pair| Factorised::of(pair.clone(), side)).collect();
    grids(engine, factorised?)
}

/// The grids of bases that are there already.
///
/// # Errors
/// As [`Engine::grids`].
pub fn grids(engine: &dyn Engine, factorised: Vec<Factorised>) -> Result<Vec<Comparison>> {
    let pairs: Vec<Pair<'_>> = factorised.iter().map(|both| Pair { a: &both.a, b: &both.b }).collect();
    let grids = engine.grids(&pairs)?;
    Ok(factorised.into_iter().zip(grids).map(|(factorised, grid)| Comparison { factorised, grid }).collect())
}

/// The grid of one pair. For many pairs [`Engine::grids`] is faster.
///
/// # Errors
/// `Invalid` when the bases have different d; `Limit` and `Gpu` from a GPU engine.
pub fn similarity(engine: &dyn Engine, a: &Basis, b: &Basis) -> Result<Grid> {
    let mut grids = engine.grids(&[Pair { a, b }])?;
    Ok(grids.pop().expect("an engine returns one grid for each pair"))
}

/// Every statistic of comparisons of two adapters: what a scan's table has of them, with exact cosines of the starts.
///
/// ```
/// use lorascope::engine::CpuEngine;
/// use lorascope::{Adapter, Selection, Side, compare, statistics};
///
/// let a = Adapter::open("tests/data/adapters/seed0-r8-layer5")?;
/// let b = Adapter::open("tests/data/adapters/seed1-r8-layer5")?;
/// let selected = Selection::new().all().select(&a, &b, Side::A)?;
/// let comparisons = compare(&CpuEngine::new(), &selected.pairs, Side::A)?;
/// for pair in statistics(&CpuEngine::new(), &comparisons, [&a, &b], true)? {
///     assert!(pair.number("linear_cka").unwrap() > pair.number("baseline").unwrap());
///     assert_eq!((pair.flag("shared_init"), pair.numbers("angles").len()), (Some(false), 8));
/// }
/// # Ok::<(), lorascope::Error>(())
/// ```
///
/// # Errors
/// As [`Engine::pair_stats`].
pub fn statistics(
    engine: &dyn Engine,
    comparisons: &[Comparison],
    adapters: [&Adapter; 2],
    angles: bool,
) -> Result<Vec<PairStatistics>> {
    let [model_a, model_b] = adapters.map(Adapter::base_model);
    let numbers = [model_a.map(|_| 0), model_b.map(|_| u32::from(model_b != model_a))];
    let pairs = comparisons.iter().map(|comparison| {
        let Factorised { a, b, init_cosine, update, .. } = &comparison.factorised;
        let of_member = |k: usize| {
            update.map(|update| MemberUpdate { norm: update.norms[k], n_weights: update.n_weights })
        };
        let members = [
            Member { basis: a, base_model: numbers[0], update: of_member(0) },
            Member { basis: b, base_model: numbers[1], update: of_member(1) },
        ];
        let cosine = update.and_then(|update| update.cosine);
        Two { members, init_cosine: *init_cosine, cosine }
    });
    statistics_of(engine, &pairs.collect::<Vec<_>>(), angles)
}

/// What two adapters are to each other, by all modules of these comparisons. `same_modules`: neither adapter has a module
/// that the other lacks.
///
/// ```
/// use lorascope::engine::CpuEngine;
/// use lorascope::relation::Relation;
/// use lorascope::{Adapter, Selection, Side, compare, relation_of};
///
/// let a = Adapter::open("tests/data/adapters/seed0-r8-layer5")?;
/// let b = Adapter::open("tests/data/adapters/seed1-r8-layer5")?;
/// let selected = Selection::new().all().select(&a, &b, Side::A)?;
/// let comparisons = compare(&CpuEngine::new(), &selected.pairs, Side::A)?;
/// let same_modules = selected.only.iter().all(Vec::is_empty);
/// assert_eq!(relation_of([&a, &b], &comparisons, same_modules)?, Relation::Alike);
/// # Ok::<(), lorascope::Error>(())
/// ```
///
/// # Errors
/// `Io` when a file cannot be read.
pub fn relation_of(
    adapters: [&Adapter; 2],
    comparisons: &[Comparison],
    same_modules: bool,
) -> Result<Relation> {
    let factorised = || comparisons.iter().map(|comparison| &comparison.factorised);
    let updates: Vec<UpdatePair> = factorised().filter_map(|both| both.update).collect();
    let shared_init = 2 * factorised().filter(|both| both.has_shared_init()).count() > comparisons.len();
    evidence(adapters, updates, same_modules, shared_init).map(|evidence| evidence.relation())
}

/// What is known of two adapters, whose files are compared where their factors are equal.
fn evidence(
    adapters: [&Adapter; 2],
    updates: Vec<UpdatePair>,
    same_modules: bool,
    shared_init: bool,
) -> Result<Evidence> {
    let all_equal = same_modules && !updates.is_empty() && updates.iter().all(|pair| pair.same_factors);
    let [first, second] = adapters;
    // Digests read both files, so only where their factors are equal.
    let same_file = all_equal && first.n_bytes() == second.n_bytes() && first.digest()? == second.digest()?;
    let [(run_a, step_a), (run_b, step_b)] = adapters.map(|adapter| run_and_step(adapter.path()));
    let steps_of_one_run = run_a == run_b && step_a.zip(step_b).is_some_and(|(a, b)| a != b);
    Ok(Evidence { same_file, same_modules, steps_of_one_run, shared_init, updates })
}

/// What is known of two adapters by their files: the modules of one name and shape are compared.
///
/// # Errors
/// As [`Factorised::of`].
#[cfg(feature = "scan")]
pub(crate) fn evidence_of_files(a: &Adapter, b: &Adapter) -> Result<Evidence> {
    let (mut updates, mut n_shared_init) = (vec![], 0);
    for module in a.modules() {
        let is_other = |other: &&Arc<Module>| {
            other.name == module.name && [other.d_in(), other.d_out()] == [module.d_in(), module.d_out()]
        };
        let Some(other) = b.modules().iter().find(is_other) else { continue };
        let [(a_1, b_1), (a_2, b_2)] =
            [(module.a.read()?, module.b.read()?), (other.a.read()?, other.b.read()?)];
        n_shared_init += usize::from(init_cosine::cosine(&a_1, &a_2) > Some(init_cosine::SHARED_INIT));
        updates.push(update_of(module, &a_1, &b_1).pair(update_of(other, &a_2, &b_2)));
    }
    let same_modules = updates.len() == a.modules().len() && updates.len() == b.modules().len();
    let shared_init = 2 * n_shared_init > updates.len();
    evidence([a, b], updates, same_modules, shared_init)
}

fn update_of<'a>(module: &Module, a: &'a Matrix, b: &'a Matrix) -> Update<'a> {
    Update { a, b, scaling: module.scaling.unwrap_or(1.0) }
}

/// Two bases of which every statistic is wanted.
pub(crate) struct Two<'a> {
    pub(crate) members: [Member<'a>; 2],
    pub(crate) init_cosine: Option<f64>,
    /// cos(ΔW₁, ΔW₂).
    pub(crate) cosine: Option<f64>,
}

/// Every statistic of each pair.
pub(crate) fn statistics_of(
    engine: &dyn Engine,
    pairs: &[Two<'_>],
    angles: bool,
) -> Result<Vec<PairStatistics>> {
    let mut found: Vec<Option<PairStatistics>> = vec![None; pairs.len()];
    for (place, pair) in pairs.iter().enumerate() {
        if found[place].is_some() {
            continue;
        }
        // All of one dimension at once.
        let d = |pair: &Two<'_>| pair.members[0].basis.d();
        let places: Vec<usize> = (place..pairs.len()).filter(|&place| d(&pairs[place]) == d(pair)).collect();
        let side = |k: usize| places.iter().map(|&place| pairs[place].members[k].basis).collect();
        let (a, b): (Vec<&Basis>, Vec<&Basis>) = (side(0), side(1));
        let list: Vec<(u32, u32)> = (0..places.len() as u32).map(|k| (k, k)).collect();
        let block = Block { a: &a, b: &b, pairs: Pairs::List(&list), cells: &[] };
        let stats = engine.pair_stats(&block)?;
        for (&place, stats) in places.iter().zip(stats.pairs()) {
            found[place] = Some(of_one(&pairs[place], BlockStats::new(0, stats.sums.to_vec()), angles)?);
        }
    }
    Ok(found.into_iter().flatten().collect())
}

fn of_one(pair: &Two<'_>, stats: BlockStats, angles: bool) -> Result<PairStatistics> {
    let [a, b] = pair.members;
    let max_rank = a.basis.q().min(b.basis.q());
    PairStatistics::of(&PairBatch {
        wanted: &Wanted { max_rank, angles, update: a.update.is_some(), ..Wanted::default() },
        a: &[a],
        b: &[b],
        places: &[(0, 0)],
        stats: &stats,
        init_cosines: &[pair.init_cosine.unwrap_or(f64::NAN)],
        cosines: &[pair.cosine.unwrap_or(f64::NAN)],
        grids: &|_| Ok(vec![]),
    })
}
