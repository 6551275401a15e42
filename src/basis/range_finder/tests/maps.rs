use super::*;
use crate::basis::Update;

#[test]
fn products_are_those_of_the_formed_matrix() {
    let kronecker = |first: &Matrix, second: &Matrix, scaling: f64| {
        Mat::from_fn(first.rows * second.rows, first.cols * second.cols, |i, j| {
            let (a, b) = (
                i / second.rows * first.cols + j / second.cols,
                i % second.rows * second.cols + j % second.cols,
            );
            scaling * first.values[a] * second.values[b]
        })
    };
    let [first, second] = [random::gaussian(3, 5, 1, 0), random::gaussian(7, 4, 1, 1)];
    let [a, b] = [random::gaussian(4, 20, 2, 0), random::gaussian(21, 4, 2, 1)];
    let low_rank = Mat::from_fn(21, 20, |i, j| {
        -3.0 * (0..4).map(|k| b.values[i * 4 + k] * a.values[k * 20 + j]).sum::<f64>()
    });
    let plain = random::gaussian(21, 20, 3, 0);
    let narrow = Mat::from_fn(21, 20, |i, j| f64::from(plain.values[i * 20 + j] as f32));
    let maps: [(&dyn LinearMap, Mat<f64>); 3] = [
        (&Kronecker { first: &first, second: &second, scaling: 2.0 }, kronecker(&first, &second, 2.0)),
        (&LowRank::new(Update { a: &a, b: &b, scaling: -3.0 }).unwrap(), low_rank),
        (&Dense::of(&plain).unwrap(), narrow),
    ];
    for (map, matrix) in maps {
        assert_eq!((map.d_out(), map.d_in()), (21, 20));
        assert!((map.norm() / matrix.norm_l2() - 1.0).abs() < 1e-12);
        let [x, y] = [(20, 0), (21, 1)].map(|(d, stream)| random::gaussian(3, d, 5, stream).values);
        let close = |found: &[f64], d, expected: Mat<f64>, tolerance| {
            let off = (columns(found, d) - &expected).norm_max();
            assert!(off < tolerance * expected.norm_max(), "{off:e}");
        };
        close(&map.times(&x), 21, &matrix * columns(&x, 20), 1e-14);
        close(&map.transposed_times(&y), 20, matrix.transpose() * columns(&y, 21), 1e-14);
        let narrow = |values: &[f64]| values.iter().map(|&value| value as f32).collect::<Vec<_>>();
        let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
        close(&wide(&map.times_f32(&narrow(&x))), 21, &matrix * columns(&x, 20), 1e-6);
        close(&wide(&map.transposed_times_f32(&narrow(&y))), 20, matrix.transpose() * columns(&y, 21), 1e-6);
    }
}

#[test]
fn a_large_dense_matrix_is_multiplied_over_its_panels() {
    // More than a panel and a piece, and not a multiple of either.
    let (d_out, d_in) = (1100, 700);
    let map = Dense::of(&random::gaussian(d_out, d_in, 4, 0)).unwrap();
    let matrix = Mat::from_fn(d_out, d_in, |i, j| f64::from(map.values()[i * d_in + j]));
    let [x, y] = [(d_in, 0), (d_out, 1)].map(|(d, stream)| random::gaussian(5, d, 5, stream).values);
    let off = (columns(&map.times(&x), d_out) - &matrix * columns(&x, d_in)).norm_max();
    let off_transposed =
        (columns(&map.transposed_times(&y), d_in) - matrix.transpose() * columns(&y, d_out)).norm_max();
    assert!(off < 1e-11 && off_transposed < 1e-11, "{off:e}, {off_transposed:e}");
}

#[test]
fn the_directions_of_a_kronecker_product_are_those_of_its_factors() {
    let factor = |rows, cols, sigma: &[f64], seed| {
        let dense = planted(rows, cols, sigma, seed);
        Matrix {
            rows,
            cols,
            dtype: Dtype::F32,
            values: dense.values().iter().map(|&value| value.into()).collect(),
        }
    };
    let (first, second) = (factor(10, 12, &[4.0, 1.0, 0.1], 1), factor(20, 15, &[2.0, 1.5, 0.3], 2));
    let map = Kronecker { first: &first, second: &second, scaling: 0.5 };
    let found = check(&map, HowMany::Top(4), "Kronecker");
    for (found, expected) in found.sigma().iter().zip([4.0, 3.0, 1.0, 0.75]) {
        assert!((found - expected).abs() < 1e-5, "{found} for {expected}");
    }
    assert_eq!(found.n_determined(), 4);
    assert!(map.noise() > 0.0 && map.noise() < 1e-5);
}

#[test]
fn a_weight_with_an_update_minus_the_weight_gives_the_updates_directions() {
    let (d_out, d_in, rank) = (150, 220, 4);
    let weight = planted(d_out, d_in, &(0..150).map(|k| f64::from(k + 20).powf(-0.5)).collect::<Vec<_>>(), 1);
    let [a, b] = [random::gaussian(rank, d_in, 2, 0), random::gaussian(d_out, rank, 2, 1)];
    let update = Update { a: &a, b: &b, scaling: 2e-3 };
    let exact = RangeFinder::new(HowMany::Top(rank)).find(&LowRank::new(update).unwrap()).unwrap();
    let sum = |at: usize| {
        let (i, j) = (at / d_in, at % d_in);
        let product: f64 = (0..rank).map(|k| b.values[i * rank + k] * a.values[k * d_in + j]).sum();
        f64::from(weight.values()[at]) + update.scaling * product
    };
    for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16] {
        let store = |value: f64| match dtype {
            Dtype::F32 => f64::from(value as f32),
            Dtype::F16 => half::f16::from_f64(value).to_f64(),
            _ => half::bf16::from_f64(value).to_f64(),
        };
        let stored = |value: &dyn Fn(usize) -> f64| {
            let values = (0..d_out * d_in).map(|at| store(value(at))).collect();
            Matrix { rows: d_out, cols: d_in, dtype, values }
        };
        let (before, after) = (stored(&|at| weight.values()[at].into()), stored(&sum));
        let difference = Dense::difference(&after, &before).unwrap();
        let found = check(&difference, HowMany::AboveNoise { at_most: 20 }, "difference");
        assert_eq!(found.sigma().len(), rank, "{dtype}: {:?}, noise {:e}", found.sigma(), found.noise());
        // Rounding of a size ν turns the space by ν/σ at most, to first order.
        let right: Vec<f64> = exact.right().iter().map(|&value| value.into()).collect();
        let turned = sine(found.right(), d_in, columns(&right, d_in));
        let limit = 1.5 * found.noise() / exact.sigma()[rank - 1] + 1e-4;
        assert!(turned < limit, "{dtype}: {turned:e}, {limit:e}");
    }
}

#[test]
fn rows_that_are_added_piece_by_piece_make_the_same_matrix() {
    let [after, before] = [1, 2].map(|seed| random::gaussian(6, 5, seed, 0));
    let whole = Dense::difference(&after, &before).unwrap();
    let mut pieces = Dense::with_columns(5);
    for (after, before) in after.values.chunks(10).zip(before.values.chunks(10)) {
        pieces.push_difference((after, Dtype::F64), (before, Dtype::F64)).unwrap();
    }
    assert_eq!(pieces.values(), whole.values());
    assert!((pieces.norm() / whole.norm() - 1.0).abs() < 1e-12);
    assert!(pieces.push(&after.values[..7], Dtype::F64).is_err());
    assert!(Dense::difference(&after, &random::gaussian(5, 6, 1, 0)).is_err());
}

#[test]
fn zeros_have_no_directions_and_what_is_not_finite_is_refused() {
    let find = |values: Vec<f32>, n| {
        RangeFinder::new(HowMany::Top(n)).find(&Dense::new(4, values, Dtype::F32).unwrap())
    };
    let none = find(vec![0.0; 12], 2).unwrap();
    assert_eq!((none.sigma().len(), none.n_determined(), none.norm(), none.energy()), (0, 0, 0.0, 0.0));
    for bad in [f32::NAN, f32::INFINITY] {
        let mut values = vec![1.0; 12];
        values[7] = bad;
        let error = find(values, 2).unwrap_err().to_string();
        assert!(error.contains("finite numbers"), "{error}");
    }
    assert!(find(vec![1.0; 12], 0).is_err());
    assert!(Dense::new(4, vec![1.0; 11], Dtype::F32).is_err());
    let (a, b) = (random::gaussian(2, 4, 1, 0), random::gaussian(4, 3, 1, 1));
    assert!(LowRank::new(Update { a: &a, b: &b, scaling: 1.0 }).is_err());
}
