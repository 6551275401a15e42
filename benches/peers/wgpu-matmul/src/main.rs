//! What is kept of every pair of a list of bases, by burn on wgpu: products of stacked bases, their squares, two prefix sums
//! and the wanted cells, as a burn user would write it well. Bases go up and cells come back at every run, as in
//! `benches/pair_stats.rs`. The pairs above the diagonal are wanted; a matrix product has no half, so that the rows are also cut
//! into strips, each multiplied with the columns from its own on, and the fastest way of cutting counts.
//!
//! ```text
//! cargo run --release
//! ```

use std::time::{Duration, Instant};

use burn_tensor::{Distribution, Int, Tensor, TensorData};
use burn_wgpu::{Wgpu, WgpuDevice};

/// Rank, d, bases: those of `benches/pair_stats.rs`.
const SHAPES: [(usize, usize, usize); 4] = [(8, 768, 128), (16, 768, 64), (64, 768, 16), (128, 768, 8)];

const N_RUNS: usize = 5;

fn main() {
    // A software adapter is a CPU to burn.
    let device = match std::env::args().nth(1).as_deref() {
        Some("gpu") => WgpuDevice::default(),
        _ => WgpuDevice::Cpu,
    };
    for shape @ (rank, d, n) in SHAPES {
        let rows: Tensor<Wgpu, 2> = Tensor::random([n * rank, d], Distribution::Default, &device);
        let rows = rows.into_data();
        let rates = [1, 2, 4, 8].map(|n_strips| {
            // The first run compiles the kernels and chooses among them.
            let size = n / n_strips;
            let strips = pair_stats(&rows, shape, size, &device);
            check(&rows, shape, size, &strips);
            let mut times: Vec<Duration> = (0..N_RUNS)
                .map(|_| {
                    let start = Instant::now();
                    std::hint::black_box(pair_stats(&rows, shape, size, &device));
                    start.elapsed()
                })
                .collect();
            times.sort_unstable();
            (n * (n - 1) / 2) as f64 / times[N_RUNS / 2].as_secs_f64()
        });
        let best = rates.iter().copied().fold(0.0, f64::max);
        println!("({rank}, {d}, {n})  {best:.1} pairs/s, of 1, 2, 4 and 8 strips: {rates:.0?}");
    }
}

/// φ(k, k) at powers of two, of each strip of `size` bases with itself and all behind it: (cell, a, b).
fn pair_stats(
    rows: &TensorData,
    (rank, _, n): (usize, usize, usize),
    size: usize,
    device: &WgpuDevice,
) -> Vec<TensorData> {
    let bases: Tensor<Wgpu, 2> = Tensor::from_data(rows.clone(), device);
    let k: Vec<usize> = (0..).map(|k| 1 << k).take_while(|k| *k <= rank).collect();
    let last: Vec<i32> = k.iter().map(|k| *k as i32 - 1).collect();
    let last: Tensor<Wgpu, 1, Int> = Tensor::from_data(last.as_slice(), device);
    let strip = |first: usize| {
        let (a, b) = (size, n - first);
        let strip = bases.clone().slice([first * rank..(first + a) * rank]);
        let product = strip.matmul(bases.clone().slice([first * rank..n * rank]).transpose());
        let squares = (product.clone() * product).reshape([a, rank, b, rank]);
        // Along the rows first, so that the second sum has only the wanted ones to go through.
        let sums = squares.cumsum(1).select(1, last.clone()).cumsum(3).select(3, last.clone());
        let cells = k.iter().enumerate().map(|(at, &k)| {
            let cell = sums.clone().slice([0..a, at..at + 1, 0..b, at..at + 1]);
            cell.reshape([1, a, b]) / k as f32
        });
        Tensor::cat(cells.collect::<Vec<Tensor<Wgpu, 3>>>(), 0)
    };
    // All are under way before the first is read.
    let strips: Vec<Tensor<Wgpu, 3>> = (0..n).step_by(size).map(strip).collect();
    strips.into_iter().map(Tensor::into_data).collect()
}

/// That it computes what it should: the first and the last cell of one pair of each strip, by plain loops.
fn check(rows: &TensorData, (rank, d, n): (usize, usize, usize), size: usize, strips: &[TensorData]) {
    let rows = rows.as_slice::<f32>().unwrap();
    for (first, kept) in (0..n).step_by(size).zip(strips) {
        let kept = kept.as_slice::<f32>().unwrap();
        let (a, b, width) = (first, n - 1, n - first);
        for (at, k) in [(0, 1), (rank.ilog2() as usize, rank)] {
            let mut sum = 0.0f64;
            for i in 0..k {
                for j in 0..k {
                    let (u, v) = (&rows[(a * rank + i) * d..][..d], &rows[(b * rank + j) * d..][..d]);
                    sum += u.iter().zip(v).map(|(u, v)| f64::from(u * v)).sum::<f64>().powi(2);
                }
            }
            let (expected, found) = (sum / k as f64, f64::from(kept[at * size * width + width - 1]));
            assert!((found / expected - 1.0).abs() < 1e-4, "{found} for {expected}");
        }
    }
}
