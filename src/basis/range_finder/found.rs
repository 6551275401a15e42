//! What a search has found.

use super::map::{LinearMap, narrow};

/// Leading singular values and vectors of a matrix M, with a bound of each leading subspace.
#[derive(Debug, Clone, PartialEq)]
pub struct Directions {
    d_out: usize,
    d_in: usize,
    sigma: Vec<f64>,
    left: Vec<f32>,
    right: Vec<f32>,
    bounds: Vec<f64>,
    pub(super) tolerance: f64,
    norm: f64,
    noise: f64,
    failure: f64,
}

/// A factorisation in f64, before it is cut and rounded.
pub(super) struct Factorised {
    pub(super) sigma: Vec<f64>,
    pub(super) left: Vec<f64>,
    pub(super) right: Vec<f64>,
    /// One for each direction that is kept.
    pub(super) bounds: Vec<f64>,
    /// The probability that they do not hold.
    pub(super) failure: f64,
}

/// How far rounding n unit vectors to f32 turns their space, at most.
pub(super) fn rounding(n: usize) -> f64 {
    (n as f64).sqrt() * 2f64.powi(-24)
}

impl Directions {
    pub(super) fn none(map: &dyn LinearMap) -> Self {
        let (left, right) = (vec![], vec![]);
        let none = Factorised { sigma: vec![], left, right, bounds: vec![], failure: 0.0 }.map_to_f32();
        Self::new(map, none, 1.0, 0.0, 0.0)
    }

    /// The directions that have a bound, in units of `unit`.
    pub(super) fn of(map: &dyn LinearMap, found: Factorised, unit: f64, norm: f64, tolerance: f64) -> Self {
        Self::new(map, found.map_to_f32(), unit, norm, tolerance)
    }

    fn new(map: &dyn LinearMap, found: Rounded, unit: f64, norm: f64, tolerance: f64) -> Self {
        let (d_out, d_in, n) = (map.d_out(), map.d_in(), found.bounds.len());
        let (mut left, mut right) = (found.left, found.right);
        left.truncate(n * d_out);
        right.truncate(n * d_in);
        let sigma = found.sigma[..n].iter().map(|sigma| sigma * unit).collect();
        let noise = map.noise();
        Self {
            d_out,
            d_in,
            sigma,
            left,
            right,
            bounds: found.bounds,
            tolerance,
            norm,
            noise,
            failure: found.failure,
        }
    }

    /// Rows of M.
    pub fn d_out(&self) -> usize {
        self.d_out
    }

    /// Columns of M.
    pub fn d_in(&self) -> usize {
        self.d_in
    }

    /// The singular values, falling. There are fewer than were wanted where M has a smaller rank: none is kept that rounding in f64
    /// could have made.
    pub fn sigma(&self) -> &[f64] {
        &self.sigma
    }

    /// The left singular vectors, a row of d_out numbers for each value.
    pub fn left(&self) -> &[f32] {
        &self.left
    }

    /// The right singular vectors, a row of d_in numbers for each value, which belong to the left ones.
    pub fn right(&self) -> &[f32] {
        &self.right
    }

    /// For each k, the sine of the largest angle between the space of the first k vectors of either side and the true one, at most.
    /// 1 where nothing is known, as between values that are equal.
    pub fn bounds(&self) -> &[f64] {
        &self.bounds
    }

    /// The largest k whose leading k directions are those of M within the tolerance. Smaller k between equal values may not be:
    /// see [`Directions::bounds`].
    pub fn n_determined(&self) -> usize {
        self.bounds.iter().rposition(|&bound| bound <= self.tolerance).map_or(0, |at| at + 1)
    }

    /// The probability that a bound does not hold, by the random numbers of the search. 0 for bounds that need none.
    pub fn failure_probability(&self) -> f64 {
        self.failure
    }

    /// ‖M‖_F of all directions, found or not.
    pub fn norm(&self) -> f64 {
        self.norm
    }

    /// The share of ‖M‖²_F that these directions hold.
    pub fn energy(&self) -> f64 {
        let shares = self.sigma.iter().map(|sigma| (sigma / self.norm).powi(2));
        if self.norm == 0.0 { 0.0 } else { shares.sum::<f64>().min(1.0) }
    }

    /// What rounding to the stored type can have made of a singular value, [`LinearMap::noise`].
    pub fn noise(&self) -> f64 {
        self.noise
    }

    /// How many directions have a value above twice the noise, so that they are more than rounding.
    pub fn n_above_noise(&self) -> usize {
        self.sigma.iter().filter(|&&sigma| sigma > 2.0 * self.noise).count()
    }

    /// Only the first n directions.
    pub fn first(mut self, n: usize) -> Self {
        let n = n.min(self.sigma.len());
        self.sigma.truncate(n);
        self.bounds.truncate(n);
        self.left.truncate(n * self.d_out);
        self.right.truncate(n * self.d_in);
        self
    }
}

struct Rounded {
    sigma: Vec<f64>,
    left: Vec<f32>,
    right: Vec<f32>,
    bounds: Vec<f64>,
    failure: f64,
}

impl Factorised {
    fn map_to_f32(self) -> Rounded {
        let Self { sigma, left, right, bounds, failure } = self;
        Rounded { sigma, left: narrow(&left), right: narrow(&right), bounds, failure }
    }
}
