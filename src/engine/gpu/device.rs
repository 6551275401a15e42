//! One opened GPU: its queue, its pipelines, and what went wrong on it.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use wgpu::{
    Adapter, AdapterInfo, BindGroup, BindGroupDescriptor, BindGroupEntry, BindGroupLayout,
    BindGroupLayoutDescriptor, BindGroupLayoutEntry, BindingType, Buffer, BufferBindingType, BufferUsages,
    CommandEncoder, ComputePassDescriptor, ComputePassTimestampWrites, ComputePipeline,
    ComputePipelineDescriptor, DeviceDescriptor, Features, PipelineCompilationOptions,
    PipelineLayoutDescriptor, PollType, QuerySet, QuerySetDescriptor, QueryType, Queue,
    ShaderModuleDescriptor, ShaderRuntimeChecks, ShaderSource, ShaderStages,
};

use super::limits::Limits;
use crate::engine::{EngineInfo, EngineKind, Precision};
use crate::error::{Error, Fault, Remedy, Result};
use crate::kernels::pair_stats;
use crate::kernels::{Binding, Kernel};
use crate::sync::lock;

/// One opened GPU.
#[derive(Debug)]
pub(super) struct Device {
    device: wgpu::Device,
    queue: Queue,
    info: EngineInfo,
    limits: Limits,
    /// The first error that the driver reported; wgpu reports most of them to a callback.
    reported: Arc<Mutex<Option<String>>>,
    /// Why the device is lost, once it is.
    lost: Arc<OnceLock<String>>,
    /// How often it gave a wrong result.
    n_wrong: AtomicUsize,
    /// What the driver is to report at the next encoders.
    #[cfg(test)]
    pub(super) injected: Mutex<Vec<&'static str>>,
    /// What is to happen to all rows and results on their way.
    #[cfg(test)]
    pub(super) corruption: Mutex<Option<Corruption>>,
}

/// What a driver that lies makes of numbers.
#[cfg(test)]
#[derive(Debug, Clone, Copy)]
pub(super) enum Corruption {
    /// Of the numbers of bases: what a loop that ends early does not see may as well be zeros.
    Rows(fn(&mut [u8])),
    /// Of the words of results.
    Results(fn(&mut [u32])),
}

/// A compiled kernel.
#[derive(Debug)]
pub(super) struct Pipeline {
    name: &'static str,
    layout: BindGroupLayout,
    pipeline: ComputePipeline,
}

/// The time that one run of a kernel takes on the GPU.
#[derive(Debug)]
pub(super) struct Timer {
    queries: QuerySet,
    ticks: Buffer,
    period_ns: f32,
}

impl Timer {
    /// Two ticks of 8 bytes.
    pub(super) const SIZE_BYTES: u64 = 16;

    /// What times a pass that is the first or the last, or both.
    pub(super) fn of(&self, is_first: bool, is_last: bool) -> Timed<'_> {
        Timed { timer: self, is_first, is_last }
    }

    /// Has both ticks copied to the start of `target`.
    pub(super) fn resolve(&self, encoder: &mut CommandEncoder, target: &Buffer) {
        encoder.resolve_query_set(&self.queries, 0..2, &self.ticks, 0);
        encoder.copy_buffer_to_buffer(&self.ticks, 0, target, 0, Self::SIZE_BYTES);
    }

    pub(super) fn duration(&self, ticks: &[u64]) -> Duration {
        let n = ticks[1].saturating_sub(ticks[0]);
        Duration::from_secs_f64(n as f64 * f64::from(self.period_ns) * 1e-9)
    }
}

/// A pass of several that are timed together.
pub(super) struct Timed<'a> {
    timer: &'a Timer,
    is_first: bool,
    is_last: bool,
}

/// Work in one dispatch that even a slow GPU ends well inside a watchdog's two seconds.
const MAX_FLOP: f64 = 4e10;

/// WebGPU's default limits, and bindings as large as its default buffers where the GPU has them: two bases of 128 MiB.
fn required_limits(of_gpu: &wgpu::Limits) -> wgpu::Limits {
    let default = wgpu::Limits::default();
    let largest = of_gpu.max_storage_buffer_binding_size.min(default.max_buffer_size);
    wgpu::Limits {
        max_storage_buffer_binding_size: largest.max(default.max_storage_buffer_binding_size),
        ..default
    }
}

impl Device {
    pub(super) fn open(adapter: &Adapter, found: &AdapterInfo, precision: Precision) -> Result<Self> {
        let info = EngineInfo {
            kind: EngineKind::Gpu,
            device: found.name.clone(),
            driver: format!("{}, {} {}", found.backend, found.driver, found.driver_info)
                .trim_end()
                .to_owned(),
            precision,
            variant: pair_stats::family(precision),
        };
        let opened = pollster::block_on(adapter.request_device(&DeviceDescriptor {
            label: Some("lorascope"),
            required_features: adapter.features() & Features::TIMESTAMP_QUERY,
            required_limits: required_limits(&adapter.limits()),
            ..DeviceDescriptor::default()
        }));
        let (device, queue) = opened.map_err(|error| fault_on(&info, error.to_string()))?;

        let reported = Arc::new(Mutex::new(None));
        let on_error = Arc::clone(&reported);
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            lock(&on_error).get_or_insert(error.to_string());
        }));
        let lost = Arc::new(OnceLock::new());
        let on_lost = Arc::clone(&lost);
        device.set_device_lost_callback(move |reason, message| {
            // The first word is the one that counts.
            let _ = on_lost.set(format!("device lost ({reason:?}): {message}"));
        });
        let limits = device.limits();
        let words = |limits: &wgpu::Limits| {
            (limits.max_storage_buffer_binding_size.min(limits.max_buffer_size) / 4) as usize
        };
        let max_stack_words = words(&limits);
        let max_words = max_stack_words.min(words(&wgpu::Limits::default()));
        let limits = Limits { max_words, max_stack_words, max_flop: MAX_FLOP };
        Ok(Self {
            device,
            queue,
            info,
            limits,
            reported,
            lost,
            n_wrong: AtomicUsize::new(0),
            #[cfg(test)]
            injected: Mutex::default(),
            #[cfg(test)]
            corruption: Mutex::default(),
        })
    }

    pub(super) fn device(&self) -> &wgpu::Device {
        &self.device
    }

    pub(super) fn queue(&self) -> &Queue {
        &self.queue
    }

    pub(super) fn info(&self) -> &EngineInfo {
        &self.info
    }

    pub(super) fn name_kernel(&mut self, kernel: &'static str) {
        self.info.variant = kernel;
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// Compiles a kernel. What goes wrong shows at the next [`Device::check`].
    #[allow(unsafe_code, reason = "the run-time checks cost a fifth of the product's arithmetic")]
    pub(super) fn pipeline(&self, kernel: &Kernel) -> Pipeline {
        let descriptor = ShaderModuleDescriptor {
            label: Some(kernel.name),
            source: ShaderSource::Wgsl(kernel.source.wgsl.into()),
        };
        // SAFETY: the kernels are our own constants. Every index is bounded by the sizes in Tile and Params, whose only
        // constructors check them against the buffers (`refuses_a_pair_that_ends_past_a_buffer` in
        // kernels/similarity/mod.rs, `refuses_a_band_outside_its_panel_and_cells_without_values` in kernels/colormap.rs,
        // `refuses_what_ends_past_a_buffer` in kernels/pair_stats/dispatch/tests.rs), or in the sizes of the buffers that
        // gpu/rates.rs makes for whole workgroups, and every loop ends at such a size.
        let module =
            unsafe { self.device.create_shader_module_trusted(descriptor, ShaderRuntimeChecks::unchecked()) };
        let entries: Vec<BindGroupLayoutEntry> = (0..)
            .zip(kernel.bindings)
            .map(|(binding, kind)| BindGroupLayoutEntry {
                binding,
                visibility: ShaderStages::COMPUTE,
                ty: BindingType::Buffer {
                    ty: match kind {
                        Binding::Read => BufferBindingType::Storage { read_only: true },
                        Binding::ReadWrite => BufferBindingType::Storage { read_only: false },
                        Binding::Uniform => BufferBindingType::Uniform,
                    },
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            })
            .collect();
        let layout = self.device.create_bind_group_layout(&BindGroupLayoutDescriptor {
            label: Some(kernel.name),
            entries: &entries,
        });
        let pipeline_layout = self.device.create_pipeline_layout(&PipelineLayoutDescriptor {
            label: Some(kernel.name),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = self.device.create_compute_pipeline(&ComputePipelineDescriptor {
            label: Some(kernel.name),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(kernel.name),
            compilation_options: PipelineCompilationOptions {
                constants: kernel.overrides,
                // Every word of workgroup memory is written before it is read.
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        Pipeline { name: kernel.name, layout, pipeline }
    }

    pub(super) fn encoder(&self) -> CommandEncoder {
        #[cfg(test)]
        if let Some(failure) = self.injected.lock().unwrap().pop() {
            *self.reported.lock().unwrap() = Some(failure.to_owned());
        }
        self.device.create_command_encoder(&Default::default())
    }

    /// Adds one run of a kernel, its buffers in the order of its bindings.
    pub(super) fn dispatch(
        &self,
        encoder: &mut CommandEncoder,
        kernel: &Pipeline,
        buffers: &[&Buffer],
        workgroups: (u32, u32),
    ) {
        let group = self.group(kernel, buffers);
        self.dispatch_group(encoder, kernel, &group, workgroups, None);
    }

    /// Buffers in the order of a kernel's bindings.
    pub(super) fn group(&self, kernel: &Pipeline, buffers: &[&Buffer]) -> BindGroup {
        let entries: Vec<BindGroupEntry<'_>> = (0..)
            .zip(buffers)
            .map(|(binding, buffer)| BindGroupEntry { binding, resource: buffer.as_entire_binding() })
            .collect();
        self.device.create_bind_group(&BindGroupDescriptor {
            label: Some(kernel.name),
            layout: &kernel.layout,
            entries: &entries,
        })
    }

    /// Adds one run of a kernel, timed where there is a timer.
    pub(super) fn dispatch_group(
        &self,
        encoder: &mut CommandEncoder,
        kernel: &Pipeline,
        group: &BindGroup,
        (x, y): (u32, u32),
        timed: Option<Timed<'_>>,
    ) {
        // A pass that writes neither tick is refused.
        let timed = timed.filter(|timed| timed.is_first || timed.is_last);
        let timestamp_writes = timed.map(|timed| ComputePassTimestampWrites {
            query_set: &timed.timer.queries,
            beginning_of_pass_write_index: timed.is_first.then_some(0),
            end_of_pass_write_index: timed.is_last.then_some(1),
        });
        let mut pass =
            encoder.begin_compute_pass(&ComputePassDescriptor { label: Some(kernel.name), timestamp_writes });
        pass.set_pipeline(&kernel.pipeline);
        pass.set_bind_group(0, group, &[]);
        pass.dispatch_workgroups(x, y, 1);
    }

    /// What times a dispatch, where the GPU can.
    pub(super) fn timer(&self) -> Option<Timer> {
        self.device.features().contains(Features::TIMESTAMP_QUERY).then(|| Timer {
            queries: self.device.create_query_set(&QuerySetDescriptor {
                label: Some("kernel"),
                ty: QueryType::Timestamp,
                count: 2,
            }),
            ticks: self.buffer(
                "ticks",
                Timer::SIZE_BYTES,
                BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC,
            ),
            period_ns: self.queue.get_timestamp_period(),
        })
    }

    /// Why there is nothing more to hope for from this device, if there is not.
    pub(super) fn lost(&self) -> Option<&str> {
        if self.lost.get().is_none() {
            // The word of it is handed on only where somebody asks for news.
            let _ = self.device.poll(PollType::Poll);
        }
        self.lost.get().map(String::as_str)
    }

    /// Forgets what the driver reported, so that another attempt is judged by itself.
    pub(super) fn forgive(&self) {
        *lock(&self.reported) = None;
    }

    /// # Errors
    /// `Gpu` when the device is lost, and else with the first thing that the driver reported, if it did.
    pub(super) fn check(&self) -> Result<()> {
        let reported = lock(&self.reported);
        match self.lost.get().or(reported.as_ref()) {
            Some(message) => Err(self.fault(message.clone())),
            None => Ok(()),
        }
    }

    pub(super) fn fault(&self, message: String) -> Error {
        fault_on(&self.info, message)
    }

    /// The fault of a result that no correct run gives. From then on the work goes elsewhere sooner: see
    /// [`Device::n_wrong`].
    pub(super) fn wrong(&self, what: &str) -> Error {
        self.n_wrong.fetch_add(1, Ordering::Relaxed);
        self.fault(format!("a wrong result: {what}"))
    }

    /// How many results were wrong so far.
    pub(super) fn n_wrong(&self) -> usize {
        self.n_wrong.load(Ordering::Relaxed)
    }

    /// Numbers of bases on their way to the GPU.
    pub(super) fn rows_to_send<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        #[cfg(test)]
        if let Some(Corruption::Rows(corrupt)) = *self.corruption.lock().unwrap() {
            let mut bytes = bytes.to_vec();
            corrupt(&mut bytes);
            return Cow::Owned(bytes);
        }
        Cow::Borrowed(bytes)
    }

    /// Words of a result as they came from the GPU.
    pub(super) fn received<'a>(&self, words: &'a [u32]) -> Cow<'a, [u32]> {
        #[cfg(test)]
        if let Some(Corruption::Results(corrupt)) = *self.corruption.lock().unwrap() {
            let mut words = words.to_vec();
            corrupt(&mut words);
            return Cow::Owned(words);
        }
        Cow::Borrowed(words)
    }
}

/// In one line, however many the driver wrote.
fn fault_on(info: &EngineInfo, message: String) -> Error {
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    Fault::new(message, "a GPU that does its work").of(info.device.clone()).remedy(Remedy::UseCpu).gpu()
}
