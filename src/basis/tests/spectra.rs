//! Spectra from flat to 1e-12: which route the guard takes, and φ within its bound on both sides of the choice.

use faer::{Mat, MatRef};

use super::*;
use crate::basis::gram;

/// The guard promises this of the Gram route; QR is far better.
const PHI_ERROR: f64 = 1e-6;

/// A gap between neighbouring singular values that is clear, relative to the largest.
const CLEAR_GAP: f64 = 2e-8;

const R: usize = 16;
const D: usize = 200;

/// φ of each corner of the product of two sets of orthonormal rows, in f64.
fn phi(v: &[f64], w: &[f64]) -> Vec<f64> {
    let mut above = [0.0; R];
    let mut phi = vec![];
    for (i, v) in v.chunks(D).enumerate() {
        let mut left = 0.0;
        for (j, w) in w.chunks(D).enumerate() {
            left += v.iter().zip(w).map(|(x, y)| x * y).sum::<f64>().powi(2);
            above[j] += left;
            phi.push(above[j] / (i.min(j) + 1) as f64);
        }
    }
    phi
}

/// The worst |Δφ| over the rows i that end at a clear gap.
fn error(vectors: &Mat<f64>, sigma: &[f64], planted: &Matrix) -> f64 {
    let other = orthonormal(R, D, 99);
    let rows: Vec<f64> = vectors.col_iter().flat_map(|column| column.iter().copied()).collect();
    let (found, expected) = (phi(&rows, &other.values), phi(&planted.values, &other.values));
    let is_clear = |i: usize| i + 1 == R || (sigma[i] - sigma[i + 1]) / sigma[0] > CLEAR_GAP;
    // The last row ends at a gap to nothing, which is clear when the smallest value itself is.
    let rows = (0..R).filter(|&i| is_clear(i) && sigma[i] / sigma[0] > CLEAR_GAP);
    rows.flat_map(|i| (0..R).map(move |j| i * R + j))
        .map(|at| (found[at] - expected[at]).abs())
        .fold(0.0, f64::max)
}

/// Whether the Gram route is taken, with its error and that of QR.
fn routes(sigma: &[f64]) -> (bool, f64, f64) {
    let planted = orthonormal(R, D, 1);
    let matrix = with_spectrum(sigma, &planted, 2);
    let x = MatRef::from_row_major_slice(&matrix.values, R, D).transpose();
    let qr = error(&svd::left_singular(x).unwrap().vectors, sigma, &planted);
    let gram = gram::factorise(&matrix.values, R).map(|gram| error(&(x * &gram.weights), sigma, &planted));
    (gram.is_some(), gram.unwrap_or(0.0), qr)
}

/// σ falling by equal factors from 1 to `last`.
fn geometric(last: f64) -> Vec<f64> {
    (0..R).map(|k| last.powf(k as f64 / (R - 1) as f64)).collect()
}

#[test]
fn wide_gaps_go_through_the_gram_matrix_and_hold_the_bound() {
    for last in [0.9, 0.5, 1e-1, 1e-2, 1e-3, 1e-4] {
        let (is_gram, gram, qr) = routes(&geometric(last));
        assert!(is_gram, "σ_r/σ_1 = {last:e}");
        assert!(gram <= PHI_ERROR && qr <= PHI_ERROR, "σ_r/σ_1 = {last:e}: {gram:e}, {qr:e}");
    }
}

#[test]
fn steep_spectra_go_through_qr_and_hold_the_bound() {
    for last in [9e-6, 1e-6, 1e-8, 1e-10, 1e-12] {
        let (is_gram, _, qr) = routes(&geometric(last));
        assert!(!is_gram, "σ_r/σ_1 = {last:e}");
        assert!(qr <= PHI_ERROR, "σ_r/σ_1 = {last:e}: {qr:e}");
    }
}

#[test]
fn flat_spectra_and_ties_go_through_qr() {
    let (is_gram, _, qr) = routes(&[1.0; R]);
    assert!(!is_gram && qr <= PHI_ERROR, "{qr:e}");
    for gap in [0.0, 1e-12, 1e-11] {
        let mut sigma = geometric(0.1);
        sigma[8] = sigma[7] * (1.0 - gap);
        let (is_gram, _, qr) = routes(&sigma);
        assert!(!is_gram && qr <= PHI_ERROR, "gap {gap:e}: {qr:e}");
    }
}

#[test]
fn near_ties_hold_the_bound_whichever_way_they_go() {
    let mut n_gram = 0;
    for exponent in 4..=12 {
        for at in [0, 7, R - 2] {
            let mut sigma = geometric(1e-3);
            sigma[at + 1] = sigma[at] * (1.0 - 10f64.powi(-exponent));
            let (is_gram, gram, qr) = routes(&sigma);
            n_gram += usize::from(is_gram);
            assert!(gram <= PHI_ERROR && qr <= PHI_ERROR, "1e-{exponent} at {at}: {gram:e}, {qr:e}");
        }
    }
    assert!(n_gram > 5 && n_gram < 25, "the guard should take both routes here, took Gram {n_gram} times");
}

#[test]
fn a_basis_through_the_gram_matrix_is_orthonormal_up_to_the_guards_limit() {
    let matrix = with_spectrum(&geometric(1.1e-5), &orthonormal(R, D, 1), 2);
    let x = MatRef::from_row_major_slice(&matrix.values, R, D).transpose();
    let gram = gram::factorise(&matrix.values, R).expect("1.1e-5² is over the least ratio");
    let vectors = x * &gram.weights;
    let product = vectors.transpose() * &vectors;
    for i in 0..R {
        for j in 0..R {
            let expected = f64::from(u8::from(i == j));
            assert!((product[(i, j)] - expected).abs() < 5e-6, "({i}, {j}): {}", product[(i, j)]);
        }
    }
}

#[test]
fn the_rows_of_a_basis_are_the_vectors_rounded() {
    // More than one block of rows, and one that is not filled.
    let matrix = random::gaussian(5, 600, 3, 0);
    let x = MatRef::from_row_major_slice(&matrix.values, 5, 600).transpose();
    let gram = gram::factorise(&matrix.values, 5).unwrap();
    let (rows, vectors) = (gram.vectors(&matrix.values, 3), x * &gram.weights);
    assert_eq!(rows.len(), 3 * 600);
    for (at, &value) in rows.iter().enumerate() {
        assert!((f64::from(value) - vectors[(at % 600, at / 600)]).abs() < 1e-7, "{at}");
    }
}
