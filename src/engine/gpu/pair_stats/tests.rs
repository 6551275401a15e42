use std::time::Duration;

use super::*;
use crate::basis::Basis;
use crate::engine::{Engine, GpuChoice, Pairs, Precision};

fn open(precision: Precision) -> Option<GpuEngine> {
    let open = |choice| GpuEngine::open(&choice, precision);
    match open(GpuChoice::Auto).or_else(|_| open(GpuChoice::Index(0))) {
        Ok(engine) => Some(engine),
        Err(error) if std::env::var_os("LORASCOPE_REQUIRE_GPU").is_some() => {
            panic!("LORASCOPE_REQUIRE_GPU is set, but: {error}")
        }
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn a_block_in_many_dispatches_has_the_bits_of_one() {
    // Some 900 rows; d = 40 is 64 words of f32 or 32 of f16.
    let bases: Vec<Basis> =
        (0..45).map(|k| Basis::gaussian(1 + k * 31 % 39, 40, k as u64).unwrap()).collect();
    let bases: Vec<&Basis> = bases.iter().collect();
    let list: Vec<(u32, u32)> = (0..200).map(|k| (k * 17 % 45, k * k % 44)).collect();
    for precision in Precision::ALL {
        let Some(engine) = open(precision) else { return };
        for pairs in [Pairs::All, Pairs::Upper, Pairs::List(&list)] {
            let block = Block { a: &bases, b: &bases, pairs, cells: &[(1, 1), (3, 2), (8, 8)] };
            let whole = engine.run_pair_stats(&block, engine.device.limits()).unwrap();
            for (n_rows, max_flop) in [(3 * 128, 1e9), (2 * 128, 1e9), (1 << 14, 1e6)] {
                // Three runs of 128 rows in the stack, then two, so that all of them come and go; then many small ones.
                let limits = Limits { max_words: n_rows * 64, max_flop };
                let cut = engine.run_pair_stats(&block, limits).unwrap();
                assert!(bits(&cut) == bits(&whole), "{precision}, {pairs:?}, {limits:?}");
            }
        }
    }
}

#[test]
fn all_kernels_give_the_same_bits() {
    let bases: Vec<Basis> =
        (0..30).map(|k| Basis::gaussian(1 + k * 7 % 50, 300, k as u64).unwrap()).collect();
    let bases: Vec<&Basis> = bases.iter().collect();
    let block = Block { a: &bases, b: &bases, pairs: Pairs::Upper, cells: &[(1, 1), (8, 8)] };
    for precision in Precision::ALL {
        let Some(mut engine) = open(precision) else { return };
        let kernels: Vec<usize> = kernels_of(&engine.device).map(|(at, _)| at).collect();
        let each: Vec<Vec<u32>> = kernels
            .into_iter()
            .map(|at| {
                engine.pair_stats.only = Some(at);
                bits(&engine.run_pair_stats(&block, engine.device.limits()).unwrap())
            })
            .collect();
        assert!(each.len() >= 2 && each.iter().all(|bits| *bits == each[0]), "{precision}");
    }
}

#[test]
fn buffers_stay_and_stages_are_timed() {
    let Some(engine) = open(Precision::F32) else { return };
    let bases: Vec<Basis> = (0..20).map(|k| Basis::gaussian(8, 100, k).unwrap()).collect();
    let bases: Vec<&Basis> = bases.iter().collect();
    for n in [20, 5, 20] {
        let block = Block { a: &bases[..n], b: &bases[..n], pairs: Pairs::Upper, cells: &[(1, 1)] };
        engine.pair_stats(&block).unwrap();
        assert_eq!(engine.pair_stats.idle.lock().unwrap().len(), 1);
    }
    let times = engine.stage_times().unwrap();
    assert!(times.upload > Duration::ZERO && times.read_back > Duration::ZERO, "{times:?}");
    assert!(times.kernel.is_none_or(|kernel| kernel > Duration::ZERO), "{times:?}");
    println!("{}: {times:?}", engine.info());
}

#[test]
fn an_unknown_kernel_or_one_of_another_precision_is_an_error_that_lists_those_there_are() {
    let error =
        GpuEngine::open_with_kernel(&GpuChoice::Index(0), Precision::F32, "pair_stats_64_f16").unwrap_err();
    assert_eq!(
        error.to_string(),
        "kernel: found `pair_stats_64_f16`, expected pair_stats or pair_stats_128 or pair_stats_64"
    );
}

#[test]
fn the_kernel_that_an_engine_names_opens_another_one_like_it() {
    for precision in Precision::ALL {
        let Some(engine) = open(precision) else { return };
        let kernel = engine.info().variant;
        let open = |choice| GpuEngine::open_with_kernel(&choice, precision, kernel);
        let again = open(GpuChoice::Auto).or_else(|_| open(GpuChoice::Index(0))).unwrap();
        assert_eq!((again.info().variant, again.pair_stats.only), (kernel, None));
    }
}
