//! What independent, uniformly random subspaces share by chance: the spectrum of their mean projector.
//!
//! For large d the eigenvalues of P₁ + … + P_N follow the free convolution of the laws of the single projectors, each with
//! the share αᵢ = qᵢ/d of ones (Voiculescu 1991). Its Cauchy transform G has the inverse
//!
//! K(w) = 1/w + Σᵢ [w − 1 + √((w + 1)² − 4w(1 − αᵢ))] / 2w,
//!
//! so that its upper edge is the least K(w) over w > 0, and its density −Im G(x)/π. For equal ranks the edges are
//! α(N − 2) + 1 ± 2√((N − 1)α(1 − α)). The largest eigenvalue fluctuates around the edge by the law of Tracy and Widom
//! (1996), on a scale of d^(−2/3)·(K″/2)^(1/3).

use serde::Serialize;

/// Mean of the Tracy–Widom law for real matrices, and what one in a hundred is over.
const TW_MEAN: f64 = -1.2065;
const TW_99: f64 = 2.0234;

/// Points of the density.
const N_POINTS: usize = 4000;

/// The mean projector of random subspaces.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Chance {
    /// Expected eigenvalues, falling: min(Σqᵢ, d) of them.
    pub eigenvalues: Vec<f64>,
    /// Expected largest eigenvalue.
    pub largest: f64,
    /// The largest eigenvalue is over this once in a hundred times.
    pub threshold: f64,
}

impl Chance {
    /// Of subspaces of these dimensions, 1 ≤ q ≤ d, in d dimensions. `None` where chance decides nothing: a subspace that
    /// is the whole space, or two of half its dimension each.
    pub fn of(ranks: &[usize], d: usize) -> Option<Self> {
        let n = ranks.len() as f64;
        let n_values = ranks.iter().sum::<usize>().min(d);
        let shares = |ranks: &mut dyn Iterator<Item = usize>| {
            let mut shares: Vec<(f64, f64)> = vec![];
            for q in ranks {
                let alpha = q as f64 / d as f64;
                match shares.iter_mut().find(|(other, _)| *other == alpha) {
                    Some((_, count)) => *count += 1.0,
                    None => shares.push((alpha, 1.0)),
                }
            }
            shares
        };
        if ranks.iter().any(|&q| q >= d) || ranks.len() < 2 {
            return None;
        }
        let sum = Sum { shares: shares(&mut ranks.iter().copied()) };
        if let Some(edge) = sum.edge() {
            let scale = edge.scale * (d as f64).powf(-2.0 / 3.0);
            let eigenvalues = sum.quantiles(&edge, n_values, d).into_iter().map(|x| x / n).collect();
            let at = |tw: f64| ((edge.x + scale * tw) / n).min(1.0);
            return Some(Self { eigenvalues, largest: at(TW_MEAN), threshold: at(TW_99) });
        }
        // The subspaces meet for certain. Their complements do not: N − x of those.
        let complement = Sum { shares: shares(&mut ranks.iter().map(|q| d - q)) };
        let edge = complement.edge()?;
        let mut values = complement.quantiles(&edge, d, d);
        values.reverse();
        let eigenvalues: Vec<f64> = values.into_iter().take(n_values).map(|x| 1.0 - x / n).collect();
        Some(Self { largest: 1.0, threshold: 1.0, eigenvalues })
    }
}

/// The sum of free projections, by the shares of ones and how often each occurs.
struct Sum {
    shares: Vec<(f64, f64)>,
}

/// The upper edge of the law.
struct Edge {
    x: f64,
    w: f64,
    /// (K″/2)^(1/3).
    scale: f64,
    /// K″.
    curvature: f64,
}

impl Sum {
    /// K(w) for real w > 0.
    fn k(&self, w: f64) -> f64 {
        let r = |&(alpha, count): &(f64, f64)| {
            let root = ((w + 1.0).powi(2) - 4.0 * w * (1.0 - alpha)).sqrt();
            count * (w - 1.0 + root) / (2.0 * w)
        };
        1.0 / w + self.shares.iter().map(r).sum::<f64>()
    }

    /// The first minimum of K; `None` where it only falls, towards an atom at N.
    fn edge(&self) -> Option<Edge> {
        const STEP: f64 = 1.03;
        let mut w = 1e-4;
        while w < 1e5 && self.k(w * STEP) < self.k(w) {
            w *= STEP;
        }
        if w >= 1e5 {
            return None;
        }
        let golden = (5f64.sqrt() - 1.0) / 2.0;
        let (mut low, mut high) = (w / STEP, w * STEP);
        for _ in 0..60 {
            let step = golden * (high - low);
            if self.k(high - step) < self.k(low + step) { high = low + step } else { low = high - step }
        }
        let w = 0.5 * (low + high);
        let h = 1e-3 * w;
        let curvature = (self.k(w + h) - 2.0 * self.k(w) + self.k(w - h)) / (h * h);
        (curvature > 0.0).then(|| Edge { x: self.k(w), w, scale: (0.5 * curvature).cbrt(), curvature })
    }

    /// The values at the middle of each of the first n of d equal shares of the law, from the top.
    fn quantiles(&self, edge: &Edge, n: usize, d: usize) -> Vec<f64> {
        // x falls from the edge in steps that are finest there, where the density rises steeply.
        let step = |at: usize| edge.x * (1.0 - (at as f64 / N_POINTS as f64).powi(2));
        let mut path = Path::new(self, edge, edge.x - step(1));
        let (mut mass, mut x, mut density) = (0.0, edge.x, 0.0);
        let mut values = Vec::with_capacity(n);
        for at in 1..=N_POINTS {
            let next = step(at).max(1e-9 * edge.x);
            let Some(here) = path.density(next) else { break };
            let added = 0.5 * (density + here) * (x - next);
            while values.len() < n && (values.len() as f64 + 0.5) / (d as f64) <= mass + added && added > 0.0
            {
                let share = ((values.len() as f64 + 0.5) / d as f64 - mass) / added;
                values.push(x - share * (x - next));
            }
            (mass, x, density) = (mass + added, next, here);
        }
        // What rounding leaves of the mass lies at the lower end; the rest is the atom at 0.
        let n_atom = (self.shares.iter().map(|(alpha, count)| alpha * count).sum::<f64>() * d as f64).round();
        let n_law = n.min(n_atom as usize);
        values.truncate(n_law);
        values.resize(n_law, x);
        values.resize(n, 0.0);
        values
    }
}

/// A complex number.
#[derive(Clone, Copy)]
struct Complex(f64, f64);

impl Complex {
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0, self.1 + other.1)
    }

    fn times(self, other: Self) -> Self {
        Self(self.0 * other.0 - self.1 * other.1, self.0 * other.1 + self.1 * other.0)
    }

    fn scaled(self, factor: f64) -> Self {
        Self(factor * self.0, factor * self.1)
    }

    fn inverse(self) -> Self {
        let square = self.0 * self.0 + self.1 * self.1;
        Self(self.0 / square, -self.1 / square)
    }

    /// The square root on the side of `near`.
    fn root(self, near: Self) -> Self {
        let length = self.0.hypot(self.1);
        let re = (0.5 * (length + self.0)).max(0.0).sqrt();
        let im = (0.5 * (length - self.0)).max(0.0).sqrt().copysign(self.1);
        let root = Self(re, im);
        if root.0 * near.0 + root.1 * near.1 < 0.0 { root.scaled(-1.0) } else { root }
    }
}

/// The values of G while x falls through the law, each found from the one before.
struct Path<'a> {
    sum: &'a Sum,
    w: Complex,
    /// The root in each term of K.
    roots: Vec<Complex>,
}

impl<'a> Path<'a> {
    /// At `below` under the edge, where G is w − i·√(2·below/K″) to first order.
    fn new(sum: &'a Sum, edge: &Edge, below: f64) -> Self {
        let roots = sum.shares.iter().map(|_| Complex(1.0, 0.0)).collect();
        Self { sum, w: Complex(edge.w, -(2.0 * below / edge.curvature).sqrt()), roots }
    }

    /// The density at x, by Newton's method on K(w) = x. `None` past the lower edge.
    fn density(&mut self, x: f64) -> Option<f64> {
        let mut w = self.w;
        for _ in 0..50 {
            let (value, slope, roots) = self.k(w);
            let step = value.add(Complex(-x, 0.0)).times(slope.inverse()).scaled(-1.0);
            w = w.add(step);
            if !(w.0.is_finite() && w.1.is_finite()) {
                return None;
            }
            if step.0.hypot(step.1) < 1e-12 * w.0.hypot(w.1) {
                (self.w, self.roots) = (w, roots);
                let density = -w.1 / std::f64::consts::PI;
                return (density > 1e-9).then_some(density);
            }
        }
        None
    }

    /// K, K′ and the roots at w.
    fn k(&self, w: Complex) -> (Complex, Complex, Vec<Complex>) {
        let inverse = w.inverse();
        let (mut value, mut slope) = (inverse, inverse.times(inverse).scaled(-1.0));
        let mut roots = Vec::with_capacity(self.roots.len());
        for (&(alpha, count), &near) in self.sum.shares.iter().zip(&self.roots) {
            let beta = 1.0 - alpha;
            let one_more = w.add(Complex(1.0, 0.0));
            let root = one_more.times(one_more).add(w.scaled(-4.0 * beta)).root(near);
            let r = w.add(Complex(-1.0, 0.0)).add(root).times(inverse).scaled(0.5);
            let bend = one_more.add(Complex(-2.0 * beta, 0.0)).times(root.inverse());
            let r_slope = bend.add(Complex(1.0, 0.0)).scaled(0.5).add(r.scaled(-1.0)).times(inverse);
            value = value.add(r.scaled(count));
            slope = slope.add(r_slope.scaled(count));
            roots.push(root);
        }
        (value, slope, roots)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::basis::Basis;
    use crate::shared_space::spectrum::Spectrum;

    /// Means over seeded random subspaces: the eigenvalues, and how often the largest is over `threshold`.
    fn simulated(ranks: &[usize], d: usize, n_draws: u64, threshold: f64) -> (Vec<f64>, f64) {
        let mut sums = vec![0.0; ranks.iter().sum::<usize>().min(d)];
        let mut n_over = 0;
        for draw in 0..n_draws {
            let basis = |(at, &q): (usize, &usize)| Basis::gaussian(q, d, 1000 * draw + at as u64).unwrap();
            let bases: Vec<Basis> = ranks.iter().enumerate().map(basis).collect();
            let values = Spectrum::of(&bases).unwrap().values;
            sums.iter_mut().zip(&values).for_each(|(sum, value)| *sum += value);
            n_over += usize::from(values[0] > threshold);
        }
        (sums.into_iter().map(|sum| sum / n_draws as f64).collect(), n_over as f64 / n_draws as f64)
    }

    #[test]
    fn the_edge_of_equal_ranks_is_the_closed_form() {
        for (n, q, d) in [(2, 8, 384), (3, 16, 64), (10, 8, 128), (100, 16, 1024), (2, 40, 64)] {
            let sum = Sum { shares: vec![(q as f64 / d as f64, n as f64)] };
            let (alpha, n) = (q as f64 / d as f64, n as f64);
            let expected = alpha * (n - 2.0) + 1.0 + 2.0 * ((n - 1.0) * alpha * (1.0 - alpha)).sqrt();
            let edge = sum.edge().unwrap();
            assert!((edge.x - expected).abs() < 1e-9, "{n} {q} {d}: {} for {expected}", edge.x);
        }
    }

    #[test]
    fn eigenvalues_are_those_of_random_subspaces() {
        for (ranks, d) in [
            (vec![16; 8], 256),
            (vec![8; 2], 128),
            (vec![4, 8, 32], 96),
            (vec![16; 12], 64),
            (vec![60, 50], 80),
            (vec![1; 20], 64),
        ] {
            let chance = Chance::of(&ranks, d).unwrap();
            let (values, share_over) = simulated(&ranks, d, 60, chance.threshold);
            assert_eq!(values.len(), chance.eigenvalues.len());
            for (k, (found, expected)) in values.iter().zip(&chance.eigenvalues).enumerate() {
                assert!((found - expected).abs() < 0.02, "{ranks:?} {d}: {k}: {found} for {expected}");
            }
            assert!(
                (values[0] - chance.largest).abs() < 0.012,
                "{ranks:?}: {} {}",
                values[0],
                chance.largest
            );
            assert!(share_over < 0.1, "{ranks:?}: {share_over}");
            // The trace: the mean rank.
            let total: f64 = chance.eigenvalues.iter().sum();
            let mean_rank = ranks.iter().sum::<usize>() as f64 / ranks.len() as f64;
            assert!((total / mean_rank - 1.0).abs() < 0.01, "{ranks:?}: {total} for {mean_rank}");
        }
    }

    #[test]
    fn there_is_no_chance_where_a_subspace_is_the_whole_space() {
        assert_eq!(Chance::of(&[4, 8], 8), None);
        assert_eq!(Chance::of(&[4], 8), None);
        // Three subspaces of 15 of 16 dimensions meet in 13 of them.
        let chance = Chance::of(&[15; 3], 16).unwrap();
        assert_eq!(chance.eigenvalues.iter().filter(|value| **value > 1.0 - 1e-9).count(), 13);
    }
}
