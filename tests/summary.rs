//! The words of the summary, from planted grids with the patterns of the paper's figure.

mod common;

use lorascope::measure::summary::{STRONG, Strength, Summary, WEAK};
use lorascope::{Basis, Grid};
use proptest::prelude::*;

/// A pair whose product is planted: U holds the first unit vectors, V the given coordinates in them and, for what is
/// missing to length 1, a unit vector of its own for each row.
fn planted(coordinates: impl Fn(usize, usize) -> f64, r: usize, d: usize) -> Grid {
    let mut u = vec![0.0f32; r * d];
    let mut v = vec![0.0f32; r * d];
    for row in 0..r {
        u[row * d + row] = 1.0;
        let mut rest = 1.0;
        for k in 0..r {
            let value = coordinates(k, row);
            v[row * d + k] = value as f32;
            rest -= value * value;
        }
        v[row * d + r + row] = rest.max(0.0).sqrt() as f32;
    }
    let basis = |rows| Basis::from_rows(d, rows, vec![1.0; r]).unwrap();
    lorascope::similarity(common::engines::cpu(), &basis(u), &basis(v)).unwrap()
}

fn words(grid: &Grid) -> (Strength, Strength) {
    let summary = Summary::of(grid);
    (summary.horizontal.strength, summary.vertical.strength)
}

/// The paper's d.
const D: usize = 12_288;

#[test]
fn q_has_both_bands_strong() {
    // The first directions of both adapters are nearly one: cos² = 0.6.
    let grid = planted(|k, row| if k == 0 && row == 0 { 0.6f64.sqrt() } else { 0.0 }, 64, D);
    assert_eq!(words(&grid), (Strength::Strong, Strength::Strong));
    let summary = Summary::of(&grid);
    assert_eq!((summary.peak_8x8.i, summary.peak_8x8.j), (1, 1));
    assert!((summary.peak_8x8.value - 0.6).abs() < 1e-6);
    assert!((summary.phi_1_1.phi - 0.6).abs() < 1e-6 && summary.phi_1_1.z.unwrap() > 1000.0);
}

#[test]
fn v_has_the_vertical_band_strong_and_the_horizontal_weak() {
    // The second adapter's first direction lies over the first eight of the first adapter, so the left column fills up
    // within eight rows while the top row stays at cos² = 0.1.
    let grid = planted(|_, row| if row == 0 { 0.1f64.sqrt() } else { 0.0 }, 8, D);
    assert_eq!(words(&grid), (Strength::Weak, Strength::Strong));
}

#[test]
fn gaussian_has_none() {
    for d in [64, 384, D] {
        let (a, b) = (Basis::gaussian(64, d, 0).unwrap(), Basis::gaussian(64, d, 1).unwrap());
        let grid = lorascope::similarity(common::engines::cpu(), &a, &b).unwrap();
        assert_eq!(words(&grid), (Strength::None, Strength::None), "d = {d}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_gaussian_pair_always_says_none(r_a in 1usize..40, r_b in 1usize..40, d in 1usize..400, seed: u64) {
        let a = Basis::gaussian(r_a, d, seed).unwrap();
        let b = Basis::gaussian(r_b, d, seed ^ 1).unwrap();
        let grid = lorascope::similarity(common::engines::cpu(), &a, &b).unwrap();
        prop_assert_eq!(words(&grid), (Strength::None, Strength::None));
    }
}

#[test]
fn words_change_at_the_stated_excess() {
    let grid = |phi: f32| Grid::new(1, 1, 100_000, vec![phi]).unwrap();
    let baseline = 1e-5;
    for (excess, word) in [
        (WEAK - 1e-3, Strength::None),
        (WEAK + 1e-3, Strength::Weak),
        (STRONG - 1e-3, Strength::Weak),
        (STRONG + 1e-3, Strength::Strong),
    ] {
        assert_eq!(words(&grid((excess + baseline) as f32)), (word, word), "{excess}");
    }
}

#[test]
fn sparsity_depth_and_missing_cells_are_counted() {
    // φ = 1 in the top-left 2 × 2 of the product, nothing else: S stays 2 beyond, so φ(3, 3) = 2/3.
    let grid = planted(|k, row| f64::from(u8::from(k == row && k < 2)), 4, 1000);
    let summary = Summary::of(&grid);
    assert_eq!(summary.depth, Some(4));
    assert_eq!(summary.sparsity, 0.0);
    assert_eq!(summary.phi_8_8, None);
    assert_eq!(summary.phi_r_r.k, 4);
    assert!((summary.phi_r_r.phi - 0.5).abs() < 1e-6 && (summary.phi_r_r.baseline - 0.004).abs() < 1e-12);

    let orthogonal = planted(|_, _| 0.0, 8, 1000);
    let summary = Summary::of(&orthogonal);
    assert_eq!((summary.depth, summary.sparsity), (Some(0), 1.0));
    assert_eq!(summary.phi_8_8.unwrap().k, 8);
    assert!(summary.phi_8_8.unwrap().z.unwrap() < 0.0);
}

#[test]
fn excess_peaks_where_agreement_ends_not_at_the_edge() {
    let grid = planted(|k, row| f64::from(u8::from(k == row && k < 3)), 32, 100);
    let peak = Summary::of(&grid).excess_peak;
    assert_eq!((peak.i, peak.j), (1, 1));
    assert!((peak.value - 0.99).abs() < 1e-6);
}

#[test]
fn a_space_that_is_whole_has_no_z_and_no_band() {
    let whole = Grid::new(1, 1, 1, vec![1.0]).unwrap();
    let summary = Summary::of(&whole);
    assert_eq!((summary.phi_1_1.z, summary.depth), (None, Some(0)));
    assert_eq!(words(&whole), (Strength::None, Strength::None));
}

#[test]
fn z_and_depth_are_left_out_for_pairs_that_are_not_independent() {
    let grid = planted(|k, row| f64::from(u8::from(k == row)), 8, 1000);
    let summary = Summary::of(&grid).of_dependent();
    assert_eq!(
        (summary.phi_1_1.z, summary.phi_8_8.unwrap().z, summary.phi_r_r.z, summary.depth),
        (None, None, None, None)
    );
    assert_eq!(summary.vertical, Summary::of(&grid).vertical);
}
