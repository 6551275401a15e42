//! The GPU engine: the WGSL kernels through wgpu, pairs in batches, two batches in flight.

#[cfg(test)]
mod failures;
#[cfg(test)]
mod test_engines;

mod adapters;
mod buffers;
mod cards;
mod checks;
mod device;
mod grids;
mod limits;
mod pair_stats;
mod pick;
mod rates;
mod rehearsal;
mod self_test;
mod survey;
mod tune;

use std::sync::Mutex;

use wgpu::{Adapter, AdapterInfo, DeviceType};

use self::adapters::Adapters;
use self::buffers::n_bytes;
use self::device::{Device, Pipeline};
use self::limits::Limits;
use self::pair_stats::PairStatsKernels;
use self::pick::Picked;
pub(super) use self::survey::survey;
pub use self::tune::tune;
use super::{
    Block, BlockCosines, BlockStats, CpuEngine, CpuPainter, Engine, EngineInfo, EngineWarning, GpuChoice,
    Painter, Pair, Precision, StageTimes, TopRule, TopStats, UpdateBlock,
};
use crate::error::{Error, Fault, Result};
use crate::kernels::colormap::{self, Band, Cells, ColorTable, Params};
use crate::kernels::pair_stats::{VARIANTS, family};
use crate::kernels::{prefix_carry, similarity};
use crate::measure::Grid;
use crate::sync::lock;

/// Computes on a GPU, within WebGPU's default limits and without optional features.
///
/// Of several engines in one process, drop each only when no other one is at work: NVIDIA's driver 580.159 hangs if a device is
/// destroyed while another thread uses its own.
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
    /// The largest work that each kernel has been seen to do right.
    rehearsed: Mutex<Vec<rehearsal::Size>>,
    warnings: Mutex<Vec<String>>,
}

/// Wrong results after which a GPU is not asked again.
const MAX_WRONG: usize = 3;

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
    /// As [`GpuEngine::open`]; `Invalid` when there is no such kernel for the precision: the message lists those that there
    /// are.
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
        let mut device = Device::open(adapter, info, precision)?;
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
            rehearsed: Mutex::default(),
            warnings: Mutex::default(),
            why: None,
            warning: None,
            device,
        };
        engine.device.check()?;
        Ok(engine)
    }

    /// Why `auto` took this GPU and not another one, where the environment had a say in it.
    pub fn why(&self) -> Option<&str> {
        self.why.as_deref()
    }

    /// What to be careful of with the GPU that `auto` took.
    pub fn warning(&self) -> Option<&EngineWarning> {
        self.warning.as_ref()
    }

    /// Runs a piece of work within the GPU's limits; where the GPU fails, within an eighth of them; where it fails again, is
    /// lost or gives a wrong result, on the CPU engine. The text says so, and why.
    fn with_fallback<T>(
        &self,
        on_gpu: impl Fn(Limits) -> Result<T>,
        on_cpu: impl FnOnce(&CpuEngine) -> Result<T>,
    ) -> Result<(T, Option<String>)> {
        let limits = self.device.limits();
        let mut why = self.device.lost().map(str::to_owned);
        let n_wrong = self.device.n_wrong();
        if n_wrong >= MAX_WRONG {
            why = why.or_else(|| Some(format!("{n_wrong} wrong results")));
        }
        for (shrink, way) in [(1, ""), (8, "smaller dispatches")] {
            // Who was wrong is not asked again for the same work, and soon for none.
            let is_wrong = self.device.n_wrong() > n_wrong || n_wrong >= MAX_WRONG;
            if is_wrong || self.device.lost().is_some() {
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

    /// What is made of a block's statistics, which the CPU engine makes where this GPU cannot, and why.
    fn stats_of<T>(
        &self,
        block: &Block<'_>,
        on_gpu: impl Fn(Limits) -> Result<T>,
        of_all: impl Fn(BlockStats) -> T,
    ) -> Result<(T, Option<String>)> {
        block.d()?;
        let on_cpu = |why: String| {
            let cpu = CpuEngine::with_precision(self.info().precision);
            Ok::<_, Error>((of_all(cpu.pair_stats(block)?), Some(format!("{}, {why}", cpu.info()))))
        };
        let (made, fallback) = match self.with_fallback(on_gpu, |cpu| cpu.pair_stats(block).map(&of_all)) {
            // A scan goes on where a single comparison may say that this GPU is too small.
            Err(Error::Limit(fault)) => on_cpu(format!("for want of room: {}", fault.found))?,
            // Whole numbers hold the squares of unit vectors only.
            Err(Error::Invalid(fault)) => on_cpu(format!("since a basis has {}", fault.found))?,
            done => done?,
        };
        self.warn(fallback.clone());
        Ok((made, fallback))
    }

    fn warn(&self, fallback: Option<String>) {
        let warning = fallback.map(|why| format!("{} could not; computed by {why}", self.info().device));
        lock(&self.warnings).extend(warning);
    }
}

fn marked(stats: BlockStats, fallback: Option<String>) -> BlockStats {
    match fallback {
        Some(why) => stats.by_fallback(why),
        None => stats,
    }
}

impl Engine for GpuEngine {
    fn info(&self) -> &EngineInfo {
        self.device.info()
    }

    fn grids(&self, pairs: &[Pair<'_>]) -> Result<Vec<Grid>> {
        let on_gpu = |limits| self.rehearsed_grids(pairs, limits);
        let (grids, fallback) = self.with_fallback(on_gpu, |cpu| cpu.grids(pairs))?;
        self.warn(fallback);
        Ok(grids)
    }

    fn pair_stats(&self, block: &Block<'_>) -> Result<BlockStats> {
        let n_cells = block.cells.len();
        let on_gpu =
            |limits| self.rehearsed_pair_stats(block, limits).map(|values| BlockStats::new(n_cells, values));
        let (stats, fallback) = self.stats_of(block, on_gpu, |stats| stats)?;
        Ok(marked(stats, fallback))
    }

    fn top_stats(&self, block: &Block<'_>, rule: &TopRule<'_>) -> Result<TopStats> {
        let on_gpu = |limits| self.rehearsed_top_stats(block, rule, limits);
        let (top, fallback) = self.stats_of(block, on_gpu, |stats| TopStats::of_all(rule, stats))?;
        Ok(TopStats { stats: marked(top.stats, fallback), ..top })
    }

    fn update_cosines(&self, block: &UpdateBlock<'_>) -> Result<BlockCosines> {
        let (values, fallback) = block.run(|joined, split| {
            joined.d()?;
            let on_gpu = |limits| self.rehearsed_update_cosines(joined, split, limits);
            let on_cpu = |cpu: &CpuEngine| Ok(cpu.update_cosines(block)?.values);
            match self.with_fallback(on_gpu, on_cpu) {
                Err(Error::Limit(fault)) => {
                    let cpu = CpuEngine::new();
                    let why = format!("{}, for want of room: {}", cpu.info(), fault.found);
                    Ok((on_cpu(&cpu)?, Some(why)))
                }
                done => done,
            }
        })?;
        self.warn(fallback.clone());
        Ok(BlockCosines { values, fallback })
    }

    fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.warnings))
    }

    fn stage_times(&self) -> Option<StageTimes> {
        Some(self.pair_stats.times())
    }
}

impl Painter for GpuEngine {
    fn colormap(&self, cells: &Cells<'_>, table: &ColorTable, band: &Band) -> Result<Vec<u32>> {
        let on_gpu = |_| self.paint(cells, table, band);
        let (pixels, fallback) = self.with_fallback(on_gpu, |_| CpuPainter.colormap(cells, table, band))?;
        self.warn(fallback);
        Ok(pixels)
    }
}

impl GpuEngine {
    pub(super) fn paint(&self, cells: &Cells<'_>, table: &ColorTable, band: &Band) -> Result<Vec<u32>> {
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
            pixels.extend_from_slice(&device.received(bytemuck::cast_slice(bytes)));
            Ok::<(), Error>(())
        })?;
        match is_painted(&pixels, cells, table, band)? {
            true => Ok(pixels),
            false => Err(device.wrong("pixels of another colour than their cells")),
        }
    }
}

/// Whether every pixel has a colour of the palette, and those of some rows their own.
fn is_painted(pixels: &[u32], cells: &Cells<'_>, table: &ColorTable, band: &Band) -> Result<bool> {
    /// Rows of pixels that are painted here too.
    const N_ROWS: usize = 16;
    let step = band.n_rows_px.div_ceil(N_ROWS);
    for row in (0..band.n_rows_px).step_by(step) {
        let one = Band { y_px: band.y_px + row, n_rows_px: 1, ..*band };
        if CpuPainter.colormap(cells, table, &one)? != pixels[row * band.width_px..][..band.width_px] {
            return Ok(false);
        }
    }
    let mut before = table.colors[0];
    // Neighbours are mostly of one colour.
    Ok(pixels.iter().all(|&pixel| {
        let is_known = pixel == before || table.colors.contains(&pixel);
        before = pixel;
        is_known
    }))
}
