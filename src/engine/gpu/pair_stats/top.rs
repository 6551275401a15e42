//! The most alike pairs of a dispatch, found on the GPU: what comes back are these, a histogram and checks.

use wgpu::{BindGroup, Buffer, BufferUsages, CommandEncoder};

use super::super::buffers::n_bytes;
use super::super::device::{Device, Pipeline};
use super::plan::{Plan, PlannedDispatch};
use super::upload::Upload;
use crate::engine::{Block, BlockStats, TopRule, TopStats};
use crate::error::Result;
use crate::kernels::pair_stats::Dispatch;
use crate::kernels::top_pairs::{GATHER, KEYS, Params, THRESHOLDS, TopDispatch};
use crate::measure::PHI_R;

/// The kernels, in the order in which they run.
#[derive(Debug)]
pub(super) struct TopPipelines([Pipeline; 3]);

impl TopPipelines {
    pub(super) fn new(device: &Device) -> Self {
        Self([&KEYS, &THRESHOLDS, &GATHER].map(|kernel| device.pipeline(kernel)))
    }
}

/// Where the numbers of a run go.
pub(super) enum Output<'o> {
    /// Those of every pair, in the block's order.
    All(&'o mut [f32]),
    /// Those of the most alike.
    Top(TopRun<'o>),
}

/// What is wanted of a run, and what was found so far.
pub(super) struct TopRun<'o> {
    pipelines: &'o TopPipelines,
    rule: &'o TopRule<'o>,
    n_cells: usize,
    /// Places in the block.
    places: Vec<usize>,
    /// The numbers of each.
    values: Vec<f32>,
    counts: Vec<u64>,
}

impl<'o> TopRun<'o> {
    pub(super) fn new(pipelines: &'o TopPipelines, rule: &'o TopRule<'o>, n_cells: usize) -> Self {
        let counts = vec![0; rule.edges.len() + 1];
        Self { pipelines, rule, n_cells, places: vec![], values: vec![], counts }
    }

    /// A dispatch with what the kernels need for it; `None` where all its numbers are to come back.
    pub(super) fn dispatch(&self, dispatch: &Dispatch, ranks: [&[usize]; 2]) -> Option<TopDispatch> {
        let top = TopDispatch::new(dispatch, ranks, self.n_cells, self.rule.k, self.rule.edges)?;
        // All is read back in the same buffer where there are more of them than was thought.
        (top.n_words() <= dispatch.n_sums).then_some(top)
    }

    /// One pair of a dispatch whose numbers all came back.
    pub(super) fn add(&mut self, place: usize, values: &[f32]) {
        self.counts[self.rule.class_of(values[self.n_cells + PHI_R.place()])] += 1;
        self.places.push(place);
        self.values.extend_from_slice(values);
    }

    /// What the kernels left of a dispatch; `false` where they found more than they had room for.
    ///
    /// # Errors
    /// `Gpu` for what no correct run leaves.
    pub(super) fn take(
        &mut self,
        device: &Device,
        block: &Block<'_>,
        (plan, planned): (&Plan<'_>, &PlannedDispatch),
        (dispatch, top): (&Dispatch, &TopDispatch),
        (words, checks): (&[u32], &[u32]),
    ) -> Result<bool> {
        let found = top.read(words);
        if found.check != dispatch.added(checks) {
            return Err(device.wrong("sums that are not those which its tiles added up"));
        }
        let [a, b] = planned.runs.map(|run| &plan.runs[run]);
        let n_pairs = planned.which.n_pairs([a.len(), b.len()]);
        if found.counts.iter().map(|&n| u64::from(n)).sum::<u64>() != n_pairs as u64 {
            return Err(device.wrong("a histogram that does not count every pair once"));
        }
        if !found.is_whole {
            return Ok(false);
        }
        let mut of_line = vec![0usize; top.n_lines()];
        let n = plan.wanted.n_numbers();
        for (slot, &[at_a, at_b]) in found.pairs.iter().enumerate() {
            let bases = [at_a as usize, at_b as usize];
            let place = planned.which.place(block, bases, [a.len(), b.len()]);
            let Some(place) = place else { return Err(device.wrong("a pair that is not one")) };
            of_line[bases[0]] += 1;
            of_line[if top.params.is_upper == 1 { bases[1] } else { a.len() + bases[1] }] += 1;
            let ranks = (a[bases[0]].q(), b[bases[1]].q());
            let start = self.values.len();
            self.values.resize(start + n, f32::NAN);
            dispatch.read(found.sums, slot, ranks, plan.wanted, &mut self.values[start..]);
            self.places.push(place);
        }
        let is_full = |(line, &n): (usize, &usize)| {
            let all = match (top.params.is_upper == 1, line < a.len()) {
                (true, _) => a.len() - 1,
                (false, true) => b.len(),
                (false, false) => a.len(),
            };
            n >= self.rule.k.min(all)
        };
        if !of_line.iter().enumerate().all(is_full) {
            return Err(device.wrong("fewer of the most alike pairs than there are"));
        }
        self.counts.iter_mut().zip(found.counts).for_each(|(sum, &n)| *sum += u64::from(n));
        Ok(true)
    }

    /// All that was found, in the order of the block.
    pub(super) fn into_stats(self) -> TopStats {
        let n = BlockStats::n_numbers(self.n_cells);
        let mut order: Vec<usize> = (0..self.places.len()).collect();
        order.sort_unstable_by_key(|&at| self.places[at]);
        let values = order.iter().flat_map(|&at| &self.values[at * n..][..n]).copied().collect();
        let places = order.iter().map(|&at| self.places[at]).collect();
        TopStats { places, stats: BlockStats::new(self.n_cells, values), counts: self.counts }
    }
}

/// The buffers of the kernels for one dispatch under way.
#[derive(Debug)]
pub(super) struct TopBuffers {
    params: Buffer,
    lists: Buffer,
    keys: Buffer,
    thresholds: Buffer,
    top: Buffer,
    groups: [BindGroup; 3],
}

impl TopBuffers {
    fn new(
        device: &Device,
        TopPipelines(pipelines): &TopPipelines,
        sums: &Buffer,
        dispatch: &TopDispatch,
    ) -> Self {
        let write = BufferUsages::STORAGE | BufferUsages::COPY_DST;
        let uniform = BufferUsages::UNIFORM | BufferUsages::COPY_DST;
        let params = device.buffer("top params", size_of::<Params>() as u64, uniform);
        let lists = device.buffer("top lists", n_bytes(dispatch.lists.len()), write);
        let keys = device.buffer("top keys", n_bytes(dispatch.n_keys()), BufferUsages::STORAGE);
        let thresholds = device.buffer("top thresholds", n_bytes(dispatch.n_lines()), BufferUsages::STORAGE);
        let top = device.buffer("top", n_bytes(dispatch.n_words()), write | BufferUsages::COPY_SRC);
        let groups = pipelines
            .each_ref()
            .map(|pipeline| device.group(pipeline, &[sums, &lists, &params, &keys, &thresholds, &top]));
        Self { params, lists, keys, thresholds, top, groups }
    }

    fn serve(&self, dispatch: &TopDispatch) -> bool {
        self.lists.size() >= n_bytes(dispatch.lists.len())
            && self.keys.size() >= n_bytes(dispatch.n_keys())
            && self.thresholds.size() >= n_bytes(dispatch.n_lines())
            && self.top.size() >= n_bytes(dispatch.n_words())
    }

    /// The buffers for a dispatch, with what it needs written to them: new ones where those that there are do not serve.
    pub(super) fn prepare<'b>(
        buffers: &'b mut Option<Self>,
        device: &Device,
        run: &TopRun<'_>,
        (upload, encoder): (&mut Upload, &mut CommandEncoder),
        sums: &Buffer,
        dispatch: &TopDispatch,
    ) -> Result<&'b Self> {
        if !buffers.as_ref().is_some_and(|buffers| buffers.serve(dispatch)) {
            *buffers = Some(Self::new(device, run.pipelines, sums, dispatch));
            device.check()?;
        }
        let buffers = buffers.as_ref().expect("made where there were none");
        device.write(upload, encoder, (&buffers.params, 0), bytemuck::bytes_of(&dispatch.params))?;
        device.write(upload, encoder, (&buffers.lists, 0), bytemuck::cast_slice(&dispatch.lists))?;
        encoder.clear_buffer(&buffers.top, 0, Some(n_bytes(dispatch.params.pairs as usize)));
        Ok(buffers)
    }

    /// Runs the kernels, and has what they leave copied to `target` from `offset` on.
    pub(super) fn run(
        &self,
        device: &Device,
        run: &TopRun<'_>,
        encoder: &mut CommandEncoder,
        dispatch: &TopDispatch,
        (target, offset): (&Buffer, u64),
    ) {
        for ((pipeline, group), size) in run.pipelines.0.iter().zip(&self.groups).zip(dispatch.sizes()) {
            device.dispatch_group(encoder, pipeline, group, size, None);
        }
        encoder.copy_buffer_to_buffer(&self.top, 0, target, offset, n_bytes(dispatch.n_words()));
    }
}

#[cfg(test)]
mod tests;
