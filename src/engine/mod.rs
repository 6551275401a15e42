//! The two engines behind one trait, and the choice between them.

mod block;
mod choice;
mod cpu;
#[cfg(feature = "gpu")]
mod gpu;
mod painter;
mod pci;
mod survey;
mod top;
mod update_block;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use block::{Block, Pairs};
pub use choice::{EngineChoice, EngineWarning, GpuChoice, OpenedEngine, Opening, Request, Work, open};
pub use cpu::CpuEngine;
pub(crate) use cpu::UpdateOverlap;
#[cfg(feature = "scan")]
pub(crate) use cpu::{PackedBases, PackedScratch};
#[cfg(feature = "gpu")]
pub use gpu::{GpuEngine, tune};
pub use painter::{CpuPainter, Painter};
pub use pci::PciAddress;
pub use survey::{
    AutoTakes, CardRates, Gpu, GpuKind, GpuLimits, SelfTest, Survey, Timing, Tuning, Unseen, survey,
};
pub use top::{TopRule, TopStats};
pub use update_block::{BlockCosines, UpdateBlock};

use crate::basis::Basis;
use crate::error::Result;
pub use crate::kernels::similarity::Precision;
use crate::measure::Grid;
pub use crate::measure::{BlockStats, PairStats};

/// What computes grids and the statistics of pairs, and paints panels.
pub trait Engine: Painter {
    /// What this engine is, for the user and for the record.
    fn info(&self) -> &EngineInfo;

    /// φ(i, j) of each pair, every value within the bound of the engine's [`Precision`] of the exact one for the same
    /// bases.
    ///
    /// # Errors
    /// `Invalid` when two bases of a pair have different d; `Limit` when a pair does not fit the device; `Gpu` when the
    /// device fails.
    fn grids(&self, pairs: &[Pair<'_>]) -> Result<Vec<Grid>>;

    /// What statistics need of the product of every pair of a block, within the same bounds as [`Engine::grids`]: φ at the
    /// block's cells, and the [`PRODUCT_SUMS`](crate::measure::PRODUCT_SUMS). A pair's numbers do not depend on what else is in
    /// the block, to the last bit.
    ///
    /// # Errors
    /// As [`Block::d`] and [`Engine::grids`].
    fn pair_stats(&self, block: &Block<'_>) -> Result<BlockStats>;

    /// cos(ΔW₁, ΔW₂) of every pair of a block of updates, each within 1e-5 of the exact one. A pair's number does not depend on
    /// what else is in the block, to the last bit.
    ///
    /// # Errors
    /// `Invalid` when updates have different shapes; `Gpu` when the device fails.
    fn update_cosines(&self, block: &UpdateBlock<'_>) -> Result<BlockCosines>;

    /// [`Engine::pair_stats`] of bases and [`Engine::update_cosines`] of the updates that they belong to, for the same pairs: the
    /// same numbers, to the last bit, which an engine may make of fewer products than both take.
    ///
    /// # Errors
    /// As those two.
    fn stats_and_cosines(
        &self,
        block: &Block<'_>,
        updates: &UpdateBlock<'_>,
    ) -> Result<(BlockStats, BlockCosines)> {
        Ok((self.pair_stats(block)?, self.update_cosines(updates)?))
    }

    /// [`Engine::pair_stats`] of those pairs only that may be among the most alike of either basis, and how φ of all is spread:
    /// the same numbers, to the last bit. An engine may give more pairs than that, and all of them.
    ///
    /// # Errors
    /// As [`Engine::pair_stats`].
    fn top_stats(&self, block: &Block<'_>, rule: &TopRule<'_>) -> Result<TopStats> {
        Ok(TopStats::of_all(rule, self.pair_stats(block)?))
    }

    /// What went wrong since the last call and was made good by smaller work or by the CPU engine, one line each.
    fn take_warnings(&self) -> Vec<String> {
        vec![]
    }

    /// Where the time of all calls of [`Engine::pair_stats`] went, if the engine keeps count.
    fn stage_times(&self) -> Option<StageTimes> {
        None
    }
}

/// Two bases of the same module, from two adapters.
#[derive(Debug, Clone, Copy)]
pub struct Pair<'a> {
    /// Its vectors are the grid's rows.
    pub a: &'a Basis,
    /// Its vectors are the grid's columns.
    pub b: &'a Basis,
}

impl Pair<'_> {
    /// Multiply-adds of the pair's product, twice.
    #[cfg(feature = "gpu")]
    pub(crate) fn flop(&self) -> f64 {
        2.0 * self.a.q() as f64 * self.b.q() as f64 * self.a.d() as f64
    }

    /// The d that both bases share.
    pub(crate) fn d(&self) -> Result<usize> {
        if self.a.d() == self.b.d() {
            return Ok(self.a.d());
        }
        Err(crate::error::Fault::new(
            format!("bases in {} and {} dimensions", self.a.d(), self.b.d()),
            "the same d for both",
        )
        .of("pair")
        .invalid())
    }
}

/// Where a GPU's time went. Stages overlap, so that they may add up to more than passed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StageTimes {
    /// To pack bases and submit them, on the host.
    pub upload: Duration,
    /// In kernels, by the GPU's own clock; `None` where it has none.
    pub kernel: Option<Duration>,
    /// To take numbers from where the GPU left them, on the host.
    pub read_back: Duration,
    /// Bytes that came back from the GPU.
    pub read_back_bytes: u64,
}

impl StageTimes {
    /// Adds the time of a kernel, where it is known.
    #[cfg(feature = "gpu")]
    pub(crate) fn add_kernel(&mut self, time: Option<Duration>) {
        if let Some(time) = time {
            *self.kernel.get_or_insert_default() += time;
        }
    }
}

impl std::ops::AddAssign for StageTimes {
    fn add_assign(&mut self, other: Self) {
        self.upload += other.upload;
        self.read_back += other.read_back;
        self.read_back_bytes += other.read_back_bytes;
        if let Some(kernel) = other.kernel {
            *self.kernel.get_or_insert_default() += kernel;
        }
    }
}

/// Which of the two engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum EngineKind {
    /// WGSL on a GPU, or on a software driver when asked for.
    Gpu,
    /// A product kernel for the processor's SIMD, on all cores.
    Cpu,
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gpu => "gpu",
            Self::Cpu => "cpu",
        })
    }
}

/// What an engine is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineInfo {
    /// Which of the two.
    pub kind: EngineKind,
    /// The GPU's name, or the processor's instruction set and threads.
    pub device: String,
    /// The GPU's backend and driver; empty for the CPU.
    pub driver: String,
    /// What it keeps bases in.
    pub precision: Precision,
    /// What makes the numbers of a block: engines with the same variant on the same device give the same bits.
    pub variant: &'static str,
}

impl fmt::Display for EngineInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.kind, self.device)?;
        if !self.driver.is_empty() {
            write!(f, ", {}", self.driver)?;
        }
        if self.precision != Precision::default() {
            write!(f, ", {} bases", self.precision)?;
        }
        f.write_str(")")
    }
}
