use std::collections::HashSet;

use super::super::super::device::Corruption;
use super::super::super::limits::Limits;
use crate::basis::Basis;
use crate::engine::gpu::GpuEngine;
use crate::engine::gpu::test_engines::open_any as open;
use crate::engine::{Block, BlockStats, Engine, Pairs, Precision, TopRule, TopStats};
use crate::measure::PHI_R;

fn edges() -> Vec<f32> {
    (1..100).map(|class| (f64::from(class) / 100.0) as f32).collect()
}

/// The places of all pairs that are among the `k` of either basis, of equal ones those that come first.
fn exact(block: &Block<'_>, all: &BlockStats, k: usize) -> HashSet<usize> {
    let places: Vec<(usize, usize)> = block.places().collect();
    let phi: Vec<f32> = all.pairs().map(|pair| pair.sum(PHI_R).clamp(0.0, 1.0)).collect();
    let is_upper = matches!(block.pairs, Pairs::Upper);
    let lines = (0..block.a.len()).map(|a| (a, true)).chain((0..block.b.len()).map(|b| (b, false)));
    let mut kept = HashSet::new();
    for (basis, is_a) in lines {
        let of_basis = |place: &usize| {
            let (a, b) = places[*place];
            if is_upper { a == basis || b == basis } else { (if is_a { a } else { b }) == basis }
        };
        let mut of_line: Vec<usize> = (0..places.len()).filter(of_basis).collect();
        of_line.sort_by(|x, y| phi[*y].total_cmp(&phi[*x]).then(places[*x].cmp(&places[*y])));
        kept.extend(of_line.into_iter().take(k));
    }
    kept
}

fn bits(stats: &BlockStats, place: usize) -> Vec<u32> {
    let pair = stats.pairs().nth(place).unwrap();
    pair.phi.iter().chain(pair.sums).map(|value| value.to_bits()).collect()
}

/// What comes of a block: the right pairs, their numbers to the last bit, the histogram; and the bytes that were read.
fn check(engine: &GpuEngine, block: &Block<'_>, k: usize, limits: Limits) -> (TopStats, [u64; 2]) {
    let edges = edges();
    let rule = TopRule { k, edges: &edges };
    let read = || engine.stage_times().unwrap().read_back_bytes;
    // Rehearsals are read too.
    engine.rehearsed_top_stats(block, &rule, limits).unwrap();
    let start = read();
    let top = engine.rehearsed_top_stats(block, &rule, limits).unwrap();
    let of_top = read() - start;
    let all = engine.run_pair_stats(block, limits).unwrap();
    let of_all = read() - start - of_top;
    let all = TopStats::of_all(&rule, BlockStats::new(block.cells.len(), all));

    assert!(top.places.is_sorted_by(|x, y| x < y), "each once, in order");
    assert_eq!(top.counts, all.counts, "k = {k}");
    let found: HashSet<usize> = top.places.iter().copied().collect();
    let missing: Vec<usize> = exact(block, &all.stats, k).difference(&found).copied().collect();
    assert!(missing.is_empty(), "k = {k}: {missing:?}");
    for (at, &place) in top.places.iter().enumerate() {
        assert_eq!(bits(&top.stats, at), bits(&all.stats, place), "{place}");
    }
    (top, [of_top, of_all])
}

fn bases(n: usize, ranks: &[usize], d: usize) -> Vec<Basis> {
    (0..n).map(|k| Basis::gaussian(ranks[k % ranks.len()], d, k as u64).unwrap()).collect()
}

#[test]
fn the_most_alike_pairs_come_back_with_the_bits_that_all_have_and_the_others_are_counted() {
    for precision in Precision::ALL {
        let Some(engine) = open(precision) else { return };
        let bases = bases(75, &[3, 8, 5, 1, 12], 96);
        let bases: Vec<&Basis> = bases.iter().collect();
        let cells = [(1, 1), (4, 4)];
        let whole = engine.device.limits();
        for (pairs, n) in [(Pairs::Upper, 75), (Pairs::All, 60)] {
            let block = Block { a: &bases[..n], b: &bases[75 - n..], pairs, cells: &cells };
            for k in [1, 3, 7] {
                let (top, [of_top, of_all]) = check(&engine, &block, k, whole);
                assert!(top.places.len() <= 2 * k * n + 8, "{precision}, {k}: {}", top.places.len());
                assert!(k > 3 || 2 * of_top < of_all, "{precision}, {k}: {of_top} of {of_all} bytes");
            }
            // In many dispatches, of which each has its own.
            check(
                &engine,
                &block,
                2,
                Limits { max_words: 2 * 128 * 96, max_stack_words: 2 * 128 * 96, max_flop: 1e9 },
            );
        }
    }
}

#[test]
fn sums_of_two_words_are_compared_whole() {
    let Some(engine) = open(Precision::F32) else { return };
    let bases = bases(40, &[70, 66, 80], 200);
    let bases: Vec<&Basis> = bases.iter().collect();
    let block = Block { a: &bases, b: &bases, pairs: Pairs::Upper, cells: &[(1, 1)] };
    let (top, [of_top, of_all]) = check(&engine, &block, 2, engine.device.limits());
    assert!(top.places.len() < 160 && of_top < of_all, "{of_top} of {of_all} bytes");
}

#[test]
fn equal_pairs_come_back_all() {
    let Some(engine) = open(Precision::F32) else { return };
    // 40 copies of one basis between others: the host decides which of the equal ones count.
    let one = Basis::gaussian(4, 64, 1).unwrap();
    let others = bases(30, &[4, 6], 64);
    let bases: Vec<&Basis> = std::iter::repeat_n(&one, 40).chain(&others).collect();
    let block = Block { a: &bases, b: &bases, pairs: Pairs::Upper, cells: &[(1, 1)] };
    let (top, _) = check(&engine, &block, 2, engine.device.limits());
    assert_eq!(top.places.len(), block.n_pairs(), "more than there was room for");
    // Few copies have room.
    let bases: Vec<&Basis> = std::iter::repeat_n(&one, 4).chain(&others).chain(&others[..10]).collect();
    let block = Block { a: &bases, b: &bases, pairs: Pairs::Upper, cells: &[(1, 1)] };
    let (top, _) = check(&engine, &block, 2, engine.device.limits());
    assert!(top.places.len() < block.n_pairs() / 2);
}

#[test]
fn what_is_not_worth_it_comes_back_whole() {
    let Some(engine) = open(Precision::F32) else { return };
    let bases = bases(20, &[3, 8], 40);
    let bases: Vec<&Basis> = bases.iter().collect();
    let list: Vec<(u32, u32)> = (0..60).map(|k| (k % 20, k * 7 % 19)).collect();
    for (pairs, k) in [(Pairs::Upper, 10), (Pairs::All, usize::MAX), (Pairs::List(&list), 1)] {
        let block = Block { a: &bases, b: &bases, pairs, cells: &[] };
        let edges = edges();
        let top = engine.top_stats(&block, &TopRule { k, edges: &edges }).unwrap();
        let all = TopStats::of_all(&TopRule { k, edges: &edges }, engine.pair_stats(&block).unwrap());
        assert_eq!(top, all);
    }
}

#[test]
fn a_wrong_answer_leaves_the_block_to_the_cpu_engine() {
    let bases = bases(60, &[8], 64);
    let bases: Vec<&Basis> = bases.iter().collect();
    let block = Block { a: &bases, b: &bases, pairs: Pairs::Upper, cells: &[(1, 1)] };
    let edges = edges();
    let rule = TopRule { k: 2, edges: &edges };
    // The number of pairs, the check, a class of the histogram, the first pair.
    let corruptions: [fn(&mut [u32]); 4] =
        [|words| words[0] -= 40, |words| words[1] ^= 1, |words| words[20] += 1, |words| words[102] = 60];
    for corrupt in corruptions {
        let Some(engine) = open(Precision::F32) else { return };
        // Rehearsed before anything lies.
        engine.top_stats(&block, &rule).unwrap();
        *engine.device.corruption.lock().unwrap() = Some(Corruption::Results(corrupt));
        let top = engine.top_stats(&block, &rule).unwrap();
        assert!(top.stats.fallback().unwrap().contains("a wrong result"), "{:?}", top.stats.fallback());
        assert_eq!(top.places.len(), block.n_pairs());
        assert_eq!(engine.take_warnings().len(), 1);
    }
}
