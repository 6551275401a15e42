//! What independent, uniformly random subspaces share by chance: the spectrum of their mean projector.
//!
//! For large d the eigenvalues of P₁ + … + P_N follow the free convolution of the laws of the single projectors, each with
//! the share αᵢ = qᵢ/d of ones (Voiculescu 1991). The inverse of its Cauchy transform is
//!
//! K(w) = 1/w + Σᵢ [w − 1 + √((w + 1)² − 4w(1 − αᵢ))] / 2w,
//!
//! and its upper edge is the least K(w) over w > 0: α(N − 2) + 1 + 2√((N − 1)α(1 − α)) for equal ranks. The largest
//! eigenvalue lies around the edge by the law of Tracy and Widom (1996), on a scale of d^(−2/3)·(K″/2)^(1/3).

use serde::Serialize;

use super::spectrum;
use crate::basis::Basis;
use crate::error::Result;

/// Mean of the Tracy–Widom law for real matrices, and what one in a hundred is over.
const TW_MEAN: f64 = -1.2065;
const TW_99: f64 = 2.0234;

/// The most draws of random subspaces: small spectra differ from draw to draw.
const MAX_DRAWS: usize = 16;
/// Eigenvalues whose spectrum one draw decides.
const LARGE: usize = 64;

/// The mean projector of random subspaces.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Chance {
    /// Eigenvalues, falling, of seeded random subspaces: min(Σqᵢ, d) of them, means over up to 16 draws.
    pub eigenvalues: Vec<f64>,
    /// Expected largest eigenvalue, from the law for large d.
    pub largest: f64,
    /// The largest eigenvalue is over this once in a hundred times, by the same law.
    pub threshold: f64,
}

impl Chance {
    /// Of subspaces of these dimensions, 1 ≤ q ≤ d, in d dimensions. `None` for a single one, and where chance decides
    /// nothing: a subspace that is the whole space.
    ///
    /// # Errors
    /// `Invalid` where the eigenvalues do not converge.
    pub(super) fn of(ranks: &[usize], d: usize) -> Result<Option<Self>> {
        if ranks.iter().any(|&q| q >= d) || ranks.len() < 2 {
            return Ok(None);
        }
        let eigenvalues = simulated(ranks, d)?;
        let (largest, threshold) = match edge(ranks, d) {
            Some(edge) => {
                let scale = edge.scale * (d as f64).powf(-2.0 / 3.0);
                let at = |tw: f64| ((edge.x + scale * tw) / ranks.len() as f64).min(1.0);
                (at(TW_MEAN), at(TW_99))
            }
            // Subspaces of so many dimensions meet for certain.
            None => (1.0, 1.0),
        };
        Ok(Some(Self { eigenvalues, largest, threshold }))
    }
}

fn simulated(ranks: &[usize], d: usize) -> Result<Vec<f64>> {
    let n = ranks.iter().sum::<usize>().min(d);
    let n_draws = (LARGE * LARGE / (n * n)).clamp(1, MAX_DRAWS);
    let mut means = vec![0.0; n];
    for draw in 0..n_draws {
        let seed = |at: usize| (draw * ranks.len() + at) as u64;
        let bases = ranks.iter().enumerate().map(|(at, &q)| Basis::gaussian(q, d, seed(at)));
        let values = spectrum::eigenvalues(&bases.collect::<Result<Vec<_>>>()?)?;
        means.iter_mut().zip(values).for_each(|(mean, value)| *mean += value / n_draws as f64);
    }
    Ok(means)
}

/// The upper edge of the law of a sum of random projectors.
struct Edge {
    x: f64,
    /// (K″/2)^(1/3).
    scale: f64,
}

/// The first minimum of K; `None` where it only falls, towards an atom at N.
fn edge(ranks: &[usize], d: usize) -> Option<Edge> {
    let mut counts = std::collections::BTreeMap::<usize, f64>::new();
    ranks.iter().for_each(|&q| *counts.entry(q).or_default() += 1.0);
    let k = |w: f64| {
        let r = |(&q, count): (&usize, &f64)| {
            let root = ((w + 1.0).powi(2) - 4.0 * w * (1.0 - q as f64 / d as f64)).sqrt();
            count * (w - 1.0 + root) / (2.0 * w)
        };
        1.0 / w + counts.iter().map(r).sum::<f64>()
    };
    const STEP: f64 = 1.03;
    let mut w = 1e-4;
    while w < 1e4 && k(w * STEP) < k(w) {
        w *= STEP;
    }
    if w >= 1e4 {
        return None;
    }
    let golden = (5f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (w / STEP, w * STEP);
    for _ in 0..60 {
        let step = golden * (high - low);
        if k(high - step) < k(low + step) { high = low + step } else { low = high - step }
    }
    let w = 0.5 * (low + high);
    let h = 1e-3 * w;
    let curvature = (k(w + h) - 2.0 * k(w) + k(w - h)) / (h * h);
    (curvature > 0.0).then(|| Edge { x: k(w), scale: (0.5 * curvature).cbrt() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Largest eigenvalues of seeded random subspaces, other ones than those of [`simulated`].
    fn largest(ranks: &[usize], d: usize, n_draws: usize) -> Vec<f64> {
        let one = |draw: usize| {
            let seed = |at: usize| 1_000_000 + (draw * ranks.len() + at) as u64;
            let bases = ranks.iter().enumerate().map(|(at, &q)| Basis::gaussian(q, d, seed(at)).unwrap());
            spectrum::eigenvalues(&bases.collect::<Vec<_>>()).unwrap()[0]
        };
        (0..n_draws).map(one).collect()
    }

    #[test]
    fn the_edge_of_equal_ranks_is_the_closed_form() {
        for (n, q, d) in [(2, 8, 384), (3, 16, 64), (10, 8, 128), (100, 16, 1024), (2, 28, 64)] {
            let (alpha, count) = (q as f64 / d as f64, n as f64);
            let expected = alpha * (count - 2.0) + 1.0 + 2.0 * ((count - 1.0) * alpha * (1.0 - alpha)).sqrt();
            let edge = edge(&vec![q; n], d).unwrap();
            assert!((edge.x - expected).abs() < 1e-9, "{n} {q} {d}: {} for {expected}", edge.x);
        }
    }

    #[test]
    fn the_largest_eigenvalue_of_random_subspaces_is_the_expected_one_and_seldom_over_the_threshold() {
        for (ranks, d) in [
            (vec![16; 8], 256),
            (vec![8; 2], 128),
            (vec![4, 8, 32], 96),
            (vec![16; 12], 64),
            (vec![30, 20], 80),
            (vec![1; 20], 64),
            (vec![4; 3], 24),
        ] {
            let chance = Chance::of(&ranks, d).unwrap().unwrap();
            let found = largest(&ranks, d, 200);
            let mean = found.iter().sum::<f64>() / found.len() as f64;
            let share_over = found.iter().filter(|&&x| x > chance.threshold).count() as f64 / 200.0;
            // What the law for large d misses falls as its scale does.
            assert!(
                (mean - chance.largest).abs() < 0.3 * (d as f64).powf(-2.0 / 3.0),
                "{ranks:?} {d}: {mean} for {}",
                chance.largest
            );
            assert!(share_over <= 0.04, "{ranks:?} {d}: {share_over}");
            assert!(chance.threshold > chance.largest && chance.threshold < chance.largest + 0.2);
            // The trace: the mean rank.
            let total: f64 = chance.eigenvalues.iter().sum();
            let mean_rank = ranks.iter().sum::<usize>() as f64 / ranks.len() as f64;
            assert!((total / mean_rank - 1.0).abs() < 1e-6, "{ranks:?}: {total} for {mean_rank}");
        }
    }

    #[test]
    fn there_is_no_chance_where_a_subspace_is_the_whole_space_and_1_where_all_must_meet() {
        assert_eq!(Chance::of(&[4, 8], 8).unwrap(), None);
        assert_eq!(Chance::of(&[4], 8).unwrap(), None);
        // Three subspaces of 15 of 16 dimensions meet in 13 of them.
        let chance = Chance::of(&[15; 3], 16).unwrap().unwrap();
        assert_eq!(chance.eigenvalues.iter().filter(|value| **value > 1.0 - 1e-6).count(), 13);
        assert_eq!((chance.largest, chance.threshold), (1.0, 1.0));
    }
}
