//! Whether a GPU computes what the CPU computes: every kernel once, on small inputs that leave tiles unfilled.

use wgpu::{Adapter, AdapterInfo};

use super::GpuEngine;
use super::pair_stats::kernels_of;
use super::rehearsal::{BOUND, numbers, worst};
use crate::basis::Basis;
use crate::engine::{Block, CpuEngine, CpuPainter, Engine, Painter, Pair, Pairs, Precision, SelfTest};
use crate::error::Result;
use crate::kernels::colormap::{Band, Cells, ColorTable};
use crate::kernels::similarity::CHUNK;

/// Tests every kernel. A GPU that cannot be opened fails all of them with one word.
pub(super) fn self_test(adapter: &Adapter, info: &AdapterInfo) -> Vec<SelfTest> {
    let mut tests = vec![];
    for precision in Precision::ALL {
        let [fused, carried, pair_stats] = match precision {
            Precision::F32 => ["fused, f32", "carried, f32", "pair stats, f32"],
            Precision::F16 => ["fused, f16", "carried, f16", "pair stats, f16"],
        };
        match GpuEngine::on(adapter, info, precision, None) {
            Ok(mut gpu) => {
                // One tile that is not filled, and rows that take two dispatches; several tiles, with an odd d.
                tests.push(grid(&gpu, fused, &[((24, 40), 300), ((3, 2), CHUNK + 33)]));
                tests.push(grid(&gpu, carried, &[((70, 150), 333)]));
                tests.push(outcome(pair_stats, difference_of_pair_stats(&mut gpu)));
                if precision == Precision::F32 {
                    tests.push(outcome("colormap", colormap(&gpu)));
                }
            }
            Err(error) => {
                tests.push(SelfTest { what: fused, worst: None, failure: Some(error.to_string()) });
            }
        }
    }
    tests
}

fn grid(gpu: &GpuEngine, what: &'static str, sizes: &[((usize, usize), usize)]) -> SelfTest {
    let differences = sizes.iter().map(|&(ranks, d)| difference(gpu, ranks, d));
    let worst = differences.reduce(|worst, next| Ok(larger(worst?, next?)));
    outcome(what, worst.unwrap_or(Ok(0.0)))
}

/// NaN where one is.
fn larger(x: f64, y: f64) -> f64 {
    if x.is_nan() || x > y { x } else { y }
}

/// The largest |Δφ| between the engines.
fn difference(gpu: &GpuEngine, (q_a, q_b): (usize, usize), d: usize) -> Result<f64> {
    let (a, b) = (Basis::gaussian(q_a, d, 1)?, Basis::gaussian(q_b, d, 2)?);
    let cpu = CpuEngine::with_precision(gpu.info().precision);
    // With itself too: large values next to small ones.
    let pairs = [Pair { a: &a, b: &b }, Pair { a: &b, b: &b }];
    // Not what the CPU engine makes in its place.
    let found = gpu.grids_within(&pairs, gpu.device.limits())?;
    let differences =
        found.iter().zip(cpu.grids(&pairs)?).map(|(gpu, cpu)| worst(gpu.values(), cpu.values()));
    Ok(differences.fold(0.0, larger))
}

/// The largest difference between the numbers of the engines, over every kernel for the precision: bases that straddle tiles,
/// one of a rank over 64.
fn difference_of_pair_stats(gpu: &mut GpuEngine) -> Result<f64> {
    let bases = (0..9).map(|k| Basis::gaussian([7, 33, 70, 1, 12][k % 5], 100, k as u64));
    let bases: Vec<Basis> = bases.collect::<Result<_>>()?;
    let bases: Vec<&Basis> = bases.iter().collect();
    let block = Block { a: &bases, b: &bases, pairs: Pairs::Upper, cells: &[(1, 1), (4, 2), (7, 7)] };
    let cpu = CpuEngine::with_precision(gpu.info().precision);
    let expected = numbers(&cpu.pair_stats(&block)?);
    let mut largest = 0.0;
    let kernels: Vec<usize> = kernels_of(&gpu.device).map(|(kernel, _)| kernel).collect();
    for kernel in kernels {
        gpu.pair_stats.only = Some(kernel);
        let values = gpu.run_pair_stats(&block, gpu.device.limits())?;
        largest = larger(largest, worst(&values, &expected));
    }
    gpu.pair_stats.only = None;
    Ok(largest)
}

/// The share of pixels that differ.
fn colormap(gpu: &GpuEngine) -> Result<f64> {
    let palette = std::array::from_fn(|k| [k as u8, 255 - k as u8, (k as u8).wrapping_mul(7)]);
    let table = ColorTable::new(&palette, 0.0, 0.5)?;
    let values: Vec<f32> = (0..17 * 23).map(|at| table.edges[at % 255]).collect();
    let cells = Cells { n_rows: 17, n_cols: 23, values: &values };
    let band = Band { width_px: 131, height_px: 90, y_px: 7, n_rows_px: 61 };
    let (painted, expected) =
        (gpu.paint(&cells, &table, &band)?, CpuPainter.colormap(&cells, &table, &band)?);
    let differing = painted.iter().zip(&expected).filter(|(x, y)| x != y).count();
    Ok(differing as f64 / expected.len() as f64)
}

fn outcome(what: &'static str, worst: Result<f64>) -> SelfTest {
    match worst {
        // A pixel may not differ at all, a value by the engines' bounds.
        Ok(worst) if worst <= if what == "colormap" { 0.0 } else { BOUND } => {
            SelfTest { what, worst: Some(worst), failure: None }
        }
        Ok(worst) => SelfTest {
            what,
            worst: Some(worst),
            failure: Some(format!("it differs from the CPU engine by {worst:.1e}")),
        },
        Err(error) => SelfTest { what, worst: None, failure: Some(error.to_string()) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_over_the_bound_is_a_failure_and_one_pixel_is_too() {
        assert_eq!(outcome("fused, f32", Ok(1e-6)).failure, None);
        assert!(outcome("fused, f32", Ok(1e-4)).failure.unwrap().contains("1.0e-4"));
        assert!(outcome("fused, f32", Ok(f64::NAN)).failure.is_some());
        assert!(outcome("colormap", Ok(1e-4)).failure.is_some());
    }
}
