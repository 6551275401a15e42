use std::time::Duration;

use super::*;
use crate::basis::Basis;
use crate::engine::gpu::test_engines::open_any as open;
use crate::engine::{Engine, GpuChoice, Pairs, Precision};
use crate::kernels::pair_stats::{self, Dispatch};

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
                let limits = Limits { max_words: n_rows * 64, max_stack_words: n_rows * 64, max_flop };
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

#[test]
fn sums_of_rows_of_many_chunks_are_whole() {
    let Some(mut engine) = open(Precision::F16) else { return };
    // Over sixteen chunks of columns, of which the second vector has the last ones only.
    let d = 200_003;
    let start = d - d / 8;
    let level = |n: usize| (1.0 / n as f32).sqrt();
    let rows = [vec![level(d); d], [vec![0.0; start], vec![level(d - start); d - start]].concat()];
    let bases = rows.map(|row| Basis::from_rows(d, row, vec![1.0]).unwrap());
    let block = Block { a: &[&bases[0]], b: &[&bases[1]], pairs: Pairs::All, cells: &[(1, 1)] };
    engine.pair_stats.only =
        kernels_of(&engine.device).find(|(_, variant)| variant.tile == 64).map(|(at, _)| at);
    let values = engine.run_pair_stats(&block, engine.device.limits()).unwrap();
    assert!(values.iter().all(|value| (value - 0.125).abs() < 2e-5), "{values:?}");
}

/// Bases of output layers: a tile of rows of them takes more than a buffer may have.
#[test]
fn rows_as_long_as_a_vocabulary_are_compared_on_the_gpu() {
    for (precision, d, bound) in [(Precision::F32, 151_936, 1e-5), (Precision::F16, 270_001, 5e-4)] {
        let Some(engine) = open(precision) else { return };
        let bases: Vec<Basis> = [5, 6, 3, 8]
            .into_iter()
            .zip(0..)
            .map(|(rank, seed)| Basis::gaussian(rank, d, seed).unwrap())
            .collect();
        let bases: Vec<&Basis> = bases.iter().collect();
        let block = Block { a: &bases, b: &bases, pairs: Pairs::Upper, cells: &[(1, 1), (2, 3)] };
        engine.pair_stats(&block).unwrap();
        assert_eq!(engine.take_warnings(), Vec::<String>::new(), "{precision}");
        let whole = engine.run_pair_stats(&block, engine.device.limits()).unwrap();
        // Two runs in the stack, of which there are three.
        let words = 2 * 12 * pair_stats::stack_words(precision, d);
        let limits = Limits { max_words: words, max_stack_words: words, max_flop: 1e9 };
        assert!(bits(&engine.run_pair_stats(&block, limits).unwrap()) == bits(&whole), "{precision}");
        for (pair, (a, b)) in block.places().enumerate() {
            let rows = |basis: &Basis| basis.rows().to_vec();
            let (of_a, of_b) = (rows(bases[a]), rows(bases[b]));
            let [a, b] = [(&of_a, bases[a]), (&of_b, bases[b])]
                .map(|(rows, basis)| pair_stats::Rows { rows, sigma: basis.sigma() });
            let expected = pair_stats::pair_stats(a, b, d, block.cells);
            let found = &whole[pair * expected.len()..][..expected.len()];
            for (found, expected) in found.iter().zip(&expected) {
                assert!((f64::from(*found) - expected).abs() <= bound, "{precision}: {found} for {expected}");
            }
        }
    }
}

#[test]
fn more_cells_than_one_pass_sums_up_have_the_bits_of_few_at_once() {
    // 64 vectors a quadrant, each a basis, next to one of many cells.
    let ranks = (0..130).map(|k| if k == 70 { 290 } else { 1 });
    let bases: Vec<Basis> =
        ranks.zip(0..).map(|(rank, seed)| Basis::gaussian(rank, 300, seed).unwrap()).collect();
    let bases: Vec<&Basis> = bases.iter().collect();
    let cells: Vec<(usize, usize)> = (1..=Dispatch::VALUES_IN_A_PASS + 30).map(|k| (k, k)).collect();
    for precision in Precision::ALL {
        let Some(engine) = open(precision) else { return };
        let numbers = |cells: &[(usize, usize)]| {
            let block = Block { a: &bases, b: &bases, pairs: Pairs::Upper, cells };
            engine.run_pair_stats(&block, engine.device.limits()).unwrap()
        };
        let (all, few) = (numbers(&cells), numbers(&cells[250..280]));
        let (all, few) = (all.chunks(cells.len() + 3), few.chunks(33));
        for (all, few) in all.zip(few) {
            assert_eq!(bits(&all[250..280]), bits(&few[..30]), "{precision}");
            assert_eq!(bits(&all[cells.len()..]), bits(&few[30..]), "{precision}");
        }
    }
}
