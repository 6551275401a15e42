//! What a scan keeps of many pairs: the gram kernels, their buffers, and what is done when a GPU fails.

mod lane;
mod pack;
mod plan;
mod upload;

use std::sync::{Mutex, OnceLock, PoisonError};

use self::lane::{Lane, Needs};
use self::plan::{Budget, Plan};
use super::GpuEngine;
use super::batch::Limits;
use super::device::{Device, Pipeline};
use crate::engine::{Block, StageTimes};
use crate::error::Result;
use crate::kernels::gram::{VARIANTS, Variant};
use crate::kernels::similarity::Precision;

/// Under so many tiles of 128 most of a GPU would stand still: a tile of 64 makes four times the workgroups. A consumer
/// GPU has 30 to 80 compute units.
const FEW_TILES: usize = 64;

/// The variants for a precision, with their places in [`VARIANTS`].
pub(super) fn kernels_of(precision: Precision) -> impl Iterator<Item = (usize, &'static Variant)> {
    VARIANTS.iter().enumerate().filter(move |(_, variant)| variant.precision == precision)
}

/// The gram kernels of one engine.
#[derive(Debug, Default)]
pub(super) struct Gram {
    /// Compiled when first used, in the order of [`VARIANTS`].
    pipelines: [OnceLock<Pipeline>; VARIANTS.len()],
    /// The one to take for every block.
    pub(super) only: Option<usize>,
    /// Buffers that no call uses just now.
    idle: Mutex<Vec<Lane>>,
    times: Mutex<StageTimes>,
}

impl Gram {
    fn pipeline(&self, device: &Device, at: usize) -> &Pipeline {
        self.pipelines[at].get_or_init(|| device.pipeline(&VARIANTS[at].kernel))
    }

    pub(super) fn times(&self) -> StageTimes {
        *self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_lane(&self, variant: &Variant, needs: &Needs) -> Option<Lane> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        match idle.iter().position(|lane| lane.serves(variant, needs)) {
            Some(at) => Some(idle.swap_remove(at)),
            None => {
                // What is too small now would only hold memory.
                idle.clear();
                None
            }
        }
    }
}

impl GpuEngine {
    /// The numbers of every pair of a block by the gram kernels, within these limits.
    pub(super) fn gram(&self, block: &Block<'_>, limits: Limits) -> Result<Vec<f32>> {
        let precision = self.device.info().precision;
        let Limits { max_words, max_flop } = limits;
        let plan = Plan::new(block, Budget { max_words, max_flop, precision })?;
        let mut values = vec![f32::NAN; block.n_pairs() * plan.n_values];
        if plan.dispatches.is_empty() {
            return Ok(values);
        }
        let tile = if plan.n_tiles() < FEW_TILES { 64 } else { 128 };
        let suits = |&(_, variant): &(usize, &Variant)| variant.tile == tile;
        let suiting = || kernels_of(precision).find(suits).map(|(at, _)| at);
        let at = self.gram.only.or_else(suiting).expect("every precision has both tiles");
        let (device, variant) = (&self.device, &VARIANTS[at]);
        let pipeline = self.gram.pipeline(device, at);
        let needs = Needs::of(&plan, block.cells.len(), max_words);
        let mut lane = match self.gram.take_lane(variant, &needs) {
            Some(lane) => lane,
            None => Lane::new(device, pipeline, variant, needs)?,
        };
        let times = lane.run(device, pipeline, variant, (block, &plan, needs), &mut values)?;
        *self.gram.times.lock().unwrap_or_else(PoisonError::into_inner) += times;
        // A lane that failed is not kept: nobody knows what is in its buffers.
        self.gram.idle.lock().unwrap_or_else(PoisonError::into_inner).push(lane);
        Ok(values)
    }
}
