//! The pair stage of the CPU engine, from bases to their statistics: `cargo bench --bench pairs`.
//!
//! Items are FLOP: the multiply-adds of the pairs' products, twice, and nothing else counted. `faer_square` is the rate of
//! faer's f32 product of two square matrices, every thread its own, which is the machine's measure.

use divan::Bencher;
use divan::counter::ItemsCount;
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par};
use lorascope::Basis;
use lorascope::engine::{Block, CpuEngine, Engine, Pairs};
use rayon::{ThreadPool, ThreadPoolBuilder};

fn main() {
    divan::main();
}

const THREADS: [usize; 2] = [1, 2];

/// Rows of all bases of a block.
const ROWS: usize = 2048;

/// The default of a scan: powers of two.
const CELLS: [(usize, usize); 8] = [(1, 1), (2, 2), (4, 4), (8, 8), (16, 16), (32, 32), (64, 64), (128, 128)];

fn pool(threads: usize) -> ThreadPool {
    ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started")
}

/// Uniform numbers by a hash; what they are does not change how long a product takes.
fn numbers(n: usize, seed: usize) -> Vec<f32> {
    let hash = |at: usize| {
        let hash = ((seed << 32 | at) as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let hash = (hash ^ (hash >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (hash >> 40) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..n).map(hash).collect()
}

fn bases(r: usize, d: usize) -> Vec<Basis> {
    let basis = |seed| Basis::from_rows(d, numbers(r * d, seed), vec![1.0; r]).expect("r rows of d numbers");
    (0..ROWS / r).map(basis).collect()
}

fn keep(bencher: Bencher<'_, '_>, r: usize, d: usize, threads: usize, pairs: Pairs<'_>) {
    let bases = bases(r, d);
    let list: Vec<&Basis> = bases.iter().collect();
    let block = Block { a: &list, b: &list, pairs, cells: &CELLS };
    let pool = pool(threads);
    let engine = CpuEngine::new();
    let flop = 2 * block.n_pairs() * r * r * d;
    bencher
        .counter(ItemsCount::new(flop))
        .bench(|| pool.install(|| engine.pair_stats(divan::black_box(&block))));
}

/// (r, d) of every basis: each pair of 2048/r bases once.
#[divan::bench(
    args = [(8, 384), (8, 1024), (8, 4096), (12, 1024), (16, 384), (16, 1024), (16, 4096), (32, 1024),
        (64, 384), (64, 768), (64, 1024), (64, 4096), (128, 384), (128, 1024), (128, 4096)],
    consts = THREADS, sample_count = 20, sample_size = 1
)]
fn upper<const T: usize>(bencher: Bencher<'_, '_>, (r, d): (usize, usize)) {
    keep(bencher, r, d, T, Pairs::Upper);
}

/// The same with a list of neighbours: one product a pair.
#[divan::bench(args = [(8, 1024), (16, 1024), (64, 768)], consts = THREADS, sample_count = 20, sample_size = 1)]
fn list<const T: usize>(bencher: Bencher<'_, '_>, (r, d): (usize, usize)) {
    let n = (ROWS / r) as u32;
    let list: Vec<(u32, u32)> = (0..n).flat_map(|a| (1..9).map(move |step| (a, (a + step) % n))).collect();
    keep(bencher, r, d, T, Pairs::List(&list));
}

#[divan::bench(args = [1024], consts = THREADS, sample_count = 20, sample_size = 1)]
fn faer_square<const T: usize>(bencher: Bencher<'_, '_>, n: usize) {
    let square = |seed| Mat::from_fn(n, n, |i, j| ((i * 31 + j * 7 + seed) % 17) as f32);
    let factors: Vec<[Mat<f32>; 2]> = (0..T).map(|seed| [square(seed), square(seed + 1)]).collect();
    let pool = pool(T);
    let one = |product: &mut Mat<f32>, [a, b]: &[Mat<f32>; 2]| {
        matmul(product.as_mut(), Accum::Replace, a.as_ref(), b.as_ref(), 1.0, Par::Seq);
    };
    bencher
        .counter(ItemsCount::new(T * 2 * n * n * n))
        .with_inputs(|| vec![Mat::<f32>::zeros(n, n); T])
        .bench_local_refs(|products| {
            pool.scope(|scope| {
                for (product, factors) in products.iter_mut().zip(&factors) {
                    scope.spawn(|_| one(product, factors));
                }
            });
        });
}
