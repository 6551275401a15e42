//! The GPU engine: the WGSL kernels through wgpu, pairs in batches, two batches in flight.

mod adapters;
mod batch;
mod buffers;
mod cards;
mod device;
mod pick;
mod self_test;
mod survey;

use std::collections::VecDeque;

use wgpu::{Adapter, AdapterInfo};

use self::adapters::Adapters;
use self::batch::Batch;
use self::buffers::{Download, n_bytes};
use self::device::{Device, Pipeline};
pub(super) use self::survey::survey;
use super::{Engine, EngineInfo, GpuChoice, Pair, Precision};
use crate::error::{Error, Fault, Result};
use crate::kernels::colormap::{self, Band, Cells, ColorTable, Params};
use crate::kernels::similarity::{self, Tile};
use crate::kernels::{dispatch_line, prefix_carry};
use crate::similarity::Grid;

/// Computes on a GPU, within WebGPU's default limits and without optional features.
#[derive(Debug)]
pub struct GpuEngine {
    device: Device,
    why: Option<String>,
    /// The variant for the precision.
    similarity: Pipeline,
    prefix_carry: Pipeline,
    colormap: Pipeline,
}

/// A batch under way: which pairs, and where their grids will be read.
struct InFlight<'a> {
    batch: Batch<'a>,
    download: Download,
}

impl GpuEngine {
    /// Opens the GPU and compiles the kernels.
    ///
    /// # Errors
    /// `Gpu` when there is no such GPU, or its driver refuses; the message lists what there is.
    pub fn open(choice: &GpuChoice, precision: Precision) -> Result<Self> {
        let adapters = Adapters::find();
        let picked = adapters.pick(choice)?;
        let (adapter, info) = adapters.get(picked.index);
        Ok(Self { why: picked.why, ..Self::on(adapter, info, precision)? })
    }

    /// The indices of every real GPU that CUDA_VISIBLE_DEVICES, ROCR_VISIBLE_DEVICES and SLURM_STEP_GPUS allow.
    ///
    /// # Errors
    /// `Gpu` when there is none; the message lists what there is.
    pub fn all() -> Result<Vec<usize>> {
        Adapters::find().all()
    }

    fn on(adapter: &Adapter, info: &AdapterInfo, precision: Precision) -> Result<Self> {
        let device = Device::open(adapter, info, precision)?;
        let engine = Self {
            similarity: device.pipeline(match precision {
                Precision::F32 => &similarity::KERNEL,
                Precision::F16 => &similarity::KERNEL_F16,
            }),
            prefix_carry: device.pipeline(&prefix_carry::KERNEL),
            colormap: device.pipeline(&colormap::KERNEL),
            why: None,
            device,
        };
        engine.device.check()?;
        Ok(engine)
    }

    /// Why `auto` took this GPU and no other, where the environment had a say in it.
    pub fn why(&self) -> Option<&str> {
        self.why.as_deref()
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

impl Engine for GpuEngine {
    fn info(&self) -> &EngineInfo {
        self.device.info()
    }

    fn grids(&self, pairs: &[Pair<'_>]) -> Result<Vec<Grid>> {
        let mut grids = vec![None; pairs.len()];
        let mut in_flight = VecDeque::new();
        for batch in batch::batches(pairs, self.info().precision, self.device.limits())? {
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

    fn colormap(&self, cells: &Cells<'_>, table: &ColorTable, band: &Band) -> Result<Vec<u32>> {
        let params = Params::new(cells, band)?;
        let device = &self.device;
        let n_pixels = band.width_px * band.n_rows_px;
        device.limits().check_binding("pixels", n_pixels)?;
        device.limits().check_binding("cells", cells.values.len())?;
        let buffers = [
            &device.upload("cells", bytemuck::cast_slice(cells.values)),
            &device.upload("color table", bytemuck::bytes_of(table)),
            &device.upload_uniform("colormap params", bytemuck::bytes_of(&params)),
            &device.storage("pixels", n_bytes(n_pixels)),
        ];
        let mut encoder = device.encoder();
        device.dispatch(&mut encoder, &self.colormap, &buffers, params.dispatch_size());
        let download = device.download(encoder, buffers[3]);
        let mut pixels = Vec::new();
        device.read(download, |bytes| {
            pixels.extend_from_slice(bytemuck::cast_slice(bytes));
            Ok::<(), Error>(())
        })?;
        Ok(pixels)
    }
}
