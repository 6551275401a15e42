//! The exact cosine of two starts, for pairs whose estimate is too near the threshold to decide by.

use std::collections::HashMap;

use rayon::prelude::*;

use super::Bases;
use crate::adapter::Matrix;
use crate::measure::init_cosine::{SHARED_INIT, cosine};

/// Estimates within this of the threshold are replaced: five standard deviations.
const NEAR: f64 = 0.2;

/// Adapters on each side of a tile, whose A are in memory at once, at most.
const TILE: usize = 16;

/// A pair whose estimate does not decide: its place, and its adapters.
struct Near {
    place: usize,
    pair: [u32; 2],
}

impl Bases<'_> {
    /// Replaces the estimates that are near [`SHARED_INIT`] by the exact cosines of the pairs of adapters at the same places. One
    /// stays an estimate if a file cannot be read any more or was written since.
    pub fn decide_starts(&self, module: u32, pairs: &[[u32; 2]], cosines: &mut [f64]) {
        let is_near = |estimate: f64| (estimate - SHARED_INIT).abs() <= NEAR;
        let undecided =
            pairs.iter().zip(&*cosines).enumerate().filter(|(_, (_, estimate))| is_near(**estimate));
        let undecided: Vec<Near> = undecided.map(|(place, (&pair, _))| Near { place, pair }).collect();
        let n_bytes = self.start_bytes(module, &undecided);
        let n_at_once = (self.files.room.all() / 4 / (2 * n_bytes).max(1)).clamp(1, TILE as u64);
        for tile in tiles(undecided, n_at_once as usize) {
            // Else there is room for a factorisation on every thread, and those that wait for it could be the ones that are waited for here.
            let few = self.files.threads.are_few();
            let _room = few.then(|| self.files.room.take(2 * n_at_once * n_bytes));
            let mut adapters: Vec<u32> = tile.iter().flat_map(|near| near.pair).collect();
            adapters.sort_unstable();
            adapters.dedup();
            let starts: HashMap<u32, Matrix> = adapters
                .into_par_iter()
                .filter_map(|adapter| Some((adapter, self.start(module, adapter)?)))
                .collect();
            let exact = |near: &Near| {
                let [a, b] = near.pair.map(|adapter| starts.get(&adapter));
                Some((near.place, cosine(a?, b?)?))
            };
            let exact: Vec<(usize, f64)> = tile.par_iter().filter_map(exact).collect();
            exact.into_iter().for_each(|(place, exact)| cosines[place] = exact);
        }
    }

    /// Bytes of A of a module, the largest of these adapters.
    fn start_bytes(&self, module: u32, undecided: &[Near]) -> u64 {
        let plan = self.files.plan;
        let mut adapters: Vec<u32> = undecided.iter().flat_map(|near| near.pair).collect();
        adapters.sort_unstable();
        adapters.dedup();
        let n_bytes = |&adapter: &u32| {
            let width = plan.width(adapter, module).map_or(plan.modules[module as usize].d as u64, u64::from);
            8 * width * plan.rank(adapter, module).unwrap_or(0) as u64
        };
        adapters.iter().map(n_bytes).max().unwrap_or(0)
    }

    /// A of a module, if the file is still the one that was factorised.
    fn start(&self, module: u32, adapter: u32) -> Option<Matrix> {
        let record = self.files.records.get(adapter)?;
        let file = self.opened.get(&self.files, adapter).ok()?;
        let start = file.modules().get(self.place(module, adapter))?.a.read().ok()?;
        // Of a file that was only touched, or so lately written that its time does not tell, the digest decides.
        let is_same = file.stamp() == record.stamp && file.is_unchanged().ok()?
            || self.files.digest(&file, Some(&record)).is_ok();
        is_same.then_some(start)
    }
}

/// The pairs, sorted into tiles of few adapters.
fn tiles(mut undecided: Vec<Near>, n_at_once: usize) -> Vec<Vec<Near>> {
    let ranks = |side: usize| -> HashMap<u32, usize> {
        let mut adapters: Vec<u32> = undecided.iter().map(|near| near.pair[side]).collect();
        adapters.sort_unstable();
        adapters.dedup();
        adapters.into_iter().enumerate().map(|(rank, adapter)| (adapter, rank)).collect()
    };
    let ranks = [ranks(0), ranks(1)];
    let tile = |near: &Near| [0, 1].map(|side| ranks[side][&near.pair[side]] / n_at_once);
    undecided.sort_by_key(tile);
    let mut tiles: Vec<Vec<Near>> = vec![];
    for near in undecided {
        match tiles.last_mut().filter(|last| tile(&last[0]) == tile(&near)) {
            Some(last) => last.push(near),
            None => tiles.push(vec![near]),
        }
    }
    tiles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_has_few_adapters_and_no_pair_is_lost() {
        let pairs: Vec<[u32; 2]> = (0..40).flat_map(|a| (a..40).map(move |b| [a, 3 * b])).collect();
        let near = pairs.iter().enumerate().map(|(place, &pair)| Near { place, pair });
        let tiles = tiles(near.collect(), TILE);
        for tile in &tiles {
            for side in 0..2 {
                let mut adapters: Vec<u32> = tile.iter().map(|near| near.pair[side]).collect();
                adapters.sort_unstable();
                adapters.dedup();
                assert!(adapters.len() <= TILE);
            }
        }
        let mut places: Vec<usize> = tiles.iter().flatten().map(|near| near.place).collect();
        places.sort_unstable();
        assert_eq!(places, (0..pairs.len()).collect::<Vec<_>>());
        // 3 × 3 tiles, of which those below the diagonal are empty.
        assert_eq!(tiles.len(), 6);
    }
}
