//! One block, from its bases to its rows.

use rayon::prelude::*;

use super::blocks::{BlockPairs, PairLayout};
use super::cache::{CachedModule, N_PROJECTED};
use super::keep::Keep;
use super::plan::Plan;
use super::table::{PairRows, PairTable};
use crate::basis::Basis;
use crate::engine::{Block, Engine, Pair, Pairs};
use crate::error::Result;
use crate::measure::angles::principal_angles;
use crate::measure::init_cosine::SHARED_INIT;
use crate::measure::start_projection::cosine;

/// Grids that are computed at once where whole grids are kept: some tens of megabytes at r = 64.
const N_GRIDS: usize = 1024;

/// An adapter of a block that has a basis of its module.
#[derive(Clone, Copy)]
struct Member<'a> {
    id: u32,
    basis: &'a Basis,
    projection: &'a [f32; N_PROJECTED],
}

/// The members of a block, and which of them are pairs.
struct Sides<'a> {
    a: Vec<Member<'a>>,
    b: Vec<Member<'a>>,
    which: PairLayout,
}

/// The rows of a block. Pairs of an adapter without a basis are left out.
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
) -> Result<PairRows> {
    let sides = Sides::of(pairs, records);
    let bases = |side: &[Member<'a>]| -> Vec<&'a Basis> { side.iter().map(|member| member.basis).collect() };
    let (bases_a, bases_b) = (bases(&sides.a), bases(&sides.b));
    let planned = &plan.modules[module as usize];
    let mut rows = PairRows { module: planned.name.clone(), d: planned.d, ..PairRows::default() };
    rows.phi = vec![vec![]; table.cells.len()];
    rows.angles = vec![vec![]; table.n_angles];
    if bases_a.is_empty() || bases_b.is_empty() {
        return Ok(rows);
    }
    let block = Block {
        a: &bases_a,
        b: &bases_b,
        pairs: match &sides.which {
            PairLayout::All => Pairs::All,
            PairLayout::Upper => Pairs::Upper,
            PairLayout::List(list) => Pairs::List(list),
        },
        cells: &table.cells,
    };
    if block.n_pairs() == 0 {
        return Ok(rows);
    }
    let kept = engine.pair_stats(&block)?;
    rows.fallback = kept.fallback().map(str::to_owned);
    let places: Vec<(usize, usize)> = block.places().collect();
    for (kept, &(a, b)) in kept.pairs().zip(&places) {
        let (member_a, member_b) = (sides.a[a], sides.b[b]);
        let (id_a, id_b) = (member_a.id, member_b.id);
        rows.a.push(id_a as i32);
        rows.b.push(id_b as i32);
        let (first, second) = (member_a.basis, member_b.basis);
        rows.r_a.push(first.r() as i32);
        rows.r_b.push(second.r() as i32);
        rows.q_a.push(first.q() as i32);
        rows.q_b.push(second.q() as i32);
        for (column, &phi) in rows.phi.iter_mut().zip(kept.phi) {
            // Tables clamp; an engine does not. NaN stays NaN.
            column.push(phi.clamp(0.0, 1.0));
        }
        rows.phi_r.push(kept.full.clamp(0.0, 1.0));
        rows.linear_cka.push(kept.linear_cka.clamp(0.0, 1.0));
        let start = match first.r() == second.r() {
            true => cosine(member_a.projection, member_b.projection),
            false => f32::NAN,
        };
        rows.init_cosine.push(start);
        rows.shared_init.push(f64::from(start) > SHARED_INIT);
        let base = |id: u32| plan.adapters[id as usize].base_model;
        rows.other_base.push(base(id_a).zip(base(id_b)).map(|(a, b)| a != b));
    }
    let pair_of = |&(a, b): &(usize, usize)| Pair { a: bases_a[a], b: bases_b[b] };
    if table.n_angles > 0 {
        let angles: Vec<Vec<f32>> = places
            .par_iter()
            .map(|place| principal_angles(pair_of(place).a, pair_of(place).b))
            .collect::<Result<_>>()?;
        for (k, column) in rows.angles.iter_mut().enumerate() {
            column.extend(angles.iter().map(|angles| angles.get(k).copied().unwrap_or(f32::NAN)));
        }
    }
    if table.with_grids {
        for places in places.chunks(N_GRIDS) {
            let pairs: Vec<Pair<'_>> = places.iter().map(pair_of).collect();
            for grid in engine.grids(&pairs)? {
                rows.grids.extend(grid.values().iter().map(|phi| phi.clamp(0.0, 1.0)));
            }
        }
    }
    Ok(rows)
}

impl<'a> Sides<'a> {
    fn of(pairs: &BlockPairs, records: [&'a [CachedModule]; 2]) -> Self {
        let list = |adapters: &[u32], records: &'a [CachedModule]| -> Vec<Option<Member<'a>>> {
            adapters.iter().zip(records).map(|(&id, record)| Member::of(id, record)).collect()
        };
        let a = list(&pairs.a, records[0]);
        let b = match pairs.which {
            PairLayout::Upper => a.clone(),
            _ => list(&pairs.b, records[1]),
        };
        let which = match &pairs.which {
            PairLayout::List(list) => {
                // Places among those that have a basis; pairs of others are gone.
                let places = |side: &[Option<Member<'_>>]| -> Vec<Option<u32>> {
                    let mut next = 0..;
                    side.iter().map(|member| member.and_then(|_| next.next())).collect()
                };
                let (places_a, places_b) = (places(&a), places(&b));
                let kept = list.iter().filter_map(|&(x, y)| places_a[x as usize].zip(places_b[y as usize]));
                PairLayout::List(kept.collect())
            }
            which => which.clone(),
        };
        let there = |side: Vec<Option<Member<'a>>>| side.into_iter().flatten().collect();
        Self { a: there(a), b: there(b), which }
    }
}

impl<'a> Member<'a> {
    fn of(id: u32, record: &'a CachedModule) -> Option<Self> {
        match record {
            CachedModule::Basis { basis, projection } => Some(Self { id, basis, projection }),
            CachedModule::Missing(_) => None,
        }
    }
}

impl PairTable {
    /// The columns of a plan.
    pub fn of(plan: &Plan) -> Self {
        Self {
            cells: plan.options.keep.cells(plan.max_rank),
            n_angles: if plan.options.angles { plan.max_rank } else { 0 },
            with_grids: plan.options.keep == Keep::Grid,
        }
    }
}
