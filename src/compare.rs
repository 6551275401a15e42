//! Modules of two adapters, factorised and compared: what a library user calls for more than one pair.

#[cfg(feature = "scan")]
use std::collections::HashMap;
use std::ops::Deref;
#[cfg(feature = "scan")]
use std::sync::Arc;

use rayon::prelude::*;

#[cfg(feature = "scan")]
use crate::adapter::Module;
use crate::adapter::{Adapter, Side};
use crate::basis::{Basis, Flaw, Numbers, Update, Wanted as WantedFactors};
use crate::engine::{Block, BlockStats, Engine, Pair, Pairs};
use crate::error::{Error, Result};
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
    /// Why the update of the first or the second is not known, though the side has a basis of both.
    pub update_flaws: [Option<Flaw>; 2],
}

impl Factorised {
    /// Reads and factorises both. A and B are read on every side, for the two cosines.
    ///
    /// # Errors
    /// As [`Basis::of`]. [`compare`] goes on without a module whose numbers have no subspace.
    pub fn of(pair: ModulePair, side: Side) -> Result<Self> {
        Self::or_left_out(pair, side, true)?.map_err(|left_out| nothing_left(&[left_out]))
    }

    /// The same, or why one of the two has no subspace. Without `updates`, side a reads no B.
    ///
    /// # Errors
    /// `Io` when the system refuses to read, `Invalid` when a file changed since it was opened.
    pub(crate) fn or_left_out(
        pair: ModulePair,
        side: Side,
        updates: bool,
    ) -> Result<Result<Self, LeftOutPair>> {
        let wanted = if updates { WantedFactors::Both } else { WantedFactors::SideAndA };
        let (first, second) = rayon::join(
            || Numbers::read(&pair.first, side, wanted).map(|numbers| (numbers.basis(side), numbers)),
            || Numbers::read(&pair.second, side, wanted).map(|numbers| (numbers.basis(side), numbers)),
        );
        let ((a, numbers_a), (b, numbers_b)) = (first?, second?);
        let init_cosine = init_cosine_of(&numbers_a, &numbers_b);
        let update = updates.then(|| update_pair([&numbers_a, &numbers_b], &pair));
        let flaw = |numbers: &Numbers<'_>| updates.then(|| numbers.update().err()).flatten();
        let update_flaws = [&numbers_a, &numbers_b].map(flaw);
        drop((numbers_a, numbers_b));
        Ok(match (a, b) {
            (Ok(a), Ok(b)) => Ok(Self { pair, a, b, init_cosine, update, update_flaws }),
            (a, b) => Err(LeftOutPair { pair, flaws: [a.err(), b.err()], init_cosine, update }),
        })
    }

    /// Whether the two share their random start, [`init_cosine::SHARED_INIT`].
    pub fn has_shared_init(&self) -> bool {
        self.init_cosine.is_some_and(|cosine| cosine > init_cosine::SHARED_INIT)
    }
}

/// A module of two adapters that has no subspace to compare in one of them, or in both.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct LeftOutPair {
    /// The module in both adapters.
    pub pair: ModulePair,
    /// What is wrong in the first adapter, and in the second; at least one of them.
    pub flaws: [Option<Flaw>; 2],
    /// As of a module that is compared.
    pub init_cosine: Option<f64>,
    /// As of a module that is compared: an update of zeros is known, one of numbers that are not finite is not.
    pub update: Option<UpdatePair>,
}

/// What came of comparing modules of two adapters. It can be used as the list of those that could be compared.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Compared {
    /// The modules that both adapters have a subspace of, in the order asked for.
    pub modules: Vec<Comparison>,
    /// The others, in that order too.
    pub left_out: Vec<LeftOutPair>,
}

impl Compared {
    /// The updates of all modules that were asked for, as far as they were read. Those of modules that are left out on one
    /// side count for the whole model as on any other.
    pub fn updates(&self) -> impl Iterator<Item = UpdatePair> + '_ {
        let compared = self.modules.iter().map(|one| one.factorised.update);
        compared.chain(self.left_out.iter().map(|one| one.update)).flatten()
    }

    /// How many modules were asked for.
    pub fn n_asked(&self) -> usize {
        self.modules.len() + self.left_out.len()
    }

    fn init_cosines(&self) -> impl Iterator<Item = Option<f64>> + '_ {
        let compared = self.modules.iter().map(|one| one.factorised.init_cosine);
        compared.chain(self.left_out.iter().map(|one| one.init_cosine))
    }
}

impl Deref for Compared {
    type Target = [Comparison];

    fn deref(&self) -> &[Comparison] {
        &self.modules
    }
}

impl IntoIterator for Compared {
    type Item = Comparison;
    type IntoIter = std::vec::IntoIter<Comparison>;

    fn into_iter(self) -> Self::IntoIter {
        self.modules.into_iter()
    }
}

/// The error when no module is left: the first flaw.
pub(crate) fn nothing_left(left_out: &[LeftOutPair]) -> Error {
    let first = left_out.iter().flat_map(|pair| &pair.flaws).flatten().next();
    let first = first.expect("a module is left out for a flaw");
    first.clone().into_error_of_all(left_out.len())
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
/// A module whose numbers have no subspace in one of the adapters is [left out](Compared::left_out), and the others are compared.
///
/// # Errors
/// As [`Basis::of`] when no module is left, and as [`Engine::grids`].
pub fn compare(engine: &dyn Engine, pairs: &[ModulePair], side: Side) -> Result<Compared> {
    let made: Result<Vec<_>> =
        pairs.par_iter().map(|pair| Factorised::or_left_out(pair.clone(), side, true)).collect();
    let (factorised, left_out) = parted(made?)?;
    Ok(Compared { modules: grids(engine, factorised)?, left_out })
}

/// Parts the modules that can be compared from those that cannot.
///
/// # Errors
/// The first flaw when there are only such.
pub(crate) fn parted(
    made: Vec<Result<Factorised, LeftOutPair>>,
) -> Result<(Vec<Factorised>, Vec<LeftOutPair>)> {
    let (mut factorised, mut left_out) = (vec![], vec![]);
    for one in made {
        match one {
            Ok(one) => factorised.push(one),
            Err(one) => left_out.push(one),
        }
    }
    if factorised.is_empty() && !left_out.is_empty() {
        return Err(nothing_left(&left_out));
    }
    Ok((factorised, left_out))
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

/// What two adapters are to each other, by the updates of all modules that were asked for and are known in both.
/// `same_modules`: neither adapter has a module that the other lacks.
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
pub fn relation_of(adapters: [&Adapter; 2], compared: &Compared, same_modules: bool) -> Result<Relation> {
    evidence(adapters, compared.updates(), compared.init_cosines(), same_modules)
        .map(|evidence| evidence.relation())
}

/// What is known of two adapters, whose files are compared where their factors are equal.
fn evidence(
    adapters: [&Adapter; 2],
    updates: impl Iterator<Item = UpdatePair>,
    init_cosines: impl Iterator<Item = Option<f64>>,
    same_modules: bool,
) -> Result<Evidence> {
    let (updates, unknown): (Vec<_>, Vec<_>) = updates.partition(UpdatePair::is_known);
    let starts: Vec<bool> = init_cosines.map(|cosine| cosine > Some(init_cosine::SHARED_INIT)).collect();
    let shared_init = 2 * starts.iter().filter(|is_shared| **is_shared).count() > starts.len();
    let all_equal = same_modules && !updates.is_empty() && updates.iter().all(|pair| pair.same_factors);
    let [first, second] = adapters;
    // Digests read both files, so only where their factors are equal.
    let same_file = all_equal && first.n_bytes() == second.n_bytes() && first.digest()? == second.digest()?;
    let [(run_a, step_a), (run_b, step_b)] = adapters.map(|adapter| run_and_step(adapter.path()));
    let steps_of_one_run = run_a == run_b && step_a.zip(step_b).is_some_and(|(a, b)| a != b);
    // What is not known need not be equal.
    let same_modules = same_modules && unknown.is_empty();
    Ok(Evidence { same_file, same_modules, steps_of_one_run, shared_init, updates })
}

/// What is known of two adapters by their files: the modules of one name and shape are compared.
///
/// # Errors
/// `Io` when a file cannot be read, `Invalid` when one changed since it was opened.
#[cfg(feature = "scan")]
pub(crate) fn evidence_of_files(a: &Adapter, b: &Adapter) -> Result<Evidence> {
    let (mut updates, mut init_cosines) = (vec![], vec![]);
    // A file may have a hundred thousand.
    let of_b: HashMap<&str, &Arc<Module>> =
        b.modules().iter().map(|module| (module.name.as_str(), module)).collect();
    for module in a.modules() {
        let is_same =
            |other: &&&Arc<Module>| [other.d_in(), other.d_out()] == [module.d_in(), module.d_out()];
        let Some(&other) = of_b.get(module.name.as_str()).filter(is_same) else { continue };
        let pair = ModulePair { first: Arc::clone(module), second: Arc::clone(other) };
        let read = |module| Numbers::read(module, Side::A, WantedFactors::Both);
        let (first, second) = (read(&pair.first)?, read(&pair.second)?);
        init_cosines.push(init_cosine_of(&first, &second));
        updates.push(update_pair([&first, &second], &pair));
    }
    let same_modules = updates.len() == a.modules().len() && updates.len() == b.modules().len();
    evidence([a, b], updates.into_iter(), init_cosines.into_iter(), same_modules)
}

/// The cosine of the two starts; `None` also where one is not known.
fn init_cosine_of(first: &Numbers<'_>, second: &Numbers<'_>) -> Option<f64> {
    first.a().zip(second.a()).and_then(|(a_1, a_2)| init_cosine::cosine(a_1, a_2))
}

/// Both updates; one that is not known has a norm of NaN.
fn update_pair(numbers: [&Numbers<'_>; 2], pair: &ModulePair) -> UpdatePair {
    match numbers.map(|numbers| numbers.update().ok()) {
        [Some(first), Some(second)] => {
            let mut updates = first.pair(second);
            for (rounding, numbers) in updates.rounding.iter_mut().zip(numbers) {
                *rounding = rounding.hypot(numbers.rounding_of_weights());
            }
            updates
        }
        updates => UpdatePair {
            norms: updates.map(|update| update.map_or(f64::NAN, Update::norm)),
            n_weights: pair.first.d_in() * pair.first.d_out(),
            ranks: [pair.first.rank(), pair.second.rank()],
            ..UpdatePair::default()
        },
    }
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
