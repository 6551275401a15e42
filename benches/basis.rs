//! Factorisations on one thread, from a factor's numbers in memory: `cargo bench --bench basis`.

use divan::Bencher;
use lorascope::{Basis, Dtype, Matrix, Side};

fn main() {
    divan::main();
}

/// Uniform numbers by a hash: the spectrum of an untrained factor, whose gaps are narrow but clear.
fn factor(rows: usize, cols: usize) -> Matrix {
    let hash = |at: usize| {
        let hash = (at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let hash = (hash ^ (hash >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        f64::from((hash >> 40) as f32 / (1 << 24) as f32 - 0.5)
    };
    Matrix { rows, cols, dtype: Dtype::F32, values: (0..rows * cols).map(hash).collect() }
}

#[divan::bench(args = [(8, 768), (8, 4096), (16, 1024), (64, 384), (64, 768), (64, 4096), (128, 4096)])]
fn side_a(bencher: Bencher<'_, '_>, (r, d): (usize, usize)) {
    let a = factor(r, d);
    bencher.bench(|| Basis::of_matrix(divan::black_box(&a), Side::A).expect("a random factor has full rank"));
}

#[divan::bench(args = [(8, 768), (64, 768)])]
fn dw_right(bencher: Bencher<'_, '_>, (r, d): (usize, usize)) {
    let (a, b) = (factor(r, d), factor(d, r));
    bencher.bench(|| {
        Basis::of_update(divan::black_box(&a), &b, None, Side::DwRight)
            .expect("random factors have full rank")
    });
}
