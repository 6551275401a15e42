//! The GPU engine: the WGSL kernels through wgpu, pairs in batches, two batches in flight.

#[cfg(test)]
mod failures;

mod adapters;
mod batch;
mod buffers;
mod cards;
mod device;
mod features;
mod pair_stats;
mod pick;
mod self_test;
mod survey;
mod tune;

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use wgpu::{Adapter, AdapterInfo, DeviceType};

use self::adapters::Adapters;
use self::batch::{Batch, Limits};
use self::buffers::{Download, n_bytes};
use self::device::{Device, Pipeline};
use self::pair_stats::PairStatsKernels;
use self::pick::Picked;
pub(super) use self::survey::survey;
pub use self::tune::tune;
use super::{
    Block, BlockStats, CpuEngine, Engine, EngineInfo, EngineWarning, GpuChoice, Painter, Pair, Precision,
    StageTimes, pair_stats_of_grids,
};
use crate::error::{Error, Fault, Result};
use crate::kernels::colormap::{self, Band, Cells, ColorTable, Params};
use crate::kernels::pair_stats::{VARIANTS, family};
use crate::kernels::similarity::{self, Tile};
use crate::kernels::{dispatch_line, prefix_carry};
use crate::measure::Grid;

/// Computes on a GPU, within WebGPU's default limits and without optional features.
#[derive(Debug)]
pub struct GpuEngine {
    device: Device,
    why: Option<String>,
    warning: Option<EngineWarning>,
    /// The variant for the precision.
    similarity: Pipeline,
    prefix_carry: Pipeline,
    colormap: Pipeline,
    pair_stats: PairStatsKernels,
    is_software: bool,
    warnings: Mutex<Vec<String>>,
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
        Self::open_any(choice, precision, None)
    }

    /// The same with one kernel for all blocks in place of the one that suits each best. [`EngineInfo::variant`] of another
    /// engine will do: it names all kernels that give the same bits.
    ///
    /// # Errors
    /// As [`GpuEngine::open`]; `Gpu` also when the GPU lacks what the kernel needs, `Invalid` when there is no such kernel
    /// for the precision: the message lists those that there are.
    pub fn open_with_kernel(choice: &GpuChoice, precision: Precision, kernel: &str) -> Result<Self> {
        let family = family(precision);
        if kernel == family {
            return Self::open(choice, precision);
        }
        let known = || VARIANTS.iter().enumerate().filter(|(_, variant)| variant.precision == precision);
        if let Some((at, _)) = known().find(|(_, variant)| variant.kernel.name == kernel) {
            return Self::open_any(choice, precision, Some(at));
        }
        let names = known().map(|(_, variant)| variant.kernel.name);
        let names: Vec<&str> = std::iter::once(family).chain(names).collect();
        Err(Fault::new(crate::text::quoted(kernel), names.join(" or ")).of("kernel").invalid())
    }

    fn open_any(choice: &GpuChoice, precision: Precision, kernel: Option<usize>) -> Result<Self> {
        let adapters = Adapters::find();
        let picked = adapters.pick(choice)?;
        let (adapter, info) = adapters.get(picked.index);
        let Picked { why, warning, .. } = picked;
        Ok(Self { why, warning, ..Self::on(adapter, info, precision, kernel)? })
    }

    /// The indices of every real GPU that CUDA_VISIBLE_DEVICES, ROCR_VISIBLE_DEVICES and SLURM_STEP_GPUS allow.
    ///
    /// # Errors
    /// `Gpu` when there is none; the message lists what there is.
    pub fn all() -> Result<Vec<usize>> {
        Adapters::find().all()
    }

    /// `kernel` is the place in [`VARIANTS`] of the one to take for all blocks.
    fn on(
        adapter: &Adapter,
        info: &AdapterInfo,
        precision: Precision,
        kernel: Option<usize>,
    ) -> Result<Self> {
        let variant = kernel.map(|at| &VARIANTS[at]);
        let needs = variant.and_then(|variant| variant.needs);
        let mut device = Device::open(adapter, info, precision, needs)?;
        if let Some(variant) = variant {
            device.name_kernel(variant.kernel.name);
        }
        let engine = Self {
            similarity: device.pipeline(match precision {
                Precision::F32 => &similarity::KERNEL,
                Precision::F16 => &similarity::KERNEL_F16,
            }),
            prefix_carry: device.pipeline(&prefix_carry::KERNEL),
            colormap: device.pipeline(&colormap::KERNEL),
            pair_stats: PairStatsKernels::new(&device, kernel),
            is_software: info.device_type == DeviceType::Cpu,
            warnings: Mutex::default(),
            why: None,
            warning: None,
            device,
        };
        engine.device.check()?;
        Ok(engine)
    }

    /// Why `auto` took this GPU and no other, where the environment had a say in it.
    pub fn why(&self) -> Option<&str> {
        self.why.as_deref()
    }

    /// What to be careful of with the GPU that `auto` took.
    pub fn warning(&self) -> Option<&EngineWarning> {
        self.warning.as_ref()
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

impl GpuEngine {
    fn grids_within(&self, pairs: &[Pair<'_>], limits: Limits) -> Result<Vec<Grid>> {
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

    /// Runs a piece of work within the GPU's limits; where the GPU fails, within an eighth of them; where it fails again
    /// or is lost, on the CPU engine. The text says so, and why.
    fn with_fallback<T>(
        &self,
        on_gpu: impl Fn(Limits) -> Result<T>,
        on_cpu: impl FnOnce(&CpuEngine) -> Result<T>,
    ) -> Result<(T, Option<String>)> {
        let limits = self.device.limits();
        let mut why = self.device.lost().map(str::to_owned);
        for (shrink, way) in [(1, ""), (8, "smaller dispatches")] {
            if self.device.lost().is_some() {
                break;
            }
            match on_gpu(limits.shrunk(shrink)) {
                Err(Error::Gpu(fault)) => {
                    let lost = self.device.lost().map(str::to_owned);
                    why = lost.or(why).or(Some(fault.found));
                    self.device.forgive();
                }
                done => return Ok((done?, why.map(|why| format!("{way}, after {why}")))),
            }
        }
        let cpu = CpuEngine::with_precision(self.info().precision);
        Ok((on_cpu(&cpu)?, why.map(|why| format!("{}, after {why}", cpu.info()))))
    }

    fn warn(&self, fallback: Option<String>) {
        let warning = fallback.map(|why| format!("{} could not; computed by {why}", self.info().device));
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).extend(warning);
    }
}

impl Engine for GpuEngine {
    fn info(&self) -> &EngineInfo {
        self.device.info()
    }

    fn grids(&self, pairs: &[Pair<'_>]) -> Result<Vec<Grid>> {
        let on_gpu = |limits| self.grids_within(pairs, limits);
        let (grids, fallback) = self.with_fallback(on_gpu, |cpu| cpu.grids(pairs))?;
        self.warn(fallback);
        Ok(grids)
    }

    fn pair_stats(&self, block: &Block<'_>) -> Result<BlockStats> {
        block.d()?;
        let n_cells = block.cells.len();
        let on_gpu = |limits| match self.run_pair_stats(block, limits) {
            // Rows of other norms, and bases that no dispatch holds, go pair by pair.
            Err(Error::Invalid(_) | Error::Limit(_)) => pair_stats_of_grids(self, block),
            values => values.map(|values| BlockStats::new(n_cells, values)),
        };
        let (kept, fallback) = match self.with_fallback(on_gpu, |cpu| cpu.pair_stats(block)) {
            // A scan goes on where a single comparison may say that this GPU is too small.
            Err(Error::Limit(fault)) => {
                let cpu = CpuEngine::with_precision(self.info().precision);
                (cpu.pair_stats(block)?, Some(format!("{}, for want of room: {}", cpu.info(), fault.found)))
            }
            done => done?,
        };
        self.warn(fallback.clone());
        Ok(match fallback {
            Some(why) => kept.by_fallback(why),
            None => kept,
        })
    }

    fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn stage_times(&self) -> Option<StageTimes> {
        Some(self.pair_stats.times())
    }
}

impl Painter for GpuEngine {
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
