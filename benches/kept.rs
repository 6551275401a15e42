//! What is kept of a block of pairs, in pairs a second, on the first GPU that wgpu finds, a software one too:
//! `cargo bench --bench kept`. `benches/peers/wgpu-matmul` does the same with burn, on the same adapter.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use lorascope::Basis;
use lorascope::engine::{Block, Engine, GpuChoice, GpuEngine, Pairs, Precision};

fn main() {
    divan::main();
}

/// Rank, d, bases: each pair with each.
const SHAPES: [(usize, usize, usize); 4] = [(8, 768, 128), (16, 768, 64), (64, 768, 16), (128, 768, 8)];

fn kept(bencher: Bencher<'_, '_>, kernel: &str, (rank, d, n): (usize, usize, usize)) {
    let open = |choice| GpuEngine::open_with_kernel(&choice, Precision::F32, kernel);
    let engine = open(GpuChoice::Auto).or_else(|_| open(GpuChoice::Index(0))).unwrap();
    // What the numbers are changes nothing.
    let basis = Basis::gaussian(rank, d, 0).unwrap();
    let bases = vec![&basis; n];
    let cells: Vec<(usize, usize)> =
        (0..).map(|k| (1 << k, 1 << k)).take_while(|(k, _)| *k <= rank).collect();
    let block = Block { a: &bases, b: &bases, pairs: Pairs::All, cells: &cells };
    bencher.counter(ItemsCount::new(n * n)).bench(|| engine.kept(black_box(&block)).unwrap());
}

#[divan::bench(args = SHAPES, sample_count = 5, sample_size = 1)]
fn gram_128(bencher: Bencher<'_, '_>, shape: (usize, usize, usize)) {
    kept(bencher, "gram_128", shape);
}

#[divan::bench(args = SHAPES, sample_count = 5, sample_size = 1)]
fn gram_64(bencher: Bencher<'_, '_>, shape: (usize, usize, usize)) {
    kept(bencher, "gram_64", shape);
}
