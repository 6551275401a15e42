//! Buffers that stay from block to block, and the dispatches under way in them.

use std::time::Instant;

use wgpu::{BindGroup, Buffer, BufferUsages, CommandEncoder, SubmissionIndex, WriteOnly};

use super::super::buffers::n_bytes;
use super::super::device::{Device, Pipeline, Timer};
use super::pack::Packed;
use super::plan::{Plan, PlannedDispatch};
use super::upload::Upload;
use crate::basis::Basis;
use crate::engine::{Block, StageTimes};
use crate::error::Result;
use crate::kernels::dispatch_line;
use crate::kernels::pair_stats::{BasisRun, Dispatch, Layout, Lengths, Params, RowParams, Variant};

/// Dispatches under way: one computes while the next is uploaded and the one before is read.
const N_IN_FLIGHT: usize = 2;

/// What the buffers must hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs {
    /// Strips that lie in the stack at once.
    n_strips: usize,
    stack_words: usize,
    n_facts: usize,
    places: usize,
    sums: usize,
}

impl Needs {
    /// As many strips as there are, or as fit one buffer.
    pub(super) fn of(plan: &Plan<'_>, n_cells: usize, max_words: usize) -> Self {
        let strip_words = plan.strip_rows * plan.row_words;
        let n_strips = plan.strips.len().min(max_words / strip_words);
        let (places, sums) = plan.most_words(n_cells);
        let n_facts = n_strips * plan.strip_rows / 4;
        Self { n_strips, stack_words: n_strips * strip_words, n_facts, places, sums }
    }

    fn fit(&self, other: &Self) -> bool {
        self.stack_words <= other.stack_words
            && self.n_facts <= other.n_facts
            && self.places <= other.places
            && self.sums <= other.sums
    }
}

/// One set of buffers, for one call at a time.
#[derive(Debug)]
pub(super) struct BufferSet {
    variant: &'static str,
    capacity: Needs,
    stack: Buffer,
    facts: Buffer,
    flights: [InFlight; N_IN_FLIGHT],
    /// Scratch: the facts of a strip.
    facts_of_strip: Vec<RowParams>,
}

/// The buffers of one dispatch.
#[derive(Debug)]
struct InFlight {
    upload: Upload,
    params: Buffer,
    places: Buffer,
    sums: Buffer,
    read_back: Buffer,
    timer: Option<Timer>,
    group: BindGroup,
}

/// A dispatch that was submitted.
struct Pending<'p> {
    dispatch: &'p PlannedDispatch,
    chunk: Dispatch,
    submission: SubmissionIndex,
}

/// Which strip lies where in the stack.
struct StripCache {
    /// The strip, and when it was last used.
    slots: Vec<Option<(usize, usize)>>,
}

impl StripCache {
    /// The place of a strip, and whether it has to be uploaded first; never that of `other`, its partner.
    fn place(&mut self, strip: usize, other: usize, now: usize) -> (usize, bool) {
        let is = |slot: &Option<(usize, usize)>, strip| slot.is_some_and(|(there, _)| there == strip);
        let at = match self.slots.iter().position(|slot| is(slot, strip)) {
            Some(at) => (at, false),
            None => {
                let free = (0..self.slots.len()).filter(|&at| !is(&self.slots[at], other));
                let oldest = free.min_by_key(|&at| self.slots[at].map_or(0, |(_, used)| used + 1));
                (oldest.unwrap_or(0), true)
            }
        };
        self.slots[at.0] = Some((strip, now));
        at
    }
}

impl BufferSet {
    /// Whether a block can run in these buffers.
    pub(super) fn serves(&self, variant: &Variant, needs: &Needs) -> bool {
        self.variant == variant.kernel.name && needs.fit(&self.capacity)
    }

    pub(super) fn new(device: &Device, pipeline: &Pipeline, variant: &Variant, needs: Needs) -> Result<Self> {
        let read = BufferUsages::STORAGE | BufferUsages::COPY_DST;
        let stack = device.buffer("bases", n_bytes(needs.stack_words), read);
        let facts = device.buffer("facts", (needs.n_facts * size_of::<RowParams>()) as u64, read);
        let flights = [(); N_IN_FLIGHT].map(|()| {
            let params = device.buffer(
                "params",
                size_of::<Params>() as u64,
                BufferUsages::UNIFORM | BufferUsages::COPY_DST,
            );
            let places = device.buffer("places", n_bytes(needs.places), read);
            let sums = device.buffer("sums", n_bytes(needs.sums), read | BufferUsages::COPY_SRC);
            let read_back = device.buffer(
                "sums, read back",
                n_bytes(needs.sums) + Timer::SIZE_BYTES,
                BufferUsages::MAP_READ | BufferUsages::COPY_DST,
            );
            let group = device.group(pipeline, &[&stack, &facts, &places, &params, &sums]);
            let timer = device.timer();
            InFlight { upload: Upload::default(), params, places, sums, read_back, timer, group }
        });
        device.check()?;
        let variant = variant.kernel.name;
        Ok(Self { variant, capacity: needs, stack, facts, flights, facts_of_strip: vec![] })
    }

    /// Runs a plan and puts what is kept of every pair into `values`.
    pub(super) fn run(
        &mut self,
        device: &Device,
        pipeline: &Pipeline,
        variant: &Variant,
        (block, plan, needs): (&Block<'_>, &Plan<'_>, Needs),
        values: &mut [f32],
    ) -> Result<StageTimes> {
        let mut times = StageTimes::default();
        let mut residents = StripCache { slots: vec![None; needs.n_strips] };
        let mut pending: [Option<Pending<'_>>; N_IN_FLIGHT] = [const { None }; N_IN_FLIGHT];
        for (now, dispatch) in plan.dispatches.iter().enumerate() {
            let at = now % N_IN_FLIGHT;
            if let Some(done) = pending[at].take() {
                self.flights[at].finish(device, (block, plan), done, values, &mut times)?;
            }
            let started = Instant::now();
            let mut encoder = device.encoder();
            let [a, b] = dispatch.strips;
            let mut rows = [0; 2];
            for (k, (strip, other)) in [(a, b), (b, a)].into_iter().enumerate() {
                let (place, is_new) = residents.place(strip, other, now);
                rows[k] = place * plan.strip_rows;
                if is_new {
                    let bases = &plan.strips[strip];
                    self.upload_strip(device, &mut encoder, at, (rows[k], bases), plan, variant.layout)?;
                }
            }
            let lengths = Lengths {
                rows: needs.n_strips * plan.strip_rows,
                places: self.capacity.places,
                sums: self.capacity.sums,
            };
            let chunk = self.flights[at].encode(
                device,
                &mut encoder,
                (pipeline, variant),
                (block, plan, dispatch),
                (rows, lengths),
            )?;
            let submission = device.queue().submit([encoder.finish()]);
            pending[at] = Some(Pending { dispatch, chunk, submission });
            times.upload += started.elapsed();
        }
        // In the order in which they were submitted.
        let next = plan.dispatches.len();
        for at in (next..next + N_IN_FLIGHT).map(|k| k % N_IN_FLIGHT) {
            if let Some(done) = pending[at].take() {
                self.flights[at].finish(device, (block, plan), done, values, &mut times)?;
            }
        }
        Ok(times)
    }

    /// Puts a strip's rows and facts into the stack from row `row` on.
    fn upload_strip(
        &mut self,
        device: &Device,
        encoder: &mut CommandEncoder,
        at: usize,
        (row, bases): (usize, &[&Basis]),
        plan: &Plan<'_>,
        layout: Layout,
    ) -> Result<()> {
        let upload = &mut self.flights[at].upload;
        let row_bytes = 4 * plan.row_words;
        self.facts_of_strip.clear();
        self.facts_of_strip.resize(plan.strip_rows / 4, RowParams::default());
        let mut n_rows = 0;
        for &basis in bases {
            let packed = Packed::new(basis, layout)?;
            packed.write_facts(&mut self.facts_of_strip, n_rows);
            let step = (Upload::MOST / row_bytes).max(1);
            for first in (0..basis.q()).step_by(step) {
                let part = first..(first + step).min(basis.q());
                let offset = ((row + n_rows + first) * row_bytes) as u64;
                let size = part.len() * row_bytes;
                let fill = |mut memory: WriteOnly<'_, [u8]>| {
                    let mut end = 0;
                    packed.rows(part, |begin, bytes| {
                        memory.slice(end..begin).fill(0);
                        end = begin + bytes.len();
                        memory.slice(begin..end).copy_from_slice(bytes);
                    });
                    memory.slice(end..size).fill(0);
                };
                upload.write(device, encoder, (&self.stack, offset), size as u64, fill)?;
            }
            n_rows += basis.q();
        }
        let offset = (row / 4 * size_of::<RowParams>()) as u64;
        device.write(upload, encoder, (&self.facts, offset), bytemuck::cast_slice(&self.facts_of_strip))
    }
}

impl InFlight {
    /// The commands of one dispatch, from its parameters to the copy for the host.
    fn encode(
        &mut self,
        device: &Device,
        encoder: &mut CommandEncoder,
        (pipeline, variant): (&Pipeline, &Variant),
        (block, plan, dispatch): (&Block<'_>, &Plan<'_>, &PlannedDispatch),
        (rows, lengths): ([usize; 2], Lengths),
    ) -> Result<Dispatch> {
        let ranks: [Vec<usize>; 2] =
            dispatch.strips.map(|strip| plan.strips[strip].iter().map(|basis| basis.q()).collect());
        let strips = [0, 1].map(|k| BasisRun { ranks: &ranks[k], row: rows[k] });
        let d = plan.strips[dispatch.strips[0]][0].d();
        let chunk = Dispatch::new(variant.tile, d, strips, dispatch.which.slots(), block.cells, lengths)?;
        let params = bytemuck::bytes_of(&chunk.params);
        device.write(&mut self.upload, encoder, (&self.params, 0), params)?;
        device.write(&mut self.upload, encoder, (&self.places, 0), bytemuck::cast_slice(&chunk.places))?;
        self.upload.close();
        // A strip of one basis with itself has no pair, and copies of nothing are refused.
        let size = n_bytes(chunk.n_sums.max(1));
        encoder.clear_buffer(&self.sums, 0, Some(size));
        let workgroups = dispatch_line(chunk.params.n_tiles);
        device.dispatch_group(encoder, pipeline, &self.group, workgroups, self.timer.as_ref());
        encoder.copy_buffer_to_buffer(&self.sums, 0, &self.read_back, Timer::SIZE_BYTES, size);
        if let Some(timer) = &self.timer {
            timer.resolve(encoder, &self.read_back);
        }
        Ok(chunk)
    }

    /// Waits for a dispatch and puts its numbers where they belong.
    fn finish(
        &mut self,
        device: &Device,
        (block, plan): (&Block<'_>, &Plan<'_>),
        done: Pending<'_>,
        values: &mut [f32],
        times: &mut StageTimes,
    ) -> Result<()> {
        let Pending { dispatch, chunk, submission } = done;
        let size = Timer::SIZE_BYTES + n_bytes(chunk.n_sums.max(1));
        self.upload.reopen();
        let view = device.mapped(&self.read_back, size, submission)?;
        let started = Instant::now();
        let (ticks, sums) = view.split_at(Timer::SIZE_BYTES as usize);
        let sums: &[u32] = bytemuck::cast_slice(sums);
        let [a, b] = dispatch.strips.map(|strip| &plan.strips[strip]);
        dispatch.which.for_each(block, [a.len(), b.len()], |index, places, slot| {
            let ranks = (a[places[0]].q(), b[places[1]].q());
            let values = &mut values[index * plan.n_values..][..plan.n_values];
            chunk.read(sums, slot, ranks, block.cells, values);
        });
        if let Some(timer) = &self.timer {
            *times.kernel.get_or_insert_default() += timer.duration(bytemuck::cast_slice(ticks));
        }
        times.read_back += started.elapsed();
        drop(view);
        self.read_back.unmap();
        Ok(())
    }
}
