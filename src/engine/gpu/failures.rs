//! Tests of what an engine does when its GPU fails: the right numbers all the same, and a word about it.

use std::time::Duration;

use wgpu::{BufferDescriptor, BufferUsages};

use super::GpuEngine;
use crate::basis::Basis;
use crate::engine::{Block, BlockStats, CpuEngine, Engine, GpuChoice, Pair, Pairs, Precision};
use crate::measure::PHI_R;

/// A software adapter, if there is any: an injected failure must not touch a real GPU's other work.
fn open() -> Option<GpuEngine> {
    match GpuEngine::open(&GpuChoice::Index(0), Precision::F32) {
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

fn bases() -> Vec<Basis> {
    (0..40).map(|k| Basis::gaussian(1 + k % 9, 200, k as u64).unwrap()).collect()
}

fn pair_stats(engine: &dyn Engine, bases: &[Basis]) -> BlockStats {
    let bases: Vec<&Basis> = bases.iter().collect();
    let cells = [(1, 1), (4, 4)];
    engine.pair_stats(&Block { a: &bases, b: &bases, pairs: Pairs::Upper, cells: &cells }).unwrap()
}

/// Within both engines' bounds, NaN for NaN.
fn assert_same_numbers(one: &BlockStats, other: &BlockStats) {
    assert_eq!(one.n_pairs(), other.n_pairs());
    for (one, other) in one.pairs().zip(other.pairs()) {
        let [one, other] = [one, other].map(|pair| pair.phi.iter().chain(pair.sums));
        for (x, y) in one.zip(other) {
            assert!((x - y).abs() <= 2e-5 || x.is_nan() && y.is_nan(), "{x} for {y}");
        }
    }
}

fn assert_warned(engine: &GpuEngine, words: &[&str]) {
    let warnings = engine.take_warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    for word in words {
        assert!(warnings[0].contains(word) && !warnings[0].contains('\n'), "{}", warnings[0]);
    }
    assert!(engine.take_warnings().is_empty(), "each warning is given once");
}

#[test]
fn a_lost_device_leaves_the_work_to_the_cpu_engine_from_then_on() {
    let Some(engine) = open() else { return };
    let bases = bases();
    engine.device.device().destroy();
    for _ in 0..2 {
        let stats = pair_stats(&engine, &bases);
        assert_same_numbers(&stats, &self::pair_stats(&CpuEngine::new(), &bases));
        assert!(stats.fallback().unwrap().starts_with("cpu ("), "{:?}", stats.fallback());
        assert_warned(&engine, &["could not; computed by cpu (", "device lost"]);
    }
    let pairs = [Pair { a: &bases[3], b: &bases[8] }];
    assert_eq!(engine.grids(&pairs).unwrap(), CpuEngine::new().grids(&pairs).unwrap());
    assert_warned(&engine, &["cpu ("]);
}

#[test]
fn a_validation_error_is_tried_again_in_smaller_dispatches_with_the_same_bits() {
    let Some(engine) = open() else { return };
    let bases = bases();
    let whole = pair_stats(&engine, &bases);
    assert_eq!(whole.fallback(), None);
    // A real one: a buffer that is mapped for reading cannot be a uniform.
    let _ = engine.device.device().create_buffer(&BufferDescriptor {
        label: Some("wrong"),
        size: 16,
        usage: BufferUsages::MAP_READ | BufferUsages::UNIFORM,
        mapped_at_creation: false,
    });
    let again = pair_stats(&engine, &bases);
    assert!(again.fallback().unwrap().starts_with("smaller dispatches, after "), "{:?}", again.fallback());
    assert_warned(&engine, &["smaller dispatches", "Validation Error"]);
    let bits = |stats: &BlockStats| -> Vec<u32> {
        let values = stats.pairs().flat_map(|pair| pair.phi.iter().chain(pair.sums));
        values.map(|value| value.to_bits()).collect()
    };
    assert_eq!(bits(&again), bits(&whole));
    assert_eq!(pair_stats(&engine, &bases).fallback(), None, "one failure is not held against the GPU");
}

#[test]
fn out_of_memory_twice_leaves_the_block_to_the_cpu_engine_and_no_other_one() {
    let Some(engine) = open() else { return };
    let bases = bases();
    *engine.device.injected.lock().unwrap() = vec!["Out of Memory"; 2];
    let stats = pair_stats(&engine, &bases);
    assert_same_numbers(&stats, &self::pair_stats(&CpuEngine::new(), &bases));
    assert_warned(&engine, &["cpu (", "Out of Memory"]);
    assert_eq!(self::pair_stats(&engine, &bases).fallback(), None);

    *engine.device.injected.lock().unwrap() = vec!["Out of Memory"];
    let pairs = [Pair { a: &bases[3], b: &bases[8] }];
    engine.grids(&pairs).unwrap();
    assert_warned(&engine, &["smaller dispatches", "Out of Memory"]);
}

#[test]
fn a_basis_that_no_buffer_holds_goes_to_the_cpu_engine() {
    let Some(engine) = open() else { return };
    let d = (1 << 25) + 1; // 128 MiB and 4 bytes.
    let mut row = vec![0.0; d];
    row[d - 1] = 1.0;
    let bases = [Basis::from_rows(d, row, vec![1.0]).unwrap()];
    let bases: Vec<&Basis> = bases.iter().collect();
    let block = Block { a: &bases, b: &bases, pairs: Pairs::All, cells: &[(1, 1)] };
    let stats = engine.pair_stats(&block).unwrap();
    assert_eq!(stats.pairs().next().unwrap().sum(PHI_R), 1.0);
    assert!(stats.fallback().unwrap().contains("for want of room"), "{:?}", stats.fallback());
    assert_warned(&engine, &["could not; computed by cpu (", "for want of room"]);
}

#[test]
fn a_device_that_is_lost_under_way_gives_the_right_numbers() {
    let bases = bases();
    let expected = pair_stats(&CpuEngine::new(), &bases);
    for delay_us in [0, 300, 1000, 3000, 10_000] {
        let Some(engine) = open() else { return };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_micros(delay_us));
                engine.device.device().destroy();
            });
            for _ in 0..3 {
                assert_same_numbers(&pair_stats(&engine, &bases), &expected);
            }
        });
    }
}
