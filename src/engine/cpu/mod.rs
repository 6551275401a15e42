//! The CPU engine: tiles of stacked bases through a product kernel of its own, the sums of a tile while it is in the cache,
//! tiles in parallel.

#[cfg(feature = "scan")]
mod packed;
mod pair_stats;
mod pool;
mod product;
#[cfg(feature = "scan")]
mod row_product;
mod stack;
mod stats_and_cosines;
mod sums;
mod tile;
mod tile_stats;
mod update_cosines;
mod update_overlaps;
mod whole_grid;

use rayon::prelude::*;

#[cfg(feature = "scan")]
pub(crate) use self::packed::{PackedBases, PackedScratch};
use self::pool::Buffers;
pub(crate) use self::update_overlaps::UpdateOverlap;
use super::{
    Block, BlockCosines, BlockStats, CpuPainter, Engine, EngineInfo, EngineKind, Painter, Pair, Precision,
    UpdateBlock,
};
use crate::basis::UpdateSvd;
use crate::error::Result;
use crate::kernels::colormap::{Band, Cells, ColorTable};
use crate::measure::Grid;

/// Computes on all threads of the current rayon pool. SIMD is chosen at run time.
#[derive(Debug)]
pub struct CpuEngine {
    info: EngineInfo,
    buffers: Buffers,
}

impl CpuEngine {
    /// The engine with bases in f32; nothing to open, nothing to fail.
    pub fn new() -> Self {
        Self::with_precision(Precision::F32)
    }

    /// The same with a choice. f16 gives the numbers that a GPU gives for it, and saves nothing here.
    pub fn with_precision(precision: Precision) -> Self {
        let threads = rayon::current_num_threads();
        let device =
            format!("{threads} thread{}, {}", if threads == 1 { "" } else { "s" }, instruction_set());
        let variant = instruction_set();
        let info = EngineInfo { kind: EngineKind::Cpu, device, driver: String::new(), precision, variant };
        Self { info, buffers: Buffers::default() }
    }
}

impl CpuEngine {
    /// The cosine and the overlaps of every pair of updates of one shape, i < j, in the order (0, 1), (0, 2), …, (1, 2), …, each
    /// within 1e-6 of the exact one.
    ///
    /// # Errors
    /// `Invalid` for no updates, and for others than of one shape.
    pub(crate) fn update_overlaps(&self, updates: &[UpdateSvd]) -> Result<Vec<UpdateOverlap>> {
        update_overlaps::update_overlaps(updates, &self.buffers)
    }
}

impl Default for CpuEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl Engine for CpuEngine {
    fn info(&self) -> &EngineInfo {
        &self.info
    }

    fn grids(&self, pairs: &[Pair<'_>]) -> Result<Vec<Grid>> {
        pairs.par_iter().map(|pair| pair_stats::grid(pair, self.info.precision, &self.buffers)).collect()
    }

    fn pair_stats(&self, block: &Block<'_>) -> Result<BlockStats> {
        pair_stats::pair_stats(block, self.info.precision, &self.buffers)
    }

    fn update_cosines(&self, block: &UpdateBlock<'_>) -> Result<BlockCosines> {
        let cosines = |joined: &Block<'_>, split| {
            Ok((update_cosines::update_cosines(joined, split, &self.buffers)?, None))
        };
        let (values, fallback) = block.run(cosines)?;
        Ok(BlockCosines { values, fallback })
    }

    fn stats_and_cosines(
        &self,
        block: &Block<'_>,
        updates: &UpdateBlock<'_>,
    ) -> Result<(BlockStats, BlockCosines)> {
        match updates.part_of(block) {
            // Cosines are made in f32 always.
            Some(part) if self.info.precision == Precision::F32 => {
                block.d()?;
                let (values, stats) = updates.run(|joined, split| {
                    stats_and_cosines::stats_and_cosines(block, joined, split, part, &self.buffers)
                })?;
                Ok((stats, BlockCosines { values, fallback: None }))
            }
            _ => Ok((self.pair_stats(block)?, self.update_cosines(updates)?)),
        }
    }
}

impl Painter for CpuEngine {
    fn colormap(&self, cells: &Cells<'_>, table: &ColorTable, band: &Band) -> Result<Vec<u32>> {
        CpuPainter.colormap(cells, table, band)
    }
}

/// The instruction set that [`pulp`] takes here.
fn instruction_set() -> &'static str {
    match pulp::Arch::new() {
        #[cfg(target_arch = "x86_64")]
        pulp::Arch::V4(_) => "x86-64 AVX-512",
        #[cfg(target_arch = "x86_64")]
        pulp::Arch::V3(_) => "x86-64 AVX2",
        _ => std::env::consts::ARCH,
    }
}
