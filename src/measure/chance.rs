//! What two unrelated subspaces would show: baseline, variance and z of φ, and the tail of a band's mean.

use crate::measure::Grid;

/// E φ(i, j) = max(i, j)/d for two independent, uniformly random subspaces of i and j of d dimensions, 1 ≤ i, j ≤ d.
pub fn baseline(i: usize, j: usize, d: usize) -> f64 {
    i.max(j) as f64 / d as f64
}

/// Var φ(i, j) = 2·i·j·(d−i)·(d−j) / (d²·(d−1)·(d+2)·min(i, j)²) for two independent, uniformly random subspaces:
/// the variance of the trace of a product of two random projections, for 1 ≤ i, j ≤ d.
pub fn variance(i: usize, j: usize, d: usize) -> f64 {
    if i.max(j) >= d {
        // One of the subspaces is the whole space: φ is certain.
        return 0.0;
    }
    let [i, j, d] = [i, j, d].map(|n| n as f64);
    2.0 * i * j * (d - i) * (d - j) / (d * d * (d - 1.0) * (d + 2.0) * i.min(j).powi(2))
}

/// How many standard deviations φ(i, j) lies above chance; `None` for a cell that does not exist or whose φ is certain.
///
/// It tests only independence, and for small i·j its distribution is skewed (chi-squared).
pub fn z(grid: &Grid, i: usize, j: usize) -> Option<f64> {
    z_of(grid.phi(i, j)?, i, j, grid.d())
}

/// The same of φ(i, j) in `d` dimensions.
pub(crate) fn z_of(phi: f64, i: usize, j: usize, d: usize) -> Option<f64> {
    let variance = variance(i, j, d);
    (variance > 0.0).then(|| (phi - baseline(i, j, d)) / variance.sqrt())
}

/// An upper bound on the probability that the mean of φ(1, j) over 1 ≤ j ≤ n reaches `mean` for a random direction in
/// `d` dimensions (or of φ(i, 1), which has the same distribution).
///
/// The mean is Σₖ wₖ·xₖ with wₖ = (n − k + 1)/n and xₖ the squared coordinates of a random unit vector. With independent
/// normal gₖ it reaches m just when Σₖ (wₖ − m)·gₖ² ≥ 0, all d coordinates counted and wₖ = 0 for k > n, so by Chernoff
/// the probability is at most min over s of Πₖ (1 − 2s·(wₖ − m))^(−1/2).
///
/// # Panics
/// Unless 1 ≤ n ≤ d.
pub fn band_tail(mean: f64, n: usize, d: usize) -> f64 {
    assert!((1..=d).contains(&n), "a band of {n} cells in {d} dimensions");
    let weight = |k: usize| (n - k) as f64 / n as f64 - mean;
    let log_bound = |s: f64| {
        let band: f64 = (0..n).map(|k| (1.0 - 2.0 * s * weight(k)).ln()).sum();
        -0.5 * (band + (d - n) as f64 * (1.0 + 2.0 * s * mean).ln())
    };
    let expected = (n + 1) as f64 / (2 * d) as f64;
    if mean <= expected {
        return 1.0;
    }
    if mean >= 1.0 {
        return 0.0;
    }
    // The logarithm of the bound is convex in s on (0, 1/(2·(1 − mean))): a golden-section search finds its minimum.
    let golden = (5f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (0.0, (1.0 - 1e-12) / (2.0 * weight(0)));
    for _ in 0..60 {
        let step = golden * (high - low);
        if log_bound(high - step) < log_bound(low + step) {
            high = low + step;
        } else {
            low = high - step;
        }
    }
    log_bound((low + high) / 2.0).exp().min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::basis::Basis;
    use crate::kernels::similarity::similarity;

    #[test]
    fn mean_and_variance_match_gaussian_pairs() {
        let (r, d, n_pairs) = (4, 24, 3000);
        let cells = [(1, 1), (1, 4), (2, 3), (4, 4)];
        let mut sums = [(0.0, 0.0); 4];
        for seed in 0..n_pairs {
            let a = Basis::gaussian(r, d, 2 * seed).unwrap();
            let b = Basis::gaussian(r, d, 2 * seed + 1).unwrap();
            let phi = similarity(a.rows(), b.rows(), d);
            for ((i, j), (sum, squares)) in cells.iter().zip(&mut sums) {
                let phi = phi[(i - 1) * r + j - 1];
                *sum += phi;
                *squares += phi * phi;
            }
        }
        for ((i, j), (sum, squares)) in cells.into_iter().zip(sums) {
            let mean = sum / n_pairs as f64;
            let spread = squares / n_pairs as f64 - mean * mean;
            let error = (variance(i, j, d) / n_pairs as f64).sqrt();
            assert!((mean - baseline(i, j, d)).abs() < 4.0 * error, "({i}, {j}): {mean}");
            // The relative error of a variance from 3000 values is some 5 %, more for the skewed φ(1, 1).
            assert!((spread / variance(i, j, d) - 1.0).abs() < 0.2, "({i}, {j}): {spread}");
        }
    }

    #[test]
    fn a_subspace_that_is_the_whole_space_leaves_nothing_to_chance() {
        assert_eq!(variance(3, 5, 5), 0.0);
        assert_eq!(baseline(3, 5, 5), 1.0);
        let whole = Grid::new(1, 1, 1, vec![1.0]).unwrap();
        assert_eq!((z(&whole, 1, 1), z(&whole, 1, 2)), (None, None));
    }

    #[test]
    fn the_bound_on_a_band_is_above_the_share_of_random_bands_and_not_far() {
        let (n, d, n_bands) = (8, 40, 4000);
        let mut means: Vec<f64> = (0..n_bands)
            .map(|seed| {
                let row = Basis::gaussian(1, d, seed).unwrap();
                let mut phi = 0.0;
                let sum: f64 = row.rows()[..n]
                    .iter()
                    .map(|&x| {
                        phi += f64::from(x).powi(2);
                        phi
                    })
                    .sum();
                sum / n as f64
            })
            .collect();
        means.sort_by(f64::total_cmp);
        for share in [0.1, 0.01, 0.002] {
            let mean = means[((1.0 - share) * n_bands as f64) as usize];
            let bound = band_tail(mean, n, d);
            assert!(bound > 0.8 * share && bound < 25.0 * share, "{share}: {bound}");
        }
        assert_eq!((band_tail(0.0, n, d), band_tail(1.0, 1, 1), band_tail(1.0, n, d)), (1.0, 1.0, 0.0));
    }
}
