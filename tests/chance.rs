//! What chance would give, against closed forms.

use lorascope::measure::chance;

#[test]
fn the_variance_of_phi_is_symmetric_and_that_of_a_beta_distribution_at_1_1() {
    for d in [2, 3, 24, 1000] {
        for (i, j) in [(1, 1), (1, 2), (2, 3), (4, 24), (17, 900)] {
            assert_eq!(chance::variance(i, j, d), chance::variance(j, i, d), "({i}, {j}) of {d}");
            assert_eq!(chance::baseline(i, j, d), chance::baseline(j, i, d), "({i}, {j}) of {d}");
        }
        // The square of a random unit vector's coordinate is Beta(1/2, (d − 1)/2).
        let (alpha, beta) = (0.5, (d - 1) as f64 / 2.0);
        let sum: f64 = alpha + beta;
        let expected = alpha * beta / (sum * sum * (sum + 1.0));
        assert!((chance::variance(1, 1, d) / expected - 1.0).abs() < 1e-12, "{d}");
        // One direction within the first j: Beta(j/2, (d − j)/2).
        let j = d / 2;
        let (alpha, beta) = (j as f64 / 2.0, (d - j) as f64 / 2.0);
        let expected = alpha * beta / (sum * sum * (sum + 1.0));
        assert!((chance::variance(1, j, d) / expected - 1.0).abs() < 1e-12, "{d}");
    }
    assert_eq!(chance::variance(1, 1, 1), 0.0);
}

#[test]
fn the_bound_on_a_band_of_one_cell_has_a_closed_form() {
    // The least of Πₖ (1 − 2s·(wₖ − m))^(−1/2) for w = 1, 0, 0, ... is at 2s = (d·m − 1)/(d·m·(1 − m)).
    for d in [2, 5, 384] {
        for times in [1.001, 1.2, 1.9] {
            let (n, mean) = (d as f64, times / d as f64);
            let expected = (n * mean).sqrt() * (n * (1.0 - mean) / (n - 1.0)).powf((n - 1.0) / 2.0);
            let bound = chance::band_tail(mean, 1, d);
            assert!((bound / expected - 1.0).abs() < 1e-9, "d = {d}, mean = {mean}: {bound} for {expected}");
        }
    }
}

#[test]
fn the_bound_on_a_band_over_the_whole_plane_has_a_closed_form() {
    // (1 − 2s·(1 − m))·(1 + 2s·(m − 1/2)) is largest at (4·√((1 − m)·(m − 1/2)))⁻².
    for mean in [0.76, 0.8, 0.9, 0.99, 0.999_999] {
        let expected = 4.0 * ((1.0 - mean) * (mean - 0.5f64)).sqrt();
        let bound = chance::band_tail(mean, 2, 2);
        assert!((bound / expected - 1.0).abs() < 1e-9, "{mean}: {bound} for {expected}");
    }
}

#[test]
fn a_band_is_no_rarer_than_chance_up_to_its_mean_over_random_directions() {
    for (n, d) in [(1, 3), (2, 7), (8, 40), (40, 40)] {
        let expected = (n + 1) as f64 / (2 * d) as f64;
        assert_eq!(chance::band_tail(expected, n, d), 1.0);
        assert_eq!(chance::band_tail(0.0, n, d), 1.0);
        assert!(chance::band_tail(1.1 * expected, n, d) < 1.0, "{n} of {d}");
    }
}
