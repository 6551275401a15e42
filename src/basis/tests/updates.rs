//! ΔW's vectors through the factors, against the dense ΔW itself.

use super::*;
use crate::kernels::similarity::similarity;

/// The left-singular vectors of a dense matrix as rows, one after another, and its singular values.
fn dense(matrix: &Matrix) -> Spectrum {
    let x = faer::MatRef::from_row_major_slice(&matrix.values, matrix.rows, matrix.cols);
    svd::left_singular(x).unwrap()
}

fn assert_spans(basis: &Basis, spectrum: &Spectrum, r: usize) {
    let rows: Vec<f32> =
        spectrum.vectors.col_iter().take(r).flat_map(|column| column.iter().map(|&x| x as f32)).collect();
    let phi = similarity(basis.rows(), &rows, basis.d());
    for k in 0..r {
        assert!((phi[k * r + k] - 1.0).abs() < 1e-5, "φ({0}, {0}) = {1}", k + 1, phi[k * r + k]);
        let error = (basis.sigma()[k] - spectrum.sigma[k]).abs();
        assert!(error < 1e-10 * spectrum.sigma[0], "σ_{}", k + 1);
    }
}

#[test]
fn the_vectors_are_those_of_the_dense_update_at_every_shape() {
    for (d_out, r, d_in) in
        [(1, 1, 1), (40, 8, 60), (60, 8, 40), (9, 9, 9), (6, 16, 20), (20, 16, 6), (5, 16, 5)]
    {
        let a = random::gaussian(r, d_in, 1, 0);
        let b = random::gaussian(d_out, r, 2, 0);
        let update = product(&b, &a);
        let q = r.min(d_in).min(d_out);
        let right = Basis::of_update(&a, &b, None, Side::DwRight).unwrap();
        let left = Basis::of_update(&a, &b, None, Side::DwLeft).unwrap();
        assert_eq!((right.q(), right.d(), left.q(), left.d()), (q, d_in, q, d_out));
        assert_spans(&right, &dense(&transpose(&update)), q);
        assert_spans(&left, &dense(&update), q);
    }
}

#[test]
fn at_full_rank_the_right_side_spans_what_a_spans() {
    let bases = |seed: u64| {
        let (a, b) = (random::gaussian(8, 100, seed, 0), random::gaussian(50, 8, seed + 1, 0));
        (Basis::of_matrix(&a, Side::A).unwrap(), Basis::of_update(&a, &b, None, Side::DwRight).unwrap())
    };
    let ((a_1, dw_1), (a_2, dw_2)) = (bases(10), bases(20));
    let phi_a = similarity(a_1.rows(), a_2.rows(), 100);
    let phi_dw = similarity(dw_1.rows(), dw_2.rows(), 100);
    assert!((phi_a[63] - phi_dw[63]).abs() < 1e-6, "{} {}", phi_a[63], phi_dw[63]);
    // Not so at depth 1: B reorders the directions.
    assert!((phi_a[0] - phi_dw[0]).abs() > 1e-6);
}

#[test]
fn the_scaling_scales_the_singular_values_alone() {
    let (a, b) = (random::gaussian(4, 30, 1, 0), random::gaussian(20, 4, 2, 0));
    let plain = Basis::of_update(&a, &b, None, Side::DwLeft).unwrap();
    let scaled = Basis::of_update(&a, &b, Some(-2.5), Side::DwLeft).unwrap();
    assert_eq!(plain.rows(), scaled.rows());
    assert!(plain.sigma().iter().zip(scaled.sigma()).all(|(x, y)| (x * 2.5 - y).abs() < 1e-12 * y));
}

#[test]
fn an_update_that_a_scaling_of_0_turns_off_has_no_direction() {
    let (a, b) = (random::gaussian(4, 30, 1, 0), random::gaussian(20, 4, 2, 0));
    for zero in [0.0, -0.0] {
        let error = Basis::of_update(&a, &b, Some(zero), Side::DwLeft).unwrap_err();
        assert_eq!(error.to_string(), "found a scaling of 0, expected an update that is not zero");
    }
}

#[test]
fn directions_under_the_noise_of_either_factor_are_left_out() {
    // B's last direction is lost in the rounding of its type.
    let v = orthonormal(4, 200, 3);
    let b = transpose(&with_spectrum(&[1.0, 0.5, 0.25, 1e-9], &v, 4));
    let a = random::gaussian(4, 100, 5, 0);
    let update = |b: &Matrix| Basis::of_update(&a, b, None, Side::DwRight).unwrap();
    assert_eq!(update(&round(&b, Dtype::F32)).q(), 3);
    assert_eq!(update(&b).q(), 4);
}

#[test]
fn factors_of_tiny_and_huge_numbers_give_the_same_vectors() {
    let (a, b) = (random::gaussian(4, 30, 1, 0), random::gaussian(20, 4, 2, 0));
    let plain = Basis::of_update(&a, &b, None, Side::DwLeft).unwrap();
    let times = |matrix: &Matrix, exponent: i32| Matrix {
        values: matrix.values.iter().map(|value| value * 2f64.powi(exponent)).collect(),
        ..matrix.clone()
    };
    for exponent in [-700, 700] {
        let scaled =
            Basis::of_update(&times(&a, exponent), &times(&b, -exponent), None, Side::DwLeft).unwrap();
        assert_eq!(scaled.rows(), plain.rows(), "2^{exponent}");
    }
}

#[test]
fn refuses_an_untrained_b_ranks_that_differ_and_the_wrong_number_of_factors() {
    let (a, b) = (random::gaussian(4, 30, 1, 0), random::gaussian(20, 4, 2, 0));
    let zero = Matrix { values: vec![0.0; 80], ..b.clone() };
    let error = Basis::of_update(&a, &zero, None, Side::DwLeft).unwrap_err();
    assert!(error.to_string().contains("nothing but zeros"), "{error}");
    assert!(Basis::of_update(&a, &random::gaussian(20, 5, 2, 0), None, Side::DwLeft).is_err());
    assert!(Basis::of_update(&a, &b, Some(f64::NAN), Side::DwLeft).is_err());
    assert!(Basis::of_update(&a, &b, None, Side::A).is_err());
    assert!(Basis::of_matrix(&a, Side::DwRight).is_err());
}
