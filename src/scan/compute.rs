//! One block, from its bases to its rows.

use std::ops::Range;

use rayon::prelude::*;

use super::blocks::{BlockPairs, PairLayout};
use super::cache::{CachedModule, N_PROJECTED};
use super::keep::Keep;
use super::plan::Plan;
use super::table::{PairRows, PairTable};
use crate::basis::{Basis, UpdateFactors};
use crate::engine::{Block, BlockStats, Engine, Pair, Pairs, UpdateBlock};
use crate::error::Result;
use crate::measure::start_projection::init_cosine;
use crate::measure::{self, Member, MemberUpdate, PairBatch, Wanted, grids_column};

/// An adapter of a block that has a basis of its module.
#[derive(Clone, Copy)]
pub(super) struct Present<'a> {
    pub(super) id: u32,
    pub(super) member: Member<'a>,
    projection: &'a [f32; N_PROJECTED],
    /// Columns of A, where they may differ.
    width: Option<u32>,
    update: Option<&'a UpdateFactors>,
}

/// The adapters of a block, and which of them are pairs.
pub(super) struct Sides<'a> {
    pub(super) a: Vec<Present<'a>>,
    pub(super) b: Vec<Present<'a>>,
    which: PairLayout,
    members: [Vec<Member<'a>>; 2],
    bases: [Vec<&'a Basis>; 2],
}

/// What engines made of some pairs.
pub(super) struct Made {
    pub(super) stats: BlockStats,
    /// Empty where updates are not wanted.
    pub(super) cosines: Vec<f64>,
    /// The fallback that made these.
    pub(super) cosine_fallback: Option<String>,
}

/// Replaces estimated cosines of starts that are near the threshold, given the adapters of each pair.
pub type DecideStarts<'a> = dyn Fn(&[[u32; 2]], &mut [f64]) + 'a;

/// The pairs of a block in the order of its rows, for what is made of some of them at a time.
pub struct RowPairs<'a> {
    sides: Sides<'a>,
    /// In the sides, those of each row.
    places: Vec<(usize, usize)>,
}

impl RowPairs<'_> {
    /// The column of whole grids of some rows.
    ///
    /// # Errors
    /// As [`Engine::grids`].
    pub fn grids(&self, engine: &dyn Engine, rows: Range<usize>) -> Result<measure::Values> {
        let [bases_a, bases_b] = &self.sides.bases;
        grids_column(self.places.get(rows).unwrap_or_default(), &|places| {
            let pair_of = |&(a, b): &(usize, usize)| Pair { a: bases_a[a], b: bases_b[b] };
            engine.grids(&places.iter().map(pair_of).collect::<Vec<_>>())
        })
    }
}

/// The rows of a block without whole grids, and what these are made from. Pairs of an adapter without a basis are left out.
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
    decide_starts: &DecideStarts<'_>,
) -> Result<(PairRows, RowPairs<'a>)> {
    let wanted = &table.wanted;
    let sides = Sides::of(plan, module, pairs, records);
    let none = PairRows::none(&plan.modules[module as usize].name, wanted);
    let Some(block) = sides.block(&wanted.cells) else {
        return Ok((none, RowPairs { sides, places: vec![] }));
    };
    let places: Vec<(usize, usize)> = block.places().collect();
    let made = if wanted.update {
        stats_and_cosines(engine, &sides, &block, &places)?
    } else {
        Made { stats: engine.pair_stats(&block)?, cosines: vec![], cosine_fallback: None }
    };
    let init_cosines = sides.init_cosines(&places, decide_starts);
    let rows = sides.rows(wanted, none, &places, made, &init_cosines)?;
    Ok((rows, RowPairs { sides, places }))
}

/// What engines make of the bases of every pair, the cosines of the updates, and the fallback that made those. Pairs of updates of
/// different shapes have none.
fn stats_and_cosines(
    engine: &dyn Engine,
    sides: &Sides<'_>,
    block: &Block<'_>,
    places: &[(usize, usize)],
) -> Result<Made> {
    let updates = [&sides.a, &sides.b]
        .map(|side| side.iter().filter_map(|present| present.update).collect::<Vec<&UpdateFactors>>());
    let [a, b] = &updates;
    let mut shapes: Vec<[usize; 2]> = a.iter().chain(b).map(|update| update.shape()).collect();
    shapes.sort_unstable();
    shapes.dedup();
    if let [_] = shapes[..] {
        let (stats, made) = engine.stats_and_cosines(block, &UpdateBlock { a, b, pairs: block.pairs })?;
        let cosines = made.values.into_iter().map(f64::from).collect();
        return Ok(Made { stats, cosines, cosine_fallback: made.fallback });
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
    Ok(Made { stats: engine.pair_stats(block)?, cosines, cosine_fallback: fallback })
}

impl<'a> Sides<'a> {
    pub(super) fn of(plan: &Plan, module: u32, pairs: &BlockPairs, records: [&'a [CachedModule]; 2]) -> Self {
        let list = |adapters: &[u32], records: &'a [CachedModule]| -> Vec<Option<Present<'a>>> {
            adapters.iter().zip(records).map(|(&id, record)| Present::of(plan, module, id, record)).collect()
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
        let [a, b] = [a, b].map(|side| side.into_iter().flatten().collect::<Vec<Present<'a>>>());
        let members =
            [&a, &b].map(|side| side.iter().map(|present| present.member).collect::<Vec<Member<'a>>>());
        let bases = members.each_ref().map(|members| members.iter().map(|member| member.basis).collect());
        Self { a, b, which, members, bases }
    }

    /// What an engine makes statistics of; `None` without a pair.
    pub(super) fn block<'s>(&'s self, cells: &'s [(usize, usize)]) -> Option<Block<'s>> {
        let [a, b] = &self.bases;
        let pairs = match &self.which {
            PairLayout::All => Pairs::All,
            PairLayout::Upper => Pairs::Upper,
            PairLayout::List(list) => Pairs::List(list),
        };
        let block = Block { a, b, pairs, cells };
        (block.n_pairs() > 0).then_some(block)
    }

    /// The rows of the pairs at these places, of which an engine made this, in place of `none`; with the cosines of their starts.
    pub(super) fn rows(
        &self,
        wanted: &Wanted,
        none: PairRows,
        places: &[(usize, usize)],
        made: Made,
        init_cosines: &[f64],
    ) -> Result<PairRows> {
        // Grids are made a few at a time while they are written.
        let without_grids = Wanted { grid: false, ..wanted.clone() };
        let batch = PairBatch {
            wanted: &without_grids,
            a: &self.members[0],
            b: &self.members[1],
            places,
            stats: &made.stats,
            init_cosines,
            cosines: &made.cosines,
            grids: &|_| Ok(vec![]),
        };
        let mut rows = none;
        for ((.., column), values) in rows.statistics.iter_mut().zip(measure::values(&batch)?) {
            *column = values;
        }
        rows.a = places.iter().map(|&(a, _)| self.a[a].id as i32).collect();
        rows.b = places.iter().map(|&(_, b)| self.b[b].id as i32).collect();
        rows.fallback = made.stats.fallback().map(str::to_owned).or(made.cosine_fallback);
        Ok(rows)
    }

    /// cos(vec A₁, vec A₂) of pairs, exact where an estimate does not decide.
    pub(super) fn init_cosines(
        &self,
        places: &[(usize, usize)],
        decide_starts: &DecideStarts<'_>,
    ) -> Vec<f64> {
        let mut cosines: Vec<f64> = places.par_iter().map(|&(a, b)| self.init_cosine(a, b)).collect();
        let pairs: Vec<[u32; 2]> = places.iter().map(|&(a, b)| [self.a[a].id, self.b[b].id]).collect();
        decide_starts(&pairs, &mut cosines);
        cosines
    }

    /// The estimated cosine of a pair.
    fn init_cosine(&self, a: usize, b: usize) -> f64 {
        let (a, b) = (&self.a[a], &self.b[b]);
        init_cosine([a, b].map(|one| (one.member.basis.r(), one.width)), a.projection, b.projection)
    }
}

impl<'a> Present<'a> {
    fn of(plan: &Plan, module: u32, id: u32, record: &'a CachedModule) -> Option<Self> {
        match record {
            CachedModule::Basis { basis, projection, update } => {
                let base_model = plan.adapters[id as usize].base_model;
                let member = Member { basis, base_model, update: update.as_ref().map(MemberUpdate::of) };
                let width = plan.width(id, module);
                Some(Self { id, member, projection, width, update: update.as_ref() })
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
