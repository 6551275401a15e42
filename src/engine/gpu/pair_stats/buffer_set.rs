//! Buffers that stay from block to block, and the dispatches under way in them.

use std::time::{Duration, Instant};

use rayon::prelude::*;
use wgpu::{BindGroup, Buffer, BufferUsages, CommandEncoder, SubmissionIndex, WriteOnly};

use super::super::buffers::n_bytes;
use super::super::checks::{self, SignedRows};
use super::super::device::{Device, Pipeline, Timer};
use super::pack::Packed;
use super::plan::{Plan, PlannedDispatch};
use super::top::{Output, TopBuffers};
use super::upload::Upload;
use crate::basis::Basis;
use crate::engine::{Block, StageTimes};
use crate::error::Result;
use crate::kernels::dispatch_line;
use crate::kernels::pair_stats::{
    BasisRun, Dispatch, Lengths, Params, RowParams, Variant, Wanted, n_products,
};
use crate::kernels::top_pairs::TopDispatch;

/// Dispatches under way: one computes while the next is uploaded and the one before is read.
const N_IN_FLIGHT: usize = 2;

/// What the buffers must hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs {
    /// Runs that lie in the stack at once.
    n_runs: usize,
    stack_words: usize,
    n_row_params: usize,
    tables: usize,
    /// With the checks of the tiles.
    sums: usize,
    /// 4 where all is done in one pass: nothing is bound without a few bytes.
    products: usize,
}

impl Needs {
    /// As many runs as there are, or as fit one buffer.
    pub(super) fn of(plan: &Plan<'_>, variant: &Variant) -> Self {
        let run_words = plan.stack_rows * plan.row_words;
        let n_runs = plan.runs.len().min(plan.max_stack_words / run_words);
        let (tables, sums, n_tiles) = plan.most_words(variant.tile);
        let products =
            if plan.may_take_passes() { n_tiles * n_products(variant.tile, plan.wanted) } else { 4 };
        let n_row_params = n_runs * plan.run_rows / 4;
        Self { n_runs, stack_words: n_runs * run_words, n_row_params, tables, sums, products }
    }

    fn fit(&self, other: &Self) -> bool {
        self.stack_words <= other.stack_words
            && self.n_row_params <= other.n_row_params
            && self.tables <= other.tables
            && self.sums <= other.sums
            && self.products <= other.products
    }
}

/// One set of buffers, for one call at a time.
#[derive(Debug)]
pub(super) struct BufferSet {
    variant: &'static str,
    capacity: Needs,
    stack: Buffer,
    row_params: Buffer,
    in_flight: [InFlight; N_IN_FLIGHT],
    /// Scratch: the params of a run.
    params_of_run: Vec<RowParams>,
    /// Of each run of the plan, once it was uploaded.
    signed: Vec<Option<SignedRows>>,
}

/// The buffers of one dispatch.
#[derive(Debug)]
struct InFlight {
    upload: Upload,
    params: Buffer,
    tables: Buffer,
    sums: Buffer,
    read_back: Buffer,
    timer: Option<Timer>,
    group: BindGroup,
    /// Made when first needed.
    top: Option<TopBuffers>,
}

/// A dispatch that was submitted.
struct Pending<'p> {
    planned: &'p PlannedDispatch,
    dispatch: Dispatch,
    /// Where only its most alike pairs come back.
    top: Option<TopDispatch>,
    submission: SubmissionIndex,
}

/// Which run lies where in the stack.
struct RunCache {
    /// The run, and when it was last used.
    entries: Vec<Option<(usize, usize)>>,
}

impl RunCache {
    /// The place of a run, and whether it has to be uploaded first; never that of `other`, its partner.
    fn place(&mut self, run: usize, other: usize, now: usize) -> (usize, bool) {
        let is = |entry: &Option<(usize, usize)>, run| entry.is_some_and(|(there, _)| there == run);
        let at = match self.entries.iter().position(|entry| is(entry, run)) {
            Some(at) => (at, false),
            None => {
                let free = (0..self.entries.len()).filter(|&at| !is(&self.entries[at], other));
                let oldest = free.min_by_key(|&at| self.entries[at].map_or(0, |(_, used)| used + 1));
                (oldest.unwrap_or(0), true)
            }
        };
        self.entries[at.0] = Some((run, now));
        at
    }
}

impl BufferSet {
    /// Whether these buffers are for this kernel.
    pub(super) fn is_for(&self, variant: &Variant) -> bool {
        self.variant == variant.kernel.name
    }

    /// Whether a block can run in these buffers.
    pub(super) fn serves(&self, variant: &Variant, needs: &Needs) -> bool {
        self.is_for(variant) && needs.fit(&self.capacity)
    }

    pub(super) fn new(device: &Device, pipeline: &Pipeline, variant: &Variant, needs: Needs) -> Result<Self> {
        let read = BufferUsages::STORAGE | BufferUsages::COPY_DST;
        let stack = device.buffer("bases", n_bytes(needs.stack_words), read);
        let row_params =
            device.buffer("row params", (needs.n_row_params * size_of::<RowParams>()) as u64, read);
        let in_flight = [(); N_IN_FLIGHT].map(|()| {
            let params = device.buffer(
                "params",
                size_of::<Params>() as u64,
                BufferUsages::UNIFORM | BufferUsages::COPY_DST,
            );
            let tables = device.buffer("tables", n_bytes(needs.tables), read);
            let sums = device.buffer("sums", n_bytes(needs.sums), read | BufferUsages::COPY_SRC);
            let read_back = device.buffer(
                "sums, read back",
                n_bytes(needs.sums) + Timer::SIZE_BYTES,
                BufferUsages::MAP_READ | BufferUsages::COPY_DST,
            );
            // Only kernels see them.
            let products = device.buffer("products", n_bytes(needs.products), BufferUsages::STORAGE);
            let group = device.group(pipeline, &[&stack, &row_params, &tables, &params, &sums, &products]);
            let timer = device.timer();
            InFlight { upload: Upload::default(), params, tables, sums, read_back, timer, group, top: None }
        });
        device.check()?;
        let variant = variant.kernel.name;
        Ok(Self {
            variant,
            capacity: needs,
            stack,
            row_params,
            in_flight,
            params_of_run: vec![],
            signed: vec![],
        })
    }

    /// Runs a plan and puts the numbers of its pairs into `output`.
    pub(super) fn run(
        &mut self,
        device: &Device,
        pipeline: &Pipeline,
        variant: &Variant,
        (block, plan, needs): (&Block<'_>, &Plan<'_>, Needs),
        output: &mut Output<'_>,
    ) -> Result<StageTimes> {
        let mut times = StageTimes::default();
        let mut cache = RunCache { entries: vec![None; needs.n_runs] };
        let mut pending: [Option<Pending<'_>>; N_IN_FLIGHT] = [const { None }; N_IN_FLIGHT];
        self.signed.clear();
        self.signed.resize_with(plan.runs.len(), || None);
        for (now, planned) in plan.dispatches.iter().enumerate() {
            let at = now % N_IN_FLIGHT;
            if let Some(done) = pending[at].take() {
                self.in_flight[at].finish(device, (block, plan), (done, &self.signed), output, &mut times)?;
            }
            let started = Instant::now();
            let mut encoder = device.encoder();
            let [a, b] = planned.runs;
            let mut places = [0; 2];
            for (k, (run, other)) in [(a, b), (b, a)].into_iter().enumerate() {
                let (place, is_new) = cache.place(run, other, now);
                places[k] = place;
                if is_new {
                    self.upload_run(device, &mut encoder, at, (place, run), plan, variant)?;
                }
            }
            let lengths = Lengths {
                rows: needs.n_runs * plan.stack_rows,
                params_rows: needs.n_runs * plan.run_rows,
                tables: self.capacity.tables,
                sums: self.capacity.sums,
            };
            let (dispatch, top) = self.in_flight[at].encode(
                device,
                &mut encoder,
                (pipeline, variant),
                (plan, planned),
                (places, lengths),
                output,
            )?;
            let submission = device.queue().submit([encoder.finish()]);
            pending[at] = Some(Pending { planned, dispatch, top, submission });
            times.upload += started.elapsed();
        }
        // In the order in which they were submitted.
        let next = plan.dispatches.len();
        for at in (next..next + N_IN_FLIGHT).map(|k| k % N_IN_FLIGHT) {
            if let Some(done) = pending[at].take() {
                self.in_flight[at].finish(device, (block, plan), (done, &self.signed), output, &mut times)?;
            }
        }
        Ok(times)
    }

    /// Puts a run's rows and their params into a place of the stack.
    fn upload_run(
        &mut self,
        device: &Device,
        encoder: &mut CommandEncoder,
        at: usize,
        (place, run): (usize, usize),
        plan: &Plan<'_>,
        variant: &Variant,
    ) -> Result<()> {
        let bases: &[&Basis] = &plan.runs[run];
        let upload = &mut self.in_flight[at].upload;
        let row_bytes = 4 * plan.row_words;
        self.params_of_run.clear();
        self.params_of_run.resize(plan.run_rows / 4, RowParams::default());
        let mut n_rows = 0;
        let packed: Result<Vec<Packed<'_>>> =
            bases.par_iter().map(|basis| Packed::new(basis, variant.precision, plan.wanted)).collect();
        let packed = packed?;
        self.signed[run].get_or_insert_with(|| {
            let rows: Vec<_> = packed.iter().flat_map(Packed::numbers).collect();
            SignedRows::of(bases[0].d(), variant.tile, &rows)
        });
        for (packed, basis) in packed.iter().zip(bases) {
            packed.write_params(&mut self.params_of_run, n_rows);
            let step = (Upload::MOST / row_bytes).max(1);
            for first in (0..basis.q()).step_by(step) {
                let part = first..(first + step).min(basis.q());
                let offset = ((place * plan.stack_rows + n_rows + first) * row_bytes) as u64;
                let size = part.len() * row_bytes;
                let fill = |mut memory: WriteOnly<'_, [u8]>| {
                    let mut end = 0;
                    packed.rows(part, |begin, bytes| {
                        memory.slice(end..begin).fill(0);
                        end = begin + bytes.len();
                        memory.slice(begin..end).copy_from_slice(&device.rows_to_send(bytes));
                    });
                    memory.slice(end..size).fill(0);
                };
                upload.write(device, encoder, (&self.stack, offset), size as u64, fill)?;
            }
            n_rows += basis.q();
        }
        let offset = (place * plan.run_rows / 4 * size_of::<RowParams>()) as u64;
        device.write(upload, encoder, (&self.row_params, offset), bytemuck::cast_slice(&self.params_of_run))
    }
}

impl InFlight {
    /// The commands of one dispatch, from its parameters to the copy for the host.
    fn encode(
        &mut self,
        device: &Device,
        encoder: &mut CommandEncoder,
        (pipeline, variant): (&Pipeline, &Variant),
        (plan, planned): (&Plan<'_>, &PlannedDispatch),
        (places, lengths): ([usize; 2], Lengths),
        output: &Output<'_>,
    ) -> Result<(Dispatch, Option<TopDispatch>)> {
        let ranks: [Vec<usize>; 2] =
            planned.runs.map(|run| plan.runs[run].iter().map(|basis| basis.q()).collect());
        let runs = [0, 1].map(|k| BasisRun {
            ranks: &ranks[k],
            row: places[k] * plan.stack_rows,
            params_row: places[k] * plan.run_rows,
        });
        let d = plan.runs[planned.runs[0]][0].d();
        let dispatch = Dispatch::new(variant.tile, d, runs, planned.which.index(), plan.wanted, lengths)?;
        device.write(&mut self.upload, encoder, (&self.tables, 0), bytemuck::cast_slice(&dispatch.tables))?;
        let size = n_bytes(dispatch.n_words());
        encoder.clear_buffer(&self.sums, 0, Some(size));
        let workgroups = dispatch_line(dispatch.params.n_tiles);
        let passes = dispatch.passes();
        for (at, params) in passes.iter().enumerate() {
            device.write(&mut self.upload, encoder, (&self.params, 0), bytemuck::bytes_of(params))?;
            let timed = self.timer.as_ref().map(|timer| timer.of(at == 0, at + 1 == passes.len()));
            device.dispatch_group(encoder, pipeline, &self.group, workgroups, timed);
        }
        let mut top = None;
        if let Output::Top(run) = output
            && let Some(of_top) = run.dispatch(&dispatch, [&ranks[0], &ranks[1]])
        {
            let upload = (&mut self.upload, &mut *encoder);
            let buffers = TopBuffers::prepare(&mut self.top, device, run, upload, &self.sums, &of_top)?;
            buffers.run(device, run, encoder, &of_top, (&self.read_back, Timer::SIZE_BYTES));
            let (from, to) = (n_bytes(dispatch.n_sums), Timer::SIZE_BYTES + n_bytes(of_top.n_words()));
            encoder.copy_buffer_to_buffer(&self.sums, from, &self.read_back, to, size - from);
            top = Some(of_top);
        } else {
            encoder.copy_buffer_to_buffer(&self.sums, 0, &self.read_back, Timer::SIZE_BYTES, size);
        }
        self.upload.close();
        if let Some(timer) = &self.timer {
            timer.resolve(encoder, &self.read_back);
        }
        Ok((dispatch, top))
    }

    /// Waits for a dispatch and puts its numbers where they belong.
    fn finish(
        &mut self,
        device: &Device,
        (block, plan): (&Block<'_>, &Plan<'_>),
        (done, signed): (Pending<'_>, &[Option<SignedRows>]),
        output: &mut Output<'_>,
        times: &mut StageTimes,
    ) -> Result<()> {
        let Pending { planned, dispatch, top, mut submission } = done;
        self.upload.reopen();
        let rows =
            planned.runs.map(|run| signed[run].as_ref().expect("each run is uploaded before it is used"));
        let mut kernel = None;
        if let (Some(top), Output::Top(run)) = (&top, &mut *output) {
            let n_words = top.n_words() + dispatch.n_words() - dispatch.n_sums;
            let is_done = self.read(device, (n_words, submission), times, |words, duration| {
                let (found, checks) = words.split_at(top.n_words());
                check(device, &dispatch, checks, rows, plan.wanted)?;
                kernel = duration;
                run.take(device, block, (plan, planned), (&dispatch, top), (found, checks))
            })?;
            if is_done {
                times.add_kernel(kernel);
                return Ok(());
            }
            // Too many are equally alike: all come back.
            let mut encoder = device.encoder();
            let size = n_bytes(dispatch.n_words());
            encoder.copy_buffer_to_buffer(&self.sums, 0, &self.read_back, Timer::SIZE_BYTES, size);
            submission = device.queue().submit([encoder.finish()]);
        }
        self.read(device, (dispatch.n_words(), submission), times, |sums, duration| {
            if !dispatch.is_whole(sums) {
                return Err(device.wrong("sums that are not those which its tiles added up"));
            }
            check(device, &dispatch, &sums[dispatch.n_sums..], rows, plan.wanted)?;
            kernel = kernel.or(duration);
            let [a, b] = planned.runs.map(|run| &plan.runs[run]);
            let n = plan.wanted.n_numbers();
            let mut one = vec![f32::NAN; n];
            planned.which.for_each(block, [a.len(), b.len()], |index, bases, pair| {
                let ranks = (a[bases[0]].q(), b[bases[1]].q());
                match output {
                    Output::All(values) => {
                        dispatch.read(sums, pair, ranks, plan.wanted, &mut values[index * n..][..n]);
                    }
                    Output::Top(run) => {
                        dispatch.read(sums, pair, ranks, plan.wanted, &mut one);
                        run.add(index, &one);
                    }
                }
            });
            Ok(true)
        })?;
        times.add_kernel(kernel);
        Ok(())
    }

    /// Waits for so many words and hands them to `take`, with the time of the kernel.
    fn read(
        &self,
        device: &Device,
        (n_words, submission): (usize, SubmissionIndex),
        times: &mut StageTimes,
        take: impl FnOnce(&[u32], Option<Duration>) -> Result<bool>,
    ) -> Result<bool> {
        let size = Timer::SIZE_BYTES + n_bytes(n_words);
        let view = device.mapped(&self.read_back, size, submission)?;
        let started = Instant::now();
        let (ticks, words) = view.split_at(Timer::SIZE_BYTES as usize);
        let duration = self.timer.as_ref().map(|timer| timer.duration(bytemuck::cast_slice(ticks)));
        let taken = take(&device.received(bytemuck::cast_slice(words)), duration)?;
        times.read_back += started.elapsed();
        times.read_back_bytes += size;
        drop(view);
        self.read_back.unmap();
        Ok(taken)
    }
}

/// Sees to it that the products of the tiles are those that their rows have, by the checks that they left.
fn check(
    device: &Device,
    dispatch: &Dispatch,
    checks: &[u32],
    rows: [&SignedRows; 2],
    wanted: Wanted<'_>,
) -> Result<()> {
    let d = rows[0].d();
    let parts = match wanted {
        Wanted::Statistics(_) => [0..d, 0..0],
        Wanted::Cosine { split } => [0..split, split..d],
    };
    let is_right = |(tile, found): ([usize; 2], [f32; 2])| {
        let mut parts = found.into_iter().zip(&parts).filter(|(_, part)| !part.is_empty());
        parts.all(|(found, part)| checks::is_right(found, rows, tile, part.clone()))
    };
    match dispatch.signed_sums(checks).all(is_right) {
        true => Ok(()),
        false => Err(device.wrong("products that are not those of its rows")),
    }
}
