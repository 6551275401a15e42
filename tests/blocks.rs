//! What the CPU engine makes of a block of pairs: the numbers of whole grids, and the same bytes wherever a pair stands.

mod common;

use common::engines::{PHI_BOUND, PHI_BOUND_F16, cpu, cpu_f16, phi_bound};
use common::oracle::Oracle;
use lorascope::Basis;
use lorascope::engine::{Block, CpuEngine, Engine, Pair, PairStats, Pairs, Precision};
use lorascope::measure::{LINEAR_CKA, PHI_R};
use proptest::prelude::*;
use rayon::ThreadPoolBuilder;

/// Powers of two, cells off the diagonal on both sides, and one that few pairs have.
const CELLS: [(usize, usize); 12] = [
    (4, 4),
    (1, 1),
    (2, 2),
    (3, 7),
    (8, 8),
    (7, 3),
    (16, 16),
    (16, 5),
    (32, 32),
    (64, 64),
    (1, 40),
    (900, 900),
];

fn bases(ranks: &[usize], d: usize) -> Vec<Basis> {
    ranks.iter().enumerate().map(|(seed, &q)| Basis::gaussian(q, d, seed as u64).unwrap()).collect()
}

/// Each number's bits, so that NaN equals itself.
fn bits(pair: PairStats<'_>) -> Vec<u32> {
    pair.phi.iter().chain(pair.sums).map(|value| value.to_bits()).collect()
}

/// The linear_cka by its definition, in f64.
fn linear_cka(a: &Basis, b: &Basis) -> f64 {
    let d = a.d();
    let norm = |basis: &Basis| basis.sigma().iter().map(|sigma| sigma.powi(4)).sum::<f64>();
    let mut sum = 0.0;
    for (u, sigma) in a.rows().chunks(d).zip(a.sigma()) {
        for (v, tau) in b.rows().chunks(d).zip(b.sigma()) {
            let p: f64 = u.iter().zip(v).map(|(u, v)| f64::from(*u) * f64::from(*v)).sum();
            sum += (sigma * tau * p).powi(2);
        }
    }
    sum / (norm(a) * norm(b)).sqrt()
}

fn assert_stats_are_of_the_grids(engine: &dyn Engine, ranks: &[usize], d: usize) {
    let bases = bases(ranks, d);
    let list: Vec<&Basis> = bases.iter().collect();
    let block = Block { a: &list, b: &list, pairs: Pairs::All, cells: &CELLS };
    let stats = engine.pair_stats(&block).unwrap();
    assert_eq!(stats.n_pairs(), list.len() * list.len());
    let cka_bound = if engine.info().precision == Precision::F32 { 1e-6 } else { PHI_BOUND_F16 };
    for ((a, b), pair) in block.places().zip(stats.pairs()) {
        let (a, b) = (list[a], list[b]);
        let grid = engine.grids(&[Pair { a, b }]).unwrap().pop().unwrap();
        let at = |i: usize, j: usize| {
            if i <= a.q() && j <= b.q() { grid.values()[(i - 1) * b.q() + j - 1] } else { f32::NAN }
        };
        for (&(i, j), value) in CELLS.iter().zip(pair.phi) {
            assert_eq!(value.to_bits(), at(i, j).to_bits(), "({i}, {j}) of {} × {}", a.q(), b.q());
        }
        let full = a.q().min(b.q());
        assert_eq!(pair.sum(PHI_R).to_bits(), at(full, full).to_bits());
        let expected = linear_cka(a, b);
        let found = f64::from(pair.sum(LINEAR_CKA));
        assert!((found - expected).abs() < cka_bound, "{found} ≠ {expected}");
    }
}

#[test]
fn cells_are_what_the_grid_has_there() {
    for engine in [cpu(), cpu_f16()] {
        assert_stats_are_of_the_grids(engine, &[1, 8, 3, 64, 17, 200, 48], 300);
        assert_stats_are_of_the_grids(engine, &[8; 20], 257);
        assert_stats_are_of_the_grids(engine, &[1, 1, 1], 1);
    }
}

#[test]
fn ranks_over_every_tile_have_their_cells() {
    for engine in [cpu(), cpu_f16()] {
        assert_stats_are_of_the_grids(engine, &[1024, 520, 9], 1100);
    }
}

#[test]
fn cells_hold_the_bound_on_directions_that_are_worst_for_f32_sums() {
    for d in [3000, 8191, 12_000, 16_381] {
        let level = 1.0 / (d as f64).sqrt();
        let sign = |i: usize, k: usize| if (i & k).count_ones().is_multiple_of(2) { level } else { -level };
        let rows = (0..4).flat_map(|i| (0..d).map(move |k| sign(i, k) as f32)).collect();
        let basis = Basis::from_rows(d, rows, vec![1.0; 4]).unwrap();
        let oracle = Oracle::new(basis.rows(), basis.rows(), d);
        let cells = [(1, 1), (2, 2), (4, 4)];
        let list = [&basis; 3];
        for engine in [cpu(), cpu_f16()] {
            let stats =
                engine.pair_stats(&Block { a: &list, b: &list, pairs: Pairs::Upper, cells: &cells }).unwrap();
            for pair in stats.pairs() {
                for (&(i, j), &value) in cells.iter().zip(pair.phi) {
                    let error = (f64::from(value) - oracle.phi(i, j)).abs();
                    assert!(error <= phi_bound(engine), "d = {d}: {error:e}");
                }
            }
        }
        const { assert!(PHI_BOUND < PHI_BOUND_F16) };
    }
}

#[test]
fn a_block_without_pairs_has_no_stats() {
    let basis = Basis::gaussian(3, 10, 0).unwrap();
    let one = [&basis];
    for pairs in [Pairs::Upper, Pairs::List(&[])] {
        let stats = cpu().pair_stats(&Block { a: &one, b: &one, pairs, cells: &CELLS }).unwrap();
        assert_eq!(stats.n_pairs(), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// A pair's numbers in blocks of other sizes, orders and neighbours, as All, Upper and List, on one thread and two.
    #[test]
    fn bytes_of_a_pair_do_not_depend_on_its_place(
        ranks in prop::collection::vec(prop_oneof![Just(8usize), 1usize..40, 60usize..200], 2..24),
        d in prop_oneof![200usize..300, Just(768)],
        seed in any::<u64>(),
        half in any::<bool>(),
    ) {
        let precision = if half { Precision::F16 } else { Precision::F32 };
        let bases = bases(&ranks, d);
        let list: Vec<&Basis> = bases.iter().collect();
        // A few of them in an order of the seed's.
        let mut some: Vec<usize> = (0..bases.len()).filter(|at| seed >> (at % 64) & 1 == 0).collect();
        some.sort_by_key(|&at| (at as u64 + 1).wrapping_mul(seed | 1));
        let few: Vec<&Basis> = some.iter().map(|&at| list[at]).collect();
        let upper: Vec<(u32, u32)> =
            (0..list.len() as u32).flat_map(|a| (a + 1..list.len() as u32).map(move |b| (a, b))).collect();
        for threads in [1, 2] {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let keep = |a: &[&Basis], b: &[&Basis], pairs: Pairs<'_>| -> Vec<Vec<u32>> {
                let engine = CpuEngine::with_precision(precision);
                let block = Block { a, b, pairs, cells: &CELLS };
                pool.install(|| engine.pair_stats(&block)).unwrap().pairs().map(bits).collect()
            };
            // Alone: nothing beside it.
            let alone = |a: &Basis, b: &Basis| keep(&[a], &[b], Pairs::All).pop().unwrap();
            let in_upper = keep(&list, &list, Pairs::Upper);
            prop_assert_eq!(&in_upper, &keep(&list, &list, Pairs::List(&upper)));
            for (&(a, b), numbers) in upper.iter().zip(&in_upper).step_by(7) {
                prop_assert_eq!(numbers, &alone(list[a as usize], list[b as usize]));
            }
            let all = keep(&list, &list, Pairs::All);
            for (&(a, b), numbers) in upper.iter().zip(&in_upper) {
                prop_assert_eq!(numbers, &all[a as usize * list.len() + b as usize]);
            }
            if few.is_empty() {
                continue;
            }
            for (at, numbers) in keep(&list, &few, Pairs::All).iter().enumerate() {
                prop_assert_eq!(numbers, &all[at / few.len() * list.len() + some[at % few.len()]]);
            }
        }
    }
}
