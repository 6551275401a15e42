//! How large what was not found can be: an upper bound of the largest singular value of (1 − U·Uᵀ)·A.
//!
//! With z its right singular vector, σ its value, and a Gaussian matrix G of s columns, ‖zᵀG‖² has the χ² distribution with s
//! degrees of freedom, and ‖p(B)·G‖ ≥ |p(σ²)|·‖zᵀG‖ for every polynomial p of B = Aᵀ(1 − U·Uᵀ)A. p is Chebyshev's polynomial, small up
//! to a scale and steep above it, so that few products bound σ closely (as Hochstenbach 2013 does with one vector). G is drawn after
//! U was found and independently of it, so a direction that the search has missed, however it did, is seen here.

use super::map::Unit;
use super::product::{columns, product};
use crate::basis::{eigen, random};

/// Columns of G.
pub(super) const PROBES: usize = 16;

/// ‖zᵀG‖ is smaller with a probability of at most [`FAILURE`]: P(χ²₁₆ ≤ x) ≤ (x/2)⁸/8! = 1e-9 at x = 0.564.
const LEAST: f64 = 0.751;

/// The probability that the bound of one remainder does not hold.
pub(super) const FAILURE: f64 = 1e-9;

/// The largest degree.
const MOST_STEPS: usize = 24;

/// A norm that is growing towards its bound: the vectors T_j(2B/scale² − 1)·G.
pub(super) struct Remainder<'a> {
    map: &'a Unit<'a>,
    left: &'a [f64],
    scale: f64,
    degree: usize,
    before: Vec<f64>,
    now: Vec<f64>,
}

impl<'a> Remainder<'a> {
    /// Of what the vectors `left` leave, expected to be about as large as `scale`.
    pub(super) fn new(map: &'a Unit<'a>, left: &'a [f64], scale: f64, seed: u64, stream: u64) -> Self {
        let now = random::gaussian(PROBES, map.d_in(), seed, stream).values;
        Self { map, left, scale, degree: 0, before: vec![], now }
    }

    /// A degree more, and with it a smaller bound; `None` when there are enough.
    pub(super) fn step(&mut self) -> Option<f64> {
        if self.degree == MOST_STEPS {
            return None;
        }
        let image = self.image(&self.now);
        let factor = if self.degree == 0 { 1.0 } else { 2.0 };
        let square = self.scale * self.scale;
        let mut next =
            self.now.iter().zip(&image).map(|(now, image)| factor * (2.0 / square * image - now)).collect();
        if self.degree > 0 {
            let next: &mut Vec<f64> = &mut next;
            next.iter_mut().zip(&self.before).for_each(|(next, before)| *next -= before);
        }
        self.before = std::mem::replace(&mut self.now, next);
        self.degree += 1;
        // T_j(y) = cosh(j·arccosh y) ≤ ‖T_j(…)·G‖/‖zᵀG‖ for y = 2σ²/scale² − 1 above 1.
        let ratio = (self.norm(&self.now) / LEAST).max(1.0);
        let y = (ratio.acosh() / self.degree as f64).cosh();
        Some((square * (1.0 + y) / 2.0).sqrt())
    }

    pub(super) fn degree(&self) -> usize {
        self.degree
    }

    /// A value that the largest singular value certainly reaches, and vectors near its own.
    pub(super) fn reached(&self) -> (f64, &[f64]) {
        let d_in = self.map.d_in();
        let image = columns(&self.now, d_in);
        let gram = product(image.transpose(), image);
        let strongest = eigen::symmetric(&columns(&gram, PROBES).to_owned());
        let Some((values, vectors)) = strongest.filter(|(values, _)| values[0] > 0.0) else {
            return (0.0, &self.now);
        };
        let weights = vectors.subcols(0, 1);
        let vector: Vec<f64> = product(image, weights).iter().map(|value| value / values[0].sqrt()).collect();
        let image = self.outside(&vector);
        (image.iter().map(|value| value * value).sum::<f64>().sqrt(), &self.now)
    }

    /// B·x.
    fn image(&self, x: &[f64]) -> Vec<f64> {
        self.map.transposed_times(&self.outside(x))
    }

    /// (1 − U·Uᵀ)·A·x.
    fn outside(&self, x: &[f64]) -> Vec<f64> {
        let d_out = self.map.d_out();
        let mut y = self.map.times(x);
        let left = columns(self.left, d_out);
        let inside = product(left.transpose(), columns(&y, d_out));
        let inside = product(left, columns(&inside, left.ncols()));
        y.iter_mut().zip(&inside).for_each(|(y, inside)| *y -= inside);
        y
    }

    /// The largest singular value of some columns, or more.
    fn norm(&self, x: &[f64]) -> f64 {
        let x = columns(x, self.map.d_in());
        let gram = product(x.transpose(), x);
        let squares: f64 = (0..x.ncols()).map(|k| gram[k * (x.ncols() + 1)]).sum();
        let largest = eigen::symmetric(&columns(&gram, x.ncols()).to_owned());
        largest.map_or(squares, |(values, _)| values[0]).max(0.0).sqrt()
    }
}
