//! Whole grids of many pairs, in batches, two of them in flight.

pub(super) mod batch;

use std::collections::VecDeque;

use rayon::prelude::*;

use self::batch::Batch;
use super::GpuEngine;
use super::buffers::{Download, n_bytes};
use super::checks::{self, SignedRows};
use super::limits::Limits;
use super::rehearsal::Work;
use crate::engine::{Engine, Pair};
use crate::error::{Fault, Result};
use crate::kernels::dispatch_line;
use crate::kernels::similarity::{CHECK_WORDS, Chunk, TILE, Tile, written};
use crate::measure::Grid;

/// A batch under way: which pairs, and where their grids will be read.
struct InFlight<'a> {
    batch: Batch<'a>,
    download: Download,
    tiles: Vec<Tile>,
    /// The pair of each tile.
    pairs: Vec<usize>,
    /// What the bases of the two stacks are checked by.
    signed: [Vec<SignedRows>; 2],
}

impl GpuEngine {
    /// The grids of these pairs, within these limits, after rehearsals of the largest d and the largest ranks.
    pub(super) fn rehearsed_grids(&self, pairs: &[Pair<'_>], limits: Limits) -> Result<Vec<Grid>> {
        let ranks = |pair: &Pair<'_>| [pair.a.q(), pair.b.q()];
        let by_d = pairs.iter().max_by_key(|pair| (pair.a.d(), ranks(pair)));
        let by_rank = pairs.iter().max_by_key(|pair| (ranks(pair).into_iter().max(), pair.a.d()));
        for pair in by_d.into_iter().chain(by_rank) {
            let size = Work::Grids.of_size(ranks(pair), [0, pair.d()?]);
            self.rehearse(Work::Grids, size, limits)?;
        }
        self.grids_within(pairs, limits)
    }

    /// The grids of these pairs, within these limits.
    pub(super) fn grids_within(&self, pairs: &[Pair<'_>], limits: Limits) -> Result<Vec<Grid>> {
        let mut grids = vec![None; pairs.len()];
        let mut in_flight = VecDeque::new();
        for batch in batch::batches(pairs, self.info().precision, limits)? {
            if in_flight.len() == 2 {
                let oldest = in_flight.pop_front().expect("two are in flight");
                self.finish(oldest, pairs, &mut grids)?;
            }
            in_flight.push_back(self.submit(batch)?);
        }
        for last in in_flight {
            self.finish(last, pairs, &mut grids)?;
        }
        Ok(grids.into_iter().map(|grid| grid.expect("every pair is in a batch")).collect())
    }

    /// Uploads a batch's bases and tiles, runs its kernels and asks for its grids, without waiting for any of it.
    fn submit<'a>(&self, batch: Batch<'a>) -> Result<InFlight<'a>> {
        let device = &self.device;
        let (tiles, pairs) = batch.tiles()?;
        let (bases_a, signed_a) = device.upload_stack("bases_a", &batch.a);
        let (bases_b, signed_b) = device.upload_stack("bases_b", &batch.b);
        let tiles_buffer = device.upload("tiles", bytemuck::cast_slice::<Tile, u8>(&tiles));
        let size = n_bytes(batch.n_words);
        let grids = device.storage("grids", size);
        let n_tiles = u32::try_from(tiles.len()).map_err(|_| {
            Fault::new(format!("{} tiles", tiles.len()), "a batch of under 2³²").of("grids").limit()
        })?;

        let mut encoder = device.encoder();
        let chunks = Chunk::all(batch.d);
        // Nothing is bound without a few bytes.
        let n_products = if chunks.len() > 1 { 2 * batch.n_grid } else { 2 };
        let products = device.storage("products", n_bytes(n_products));
        for chunk in chunks {
            let chunk = device.upload_uniform("chunk", bytemuck::bytes_of(&chunk));
            let bound = [&bases_a, &bases_b, &tiles_buffer, &grids, &chunk, &products];
            device.dispatch(&mut encoder, &self.similarity, &bound, dispatch_line(n_tiles));
        }
        let result = if batch.fits_tile {
            grids
        } else {
            let carried = device.storage("carried grids", size);
            let bound = [&grids, &tiles_buffer, &carried];
            device.dispatch(&mut encoder, &self.prefix_carry, &bound, dispatch_line(n_tiles));
            carried
        };
        let download = device.download(encoder, &result);
        Ok(InFlight { batch, download, tiles, pairs, signed: [signed_a, signed_b] })
    }

    /// Waits for a batch and takes its grids apart.
    fn finish(&self, in_flight: InFlight<'_>, pairs: &[Pair<'_>], grids: &mut [Option<Grid>]) -> Result<()> {
        let InFlight { batch, download, tiles, pairs: pair_of, signed } = in_flight;
        self.device.read(download, |bytes| {
            let words = self.device.received(bytemuck::cast_slice(bytes));
            let (words, checks) = words.split_at(batch.n_grid);
            let checks = checks.as_chunks::<CHECK_WORDS>().0;
            let added = checks.iter().fold(0u32, |sum, [_, written]| sum.wrapping_add(*written));
            if written(words.iter().enumerate()) != added {
                return Err(self.device.wrong("grids that are not those which its tiles wrote"));
            }
            let is_right = |((tile, &pair), &[found, _]): ((&Tile, &usize), &[u32; CHECK_WORDS])| {
                let rows = [0, 1].map(|side| &signed[side][batch.bases[pair][side]]);
                let place = [tile.row as usize / TILE, tile.col as usize / TILE];
                checks::is_right(f32::from_bits(found), rows, place, 0..tile.d as usize)
            };
            if !tiles.par_iter().zip(&pair_of).zip(checks).all(is_right) {
                return Err(self.device.wrong("products that are not those of its rows"));
            }
            let values: &[f32] = bytemuck::cast_slice(words);
            for (place, &index) in batch.placements.iter().zip(&batch.indices) {
                let values = &values[place.offset_grid..][..place.n_rows * place.n_cols];
                let grid = Grid::new(place.n_rows, place.n_cols, pairs[index].a.d(), values.to_vec());
                grids[index] = Some(grid.map_err(|error| self.device.wrong(&error.to_string()))?);
            }
            Ok(())
        })
    }
}
