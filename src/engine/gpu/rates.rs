//! What a GPU reaches now, at its clock and temperature of this minute: the rate of plain multiply-adds and of a copy, against
//! which the times of the kernels mean something.

use std::time::{Duration, Instant};

use wgpu::{Buffer, BufferUsages};

use super::device::{Device, Pipeline, Timer};
use crate::engine::CardRates;
use crate::error::Result;
use crate::kernels::fma_rate::{self, LANES, Params};
use crate::kernels::{Kernel, copy_rate};

/// How long a kernel is repeated: a GPU that idled takes a while to raise its clock.
const WARM_UP: Duration = Duration::from_millis(250);

/// And how often at least and at most.
const N_RUNS: std::ops::Range<usize> = 4..400;

/// Work that takes a fast card half a millisecond, and a slow one no longer than a watchdog allows.
const N_WORKGROUPS: u32 = 8192;
const N_STEPS: u32 = 64;

/// Bytes of a copy, as many as one buffer may hold: far more than a cache.
const COPY_BYTES: u64 = 128 << 20;

/// A software driver is slower by a thousand.
const SOFTWARE: u32 = 64;

/// # Errors
/// `Gpu` when the GPU fails, or when a result is not what the kernel makes: its times would mean nothing.
pub(super) fn measure(device: &Device, is_software: bool) -> Result<CardRates> {
    let shrink = if is_software { SOFTWARE } else { 1 };
    let params = Params::exact(N_STEPS);
    let n_workgroups = N_WORKGROUPS / shrink;
    let n_results = n_workgroups * LANES;
    let uniforms = device.upload_uniform("rate params", bytemuck::bytes_of(&params));
    let results = device.storage("rate results", 4 * u64::from(n_results));
    let fma = run(device, &fma_rate::KERNEL, &[&uniforms, &results], n_workgroups)?;
    check(device, &results, |at| fma_rate::fma_rate(&params, at as u32 % LANES))?;

    let max_bytes = COPY_BYTES.min(4 * device.limits().max_words as u64) / u64::from(shrink);
    let (n_workgroups, n_bytes) = copy_rate::dispatch_size(max_bytes);
    let numbers: Vec<f32> = (0..n_bytes / 4).map(|k| (k % 65_521) as f32).collect();
    let source = device.upload("copy source", bytemuck::cast_slice(&numbers));
    let copy = device.storage("copy", n_bytes);
    let time = run(device, &copy_rate::KERNEL, &[&source, &copy], n_workgroups)?;
    check(device, &copy, |at| (at % 65_521) as f32)?;

    Ok(CardRates {
        fma_gflop_per_s: params.flop(N_WORKGROUPS / shrink) / fma.as_secs_f64() / 1e9,
        // What is read and what is written.
        copy_gb_per_s: 2.0 * n_bytes as f64 / time.as_secs_f64() / 1e9,
    })
}

/// The fastest of many runs, by the GPU's clock where it has one.
fn run(device: &Device, kernel: &Kernel, buffers: &[&Buffer], n_workgroups: u32) -> Result<Duration> {
    let pipeline = device.pipeline(kernel);
    device.check()?;
    let timer = device.timer();
    let started = Instant::now();
    let mut fastest = Duration::MAX;
    for k in 0..N_RUNS.end {
        if k >= N_RUNS.start && started.elapsed() > WARM_UP {
            break;
        }
        fastest = fastest.min(once(device, &pipeline, buffers, n_workgroups, timer.as_ref())?);
    }
    // A clock of coarse ticks may show none.
    Ok(fastest.max(Duration::from_nanos(1)))
}

fn once(
    device: &Device,
    pipeline: &Pipeline,
    buffers: &[&Buffer],
    n_workgroups: u32,
    timer: Option<&Timer>,
) -> Result<Duration> {
    let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
    let ticks = device.buffer("rate ticks", Timer::SIZE_BYTES, usage);
    let group = device.group(pipeline, buffers);
    let started = Instant::now();
    let mut encoder = device.encoder();
    let timed = timer.map(|timer| timer.of(true, true));
    device.dispatch_group(&mut encoder, pipeline, &group, (n_workgroups, 1), timed);
    if let Some(timer) = timer {
        timer.resolve(&mut encoder, &ticks);
    }
    let submission = device.queue().submit([encoder.finish()]);
    let view = device.mapped(&ticks, Timer::SIZE_BYTES, submission)?;
    let elapsed = started.elapsed();
    Ok(timer.map_or(elapsed, |timer| timer.duration(bytemuck::cast_slice(&view))))
}

/// # Errors
/// `Gpu` when a number of a buffer is not as expected.
fn check(device: &Device, buffer: &Buffer, expected: impl Fn(usize) -> f32) -> Result<()> {
    let download = device.download(device.encoder(), buffer);
    device.read(download, |bytes| {
        let numbers: &[f32] = bytemuck::cast_slice(bytes);
        match numbers.iter().enumerate().find(|&(at, number)| *number != expected(at)) {
            None => Ok(()),
            Some((at, number)) => {
                Err(device.fault(format!("a wrong result of a timed kernel ({number} for {})", expected(at))))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::gpu::test_engines::open_software;

    #[test]
    fn rates_are_those_of_a_machine_of_this_century_and_results_are_checked() {
        let Some(engine) = open_software() else { return };
        let rates = measure(&engine.device, engine.is_software).unwrap();
        assert!((0.1..1e6).contains(&rates.fma_gflop_per_s), "{rates:?}");
        assert!((0.01..1e5).contains(&rates.copy_gb_per_s), "{rates:?}");

        let usage = BufferUsages::COPY_DST | BufferUsages::COPY_SRC;
        let wrong = engine.device.buffer("wrong", 16, usage);
        engine.device.queue().write_buffer(&wrong, 0, bytemuck::cast_slice(&[1.0f32, 2.0, 4.0, 4.0]));
        let error = check(&engine.device, &wrong, |at| at as f32 + 1.0).unwrap_err();
        assert!(error.to_string().contains("4 for 3"), "{error}");
    }
}
