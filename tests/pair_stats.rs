//! What is kept of the pairs of a block: each behaviour once, on every engine and every kernel.

mod common;

use std::sync::OnceLock;

use common::engines::{gpus_by_kernel, phi_bound};
use common::oracle::Oracle;
use lorascope::engine::{Block, BlockStats, Engine, PairStats, Pairs};
use lorascope::kernels::pair_stats::{Rows, pair_stats};
use lorascope::{Basis, Error};

macro_rules! everywhere {
    ($($behaviour:ident),+ $(,)?) => {
        on_every_engine!($($behaviour),+);

        mod f16 {
            use super::*;
            with_f16_bases!($($behaviour),+);
        }

        /// Every variant of the GPU's kernels, for blocks that it would not be taken for too.
        mod kernels {
            use super::*;
            $(#[test] fn $behaviour() {
                gpus_by_kernel().iter().for_each(|engine| super::$behaviour(engine));
            })+
        }
    };
}

everywhere!(
    agrees_with_the_oracle_at_mixed_ranks_from_1_to_70,
    agrees_with_the_plain_loops_over_the_tile_and_up_to_rank_1024,
    keeps_the_bound_on_directions_that_are_worst_for_f32_sums,
    keeps_the_bound_where_all_squares_round_the_same_way,
    finds_a_basis_in_itself_whole,
    is_one_in_one_dimension,
    gives_a_pair_the_same_bits_whatever_it_stands_beside,
    keeps_no_cell_past_the_ranks,
    keeps_whole_grids_and_no_cells_at_all,
    returns_nothing_for_no_pair,
    refuses_bases_of_different_dimensions,
    goes_through_grids_where_rows_are_no_unit_vectors,
    answers_many_threads_at_once,
);

const CELLS: [(usize, usize); 6] = [(1, 1), (2, 2), (4, 4), (8, 8), (3, 17), (60, 2)];

fn gaussian(ranks: impl IntoIterator<Item = usize>, d: usize) -> Vec<Basis> {
    let ranks = ranks.into_iter().enumerate();
    ranks.map(|(seed, q)| Basis::gaussian(q, d, 1000 * d as u64 + seed as u64).unwrap()).collect()
}

fn block_stats(
    engine: &dyn Engine,
    a: &[Basis],
    b: &[Basis],
    pairs: Pairs<'_>,
    cells: &[(usize, usize)],
) -> BlockStats {
    let [a, b]: [Vec<&Basis>; 2] = [a, b].map(|bases| bases.iter().collect());
    let kept = engine.pair_stats(&Block { a: &a, b: &b, pairs, cells }).unwrap();
    assert_eq!((kept.fallback(), engine.take_warnings().as_slice()), (None, &[][..]));
    kept
}

fn bits(pair: PairStats<'_>) -> Vec<u32> {
    pair.phi.iter().chain([&pair.full, &pair.linear_cka]).map(|value| value.to_bits()).collect()
}

fn plain(a: &Basis, b: &Basis, cells: &[(usize, usize)]) -> Vec<f64> {
    let [u, v] = [a, b].map(|basis| Rows { rows: basis.rows(), sigma: basis.sigma() });
    pair_stats(u, v, a.d(), cells)
}

/// The largest difference from the plain loops; NaN has to meet NaN.
fn difference(pair: PairStats<'_>, expected: &[f64]) -> f64 {
    let values = pair.phi.iter().chain([&pair.full, &pair.linear_cka]);
    let differences = values.zip(expected).map(|(&value, expected)| {
        assert_eq!(value.is_nan(), expected.is_nan(), "{value} for {expected}");
        if value.is_nan() { 0.0 } else { (f64::from(value) - expected).abs() }
    });
    differences.fold(0.0, f64::max)
}

fn agrees_with_the_oracle_at_mixed_ranks_from_1_to_70(engine: &dyn Engine) {
    // Some 900 rows: many tiles, and bases that straddle them in every way.
    let bases = gaussian((0..26).map(|k| 1 + k * 29 % 70), 83);
    let kept = block_stats(engine, &bases, &bases[3..11], Pairs::All, &CELLS);
    assert_eq!(kept.n_pairs(), 26 * 8);
    for (at, pair) in kept.pairs().enumerate() {
        let (a, b) = (&bases[at / 8], &bases[3 + at % 8]);
        let oracle = Oracle::new(a.rows(), b.rows(), 83);
        for (&(i, j), &phi) in CELLS.iter().zip(pair.phi) {
            let is_there = i <= a.q() && j <= b.q();
            assert_eq!(phi.is_nan(), !is_there, "pair {at}, ({i}, {j})");
            if is_there {
                let difference = (f64::from(phi) - oracle.phi(i, j)).abs();
                assert!(difference <= phi_bound(engine), "pair {at}, ({i}, {j}): {difference:e}");
            }
        }
        let full = a.q().min(b.q());
        let difference = (f64::from(pair.full) - oracle.phi(full, full)).abs();
        assert!(difference <= phi_bound(engine), "pair {at} at full rank: {difference:e}");
        let worst = self::difference(pair, &plain(a, b, &CELLS));
        assert!(worst <= phi_bound(engine), "pair {at}: {worst:e}");
    }
}

/// Bases over the tile, and what the plain loops make of each pair of them: slow, so made once for all engines.
struct Large {
    bases: Vec<Basis>,
    expected: Vec<Vec<f64>>,
}

const LARGE_CELLS: [(usize, usize); 6] = [(1, 1), (64, 64), (65, 65), (100, 3), (512, 511), (1000, 1000)];

fn large() -> &'static [Large] {
    static LARGE: OnceLock<Vec<Large>> = OnceLock::new();
    LARGE.get_or_init(|| {
        let shapes = [(&[65, 130, 7, 128][..], 301), (&[512, 64, 1], 520), (&[1024, 3], 1030)];
        let large = shapes.into_iter().map(|(ranks, d)| {
            let bases = gaussian(ranks.iter().copied(), d);
            let pairs = bases.iter().flat_map(|a| bases.iter().map(move |b| (a, b)));
            let expected = pairs.map(|(a, b)| plain(a, b, &LARGE_CELLS)).collect();
            Large { bases, expected }
        });
        large.collect()
    })
}

fn agrees_with_the_plain_loops_over_the_tile_and_up_to_rank_1024(engine: &dyn Engine) {
    for Large { bases, expected } in large() {
        let kept = block_stats(engine, bases, bases, Pairs::All, &LARGE_CELLS);
        for (at, (pair, expected)) in kept.pairs().zip(expected).enumerate() {
            let worst = difference(pair, expected);
            assert!(worst <= phi_bound(engine), "pair {at} of d = {}: {worst:e}", bases[0].d());
        }
    }
}

/// Rows ±1/√d by the signs of a Hadamard matrix; the first is the constant direction.
fn hadamard(q: usize, d: usize) -> Basis {
    let level = 1.0 / (d as f64).sqrt();
    let sign = |i: usize, k: usize| if (i & k).count_ones().is_multiple_of(2) { level } else { -level };
    let rows = (0..q).flat_map(|i| (0..d).map(move |k| sign(i, k) as f32)).collect();
    Basis::from_rows(d, rows, vec![1.0; q]).unwrap()
}

fn keeps_the_bound_on_directions_that_are_worst_for_f32_sums(engine: &dyn Engine) {
    let mut overall = 0.0f64;
    for d in [3000, 8191, 12_000, 16_381] {
        let bases = [hadamard(4, d), hadamard(1, d)];
        let cells = [(1, 1), (2, 2), (1, 4), (3, 3)];
        let kept = block_stats(engine, &bases, &bases, Pairs::All, &cells);
        for (at, pair) in kept.pairs().enumerate() {
            let worst = difference(pair, &plain(&bases[at / 2], &bases[at % 2], &cells));
            assert!(worst <= phi_bound(engine), "d = {d}, pair {at}: {worst:e}");
            overall = overall.max(worst);
        }
    }
    println!("{}: kept, constant and Hadamard directions: worst {overall:.1e}", engine.info());
}

/// The first q unit vectors.
fn axes(q: usize, d: usize) -> Basis {
    let mut rows = vec![0.0; q * d];
    (0..q).for_each(|i| rows[i * d + i] = 1.0);
    Basis::from_rows(d, rows, vec![1.0; q]).unwrap()
}

fn keeps_the_bound_where_all_squares_round_the_same_way(engine: &dyn Engine) {
    // Every square is 1/d, a number that no power of two divides, and every weight is equal.
    for (q, d) in [(1000, 1000), (300, 700), (64, 91)] {
        let bases = [axes(q, d), hadamard(q, d)];
        let cells = [(1, q), (q, 1), (2, q / 2), (q, q)];
        let kept = block_stats(engine, &bases[..1], &bases[1..], Pairs::All, &cells);
        let worst = difference(kept.pairs().next().unwrap(), &plain(&bases[0], &bases[1], &cells));
        assert!(worst <= phi_bound(engine), "rank {q} of {d}: {worst:e}");
    }
}

fn finds_a_basis_in_itself_whole(engine: &dyn Engine) {
    let bases = gaussian([5, 64, 100], 200);
    for (k, basis) in bases.iter().enumerate() {
        let list = [(k as u32, k as u32)];
        let cells = [(1, 1), (2, 2), (5, 5)];
        let kept = block_stats(engine, &bases, &bases, Pairs::List(&list), &cells);
        let pair = kept.pairs().next().unwrap();
        for phi in pair.phi.iter().chain([&pair.full, &pair.linear_cka]) {
            assert!((f64::from(*phi) - 1.0).abs() <= phi_bound(engine), "rank {}: {pair:?}", basis.q());
        }
    }
}

fn is_one_in_one_dimension(engine: &dyn Engine) {
    let bases: Vec<Basis> = [1.0, -1.0].map(|x| Basis::from_rows(1, vec![x], vec![2.0]).unwrap()).into();
    let kept = block_stats(engine, &bases, &bases, Pairs::All, &[(1, 1), (1, 2)]);
    for pair in kept.pairs() {
        assert!(pair.phi[0] == 1.0 && pair.phi[1].is_nan() && pair.full == 1.0 && pair.linear_cka == 1.0);
    }
}

fn gives_a_pair_the_same_bits_whatever_it_stands_beside(engine: &dyn Engine) {
    let bases = gaussian((0..60).map(|k| 1 + k * 31 % 97), 130);
    let all = block_stats(engine, &bases, &bases, Pairs::All, &CELLS);
    let all: Vec<PairStats<'_>> = all.pairs().collect();

    let upper = block_stats(engine, &bases, &bases, Pairs::Upper, &CELLS);
    let places: Vec<(usize, usize)> = (0..60).flat_map(|a| (a + 1..60).map(move |b| (a, b))).collect();
    assert_eq!(upper.n_pairs(), places.len());
    for (pair, &(a, b)) in upper.pairs().zip(&places) {
        assert_eq!(bits(pair), bits(all[60 * a + b]), "({a}, {b})");
    }

    let list: Vec<(u32, u32)> = (0..150).map(|k| (k * 17 % 60, k * k % 59)).collect();
    let listed = block_stats(engine, &bases, &bases, Pairs::List(&list), &CELLS);
    for (pair, &(a, b)) in listed.pairs().zip(&list) {
        assert_eq!(bits(pair), bits(all[(60 * a + b) as usize]), "({a}, {b})");
    }

    // Alone, and shifted by one basis.
    for (a, b) in [(3, 40), (17, 17), (59, 0)] {
        let alone = block_stats(engine, &bases[a..=a], &bases[b..=b], Pairs::All, &CELLS);
        assert_eq!(bits(alone.pairs().next().unwrap()), bits(all[60 * a + b]), "({a}, {b}) alone");
    }
    let shifted = block_stats(engine, &bases[1..], &bases[2..], Pairs::All, &CELLS);
    for (at, pair) in shifted.pairs().enumerate() {
        let (a, b) = (1 + at / 58, 2 + at % 58);
        assert_eq!(bits(pair), bits(all[60 * a + b]), "({a}, {b}) shifted");
    }
}

fn keeps_no_cell_past_the_ranks(engine: &dyn Engine) {
    let bases = gaussian([3, 5], 20);
    let cells = [(3, 5), (4, 1), (1, 6), (usize::MAX, 1)];
    let kept = block_stats(engine, &bases[..1], &bases[1..], Pairs::All, &cells);
    let phi = kept.pairs().next().unwrap().phi;
    assert!(phi[0].is_finite() && phi[1..].iter().all(|phi| phi.is_nan()), "{phi:?}");
}

fn keeps_whole_grids_and_no_cells_at_all(engine: &dyn Engine) {
    let bases = gaussian([9, 14], 40);
    let cells: Vec<(usize, usize)> = (1..=9).flat_map(|i| (1..=14).map(move |j| (i, j))).collect();
    let whole = block_stats(engine, &bases[..1], &bases[1..], Pairs::All, &cells);
    let whole = whole.pairs().next().unwrap();
    let oracle = Oracle::new(bases[0].rows(), bases[1].rows(), 40);
    assert!(oracle.worst(whole.phi) <= phi_bound(engine));
    let none = block_stats(engine, &bases[..1], &bases[1..], Pairs::All, &[]);
    assert_eq!(bits(none.pairs().next().unwrap()), [whole.full.to_bits(), whole.linear_cka.to_bits()]);
}

fn returns_nothing_for_no_pair(engine: &dyn Engine) {
    let bases = gaussian([3], 20);
    assert_eq!(block_stats(engine, &bases, &bases, Pairs::Upper, &CELLS).n_pairs(), 0);
    assert_eq!(block_stats(engine, &bases, &bases, Pairs::List(&[]), &CELLS).n_pairs(), 0);
    assert_eq!(block_stats(engine, &[], &bases, Pairs::All, &CELLS).n_pairs(), 0);
    assert_eq!(block_stats(engine, &bases, &[], Pairs::List(&[]), &[]).n_pairs(), 0);
}

fn refuses_bases_of_different_dimensions(engine: &dyn Engine) {
    let (a, b) = (Basis::gaussian(2, 10, 0).unwrap(), Basis::gaussian(2, 11, 0).unwrap());
    let error = engine.pair_stats(&Block { a: &[&a], b: &[&b], pairs: Pairs::All, cells: &[] }).unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "{error}");
}

fn goes_through_grids_where_rows_are_no_unit_vectors(engine: &dyn Engine) {
    // Nobody checks that rows are orthonormal: of others the numbers are those of the grids.
    let long = Basis::from_rows(2, vec![300.0, 0.0, 0.0, 0.5], vec![1.0; 2]).unwrap();
    let bases = [long];
    let kept = block_stats(engine, &bases, &bases, Pairs::All, &[(1, 1), (2, 2)]);
    let grid = lorascope::similarity(engine, &bases[0], &bases[0]).unwrap();
    let pair = kept.pairs().next().unwrap();
    assert_eq!((pair.phi, pair.full), (&[grid.values()[0], grid.values()[3]][..], grid.values()[3]));
}

fn answers_many_threads_at_once(engine: &dyn Engine) {
    let bases = gaussian([8, 70, 3, 20], 100);
    let expected = block_stats(engine, &bases, &bases, Pairs::Upper, &CELLS);
    let expected: Vec<Vec<u32>> = expected.pairs().map(bits).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let again = block_stats(engine, &bases, &bases, Pairs::Upper, &CELLS);
                    assert!(again.pairs().map(bits).eq(expected.iter().cloned()));
                }
            });
        }
    });
}
