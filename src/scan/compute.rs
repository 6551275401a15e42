//! One block, from its bases to its rows.

use std::ops::Range;

use super::blocks::{BlockPairs, PairLayout};
use super::cache::{CachedModule, N_PROJECTED};
use super::keep::Keep;
use super::plan::Plan;
use super::table::{PairRows, PairTable};
use crate::basis::UpdateFactors;
use crate::engine::{Block, BlockStats, Engine, Pair, Pairs, UpdateBlock};
use crate::error::Result;
use crate::measure::start_projection::init_cosine;
use crate::measure::{self, Member, MemberUpdate, PairBatch, Wanted, grids_column};

/// An adapter of a block that has a basis of its module.
#[derive(Clone, Copy)]
struct Present<'a> {
    id: u32,
    member: Member<'a>,
    projection: &'a [f32; N_PROJECTED],
    update: Option<&'a UpdateFactors>,
}

/// The adapters of a block, and which of them are pairs.
struct Sides<'a> {
    a: Vec<Present<'a>>,
    b: Vec<Present<'a>>,
    which: PairLayout,
}

/// The rows of a block without whole grids, and what these are made from.
pub struct Computed<'a> {
    /// Pairs of an adapter without a basis are left out.
    pub rows: PairRows,
    sides: Sides<'a>,
    /// In the sides, those of each row.
    places: Vec<(usize, usize)>,
}

impl Computed<'_> {
    /// The column of whole grids of some rows.
    ///
    /// # Errors
    /// As [`Engine::grids`].
    pub fn grids(&self, engine: &dyn Engine, rows: Range<usize>) -> Result<measure::Values> {
        let Sides { a, b, .. } = &self.sides;
        grids_column(self.places.get(rows).unwrap_or_default(), &|places| {
            let pair = |&(x, y): &(usize, usize)| Pair { a: a[x].member.basis, b: b[y].member.basis };
            engine.grids(&places.iter().map(pair).collect::<Vec<_>>())
        })
    }
}

/// The rows of a block.
///
/// # Errors
/// As [`Engine::pair_stats`].
pub fn rows<'a>(
    engine: &dyn Engine,
    plan: &Plan,
    table: &PairTable,
    module: u32,
    pairs: &BlockPairs,
    records: [&'a [CachedModule]; 2],
) -> Result<Computed<'a>> {
    let sides = Sides::of(plan, pairs, records);
    let (rows, places) = rows_of(engine, &table.wanted, &plan.modules[module as usize].name, &sides)?;
    Ok(Computed { rows, sides, places })
}

fn rows_of(
    engine: &dyn Engine,
    wanted: &Wanted,
    module: &str,
    sides: &Sides<'_>,
) -> Result<(PairRows, Vec<(usize, usize)>)> {
    let [members_a, members_b] =
        [&sides.a, &sides.b].map(|side| side.iter().map(|present| present.member).collect::<Vec<_>>());
    let [bases_a, bases_b] =
        [&members_a, &members_b].map(|side| side.iter().map(|member| member.basis).collect::<Vec<_>>());
    let mut rows = PairRows::none(module, wanted);
    if bases_a.is_empty() || bases_b.is_empty() {
        return Ok((rows, vec![]));
    }
    let block = Block {
        a: &bases_a,
        b: &bases_b,
        pairs: match &sides.which {
            PairLayout::All => Pairs::All,
            PairLayout::Upper => Pairs::Upper,
            PairLayout::List(list) => Pairs::List(list),
        },
        cells: &wanted.cells,
    };
    if block.n_pairs() == 0 {
        return Ok((rows, vec![]));
    }
    let places: Vec<(usize, usize)> = block.places().collect();
    let init_cosines: Vec<f64> = places.iter().map(|&(a, b)| sides.init_cosine(a, b)).collect();
    let (stats, cosines, cosine_fallback) = if wanted.update {
        stats_and_cosines(engine, sides, &block, &places)?
    } else {
        (engine.pair_stats(&block)?, vec![], None)
    };
    // Grids are made a few at a time while they are written.
    let without_grids = Wanted { grid: false, ..wanted.clone() };
    let batch = PairBatch {
        wanted: &without_grids,
        a: &members_a,
        b: &members_b,
        places: &places,
        stats: &stats,
        init_cosines: &init_cosines,
        cosines: &cosines,
        grids: &|_| Ok(vec![]),
    };
    for ((.., column), values) in rows.statistics.iter_mut().zip(measure::values(&batch)?) {
        *column = values;
    }
    rows.a = places.iter().map(|&(a, _)| sides.a[a].id as i32).collect();
    rows.b = places.iter().map(|&(_, b)| sides.b[b].id as i32).collect();
    rows.fallback = stats.fallback().map(str::to_owned).or(cosine_fallback);
    Ok((rows, places))
}

/// What engines make of the bases of every pair, the cosines of the updates, and the fallback that made those. Pairs of updates of
/// different shapes have none.
fn stats_and_cosines(
    engine: &dyn Engine,
    sides: &Sides<'_>,
    block: &Block<'_>,
    places: &[(usize, usize)],
) -> Result<(BlockStats, Vec<f64>, Option<String>)> {
    let updates = [&sides.a, &sides.b]
        .map(|side| side.iter().filter_map(|present| present.update).collect::<Vec<&UpdateFactors>>());
    let [a, b] = &updates;
    let mut shapes: Vec<[usize; 2]> = a.iter().chain(b).map(|update| update.shape()).collect();
    shapes.sort_unstable();
    shapes.dedup();
    if let [_] = shapes[..] {
        let (stats, made) = engine.stats_and_cosines(block, &UpdateBlock { a, b, pairs: block.pairs })?;
        return Ok((stats, made.values.into_iter().map(f64::from).collect(), made.fallback));
    }
    let mut cosines = vec![f64::NAN; places.len()];
    // One name and one dimension of the side, but another of the other side.
    let mut fallback = None;
    for shape in shapes {
        let is_of = |&(x, y): &(usize, usize)| a[x].shape() == shape && b[y].shape() == shape;
        let of: Vec<usize> = (0..places.len()).filter(|&at| is_of(&places[at])).collect();
        let firsts: Vec<&UpdateFactors> = of.iter().map(|&at| a[places[at].0]).collect();
        let seconds: Vec<&UpdateFactors> = of.iter().map(|&at| b[places[at].1]).collect();
        let list: Vec<(u32, u32)> = (0..of.len() as u32).map(|at| (at, at)).collect();
        if list.is_empty() {
            continue;
        }
        let pairs = Pairs::List(&list);
        let made = engine.update_cosines(&UpdateBlock { a: &firsts, b: &seconds, pairs })?;
        of.iter().zip(made.values).for_each(|(&at, value)| cosines[at] = f64::from(value));
        fallback = fallback.or(made.fallback);
    }
    Ok((engine.pair_stats(block)?, cosines, fallback))
}

impl<'a> Sides<'a> {
    fn of(plan: &Plan, pairs: &BlockPairs, records: [&'a [CachedModule]; 2]) -> Self {
        let list = |adapters: &[u32], records: &'a [CachedModule]| -> Vec<Option<Present<'a>>> {
            adapters.iter().zip(records).map(|(&id, record)| Present::of(plan, id, record)).collect()
        };
        let a = list(&pairs.a, records[0]);
        let b = match pairs.which {
            PairLayout::Upper => a.clone(),
            _ => list(&pairs.b, records[1]),
        };
        let which = match &pairs.which {
            PairLayout::List(list) => {
                // Places among those that have a basis; pairs of others are gone.
                let places = |side: &[Option<Present<'_>>]| -> Vec<Option<u32>> {
                    let mut next = 0..;
                    side.iter().map(|present| present.and_then(|_| next.next())).collect()
                };
                let (places_a, places_b) = (places(&a), places(&b));
                let there = list.iter().filter_map(|&(x, y)| places_a[x as usize].zip(places_b[y as usize]));
                PairLayout::List(there.collect())
            }
            which => which.clone(),
        };
        let there = |side: Vec<Option<Present<'a>>>| side.into_iter().flatten().collect();
        Self { a: there(a), b: there(b), which }
    }

    /// The estimated cosine of a pair.
    fn init_cosine(&self, a: usize, b: usize) -> f64 {
        let (a, b) = (&self.a[a], &self.b[b]);
        init_cosine([a.member.basis.r(), b.member.basis.r()], a.projection, b.projection)
    }
}

impl<'a> Present<'a> {
    fn of(plan: &Plan, id: u32, record: &'a CachedModule) -> Option<Self> {
        match record {
            CachedModule::Basis { basis, projection, update } => {
                let base_model = plan.adapters[id as usize].base_model;
                let member = Member { basis, base_model, update: update.as_ref().map(MemberUpdate::of) };
                Some(Self { id, member, projection, update: update.as_ref() })
            }
            CachedModule::Missing(_) => None,
        }
    }
}

impl PairTable {
    /// The columns of a plan.
    pub fn of(plan: &Plan) -> Self {
        let wanted = Wanted {
            cells: plan.options.keep.cells(plan.max_rank),
            max_rank: plan.max_rank,
            angles: plan.options.angles,
            grid: plan.options.keep == Keep::Grid,
            update: plan.options.update,
        };
        Self { wanted }
    }
}
