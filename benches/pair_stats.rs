//! The pair statistics of a block, in pairs a second, on the first GPU that wgpu finds, a software one too:
//! `cargo bench --bench pair_stats`.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use lorascope::Basis;
use lorascope::engine::{Block, Engine, GpuChoice, GpuEngine, Pairs, Precision};

fn main() {
    divan::main();
}

/// Rank, d, bases: each with each other.
const SHAPES: [(usize, usize, usize); 4] = [(8, 768, 128), (16, 768, 64), (64, 768, 16), (128, 768, 8)];

fn pair_stats(bencher: Bencher<'_, '_>, kernel: &str, (rank, d, n): (usize, usize, usize)) {
    let open = |choice| GpuEngine::open_with_kernel(&choice, Precision::F32, kernel);
    let engine = match open(GpuChoice::Auto).or_else(|_| open(GpuChoice::Index(0))) {
        Ok(engine) => engine,
        Err(error) => return eprintln!("skipped: {error}"),
    };
    // What the numbers are changes nothing.
    let basis = Basis::gaussian(rank, d, 0).unwrap();
    let bases = vec![&basis; n];
    let cells: Vec<(usize, usize)> =
        (0..).map(|k| (1 << k, 1 << k)).take_while(|(k, _)| *k <= rank).collect();
    let block = Block { a: &bases, b: &bases, pairs: Pairs::Upper, cells: &cells };
    // Else it would be the CPU engine that is timed.
    let first = engine.pair_stats(&block).unwrap();
    assert_eq!((first.fallback(), engine.take_warnings().as_slice()), (None, &[][..]));
    bencher.counter(ItemsCount::new(n * (n - 1) / 2)).bench(|| engine.pair_stats(black_box(&block)).unwrap());
}

#[divan::bench(args = SHAPES, sample_count = 5, sample_size = 1)]
fn pair_stats_128(bencher: Bencher<'_, '_>, shape: (usize, usize, usize)) {
    pair_stats(bencher, "pair_stats_128", shape);
}

#[divan::bench(args = SHAPES, sample_count = 5, sample_size = 1)]
fn pair_stats_64(bencher: Bencher<'_, '_>, shape: (usize, usize, usize)) {
    pair_stats(bencher, "pair_stats_64", shape);
}
