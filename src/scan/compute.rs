//! One block, from its bases to its rows.

use rayon::prelude::*;

use super::angles::principal_angles;
use super::blocks::{BlockPairs, Which};
use super::cache::{N_PROJECTED, Record};
use super::keep::Keep;
use super::plan::Plan;
use super::sketch::cosine;
use super::table::{PairRows, PairTable};
use crate::basis::Basis;
use crate::engine::{Block, Engine, Pair, Pairs};
use crate::error::Result;
use crate::start::SAME_START;

/// Grids that are computed at once where whole grids are kept: some tens of megabytes at r = 64.
const N_GRIDS: usize = 1024;

/// Adapters of a block that have a basis of its module, and which of them are pairs.
struct Sides<'a> {
    a: Vec<(u32, &'a Record)>,
    b: Vec<(u32, &'a Record)>,
    which: Which,
}

/// The rows of a block. Pairs of an adapter without a basis are left out.
///
/// # Errors
/// As [`Engine::kept`].
pub fn rows(
    engine: &dyn Engine,
    plan: &Plan,
    table: &PairTable,
    module: u32,
    pairs: &BlockPairs,
    records: [&[Record]; 2],
) -> Result<PairRows> {
    let sides = Sides::of(pairs, records);
    let bases = |side: &[(u32, &'_ Record)]| side.iter().filter_map(|(_, record)| basis(record)).count();
    debug_assert_eq!(bases(&sides.a), sides.a.len());
    let bases_a: Vec<&Basis> = sides.a.iter().filter_map(|(_, record)| basis(record)).collect();
    let bases_b: Vec<&Basis> = sides.b.iter().filter_map(|(_, record)| basis(record)).collect();
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
            Which::All => Pairs::All,
            Which::Upper => Pairs::Upper,
            Which::List(list) => Pairs::List(list),
        },
        cells: &table.cells,
    };
    if block.n_pairs() == 0 {
        return Ok(rows);
    }
    let kept = engine.kept(&block)?;
    rows.fallback = kept.fallback().map(str::to_owned);
    let places: Vec<(usize, usize)> = block.places().collect();
    for (kept, &(a, b)) in kept.pairs().zip(&places) {
        let (id_a, record_a) = sides.a[a];
        let (id_b, record_b) = sides.b[b];
        rows.a.push(id_a as i32);
        rows.b.push(id_b as i32);
        let (first, second) = (bases_a[a], bases_b[b]);
        rows.r_a.push(first.r() as i32);
        rows.r_b.push(second.r() as i32);
        rows.q_a.push(first.q() as i32);
        rows.q_b.push(second.q() as i32);
        for (column, &phi) in rows.phi.iter_mut().zip(kept.phi) {
            // Tables clamp; an engine does not. NaN stays NaN.
            column.push(phi.clamp(0.0, 1.0));
        }
        rows.phi_r.push(kept.full.clamp(0.0, 1.0));
        rows.overlap.push(kept.overlap.clamp(0.0, 1.0));
        let start = match first.r() == second.r() {
            true => cosine(projection(record_a), projection(record_b)),
            false => f32::NAN,
        };
        rows.start_cosine.push(start);
        rows.same_start.push(f64::from(start) > SAME_START);
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
    fn of(pairs: &BlockPairs, records: [&'a [Record]; 2]) -> Self {
        let list = |adapters: &[u32], records: &'a [Record]| -> Vec<(u32, &'a Record)> {
            adapters.iter().copied().zip(records).collect()
        };
        let a = list(&pairs.a, records[0]);
        let b = match pairs.which {
            Which::Upper => a.clone(),
            _ => list(&pairs.b, records[1]),
        };
        let has_basis = |(_, record): &(u32, &Record)| basis(record).is_some();
        let which = match &pairs.which {
            Which::List(list) => {
                // Places among those that have a basis; pairs of others are gone.
                let places = |side: &[(u32, &Record)]| -> Vec<Option<u32>> {
                    let mut n = 0;
                    let place = |entry: &(u32, &Record)| {
                        has_basis(entry).then(|| {
                            n += 1;
                            n - 1
                        })
                    };
                    side.iter().map(place).collect()
                };
                let (places_a, places_b) = (places(&a), places(&b));
                let kept = list.iter().filter_map(|&(x, y)| places_a[x as usize].zip(places_b[y as usize]));
                Which::List(kept.collect())
            }
            which => which.clone(),
        };
        let kept = |side: Vec<(u32, &'a Record)>| side.into_iter().filter(has_basis).collect();
        Self { a: kept(a), b: kept(b), which }
    }
}

fn basis(record: &Record) -> Option<&Basis> {
    match record {
        Record::Basis { basis, .. } => Some(basis),
        Record::Missing(_) => None,
    }
}

fn projection(record: &Record) -> &[f32; N_PROJECTED] {
    match record {
        Record::Basis { projection, .. } => projection,
        Record::Missing(_) => &[0.0; N_PROJECTED],
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
