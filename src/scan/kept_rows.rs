//! The rows of a block that a scan keeps, and what is counted of all.

use super::blocks::BlockPairs;
use super::cache::CachedModule;
use super::compute::{self, DecideStarts, Made, RowPairs, Sides};
use super::keep::Keep;
use super::plan::Plan;
use super::table::{N_CLASSES, PairRows, PairTable, class_edge};
use super::top;
use crate::engine::{Engine, TopRule, TopStats};
use crate::error::Result;
use crate::measure::init_cosine::SHARED_INIT;
use crate::measure::{self, PHI_R};

/// The rows of a block to write, and counts of all its pairs.
pub struct KeptRows<'a> {
    /// Those that are kept, without whole grids.
    pub rows: PairRows,
    /// What whole grids are made of, where they are kept.
    pub grids_of: Option<RowPairs<'a>>,
    /// Of all.
    pub counts: PairCounts,
}

/// How many pairs of a block there are, and how many of them a reader of the table is warned of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PairCounts {
    /// All.
    pub n_pairs: usize,
    /// Those that share their random start.
    pub n_shared_init: usize,
    /// Those of different base models.
    pub n_other_base: usize,
    /// Those of an update that is not known.
    pub n_unknown_updates: usize,
}

impl PairCounts {
    fn of(rows: &PairRows) -> Self {
        Self {
            n_pairs: rows.a.len(),
            n_shared_init: rows.n_set(measure::shared_init::STATISTIC.key),
            n_other_base: rows.n_set(measure::other_base::STATISTIC.key),
            n_unknown_updates: rows.n_unknown_updates(),
        }
    }
}

/// The rows of a block that the plan keeps.
///
/// # Errors
/// As [`compute::rows`].
pub fn kept_rows<'a>(
    engine: &dyn Engine,
    plan: &Plan,
    table: &PairTable,
    module: u32,
    pairs: &BlockPairs,
    records: [&'a [CachedModule]; 2],
    decide_starts: &DecideStarts<'_>,
) -> Result<KeptRows<'a>> {
    match plan.options.keep {
        // An engine makes updates of all pairs, and so their numbers come from where they are in any case.
        Keep::Top(k) if !table.wanted.update => {
            let sides = Sides::of(plan, module, pairs, records);
            let none = PairRows::none(&plan.modules[module as usize].name, &table.wanted);
            most_alike(engine, table, sides, none, decide_starts, k)
        }
        _ => {
            let (rows, pairs) = compute::rows(engine, plan, table, module, pairs, records, decide_starts)?;
            let counts = PairCounts::of(&rows);
            let grids_of = table.wanted.grid.then_some(pairs);
            Ok(KeptRows { rows: top::of_block(&plan.options.keep, rows), grids_of, counts })
        }
    }
}

/// Those that are among the `k` most alike of either adapter: no other pair has its statistics made, and its numbers may stay
/// where the engine made them.
fn most_alike(
    engine: &dyn Engine,
    table: &PairTable,
    sides: Sides<'_>,
    none: PairRows,
    decide_starts: &DecideStarts<'_>,
    k: usize,
) -> Result<KeptRows<'static>> {
    let wanted = &table.wanted;
    let Some(block) = sides.block(&wanted.cells) else {
        let rows = PairRows { histogram: Some(vec![0; N_CLASSES]), ..none };
        return Ok(KeptRows { rows, grids_of: None, counts: PairCounts::default() });
    };
    let edges: Vec<f32> = (1..N_CLASSES).map(class_edge).collect();
    let TopStats { places: at, stats, counts } = engine.top_stats(&block, &TopRule { k, edges: &edges })?;
    let all: Vec<(usize, usize)> = block.places().collect();
    let init_cosines = sides.init_cosines(&all, decide_starts);

    let places = block.places_of(&at);
    let phi = stats.pairs().map(|pair| pair.sum(PHI_R).clamp(0.0, 1.0));
    let candidates = places.iter().zip(phi);
    let candidates: Vec<(i32, i32, f32)> =
        candidates.map(|(&(a, b), phi)| (sides.a[a].id as i32, sides.b[b].id as i32, phi)).collect();
    let kept = top::most_alike(k, candidates.iter().copied());

    let places: Vec<(usize, usize)> = kept.iter().map(|&one| places[one]).collect();
    let of_kept: Vec<f64> = kept.iter().map(|&one| init_cosines[at[one]]).collect();
    let made = Made { stats: stats.only(&kept), cosines: vec![], cosine_fallback: None };
    let rows = PairRows { histogram: Some(counts), ..sides.rows(wanted, none, &places, made, &of_kept)? };
    Ok(KeptRows { rows, grids_of: None, counts: sides.counts(&all, &init_cosines) })
}

impl Sides<'_> {
    /// Of the pairs at these places, without their statistics.
    fn counts(&self, all: &[(usize, usize)], init_cosines: &[f64]) -> PairCounts {
        let is_other = |&&(a, b): &&(usize, usize)| {
            measure::other_base::differ(&self.a[a].member, &self.b[b].member) == Some(true)
        };
        PairCounts {
            n_pairs: all.len(),
            n_shared_init: init_cosines.iter().filter(|&&cosine| cosine > SHARED_INIT).count(),
            n_other_base: all.iter().filter(is_other).count(),
            n_unknown_updates: 0,
        }
    }
}
