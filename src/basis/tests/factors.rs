//! Stored factors: types, shapes, scales and what is refused.

use super::*;
use crate::basis::noise;
use crate::error::Remedy;

/// Largest deviation of V·Vᵀ from the identity.
fn orthonormality(basis: &Basis) -> f64 {
    let rows: Vec<&[f32]> = basis.rows().chunks(basis.d()).collect();
    let mut worst = 0.0f64;
    for (i, u) in rows.iter().enumerate() {
        for (j, v) in rows.iter().enumerate() {
            let dot: f64 = u.iter().zip(*v).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
            worst = worst.max((dot - f64::from(u8::from(i == j))).abs());
        }
    }
    worst
}

/// Largest deviation of ‖A·v_k‖ from σ_k, relative to σ_1: v is a right-singular vector of A.
fn reconstruction(matrix: &Matrix, basis: &Basis) -> f64 {
    let mut worst = 0.0f64;
    for (v, sigma) in basis.rows().chunks(basis.d()).zip(basis.sigma()) {
        let norm: f64 = matrix
            .values
            .chunks(matrix.cols)
            .map(|row| row.iter().zip(v).map(|(a, v)| a * f64::from(*v)).sum::<f64>().powi(2))
            .sum::<f64>()
            .sqrt();
        worst = worst.max((norm - sigma).abs() / basis.sigma()[0]);
    }
    worst
}

#[test]
fn a_planted_rank_of_8_is_found_in_every_stored_type() {
    let planted = product(&random::gaussian(64, 8, 1, 0), &random::gaussian(8, 384, 2, 0));
    for dtype in Dtype::ALL {
        let basis = Basis::of_matrix(&round(&planted, dtype), Side::A).unwrap();
        assert_eq!((basis.q(), basis.r(), basis.n_dropped()), (8, 64, 56), "{dtype}");
    }
}

#[test]
fn an_untrained_kaiming_factor_has_full_rank_in_every_stored_type() {
    let gaussian = random::gaussian(64, 768, 3, 0);
    // Kaiming-uniform with a = √5 is uniform in ±1/√d_in.
    let uniform = |value: &f64| (value.abs().fract() * 2.0 - 1.0) / 768f64.sqrt();
    let untrained = Matrix { values: gaussian.values.iter().map(uniform).collect(), ..gaussian };
    for dtype in [Dtype::F64, Dtype::F32, Dtype::F16, Dtype::Bf16] {
        let basis = Basis::of_matrix(&round(&untrained, dtype), Side::A).unwrap();
        assert_eq!((basis.q(), basis.n_uncertain()), (64, 0), "{dtype}");
    }
}

#[test]
fn eight_bits_leave_a_kaiming_factor_its_rank_and_doubts() {
    let gaussian = random::gaussian(16, 768, 3, 0);
    let uniform = |value: &f64| (value.abs().fract() * 2.0 - 1.0) / 768f64.sqrt();
    let untrained = Matrix { values: gaussian.values.iter().map(uniform).collect(), ..gaussian };
    // The noise of a rounding to 1/8 of a power of two is about a thirtieth of these singular values; 1/4 doubles it, and what is
    // less than 20 times the noise is uncertain.
    for (dtype, n_uncertain) in [
        (Dtype::F8E4m3, 0..=0),
        (Dtype::F8E4m3Fnuz, 0..=0),
        (Dtype::F8E5m2, 13..=16),
        (Dtype::F8E5m2Fnuz, 13..=16),
    ] {
        let basis = Basis::of_matrix(&round(&untrained, dtype), Side::A).unwrap();
        assert_eq!(basis.q(), 16, "{dtype}");
        assert!(n_uncertain.contains(&basis.n_uncertain()), "{dtype}: {}", basis.n_uncertain());
    }
}

#[test]
fn directions_near_the_noise_are_kept_and_counted_as_uncertain() {
    // σ = 1 and 10 times the f16 noise of the first direction: between 2ν and 20ν.
    let mut values = vec![0.0; 2 * 100];
    values[..100].fill(0.1);
    let mut matrix = round(&Matrix { rows: 2, cols: 100, dtype: Dtype::F64, values }, Dtype::F16);
    let noise::Bounds { floor, doubtful } = noise::bounds(noise::nu(&matrix, 2, 100), 100, 1.0);
    for (k, value) in matrix.values[100..].iter_mut().enumerate() {
        *value = if k % 2 == 0 { 1.0 } else { -1.0 } * (floor * doubtful).sqrt() / 10.0;
    }
    let basis = Basis::of_matrix(&round(&matrix, Dtype::F16), Side::A).unwrap();
    assert_eq!((basis.q(), basis.n_uncertain(), basis.n_dropped()), (2, 1, 0));
}

#[test]
fn a_direction_is_uncertain_up_to_20_times_the_noise() {
    // The first row is of ones, whose ulp in f16 is 2⁻¹⁰; the second of numbers so small that their ulps do not count:
    // ν = √(100·2⁻²⁰/12)·(1/√2 + 1/√100).
    let nu = (100.0f64 / 12.0).sqrt() * 2f64.powi(-10) * (1.0 / 2f64.sqrt() + 0.1);
    for (times, n_uncertain) in [(19.0, 1), (21.0, 0)] {
        let second = times * nu / 10.0;
        let mut values = vec![1.0; 200];
        values[100..]
            .iter_mut()
            .enumerate()
            .for_each(|(k, value)| *value = if k % 2 == 0 { second } else { -second });
        let basis = Basis::of_matrix(
            &round(&Matrix { rows: 2, cols: 100, dtype: Dtype::F64, values }, Dtype::F16),
            Side::A,
        );
        let basis = basis.unwrap();
        assert_eq!((basis.q(), basis.n_uncertain()), (2, n_uncertain), "{times}ν of {nu}");
    }
}

#[test]
fn rows_are_orthonormal_singular_vectors_at_every_shape() {
    for (r, d) in [(1, 1), (1, 7), (2, 3), (3, 3), (8, 384), (64, 36), (16, 1), (33, 40), (130, 128)] {
        let matrix = random::gaussian(r, d, (r * 1000 + d) as u64, 0);
        let basis = Basis::of_matrix(&matrix, Side::A).unwrap();
        assert_eq!((basis.q(), basis.d()), (r.min(d), d));
        assert!(basis.sigma().is_sorted_by(|a, b| a >= b));
        assert!(orthonormality(&basis) < 4e-7, "{r} × {d}: {}", orthonormality(&basis));
        assert!(reconstruction(&matrix, &basis) < 4e-7, "{r} × {d}");
        let of_b = Basis::of_matrix(&transpose(&matrix), Side::B).unwrap();
        assert_eq!(of_b.d(), d);
        assert!(reconstruction(&matrix, &of_b) < 4e-7, "{r} × {d} as B");
    }
}

#[test]
fn scaling_changes_the_singular_values_alone() {
    let matrix = random::gaussian(8, 50, 4, 0);
    let basis = Basis::of_matrix(&matrix, Side::A).unwrap();
    for exponent in [-1060, -300, 300, 1015] {
        let scale = |value: &f64| value * 2f64.powi(exponent / 2) * 2f64.powi(exponent - exponent / 2);
        let scaled = Matrix { values: matrix.values.iter().map(scale).collect(), ..matrix.clone() };
        let scaled = Basis::of_matrix(&scaled, Side::A).unwrap();
        assert_eq!(scaled.q(), 8, "2^{exponent}");
        let close = scaled.rows().iter().zip(basis.rows()).all(|(a, b)| (a - b).abs() < 1e-3);
        assert!(exponent < -1000 || scaled.rows() == basis.rows(), "2^{exponent}");
        assert!(close, "2^{exponent}");
    }
}

#[test]
fn refuses_zeros_numbers_that_are_not_finite_and_empty_matrices() {
    let matrix = |values: Vec<f64>| Matrix { rows: 1, cols: 2, dtype: Dtype::F32, values };
    let zeros = Basis::of_matrix(&matrix(vec![0.0, -0.0]), Side::A).unwrap_err();
    assert_eq!(zeros.to_string(), "found nothing but zeros in 1 × 2, expected a trained factor");
    assert_eq!(zeros.remedy(), None);
    // B starts at zero; an A of zeros is of no use on any side.
    let zeros = Basis::of_matrix(&matrix(vec![0.0, -0.0]), Side::B).unwrap_err();
    assert_eq!(zeros.remedy(), Some(&Remedy::CompareSideA));
    assert!(Basis::of_matrix(&matrix(vec![f64::NAN, 1.0]), Side::A).is_err());
    assert!(Basis::of_matrix(&matrix(vec![f64::INFINITY, 1.0]), Side::B).is_err());
    assert!(Basis::of_matrix(&Matrix { rows: 0, ..matrix(vec![]) }, Side::A).is_err());
    assert!(Basis::gaussian(0, 4, 0).is_err());
}

#[test]
fn the_gaussian_control_is_the_same_for_the_same_seed() {
    let basis = Basis::gaussian(4, 32, 7).unwrap();
    assert_eq!(basis, Basis::gaussian(4, 32, 7).unwrap());
    assert_ne!(basis, Basis::gaussian(4, 32, 8).unwrap());
    assert_ne!(basis, Basis::gaussian_other(4, 32, 7).unwrap());
    // The generator's own numbers, so that a change of its crates cannot pass unseen.
    assert_eq!(random::gaussian(1, 2, 0, 0).values, [0.6999607946268154, -0.14406163542784764]);
}
