use super::*;

const K: usize = 12;
const N: usize = 150;

/// A spectrum of N values.
fn values(value: impl Fn(f64) -> f64) -> Vec<f64> {
    (0..N).map(|k| value(k as f64)).collect()
}

/// Which leading subspaces have a bound within the tolerance.
fn held(found: &Directions) -> Vec<usize> {
    let bounds = found.bounds().iter().zip(1..);
    bounds.filter(|(bound, _)| **bound <= found.tolerance).map(|(_, k)| k).collect()
}

#[test]
fn the_bound_holds_and_is_within_the_tolerance_where_there_are_gaps() {
    for (what, sigma) in [
        ("fast decay", values(|k| 10f64.powf(-k / 4.0))),
        ("very fast decay", values(|k| 10f64.powf(-0.75 * k))),
        ("power law", values(|k| (k + 1.0).powf(-0.5))),
        ("slow power law", values(|k| (k + 1.0).powf(-0.3))),
        ("a weight's spectrum", values(|k| (k + 20.0).powf(-0.5))),
        ("few directions in noise", values(|k| if k < 12.0 { 3.0 - 0.2 * k } else { 0.2 })),
    ] {
        for (d_out, d_in) in [(N, 2 * N), (2 * N, N), (N, N)] {
            for seed in 0..3 {
                let map = exact(d_out, d_in, &sigma, seed);
                let found = check(&map, HowMany::Top(K), &format!("{what}, {d_out} × {d_in}"));
                assert_eq!(held(&found), (1..=K).collect::<Vec<_>>(), "{what}: {:?}", found.bounds());
                assert_eq!(found.n_determined(), K);
                for (found, planted) in found.sigma().iter().zip(&sigma) {
                    assert!((found - planted).abs() < 1e-9, "{what}: {found} for {planted}");
                }
            }
        }
    }
}

#[test]
fn a_plateau_is_not_determined_and_what_is_before_it_is() {
    for n_before in [0, 1, 5] {
        let sigma = values(|k| if k < n_before as f64 { 9.0 - k } else { 1.0 });
        let found = check(&exact(2 * N, N, &sigma, 4), HowMany::Top(K), "plateau");
        assert_eq!(found.sigma().len(), K);
        assert_eq!(found.n_determined(), n_before, "{:?}", found.bounds());
    }
}

#[test]
fn clusters_are_determined_at_their_ends_only() {
    let sigma = values(|k| match k as usize {
        0..2 => 5.0,
        2..5 => 3.0,
        5..12 => 2.0,
        _ => 0.9,
    });
    let found = check(&exact(N, 2 * N, &sigma, 5), HowMany::Top(K), "clusters");
    assert_eq!(held(&found), [2, 5, 12], "{:?}", found.bounds());
}

#[test]
fn more_equal_values_than_a_block_is_wide_are_all_found() {
    // A Krylov space of 16 vectors a block holds 16 of them, in exact arithmetic.
    let sigma = values(|k| if k < 24.0 { 1.0 } else { 0.4 - 0.002 * k });
    for seed in 0..3 {
        let found = check(&exact(2 * N, N, &sigma, seed), HowMany::Top(24), "equal values");
        assert_eq!(held(&found), [24], "{:?}", found.bounds());
    }
}

#[test]
fn directions_under_the_rank_are_not_invented() {
    for rank in [1, 5, 11] {
        let [a, b] = [random::gaussian(rank, 2 * N, 1, 0), random::gaussian(N, rank, 1, 1)];
        let update = LowRank::new(crate::basis::Update { a: &a, b: &b, scaling: -0.5 }).unwrap();
        let found = check(&update, HowMany::Top(K), "low rank");
        assert_eq!((found.sigma().len(), found.n_determined()), (rank, rank), "{:?}", found.sigma());
        assert!((found.energy() - 1.0).abs() < 1e-9);
    }
}

#[test]
fn a_scale_near_the_ends_of_f32_changes_nothing() {
    let sigma = values(|k| (k + 1.0).powf(-0.7));
    let plain = planted(N, 2 * N, &sigma, 6);
    let found = RangeFinder::new(HowMany::Top(K)).find(&plain).unwrap();
    for exponent in [100, -100] {
        let scale = 2f64.powi(exponent);
        let values: Vec<f32> =
            plain.values().iter().map(|&value| (f64::from(value) * scale) as f32).collect();
        let scaled = Dense::new(2 * N, values, Dtype::F32).unwrap();
        let scaled = check(&scaled, HowMany::Top(K), "scale");
        assert_eq!(scaled.right(), found.right());
        assert_eq!(scaled.bounds(), found.bounds());
        for (scaled, plain) in scaled.sigma().iter().zip(found.sigma()) {
            assert_eq!(*scaled, plain * scale);
        }
    }
}

#[test]
fn every_direction_of_a_matrix_can_be_wanted() {
    for (d_out, d_in) in [(1, 1), (1, 9), (9, 1), (20, 30), (30, 20)] {
        let n = d_out.min(d_in);
        let sigma: Vec<f64> = (0..n).map(|k| 2.0 - k as f64 / n as f64).collect();
        for wanted in [n, n + 5] {
            let found = check(&planted(d_out, d_in, &sigma, 7), HowMany::Top(wanted), "all");
            assert_eq!((found.sigma().len(), found.n_determined()), (n, n));
        }
    }
}

#[test]
fn as_many_are_found_as_hold_the_energy() {
    let sigma = values(|k| 0.7f64.powf(k));
    let map = planted(N, 2 * N, &sigma, 8);
    let total: f64 = sigma.iter().map(|sigma| sigma * sigma).sum();
    for share in [0.5, 0.9, 0.99, 0.9999] {
        let found = check(&map, HowMany::Energy { share, at_most: 30 }, "energy");
        let needed =
            (1..).find(|&n| sigma[..n].iter().map(|sigma| sigma * sigma).sum::<f64>() >= share * total);
        assert_eq!(Some(found.sigma().len()), needed);
        assert!(found.energy() >= share && found.n_determined() == found.sigma().len());
    }
    let found = check(&map, HowMany::Energy { share: 0.9999, at_most: 4 }, "energy");
    assert_eq!(found.sigma().len(), 4);
    assert!(found.energy() < 0.95);
}

#[test]
fn what_rounding_to_the_stored_type_made_is_not_above_the_noise() {
    let sigma: Vec<f64> = (0..6).map(|k| 4.0 - 0.5 * f64::from(k)).collect();
    for dtype in [Dtype::F16, Dtype::Bf16] {
        let exact = planted(2 * N, N, &sigma, 9);
        let store = |value: f32| match dtype {
            Dtype::F16 => half::f16::from_f32(value).to_f32(),
            _ => half::bf16::from_f32(value).to_f32(),
        };
        let values: Vec<f32> = exact.values().iter().map(|&value| store(value)).collect();
        let map = Dense::new(N, values, dtype).unwrap();
        let found = check(&map, HowMany::AboveNoise { at_most: 30 }, "noise");
        assert_eq!((found.sigma().len(), found.n_determined()), (6, 6), "{dtype}");
        let found = check(&map, HowMany::Top(10), "noise");
        assert_eq!((found.sigma().len(), found.n_above_noise()), (10, 6), "{dtype}");
    }
}

#[test]
fn the_bits_of_a_seed_do_not_depend_on_the_threads() {
    let map = planted(2 * N, N, &values(|k| (k + 1.0).powf(-0.5)), 10);
    let find = |n_threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| RangeFinder::new(HowMany::Top(K)).seed(seed).find(&map).unwrap())
    };
    let one = find(1, 0);
    for n_threads in [2, 3, 7] {
        assert_eq!(find(n_threads, 0), one);
    }
    assert_ne!(find(1, 1).right(), one.right());
}

#[test]
fn a_smaller_tolerance_is_reached_too() {
    let map = planted(N, N, &values(|k| (k + 20.0).powf(-0.5)), 11);
    for tolerance in [1e-2, 1e-4, 2e-6] {
        let found = RangeFinder::new(HowMany::Top(8)).tolerance(tolerance).find(&map).unwrap();
        assert_eq!(found.n_determined(), 8, "{tolerance}: {:?}", found.bounds());
    }
}

#[test]
fn the_directions_of_a_real_weight_are_found() {
    let bytes = std::fs::read("tests/data/weights/value-layer5.safetensors").unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensor = file.tensor("encoder.layer.5.attention.self.value.weight").unwrap();
    let (numbers, _) = tensor.data().as_chunks::<4>();
    let values: Vec<f32> = numbers.iter().map(|&number| f32::from_le_bytes(number)).collect();
    let weight = Dense::new(tensor.shape()[1], values, Dtype::F32).unwrap();
    for n in [1, 8, 24, 48] {
        let found = check(&weight, HowMany::Top(n), "weight");
        assert_eq!(held(&found), (1..=n).collect::<Vec<_>>(), "{:?}", found.bounds());
        assert!((0.0..1e-8).contains(&found.failure_probability()));
    }
}

#[test]
fn the_remainder_is_bounded_closely_and_from_above() {
    use super::super::map::Unit;
    use super::super::remainder::Remainder;
    // Without any direction found, the remainder is the whole, with a largest value of 1.
    let map = exact(N, 2 * N, &values(|k| (k + 1.0).powf(-0.3)), 12);
    let norm = map.norm();
    let unit = Unit::new(&map, norm);
    let left = vec![0.0; N];
    // In f32 and, where the scale is far below the largest value, in f64.
    for (largest, scale) in [(1.0, 1.0), (1.0, 0.8), (1.0, 0.1), (1e9, 0.9)] {
        for seed in 0..20 {
            let largest = largest / unit.unit;
            let mut remainder = Remainder::new(&unit, &left, largest, scale / unit.unit, (seed, 0));
            let mut last = f64::INFINITY;
            while let Some(bound) = remainder.step() {
                last = bound * unit.unit;
                assert!(last >= 1.0, "{last} at degree {}, seed {seed}", remainder.degree());
            }
            assert!(last < if scale > 0.5 { 1.05 } else { 1.3 }, "{last}, scale {scale}");
            let (reached, _) = remainder.reached();
            let reached = reached * unit.unit;
            // Vectors under the scale do not grow, so that only a value above it is seen.
            let least = if scale < 1.0 { 0.99 } else { 0.0 };
            assert!(reached <= 1.0 + 1e-5 && reached > least, "{reached}");
        }
    }
}
