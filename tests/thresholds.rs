//! The numbers at which a summary changes its mind, from both sides of each.

use lorascope::Grid;
use lorascope::measure::chance;
use lorascope::measure::summary::{CHANCE, Strength, Summary};

/// A grid in d dimensions with these values, one row after another.
fn grid(n_rows: usize, d: usize, values: &[f64]) -> Grid {
    let n_cols = values.len() / n_rows;
    Grid::new(n_rows, n_cols, d, values.iter().map(|&value| value as f32).collect()).unwrap()
}

#[test]
fn a_cell_is_empty_under_an_excess_of_0_05() {
    let d = 1000;
    let excess = [0.045, 0.055, 0.045, 0.06];
    let values: Vec<f64> =
        excess.iter().zip(1..).map(|(excess, j)| excess + chance::baseline(1, j, d)).collect();
    assert_eq!(Summary::of(&grid(1, d, &values)).sparsity, 0.5);
}

#[test]
fn two_subspaces_agree_as_deep_as_z_is_over_3() {
    let d = 500;
    let at = |k: usize, z: f64| chance::baseline(k, k, d) + z * chance::variance(k, k, d).sqrt();
    for (z, depth) in [([3.1, 2.9], 1), ([3.1, 3.1], 2), ([2.9, 3.1], 0)] {
        let values = [at(1, z[0]), 0.0, 0.0, at(2, z[1])];
        assert_eq!(Summary::of(&grid(2, d, &values)).depth, Some(depth), "{z:?}");
    }
}

#[test]
fn the_peak_of_the_corner_is_sought_up_to_the_eighth_row_and_column() {
    let (n, d) = (9, 100);
    let mut values = vec![0.1; n * n];
    (values[8], values[8 * n], values[8 * n + 8]) = (0.9, 0.8, 0.95);
    for (i, j) in [(8, 8), (8, 1), (1, 8)] {
        let mut values = values.clone();
        values[(i - 1) * n + j - 1] = 0.5;
        let summary = Summary::of(&grid(n, d, &values));
        assert_eq!((summary.peak_8x8.value, summary.peak_8x8.i, summary.peak_8x8.j), (0.5, i, j));
        assert_eq!((summary.phi_8_8.map(|cell| cell.k), summary.phi_r_r.k), (Some(8), 9));
    }
    let seven = Summary::of(&grid(7, d, &vec![0.1; 49]));
    assert_eq!((seven.phi_8_8, seven.phi_r_r.k), (None, 7));
}

#[test]
fn a_band_that_chance_shows_once_in_a_million_is_none() {
    let (n, d) = (1, 60);
    // The bound falls with the mean.
    let mean_of = |tail: f64| {
        let (mut low, mut high) = (0.1, 0.9);
        for _ in 0..60 {
            let mean = (low + high) / 2.0;
            if chance::band_tail(mean, n, d) > tail { low = mean } else { high = mean }
        }
        low
    };
    for (tail, strength) in [(1.1 * CHANCE, Strength::None), (0.9 * CHANCE, Strength::Strong)] {
        let summary = Summary::of(&grid(n, d, &[mean_of(tail)]));
        assert_eq!((summary.horizontal.strength, summary.vertical.strength), (strength, strength));
    }
}

#[test]
fn a_band_is_weak_from_0_05_and_strong_from_0_20_over_chance() {
    let d = 2000;
    let strength = |excess: f64| {
        let summary = Summary::of(&grid(1, d, &[excess + chance::baseline(1, 1, d)]));
        assert!(chance::band_tail(summary.horizontal.mean, 1, d) < CHANCE);
        summary.horizontal.strength
    };
    assert_eq!((strength(0.049), strength(0.051)), (Strength::None, Strength::Weak));
    assert_eq!((strength(0.199), strength(0.201)), (Strength::Weak, Strength::Strong));
}
