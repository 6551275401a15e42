//! What engines make of the pairs of a block: each behaviour once, on every engine and every kernel.

mod common;

use std::sync::OnceLock;

use common::engines::{cpu, gpus_by_kernel, phi_bound};
use common::oracle::Oracle;
use lorascope::engine::{Block, BlockStats, Engine, EngineKind, PairStats, Pairs, Precision};
use lorascope::internals::kernels::pair_stats::{Rows, pair_stats};
use lorascope::measure::{LINEAR_CKA, N_PRODUCT_SUMS, PHI_FULL, PHI_R, PRODUCT_SUMS};
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
    weighs_directions_by_their_size_relative_to_the_largest,
    finds_a_basis_in_itself_whole,
    is_one_in_one_dimension,
    gives_a_pair_the_same_bits_in_any_block,
    has_no_cell_past_the_ranks,
    makes_whole_grids_and_no_cells_at_all,
    returns_nothing_for_no_pair,
    refuses_bases_of_different_dimensions,
    has_the_numbers_of_the_grids_where_rows_are_not_unit_vectors,
    answers_many_threads_at_once,
);

const CELLS: [(usize, usize); 6] = [(1, 1), (2, 2), (4, 4), (8, 8), (3, 17), (60, 2)];

fn gaussian(ranks: impl IntoIterator<Item = usize>, d: usize) -> Vec<Basis> {
    let ranks = ranks.into_iter().enumerate();
    ranks.map(|(seed, q)| Basis::gaussian(q, d, 1000 * d as u64 + seed as u64).unwrap()).collect()
}

fn stats_of(
    engine: &dyn Engine,
    a: &[Basis],
    b: &[Basis],
    pairs: Pairs<'_>,
    cells: &[(usize, usize)],
) -> BlockStats {
    let [a, b]: [Vec<&Basis>; 2] = [a, b].map(|bases| bases.iter().collect());
    let stats = engine.pair_stats(&Block { a: &a, b: &b, pairs, cells }).unwrap();
    assert_eq!((stats.fallback(), engine.take_warnings().as_slice()), (None, &[][..]));
    stats
}

fn bits(pair: PairStats<'_>) -> Vec<u32> {
    pair.phi.iter().chain(pair.sums).map(|value| value.to_bits()).collect()
}

fn plain(a: &Basis, b: &Basis, cells: &[(usize, usize)]) -> Vec<f64> {
    let [u, v] = [a, b].map(|basis| Rows { rows: basis.rows(), sigma: basis.sigma() });
    pair_stats(u, v, a.d(), cells)
}

/// The largest difference from the plain loops; NaN has to meet NaN.
fn difference(pair: PairStats<'_>, expected: &[f64]) -> f64 {
    let values = pair.phi.iter().chain(pair.sums);
    let differences = values.zip(expected).map(|(&value, expected)| {
        assert_eq!(value.is_nan(), expected.is_nan(), "{value} for {expected}");
        if value.is_nan() { 0.0 } else { (f64::from(value) - expected).abs() }
    });
    differences.fold(0.0, f64::max)
}

fn agrees_with_the_oracle_at_mixed_ranks_from_1_to_70(engine: &dyn Engine) {
    // Some 900 rows: many tiles, and bases that straddle them in every way.
    let bases = gaussian((0..26).map(|k| 1 + k * 29 % 70), 83);
    let stats = stats_of(engine, &bases, &bases[3..11], Pairs::All, &CELLS);
    assert_eq!(stats.n_pairs(), 26 * 8);
    for (at, pair) in stats.pairs().enumerate() {
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
        let difference = (f64::from(pair.sum(PHI_R)) - oracle.phi(full, full)).abs();
        assert!(difference <= phi_bound(engine), "pair {at} at full rank: {difference:e}");
        let difference = (f64::from(pair.sum(PHI_FULL)) - oracle.phi(a.q(), b.q())).abs();
        assert!(difference <= phi_bound(engine), "pair {at} at full ranks: {difference:e}");
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
        let stats = stats_of(engine, bases, bases, Pairs::All, &LARGE_CELLS);
        for (at, (pair, expected)) in stats.pairs().zip(expected).enumerate() {
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
    for d in [3000, 8191, 12_000, 16_381, 24_029] {
        let bases = [hadamard(4, d), hadamard(1, d)];
        let cells = [(1, 1), (2, 2), (1, 4), (3, 3)];
        let stats = stats_of(engine, &bases, &bases, Pairs::All, &cells);
        for (at, pair) in stats.pairs().enumerate() {
            let worst = difference(pair, &plain(&bases[at / 2], &bases[at % 2], &cells));
            assert!(worst <= phi_bound(engine), "d = {d}, pair {at}: {worst:e}");
            overall = overall.max(worst);
        }
    }
    println!("{}: pair stats, constant and Hadamard directions: worst {overall:.1e}", engine.info());
}

fn weighs_directions_by_their_size_relative_to_the_largest(engine: &dyn Engine) {
    let (a, b) = (Basis::gaussian(5, 40, 1).unwrap(), Basis::gaussian(9, 40, 2).unwrap());
    let scaled = |basis: &Basis, size: f64| {
        let sigma = basis.sigma().iter().map(|sigma| sigma * size).collect();
        Basis::from_rows(40, basis.rows().to_vec(), sigma).unwrap()
    };
    let numbers = |size_a: f64, size_b: f64| {
        let bases = [[scaled(&a, size_a)], [scaled(&b, size_b)]];
        let stats = stats_of(engine, &bases[0], &bases[1], Pairs::All, &[(1, 1)]);
        let pair = stats.pairs().next().unwrap();
        let expected = plain(&bases[0][0], &bases[1][0], &[(1, 1)]);
        assert!(
            difference(pair, &expected) <= phi_bound(engine) && expected[3] > 0.0,
            "{size_a:e}, {size_b:e}"
        );
        assert!(pair.sum(LINEAR_CKA) > 0.0);
        bits(pair)
    };
    let expected = numbers(1.0, 1.0);
    // Powers of two, whose fourth powers are no numbers of f64.
    for (x, y) in [(260, 260), (-260, -260), (500, -500), (-1000, 1000), (900, 900)] {
        assert_eq!(numbers(2f64.powi(x), 2f64.powi(y)), expected, "2^{x}, 2^{y}");
    }
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
        let stats = stats_of(engine, &bases[..1], &bases[1..], Pairs::All, &cells);
        let worst = difference(stats.pairs().next().unwrap(), &plain(&bases[0], &bases[1], &cells));
        assert!(worst <= phi_bound(engine), "rank {q} of {d}: {worst:e}");
    }
}

fn finds_a_basis_in_itself_whole(engine: &dyn Engine) {
    let bases = gaussian([5, 64, 100], 200);
    for (k, basis) in bases.iter().enumerate() {
        let list = [(k as u32, k as u32)];
        let cells = [(1, 1), (2, 2), (5, 5)];
        let stats = stats_of(engine, &bases, &bases, Pairs::List(&list), &cells);
        let pair = stats.pairs().next().unwrap();
        for phi in pair.phi.iter().chain(pair.sums) {
            assert!((f64::from(*phi) - 1.0).abs() <= phi_bound(engine), "rank {}: {pair:?}", basis.q());
        }
    }
}

fn is_one_in_one_dimension(engine: &dyn Engine) {
    let bases: Vec<Basis> = [1.0, -1.0].map(|x| Basis::from_rows(1, vec![x], vec![2.0]).unwrap()).into();
    let stats = stats_of(engine, &bases, &bases, Pairs::All, &[(1, 1), (1, 2)]);
    for pair in stats.pairs() {
        assert!(pair.phi[0] == 1.0 && pair.phi[1].is_nan() && pair.sums == [1.0; N_PRODUCT_SUMS]);
    }
}

fn gives_a_pair_the_same_bits_in_any_block(engine: &dyn Engine) {
    let bases = gaussian((0..60).map(|k| 1 + k * 31 % 97), 130);
    let all = stats_of(engine, &bases, &bases, Pairs::All, &CELLS);
    let all: Vec<PairStats<'_>> = all.pairs().collect();

    let upper = stats_of(engine, &bases, &bases, Pairs::Upper, &CELLS);
    let places: Vec<(usize, usize)> = (0..60).flat_map(|a| (a + 1..60).map(move |b| (a, b))).collect();
    assert_eq!(upper.n_pairs(), places.len());
    for (pair, &(a, b)) in upper.pairs().zip(&places) {
        assert_eq!(bits(pair), bits(all[60 * a + b]), "({a}, {b})");
    }

    let list: Vec<(u32, u32)> = (0..150).map(|k| (k * 17 % 60, k * k % 59)).collect();
    let listed = stats_of(engine, &bases, &bases, Pairs::List(&list), &CELLS);
    for (pair, &(a, b)) in listed.pairs().zip(&list) {
        assert_eq!(bits(pair), bits(all[(60 * a + b) as usize]), "({a}, {b})");
    }

    // Alone, and shifted by one basis.
    for (a, b) in [(3, 40), (17, 17), (59, 0)] {
        let alone = stats_of(engine, &bases[a..=a], &bases[b..=b], Pairs::All, &CELLS);
        assert_eq!(bits(alone.pairs().next().unwrap()), bits(all[60 * a + b]), "({a}, {b}) alone");
    }
    let shifted = stats_of(engine, &bases[1..], &bases[2..], Pairs::All, &CELLS);
    for (at, pair) in shifted.pairs().enumerate() {
        let (a, b) = (1 + at / 58, 2 + at % 58);
        assert_eq!(bits(pair), bits(all[60 * a + b]), "({a}, {b}) shifted");
    }
}

fn has_no_cell_past_the_ranks(engine: &dyn Engine) {
    let bases = gaussian([3, 5], 20);
    let cells = [(3, 5), (4, 1), (1, 6), (usize::MAX, 1)];
    let stats = stats_of(engine, &bases[..1], &bases[1..], Pairs::All, &cells);
    let phi = stats.pairs().next().unwrap().phi;
    assert!(phi[0].is_finite() && phi[1..].iter().all(|phi| phi.is_nan()), "{phi:?}");
}

fn makes_whole_grids_and_no_cells_at_all(engine: &dyn Engine) {
    let bases = gaussian([9, 14], 40);
    let cells: Vec<(usize, usize)> = (1..=9).flat_map(|i| (1..=14).map(move |j| (i, j))).collect();
    let whole = stats_of(engine, &bases[..1], &bases[1..], Pairs::All, &cells);
    let whole = whole.pairs().next().unwrap();
    let oracle = Oracle::new(bases[0].rows(), bases[1].rows(), 40);
    assert!(oracle.worst(whole.phi) <= phi_bound(engine));
    let none = stats_of(engine, &bases[..1], &bases[1..], Pairs::All, &[]);
    assert_eq!(bits(none.pairs().next().unwrap()), PRODUCT_SUMS.map(|sum| whole.sum(sum).to_bits()));
}

fn returns_nothing_for_no_pair(engine: &dyn Engine) {
    let bases = gaussian([3], 20);
    assert_eq!(stats_of(engine, &bases, &bases, Pairs::Upper, &CELLS).n_pairs(), 0);
    assert_eq!(stats_of(engine, &bases, &bases, Pairs::List(&[]), &CELLS).n_pairs(), 0);
    assert_eq!(stats_of(engine, &[], &bases, Pairs::All, &CELLS).n_pairs(), 0);
    assert_eq!(stats_of(engine, &bases, &[], Pairs::List(&[]), &[]).n_pairs(), 0);
}

fn refuses_bases_of_different_dimensions(engine: &dyn Engine) {
    let (a, b) = (Basis::gaussian(2, 10, 0).unwrap(), Basis::gaussian(2, 11, 0).unwrap());
    let error = engine.pair_stats(&Block { a: &[&a], b: &[&b], pairs: Pairs::All, cells: &[] }).unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "{error}");
}

fn has_the_numbers_of_the_grids_where_rows_are_not_unit_vectors(engine: &dyn Engine) {
    // Nothing checks that rows are orthonormal. Rows in f16 are brought to norm 1; of others in f32 a GPU's whole numbers do
    // not hold the squares, and the CPU engine makes them.
    let long = Basis::from_rows(2, vec![300.0, 0.0, 0.0, 0.5], vec![3.0, 1.0]).unwrap();
    let cells = [(1, 1), (2, 2)];
    let block = Block { a: &[&long], b: &[&long], pairs: Pairs::All, cells: &cells };
    let stats = engine.pair_stats(&block).unwrap();
    let is_f32 = engine.info().precision == Precision::F32;
    let by_cpu = is_f32 && engine.info().kind == EngineKind::Gpu;
    assert_eq!((stats.fallback().is_some(), engine.take_warnings().len()), (by_cpu, usize::from(by_cpu)));
    let grid = lorascope::similarity(if by_cpu { cpu() } else { engine }, &long, &long).unwrap();
    let pair = stats.pairs().next().unwrap();
    let expected = [grid.values()[0], grid.values()[3]];
    assert_eq!((pair.phi, pair.sum(PHI_R)), (&expected[..], expected[1]));
    // Σσ⁴ = 82: 81/82 of the first square and 1/82 of the second. Equal weights would make it half of each.
    let squares = if is_f32 { [90_000f64.powi(2), 0.25f64.powi(2)] } else { [1.0, 1.0] };
    let linear_cka = (81.0 * squares[0] + squares[1]) / 82.0;
    assert!((f64::from(pair.sum(LINEAR_CKA)) / linear_cka - 1.0).abs() < 1e-6, "{pair:?} for {linear_cka}");
}

fn answers_many_threads_at_once(engine: &dyn Engine) {
    let bases = gaussian([8, 70, 3, 20], 100);
    let expected = stats_of(engine, &bases, &bases, Pairs::Upper, &CELLS);
    let expected: Vec<Vec<u32>> = expected.pairs().map(bits).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let again = stats_of(engine, &bases, &bases, Pairs::Upper, &CELLS);
                    assert!(again.pairs().map(bits).eq(expected.iter().cloned()));
                }
            });
        }
    });
}
