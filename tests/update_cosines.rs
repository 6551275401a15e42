//! The cosines of a block of updates: each behaviour once, on every engine.

mod common;

use common::checkpoints::numbers;
use lorascope::engine::{Engine, Pairs, UpdateBlock};
use lorascope::{Dtype, Error, Matrix, Update, UpdateFactors};

on_every_engine!(
    agrees_with_f64_at_ranks_from_1_to_130,
    keeps_the_bound_on_directions_that_are_worst_for_f32_sums,
    has_a_sign_and_no_scale,
    gives_a_pair_the_same_bits_in_any_block,
    has_none_for_an_update_of_zeros,
    returns_nothing_for_no_pair,
    refuses_updates_of_different_shapes,
    answers_many_threads_at_once,
);

const BOUND: f64 = 1e-5;

/// A and B.
struct Factors {
    a: Matrix,
    b: Matrix,
    scaling: f64,
}

impl Factors {
    fn new(rank: usize, [d_out, d_in]: [usize; 2], seed: u64) -> Self {
        let matrix =
            |rows, cols, seed| Matrix { rows, cols, dtype: Dtype::F32, values: numbers(seed, rows * cols) };
        let (a, b) = (matrix(rank, d_in, 2 * seed), matrix(d_out, rank, 2 * seed + 1));
        Self { a, b, scaling: 0.5 + seed as f64 }
    }

    fn update(&self) -> Update<'_> {
        Update { a: &self.a, b: &self.b, scaling: self.scaling }
    }

    fn factorised(&self) -> UpdateFactors {
        UpdateFactors::of(self.update()).unwrap()
    }
}

fn cosines(engine: &dyn Engine, a: &[UpdateFactors], b: &[UpdateFactors], pairs: Pairs<'_>) -> Vec<f32> {
    let [a, b]: [Vec<&UpdateFactors>; 2] = [a, b].map(|updates| updates.iter().collect());
    let cosines = engine.update_cosines(&UpdateBlock { a: &a, b: &b, pairs }).unwrap();
    assert_eq!((cosines.fallback, engine.take_warnings()), (None, vec![]));
    cosines.values
}

fn agrees_with_f64_at_ranks_from_1_to_130(engine: &dyn Engine) {
    let mut overall = 0.0f64;
    for (shape, ranks) in [([83, 130], &[1, 7, 16, 30, 64, 70, 3][..]), ([200, 64], &[130, 5, 129, 64])] {
        let factors: Vec<Factors> =
            ranks.iter().zip(0..).map(|(&rank, seed)| Factors::new(rank, shape, seed)).collect();
        let updates: Vec<UpdateFactors> = factors.iter().map(Factors::factorised).collect();
        let found = cosines(engine, &updates, &updates, Pairs::All);
        assert_eq!(found.len(), ranks.len().pow(2));
        for (at, cosine) in found.into_iter().enumerate() {
            let [x, y] = [&factors[at / ranks.len()], &factors[at % ranks.len()]];
            let expected = x.update().pair(y.update()).cosine.unwrap();
            let difference = (f64::from(cosine) - expected).abs();
            assert!(difference <= BOUND, "pair {at} of {shape:?}: {cosine} for {expected}");
            overall = overall.max(difference);
        }
    }
    println!("{}: cosines of updates: worst {overall:.1e}", engine.info());
}

fn keeps_the_bound_on_directions_that_are_worst_for_f32_sums(engine: &dyn Engine) {
    // Constant directions of ±1/√d: every product of a sum is the same number.
    for d in [3000, 8191, 13_000, 16_381] {
        let signs = |i: usize, k: usize| if (i & k).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
        let rows = |n: usize| (0..n).flat_map(|i| (0..d).map(move |k| signs(i, k))).collect();
        let columns = |n: usize| (0..d).flat_map(|k| (0..n).map(move |i| signs(i, k))).collect();
        let matrix = |rows, cols, values| Matrix { rows, cols, dtype: Dtype::F32, values };
        let updates =
            [1, 4].map(|n| Factors { a: matrix(n, d, rows(n)), b: matrix(d, n, columns(n)), scaling: 1.0 });
        let factorised = updates.each_ref().map(Factors::factorised);
        for (at, cosine) in cosines(engine, &factorised, &factorised, Pairs::All).into_iter().enumerate() {
            let expected = updates[at / 2].update().pair(updates[at % 2].update()).cosine.unwrap();
            assert!((f64::from(cosine) - expected).abs() <= BOUND, "d = {d}: {cosine} for {expected}");
        }
    }
}

fn has_a_sign_and_no_scale(engine: &dyn Engine) {
    let base = Factors::new(9, [50, 70], 1);
    let with = |scaling| Factors { scaling, ..Factors::new(9, [50, 70], 1) }.factorised();
    let updates = [base.factorised(), with(-1.5), with(1e-3), with(-1e6)];
    let found = cosines(engine, &updates[..1], &updates, Pairs::All);
    for (found, expected) in found.into_iter().zip([1.0, -1.0, 1.0, -1.0]) {
        assert!((f64::from(found) - expected).abs() <= BOUND, "{found} for {expected}");
    }
}

fn gives_a_pair_the_same_bits_in_any_block(engine: &dyn Engine) {
    let updates: Vec<UpdateFactors> =
        (0..40).map(|k| Factors::new(1 + k * 31 % 97, [130, 45], k as u64).factorised()).collect();
    let bits = |values: Vec<f32>| values.into_iter().map(f32::to_bits).collect::<Vec<u32>>();
    let all = bits(cosines(engine, &updates, &updates, Pairs::All));
    let upper = bits(cosines(engine, &updates, &updates, Pairs::Upper));
    let places = (0..40).flat_map(|a| (a + 1..40).map(move |b| (a, b)));
    assert_eq!(upper.len(), 40 * 39 / 2);
    for ((a, b), found) in places.zip(upper) {
        assert_eq!(found, all[40 * a + b], "({a}, {b})");
    }
    let list: Vec<(u32, u32)> = (0..150).map(|k| (k * 17 % 40, k * k % 39)).collect();
    for (&(a, b), found) in list.iter().zip(bits(cosines(engine, &updates, &updates, Pairs::List(&list)))) {
        assert_eq!(found, all[(40 * a + b) as usize], "({a}, {b})");
    }
    for (a, b) in [(3, 30), (17, 17), (39, 0)] {
        let alone = bits(cosines(engine, &updates[a..=a], &updates[b..=b], Pairs::All));
        assert_eq!(alone, [all[40 * a + b]], "({a}, {b}) alone");
    }
    let shifted = bits(cosines(engine, &updates[1..], &updates[2..], Pairs::All));
    for (at, found) in shifted.into_iter().enumerate() {
        assert_eq!(found, all[40 * (1 + at / 38) + 2 + at % 38], "{at} shifted");
    }
}

fn has_none_for_an_update_of_zeros(engine: &dyn Engine) {
    let updates = [Factors::new(4, [20, 30], 1), Factors { scaling: 0.0, ..Factors::new(4, [20, 30], 2) }];
    let updates = updates.map(|factors| factors.factorised());
    let found = cosines(engine, &updates, &updates, Pairs::All);
    assert!((found[0] - 1.0).abs() < 1e-5 && found[1..].iter().all(|cosine| cosine.is_nan()), "{found:?}");
}

fn returns_nothing_for_no_pair(engine: &dyn Engine) {
    let updates = [Factors::new(3, [20, 10], 1).factorised()];
    assert_eq!(cosines(engine, &updates, &updates, Pairs::Upper), [0.0; 0]);
    assert_eq!(cosines(engine, &updates, &updates, Pairs::List(&[])), [0.0; 0]);
    assert_eq!(cosines(engine, &[], &updates, Pairs::All), [0.0; 0]);
}

fn refuses_updates_of_different_shapes(engine: &dyn Engine) {
    // Joined rows of both have the same length.
    let [a, b] = [[20, 42], [40, 10]].map(|shape| Factors::new(3, shape, 1).factorised());
    let error = engine.update_cosines(&UpdateBlock { a: &[&a], b: &[&b], pairs: Pairs::All }).unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "{error}");
    assert_eq!(
        error.to_string(),
        "block: found updates of 20 × 42 and 40 × 10, expected the same shape for all"
    );
}

fn answers_many_threads_at_once(engine: &dyn Engine) {
    let updates: Vec<UpdateFactors> = [8, 70, 3, 20]
        .iter()
        .zip(0..)
        .map(|(&rank, seed)| Factors::new(rank, [100, 80], seed).factorised())
        .collect();
    let expected = cosines(engine, &updates, &updates, Pairs::Upper);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(cosines(engine, &updates, &updates, Pairs::Upper), expected);
                }
            });
        }
    });
}
