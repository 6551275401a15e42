//! Whole grids of many pairs, in batches, two of them in flight.

pub(super) mod batch;

use std::collections::VecDeque;

use self::batch::Batch;
use super::GpuEngine;
use super::buffers::{Download, n_bytes};
use super::limits::Limits;
use crate::engine::{Engine, Pair};
use crate::error::{Fault, Result};
use crate::kernels::dispatch_line;
use crate::kernels::similarity::Tile;
use crate::measure::Grid;

/// A batch under way: which pairs, and where their grids will be read.
struct InFlight<'a> {
    batch: Batch<'a>,
    download: Download,
}

impl GpuEngine {
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
        let tiles = batch.tiles()?;
        let bases_a = device.upload_stack("bases_a", &batch.a);
        let bases_b = device.upload_stack("bases_b", &batch.b);
        let tiles_buffer = device.upload("tiles", bytemuck::cast_slice::<Tile, u8>(&tiles));
        let size = n_bytes(batch.n_grid);
        let grids = device.storage("grids", size);
        let n_tiles = u32::try_from(tiles.len()).map_err(|_| {
            Fault::new(format!("{} tiles", tiles.len()), "a batch of under 2³²").of("grids").limit()
        })?;

        let mut encoder = device.encoder();
        let bound = [&bases_a, &bases_b, &tiles_buffer, &grids];
        device.dispatch(&mut encoder, &self.similarity, &bound, dispatch_line(n_tiles));
        let result = if batch.fits_tile {
            grids
        } else {
            let carried = device.storage("carried grids", size);
            let bound = [&grids, &tiles_buffer, &carried];
            device.dispatch(&mut encoder, &self.prefix_carry, &bound, dispatch_line(n_tiles));
            carried
        };
        let download = device.download(encoder, &result);
        Ok(InFlight { batch, download })
    }

    /// Waits for a batch and takes its grids apart.
    fn finish(&self, in_flight: InFlight<'_>, pairs: &[Pair<'_>], grids: &mut [Option<Grid>]) -> Result<()> {
        let InFlight { batch, download } = in_flight;
        self.device.read(download, |bytes| {
            let values: &[f32] = bytemuck::cast_slice(bytes);
            for (place, &index) in batch.placements.iter().zip(&batch.indices) {
                let values = &values[place.offset_grid..][..place.n_rows * place.n_cols];
                let grid = Grid::new(place.n_rows, place.n_cols, pairs[index].a.d(), values.to_vec());
                grids[index] = Some(grid.map_err(|error| self.device.wrong_result(&error))?);
            }
            Ok(())
        })
    }
}
