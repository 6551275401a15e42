//! How large what was not found can be: an upper bound of the largest singular value of (1 − U·Uᵀ)·A.
//!
//! With z its right singular vector, σ its value, and a Gaussian matrix G of s columns, ‖zᵀG‖² has the χ² distribution with s
//! degrees of freedom, and ‖p(B)·G‖ ≥ |p(σ²)|·‖zᵀG‖ for every polynomial p of B = Aᵀ(1 − U·Uᵀ)A. p is Chebyshev's polynomial, small up
//! to a scale and steep above it, so that few products bound σ closely (as Hochstenbach 2013 does with one vector). G is drawn after
//! U was found and independently of it, so a direction that the search has missed, however it did, is seen here.

use faer::Mat;

use super::map::{Unit, narrow, widen};
use super::product::{columns, product};
use crate::basis::{eigen, random};

/// Columns of G.
const PROBES: usize = 16;

/// ‖zᵀG‖ is smaller with a probability of at most [`FAILURE`]: P(χ²₁₆ ≤ x) ≤ (x/2)⁸/8! = 1e-9 at x = 0.564. A fifteenth is left for
/// what products in f32 change.
const LEAST: f64 = 0.7;

/// The probability that the bound of one remainder does not hold.
pub(super) const FAILURE: f64 = 1e-9;

/// The largest degree.
const MOST_STEPS: usize = 24;

/// A norm from which on the vectors may leave the range of f32.
const LARGE: f64 = 1e30;

/// Products in f32 have an error of some 2⁻²⁴·‖A‖, which B has twice: up to this ratio of ‖A‖ to the scale it is 1e-3 of scale² and less.
const LEAST_SCALE: f64 = 1.0 / 32.0;

/// A norm that is growing towards its bound: the vectors T_j(2B/scale² − 1)·G.
pub(super) struct Remainder<'a> {
    map: &'a Unit<'a>,
    left: &'a [f64],
    scale: f64,
    in_f32: bool,
    degree: usize,
    before: Vec<f64>,
    now: Vec<f64>,
}

impl<'a> Remainder<'a> {
    /// Of what the vectors `left` leave of a map whose largest singular value is `largest`, expected to be about as large as `scale`.
    pub(super) fn new(
        map: &'a Unit<'a>,
        left: &'a [f64],
        largest: f64,
        scale: f64,
        random: (u64, u64),
    ) -> Self {
        let now = random::gaussian(PROBES, map.d_in(), random.0, random.1).values;
        Self { map, left, scale, in_f32: scale >= LEAST_SCALE * largest, degree: 0, before: vec![], now }
    }

    pub(super) fn degree(&self) -> usize {
        self.degree
    }

    /// A degree more, and with it a smaller bound; `None` when there are enough.
    pub(super) fn step(&mut self) -> Option<f64> {
        if self.degree == MOST_STEPS || self.norm() > LARGE {
            return None;
        }
        let image = self.image(&self.now);
        let square = self.scale * self.scale;
        let turned = self.now.iter().zip(&image).map(|(now, image)| 2.0 / square * image - now);
        let next = match self.degree {
            0 => turned.collect(),
            _ => turned.zip(&self.before).map(|(turned, before)| 2.0 * turned - before).collect(),
        };
        self.before = std::mem::replace(&mut self.now, next);
        self.degree += 1;
        // T_j(y) = cosh(j·arccosh y) ≤ ‖T_j(…)·G‖/‖zᵀG‖ for y = 2σ²/scale² − 1 above 1.
        let ratio = (self.norm() / LEAST).max(1.0);
        let y = (ratio.acosh() / self.degree as f64).cosh();
        Some((square * (1.0 + y) / 2.0).sqrt())
    }

    /// A value that the largest singular value reaches, and vectors near its own.
    pub(super) fn reached(self) -> (f64, Vec<f64>) {
        let Some((squares, weights)) = eigen::symmetric(&self.gram()).filter(|(squares, _)| squares[0] > 0.0)
        else {
            return (0.0, self.now);
        };
        let vector = product(columns(&self.now, self.map.d_in()), weights.subcols(0, 1));
        let image = self.outside(&vector);
        let reached = image.iter().map(|value| value * value).sum::<f64>() / squares[0];
        (reached.sqrt(), self.now)
    }

    /// B·x.
    fn image(&self, x: &[f64]) -> Vec<f64> {
        let y = self.outside(x);
        match self.in_f32 {
            true => widen(&self.map.transposed_times_f32(&narrow(&y))),
            false => self.map.transposed_times(&y),
        }
    }

    /// (1 − U·Uᵀ)·A·x.
    fn outside(&self, x: &[f64]) -> Vec<f64> {
        let mut y = match self.in_f32 {
            true => widen(&self.map.times_f32(&narrow(x))),
            false => self.map.times(x),
        };
        let d_out = self.map.d_out();
        let left = columns(self.left, d_out);
        let inside = product(left.transpose(), columns(&y, d_out));
        let inside = product(left, columns(&inside, left.ncols()));
        y.iter_mut().zip(&inside).for_each(|(y, inside)| *y -= inside);
        y
    }

    fn gram(&self) -> Mat<f64> {
        let now = columns(&self.now, self.map.d_in());
        columns(&product(now.transpose(), now), PROBES).to_owned()
    }

    /// The largest singular value of the vectors, or more.
    fn norm(&self) -> f64 {
        let gram = self.gram();
        let squares: f64 = (0..PROBES).map(|k| gram[(k, k)]).sum();
        eigen::symmetric(&gram).map_or(squares, |(values, _)| values[0]).max(0.0).sqrt()
    }
}
