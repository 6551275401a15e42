//! What statistics need of many pairs: the pair statistics kernels and their buffers.

mod buffer_set;
mod pack;
mod plan;
mod top;
mod upload;

use std::sync::{Mutex, OnceLock};

use self::buffer_set::{BufferSet, Needs};
use self::plan::{Budget, Plan};
use self::top::{Output, TopPipelines, TopRun};
use super::GpuEngine;
use super::device::{Device, Pipeline};
use super::limits::Limits;
use super::rehearsal;
use crate::engine::{Block, Precision, StageTimes, TopRule, TopStats};
use crate::error::Result;
use crate::kernels::pair_stats::{UPDATE_COSINE, VARIANTS, Variant, Wanted};
use crate::sync::lock;

/// Under so many tiles of 128 most of a GPU would stand still: a tile of 64 makes four times the workgroups. A consumer
/// GPU has 30 to 80 compute units.
const FEW_TILES: usize = 64;

/// A kind of work, by what it leaves of a GPU unused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Under [`FEW_TILES`] tiles.
    FewPairs,
    /// As many or more.
    ManyPairs,
}

impl Work {
    pub(super) const ALL: [Self; 2] = [Self::FewPairs, Self::ManyPairs];

    fn of(plan: &Plan<'_>) -> Self {
        if plan.n_tiles() < FEW_TILES { Self::FewPairs } else { Self::ManyPairs }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::FewPairs => "few pairs",
            Self::ManyPairs => "many pairs",
        }
    }
}

/// The variants for a device's precision, with their places in [`VARIANTS`].
pub(super) fn kernels_of(device: &Device) -> impl Iterator<Item = (usize, &'static Variant)> {
    VARIANTS.iter().enumerate().filter(|(_, variant)| variant.precision == device.info().precision)
}

/// The pair statistics kernels of one engine.
#[derive(Debug)]
pub(super) struct PairStatsKernels {
    /// Compiled when first used, in the order of [`VARIANTS`].
    pipelines: [OnceLock<Pipeline>; VARIANTS.len()],
    update_cosine: OnceLock<Pipeline>,
    top: OnceLock<TopPipelines>,
    /// The one to take for every block.
    pub(super) only: Option<usize>,
    /// The ones to take for each kind of [`Work`].
    pub(super) fastest: [usize; 2],
    /// Buffers that are not in use.
    idle: Mutex<Vec<BufferSet>>,
    times: Mutex<StageTimes>,
}

impl PairStatsKernels {
    pub(super) fn new(device: &Device, only: Option<usize>) -> Self {
        // Until they are timed: the tile that fills a GPU sooner, and the one that asks less of its memory.
        let fastest = [64, 128].map(|tile| {
            let with_tile = kernels_of(device).find(|(_, variant)| variant.tile == tile);
            with_tile.map_or(0, |(at, _)| at)
        });
        let (pipelines, update_cosine, top, idle, times) = Default::default();
        Self { pipelines, update_cosine, top, only, fastest, idle, times }
    }

    fn pipeline(&self, device: &Device, at: usize) -> &Pipeline {
        self.pipelines[at].get_or_init(|| device.pipeline(&VARIANTS[at].kernel))
    }

    pub(super) fn times(&self) -> StageTimes {
        *lock(&self.times)
    }

    fn take_idle(&self, variant: &Variant, needs: &Needs) -> Option<BufferSet> {
        let mut idle = lock(&self.idle);
        match idle.iter().position(|buffer_set| buffer_set.serves(variant, needs)) {
            Some(at) => Some(idle.swap_remove(at)),
            None => {
                // What is too small now would only hold memory.
                idle.retain(|buffer_set| !buffer_set.is_for(variant));
                None
            }
        }
    }
}

impl GpuEngine {
    /// The numbers of every pair of a block by the pair statistics kernels, within these limits.
    pub(super) fn run_pair_stats(&self, block: &Block<'_>, limits: Limits) -> Result<Vec<f32>> {
        self.pair_stats_by(self.kernel_for(block, limits)?, block, limits)
    }

    /// The same, after a rehearsal of that size.
    pub(super) fn rehearsed_pair_stats(&self, block: &Block<'_>, limits: Limits) -> Result<Vec<f32>> {
        self.pair_stats_by(self.rehearsed_kernel(block, limits)?, block, limits)
    }

    /// The numbers of the most alike pairs of a block, after a rehearsal of that size.
    pub(super) fn rehearsed_top_stats(
        &self,
        block: &Block<'_>,
        rule: &TopRule<'_>,
        limits: Limits,
    ) -> Result<TopStats> {
        let at = self.rehearsed_kernel(block, limits)?;
        let pipelines = self.pair_stats.top.get_or_init(|| TopPipelines::new(&self.device));
        let pipeline = || self.pair_stats.pipeline(&self.device, at);
        let mut output = Output::Top(TopRun::new(pipelines, rule, block.cells.len()));
        self.run_plan(block, &self.plan(block, limits)?, &VARIANTS[at], pipeline, &mut output)?;
        match output {
            Output::Top(run) => Ok(run.into_stats()),
            Output::All(_) => unreachable!("what a run puts out stays what it is"),
        }
    }

    /// The kernel for a block, which has been seen to do work of that size right.
    fn rehearsed_kernel(&self, block: &Block<'_>, limits: Limits) -> Result<usize> {
        let at = self.kernel_for(block, limits)?;
        if block.n_pairs() > 0 {
            let work = rehearsal::Work::PairStats(at);
            self.rehearse(work, work.of_size(largest_ranks(block), [0, block.d()?]), limits)?;
        }
        Ok(at)
    }

    fn kernel_for(&self, block: &Block<'_>, limits: Limits) -> Result<usize> {
        let plan = self.plan(block, limits)?;
        Ok(self.pair_stats.only.unwrap_or(self.pair_stats.fastest[Work::of(&plan) as usize]))
    }

    fn plan<'a>(&self, block: &Block<'a>, limits: Limits) -> Result<Plan<'a>> {
        let precision = self.device.info().precision;
        Plan::new(block, Wanted::Statistics(block.cells), budget(limits, precision))
    }

    /// The numbers of every pair of a block by this variant.
    pub(super) fn pair_stats_by(&self, at: usize, block: &Block<'_>, limits: Limits) -> Result<Vec<f32>> {
        let pipeline = || self.pair_stats.pipeline(&self.device, at);
        self.run_whole_plan(block, &self.plan(block, limits)?, &VARIANTS[at], pipeline)
    }

    /// [`GpuEngine::run_update_cosines`], after a rehearsal of that size.
    pub(super) fn rehearsed_update_cosines(
        &self,
        block: &Block<'_>,
        split: usize,
        limits: Limits,
    ) -> Result<Vec<f32>> {
        if block.n_pairs() > 0 {
            let work = rehearsal::Work::UpdateCosines;
            let d = [split, block.d()? - split];
            self.rehearse(work, work.of_size(largest_ranks(block), d), limits)?;
        }
        self.run_update_cosines(block, split, limits)
    }

    /// The cosine of every pair of updates by its kernel: rows have a first part of `split` numbers.
    pub(super) fn run_update_cosines(
        &self,
        block: &Block<'_>,
        split: usize,
        limits: Limits,
    ) -> Result<Vec<f32>> {
        let plan = Plan::new(block, Wanted::Cosine { split }, budget(limits, UPDATE_COSINE.precision))?;
        let pipeline =
            || self.pair_stats.update_cosine.get_or_init(|| self.device.pipeline(&UPDATE_COSINE.kernel));
        self.run_whole_plan(block, &plan, &UPDATE_COSINE, pipeline)
    }

    fn run_whole_plan<'p>(
        &self,
        block: &Block<'_>,
        plan: &Plan<'_>,
        variant: &Variant,
        pipeline: impl Fn() -> &'p Pipeline,
    ) -> Result<Vec<f32>> {
        let mut values = vec![f32::NAN; block.n_pairs() * plan.wanted.n_numbers()];
        self.run_plan(block, plan, variant, pipeline, &mut Output::All(&mut values))?;
        Ok(values)
    }

    fn run_plan<'p>(
        &self,
        block: &Block<'_>,
        plan: &Plan<'_>,
        variant: &Variant,
        pipeline: impl Fn() -> &'p Pipeline,
        output: &mut Output<'_>,
    ) -> Result<()> {
        if plan.dispatches.is_empty() {
            return Ok(());
        }
        let (device, pipeline) = (&self.device, pipeline());
        let needs = Needs::of(plan, variant);
        let mut buffer_set = match self.pair_stats.take_idle(variant, &needs) {
            Some(buffer_set) => buffer_set,
            None => BufferSet::new(device, pipeline, variant, needs)?,
        };
        let times = buffer_set.run(device, pipeline, variant, (block, plan, needs), output)?;
        *lock(&self.pair_stats.times) += times;
        // Buffers of a run that failed are not kept: what is in them is unknown.
        lock(&self.pair_stats.idle).push(buffer_set);
        Ok(())
    }
}

fn largest_ranks(block: &Block<'_>) -> [usize; 2] {
    [block.a, block.b].map(|bases| bases.iter().map(|basis| basis.q()).max().unwrap_or(0))
}

fn budget(limits: Limits, precision: Precision) -> Budget {
    let Limits { max_words, max_stack_words, max_flop } = limits;
    Budget { max_words, max_stack_words, max_flop, precision }
}

#[cfg(test)]
mod tests;
