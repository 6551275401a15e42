//! What is kept of a block of pairs, in pairs a second, on the first GPU that wgpu finds, a software one too:
//! `cargo bench --bench pair_stats`.
//!
//! A block has 1024 rows, which is enough for a software driver; `LORASCOPE_BENCH_ROWS` asks for more.
//! `LORASCOPE_BENCH_KERNEL_TIMES` names a file to which each benchmark appends its kernel's seconds a block, by the GPU's own
//! clock: `pair_stats_128 (8, 768, 128) 0.00125`.

use std::cell::Cell;
use std::fs::File;
use std::io::Write;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use lorascope::engine::{Block, Engine, GpuChoice, GpuEngine, Pairs, Precision, UpdateBlock};
use lorascope::{Basis, Dtype, Matrix, Update, UpdateFactors};

fn main() {
    divan::main();
}

/// Rank, d, bases: each with each other.
type Shape = (usize, usize, usize);

fn shapes() -> [Shape; 4] {
    let n_rows = std::env::var("LORASCOPE_BENCH_ROWS").map_or(1024, |rows| rows.parse().unwrap());
    [8, 16, 64, 128].map(|rank| (rank, 768, n_rows / rank))
}

fn pair_stats(bencher: Bencher<'_, '_>, kernel: &str, precision: Precision, shape: Shape) {
    let open = |choice| GpuEngine::open_with_kernel(&choice, precision, kernel);
    let engine = match open(GpuChoice::Auto).or_else(|_| open(GpuChoice::Index(0))) {
        Ok(engine) => engine,
        Err(error) => return eprintln!("skipped: {error}"),
    };
    let (rank, d, n) = shape;
    // What the numbers are changes nothing.
    let basis = Basis::gaussian(rank, d, 0).unwrap();
    let bases = vec![&basis; n];
    let cells: Vec<(usize, usize)> =
        (0..).map(|k| (1 << k, 1 << k)).take_while(|(k, _)| *k <= rank).collect();
    let block = Block { a: &bases, b: &bases, pairs: Pairs::Upper, cells: &cells };
    // Else it would be the CPU engine that is timed.
    let first = engine.pair_stats(&block).unwrap();
    assert_eq!((first.fallback(), engine.take_warnings().as_slice()), (None, &[][..]));
    let kernel_s = || engine.stage_times().and_then(|times| times.kernel).map(|time| time.as_secs_f64());
    let (before, n_blocks) = (kernel_s(), Cell::new(0u32));
    bencher.counter(ItemsCount::new(n * (n - 1) / 2)).bench_local(|| {
        n_blocks.set(n_blocks.get() + 1);
        engine.pair_stats(black_box(&block)).unwrap()
    });
    if let (Some(before), Some(after)) = (before, kernel_s()) {
        record(kernel, shape, (after - before) / f64::from(n_blocks.get()));
    }
}

fn record(kernel: &str, shape: Shape, seconds: f64) {
    if let Some(path) = std::env::var_os("LORASCOPE_BENCH_KERNEL_TIMES") {
        let mut file = File::options().create(true).append(true).open(path).unwrap();
        writeln!(file, "{kernel} {shape:?} {seconds}").unwrap();
    }
}

macro_rules! benches {
    ($($kernel:ident: $precision:ident),+ $(,)?) => {
        $(#[divan::bench(args = shapes(), sample_count = 5, sample_size = 1)]
        fn $kernel(bencher: Bencher<'_, '_>, shape: Shape) {
            pair_stats(bencher, stringify!($kernel), Precision::$precision, shape);
        })+
    };
}

benches!(
    pair_stats_128: F32,
    pair_stats_64: F32,
    pair_stats_128_f16: F16,
    pair_stats_64_f16: F16,
);

/// The cosines of updates of d × d: twice the products, one number for each pair.
#[divan::bench(args = shapes(), sample_count = 5, sample_size = 1)]
fn update_cosine(bencher: Bencher<'_, '_>, shape: Shape) {
    let open = |choice| GpuEngine::open(&choice, Precision::F32);
    let engine = match open(GpuChoice::Auto).or_else(|_| open(GpuChoice::Index(0))) {
        Ok(engine) => engine,
        Err(error) => return eprintln!("skipped: {error}"),
    };
    let (rank, d, n) = shape;
    let values = || (0..rank * d).map(|k| (k as f64 * 0.7).sin()).collect();
    let (a, b) = (
        Matrix { rows: rank, cols: d, dtype: Dtype::F32, values: values() },
        Matrix { rows: d, cols: rank, dtype: Dtype::F32, values: values() },
    );
    let update = UpdateFactors::of(Update { a: &a, b: &b, scaling: 1.0 }).unwrap();
    let updates = vec![&update; n];
    let block = UpdateBlock { a: &updates, b: &updates, pairs: Pairs::Upper };
    let first = engine.update_cosines(&block).unwrap();
    assert_eq!((first.fallback, engine.take_warnings().as_slice()), (None, &[][..]));
    let kernel_s = || engine.stage_times().and_then(|times| times.kernel).map(|time| time.as_secs_f64());
    let (before, n_blocks) = (kernel_s(), Cell::new(0u32));
    bencher.counter(ItemsCount::new(n * (n - 1) / 2)).bench_local(|| {
        n_blocks.set(n_blocks.get() + 1);
        engine.update_cosines(black_box(&block)).unwrap()
    });
    if let (Some(before), Some(after)) = (before, kernel_s()) {
        let seconds = (after - before) / f64::from(n_blocks.get());
        // Two products, each pair once.
        let flop = 2.0 * 2.0 * (rank * rank * d * n * (n - 1) / 2) as f64;
        eprintln!(
            "update_cosine {shape:?}: {seconds:.6} s in the kernel, {:.2} TFLOP/s",
            flop / seconds / 1e12
        );
    }
}
