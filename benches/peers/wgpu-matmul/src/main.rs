//! What a user of burn writes for the same numbers on the same GPU: one product of all bases with all bases, squares,
//! prefix sums along both ranks of each pair, the kept cells. Prints pairs a second: `wgpu-matmul RANK D BASES`.

use std::time::Instant;

use burn::backend::Wgpu;
use burn::backend::wgpu::WgpuDevice;
use burn::tensor::{Distribution, Tensor};

type Gpu = Wgpu<f32, i32>;

/// φ(k, k) at powers of two up to the rank, of every pair.
fn by_prefix_sums(bases: &Tensor<Gpu, 2>, rank: usize, n: usize) -> Vec<f32> {
    let product = bases.clone().matmul(bases.clone().transpose());
    let squares = (product.clone() * product).reshape([n, rank, n, rank]);
    let sums = squares.cumsum(3).cumsum(1);
    let cells = powers(rank).map(|k| sums.clone().slice([0..n, k - 1..k, 0..n, k - 1..k]).div_scalar(k as f32));
    Tensor::cat(cells.map(|cell| cell.reshape([n, n])).collect(), 0).into_data().to_vec().unwrap()
}

/// The same by a sum for each kept cell: less to write, more to read.
fn by_corners(bases: &Tensor<Gpu, 2>, rank: usize, n: usize) -> Vec<f32> {
    let product = bases.clone().matmul(bases.clone().transpose());
    let squares = (product.clone() * product).reshape([n, rank, n, rank]);
    let cells = powers(rank).map(|k| {
        squares.clone().slice([0..n, 0..k, 0..n, 0..k]).sum_dim(3).sum_dim(1).div_scalar(k as f32)
    });
    Tensor::cat(cells.map(|cell| cell.reshape([n, n])).collect(), 0).into_data().to_vec().unwrap()
}

fn powers(rank: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(1), |k| Some(2 * k)).take_while(move |k| *k <= rank)
}

fn main() {
    let arguments: Vec<usize> = std::env::args().skip(1).map(|text| text.parse().unwrap()).collect();
    let [rank, d, n] = arguments[..] else { panic!("expected RANK D BASES") };
    let device = WgpuDevice::default();
    let scale = 1.0 / (d as f64).sqrt();
    let bases = Tensor::<Gpu, 2>::random([n * rank, d], Distribution::Normal(0.0, scale), &device);
    let way: [(&str, fn(&Tensor<Gpu, 2>, usize, usize) -> Vec<f32>); 2] =
        [("prefix sums", by_prefix_sums), ("a sum a cell", by_corners)];
    for (name, run) in way {
        // The first run compiles and tunes.
        let mut fastest = f64::MAX;
        for round in 0..5 {
            let started = Instant::now();
            let cells = run(&bases, rank, n);
            assert_eq!(cells.len(), n * n * powers(rank).count());
            if round > 0 {
                fastest = fastest.min(started.elapsed().as_secs_f64());
            }
        }
        println!("burn, {name}: rank {rank}, d = {d}, {n} × {n} pairs: {:.0} pairs/s", (n * n) as f64 / fastest);
    }
}
