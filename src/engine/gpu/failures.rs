//! Tests of what an engine does when its GPU fails: the right numbers all the same, and a word about it.

use std::time::Duration;

use wgpu::{BufferDescriptor, BufferUsages};

use super::device::Corruption;
use super::{GpuEngine, MAX_WRONG};
use crate::adapter::{Dtype, Matrix};
use crate::basis::{Basis, Update, UpdateFactors, gaussian_matrix};
use crate::engine::gpu::test_engines::open_software as open;
use crate::engine::{Block, BlockStats, CpuEngine, CpuPainter, Engine, Painter, Pair, Pairs, UpdateBlock};
use crate::kernels::colormap::{Band, Cells, ColorTable};
use crate::measure::PHI_R;

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

/// What becomes of numbers.
type Corrupt<T> = fn(&mut [T]);

/// What drivers that lie make of rows: those that end loops early, read nothing, or read the wrong thing.
const WRONG_ROWS: [(&str, Corrupt<u8>); 3] = [
    ("the last tenth of each row is not seen", |bytes| {
        let n = bytes.len() / 40 * 4;
        let start = bytes.len() - n;
        bytes[start..].fill(0);
    }),
    ("every row is zeros", |bytes| bytes.fill(0)),
    ("every number is a tenth too small", |bytes| {
        bytemuck::cast_slice_mut::<u8, f32>(bytes).iter_mut().for_each(|x| *x *= 0.9);
    }),
];

/// What they make of results: one bit flipped, a word lost, two in each other's place, or nothing written at all.
const WRONG_RESULTS: [(&str, Corrupt<u32>); 5] = [
    ("a flipped low bit", |words| words[0] ^= 1),
    ("a flipped high bit", |words| words[words.len() / 3] ^= 1 << 27),
    ("a word that was not written", |words| {
        let lost = words.iter_mut().find(|word| **word != 0);
        lost.into_iter().for_each(|word| *word = 0);
    }),
    ("two words in each other's place", |words| {
        let other = words.iter().position(|&word| word != words[0]).unwrap();
        words.swap(0, other);
    }),
    ("nothing was written", |words| words.fill(0)),
];

fn every_corruption() -> impl Iterator<Item = (&'static str, Corruption)> {
    let rows = WRONG_ROWS.into_iter().map(|(what, rows)| (what, Corruption::Rows(rows)));
    rows.chain(WRONG_RESULTS.into_iter().map(|(what, results)| (what, Corruption::Results(results))))
}

/// Corrupts all that goes on once the engine has rehearsed the work.
fn corrupt(engine: &GpuEngine, corruption: Corruption) {
    *engine.device.corruption.lock().unwrap() = Some(corruption);
}

#[test]
fn a_wrong_result_of_many_pairs_is_found_and_made_again_by_the_cpu_engine() {
    let bases = bases();
    let expected = pair_stats(&CpuEngine::new(), &bases);
    for (what, corruption) in every_corruption() {
        let Some(engine) = open() else { return };
        assert_eq!(pair_stats(&engine, &bases).fallback(), None);
        corrupt(&engine, corruption);
        let stats = pair_stats(&engine, &bases);
        assert_same_numbers(&stats, &expected);
        assert!(
            stats.fallback().is_some_and(|why| why.starts_with("cpu (")),
            "{what}: {:?}",
            stats.fallback()
        );
        assert_warned(&engine, &["computed by cpu (", "after a wrong result: "]);
    }
}

#[test]
fn a_wrong_result_of_grids_is_found_and_made_again_by_the_cpu_engine() {
    let bases: Vec<Basis> =
        [(9, 200), (70, 200), (3, 200)].map(|(q, d)| Basis::gaussian(q, d, q as u64).unwrap()).into();
    for pairs in [[Pair { a: &bases[0], b: &bases[2] }], [Pair { a: &bases[1], b: &bases[0] }]] {
        let expected = CpuEngine::new().grids(&pairs).unwrap();
        for (what, corruption) in every_corruption() {
            let Some(engine) = open() else { return };
            engine.grids(&pairs).unwrap();
            assert_eq!(engine.take_warnings(), [""; 0], "{what}");
            corrupt(&engine, corruption);
            assert_eq!(engine.grids(&pairs).unwrap(), expected, "{what}");
            assert_warned(&engine, &["computed by cpu (", "after a wrong result: "]);
        }
    }
}

#[test]
fn a_wrong_result_of_update_cosines_is_found_and_made_again_by_the_cpu_engine() {
    let of = |r: usize, seed: u64| {
        let [a, b] = [gaussian_matrix(r, 300, seed), gaussian_matrix(90, r, seed + 50)]
            .map(|matrix| Matrix { dtype: Dtype::F32, ..matrix });
        UpdateFactors::of(Update { a: &a, b: &b, scaling: 1.0 }).unwrap()
    };
    let updates: Vec<UpdateFactors> = (0..9).map(|seed| of(1 + seed as usize, seed)).collect();
    let updates: Vec<&UpdateFactors> = updates.iter().collect();
    let block = UpdateBlock { a: &updates, b: &updates, pairs: Pairs::All };
    let expected = CpuEngine::new().update_cosines(&block).unwrap().values;
    for (what, corruption) in every_corruption() {
        let Some(engine) = open() else { return };
        assert_eq!(engine.update_cosines(&block).unwrap().fallback, None);
        corrupt(&engine, corruption);
        let found = engine.update_cosines(&block).unwrap();
        assert_eq!(found.values, expected, "{what}");
        assert_warned(&engine, &["computed by cpu (", "after a wrong result: "]);
    }
}

#[test]
fn wrong_pixels_are_found_and_painted_by_the_cpu() {
    let table = ColorTable::new(&std::array::from_fn(|k| [k as u8; 3]), 0.0, 1.0).unwrap();
    let values: Vec<f32> = (0..12).map(|k| k as f32 / 12.0).collect();
    let cells = Cells { n_rows: 3, n_cols: 4, values: &values };
    let band = Band::whole(40, 30);
    let expected = CpuPainter.colormap(&cells, &table, &band).unwrap();
    for (what, results) in WRONG_RESULTS {
        let Some(engine) = open() else { return };
        corrupt(&engine, Corruption::Results(results));
        assert_eq!(engine.colormap(&cells, &table, &band).unwrap(), expected, "{what}");
        assert_warned(&engine, &["computed by cpu (", "after a wrong result: "]);
    }
}

#[test]
fn work_that_fails_its_rehearsal_goes_to_the_cpu_engine_and_a_gpu_that_stays_wrong_is_not_asked_again() {
    let Some(engine) = open() else { return };
    let bases = bases();
    let expected = pair_stats(&CpuEngine::new(), &bases);
    // Before any rehearsal, and of its rows too.
    corrupt(&engine, Corruption::Rows(WRONG_ROWS[0].1));
    for n_wrong in 1..=MAX_WRONG {
        assert_same_numbers(&pair_stats(&engine, &bases), &expected);
        assert_eq!(engine.device.n_wrong(), n_wrong);
        assert_warned(&engine, &["computed by cpu (", "after a wrong result: "]);
    }
    assert_same_numbers(&pair_stats(&engine, &bases), &expected);
    assert_eq!(engine.device.n_wrong(), MAX_WRONG);
    assert_warned(&engine, &["computed by cpu (", "after 3 wrong results"]);
}

#[test]
fn each_size_of_work_is_rehearsed_once_and_no_smaller_one() {
    let Some(engine) = open() else { return };
    let n_sizes = |engine: &GpuEngine| engine.rehearsed.lock().unwrap().len();
    let [small, wide, high] = [(3, 100), (2, 900), (30, 100)].map(|(q, d)| Basis::gaussian(q, d, 1).unwrap());
    let grid = |basis| engine.grids(&[Pair { a: basis, b: basis }]).unwrap();
    grid(&small);
    assert_eq!(n_sizes(&engine), 1);
    grid(&small);
    grid(&Basis::gaussian(2, 90, 1).unwrap());
    assert_eq!(n_sizes(&engine), 1);
    // Neither covers the other.
    engine.grids(&[Pair { a: &wide, b: &wide }, Pair { a: &high, b: &high }]).unwrap();
    assert_eq!(n_sizes(&engine), 2);
    pair_stats(&engine, &[small.clone(), small]);
    assert_eq!(n_sizes(&engine), 3);
}
