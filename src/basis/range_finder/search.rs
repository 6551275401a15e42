//! The search: a Krylov space grows until its own residuals promise the tolerance, and what it holds is then measured.

use super::angles::Residuals;
use super::found::{Directions, Factorised, rounding};
use super::krylov::{Guess, Krylov};
use super::map::{LinearMap, Unit};
use super::remainder::{self, Remainder};
use super::ritz::{Ritz, orthonormal};
use super::{RangeFinder, exact};
use crate::error::Result;

/// Steps in f64 that may follow, where f32 was not enough.
const MOST_REFINEMENTS: usize = 6;

/// A residual that rounding to f32 may have left, relative to the largest value.
const RESIDUAL_F32: f64 = 1e-4;

/// A gap between neighbouring values, relative to the larger, that is not waited for.
const NO_GAP: f64 = 1e-5;

/// The search in a map that is not zero.
pub(super) fn search(finder: &RangeFinder, map: &dyn LinearMap, norm: f64) -> Result<Directions> {
    let unit = Unit::new(map, norm);
    let search = Search {
        finder,
        map: &unit,
        norm: norm / unit.unit,
        noise: map.noise() / unit.unit,
        least_side: map.d_out().min(map.d_in()),
        most: finder.how_many.at_most().min(map.d_out()).min(map.d_in()),
    };
    let found = match search.is_small() {
        true => None,
        false => search.in_krylov_space()?,
    };
    let found = found.map_or_else(|| search.whole(), Ok)?;
    Ok(Directions::of(map, found, unit.unit, norm, finder.tolerance))
}

struct Search<'a> {
    finder: &'a RangeFinder,
    map: &'a Unit<'a>,
    norm: f64,
    noise: f64,
    least_side: usize,
    /// Directions that are wanted at most.
    most: usize,
}

impl Search<'_> {
    /// Whether all directions are found as fast as some.
    fn is_small(&self) -> bool {
        self.least_side <= (2 * self.most).max(96)
    }

    /// Vectors of a block: half of the wanted directions, so that few products are made for spectra that fall fast, and not so few
    /// that they are limited by reading the matrix.
    fn width(&self) -> usize {
        self.most.div_ceil(2).next_multiple_of(8).clamp(16, 64)
    }

    /// Directions that are found in addition: they widen the gap to what is not found.
    fn spare(&self, n: usize) -> usize {
        (n / 4).max(16)
    }

    /// Vectors of the Krylov space at most.
    fn most_vectors(&self) -> usize {
        8 * self.most + 256
    }

    /// Values at or under this are what rounding in f64 leaves.
    fn floor(&self, sigma: &[f64]) -> f64 {
        self.map.d_in().max(self.map.d_out()) as f64 * f64::EPSILON * sigma.first().copied().unwrap_or(0.0)
    }

    /// How many of these values are wanted, all of those above the rounding if that is not known yet.
    fn count(&self, sigma: &[f64]) -> (usize, bool) {
        let floor = self.floor(sigma);
        let n_above = sigma.iter().take_while(|&&sigma| sigma > floor).count();
        let count = self.finder.how_many.count(sigma, self.norm, self.noise);
        (count.unwrap_or(sigma.len()).min(self.most).min(n_above), count.is_some())
    }

    fn whole(&self) -> Result<Factorised> {
        let mut found = exact::factorise(self.map)?;
        let (n, _) = self.count(&found.sigma);
        let error = self.floor(&found.sigma);
        found.bounds = rounded(exact::bounds(&found.sigma, n, error));
        Ok(found)
    }

    /// `None` where the space grew to the whole.
    fn in_krylov_space(&self) -> Result<Option<Factorised>> {
        let mut krylov = Krylov::new(self.map, self.width(), self.finder.seed);
        let mut target = self.finder.tolerance / 4.0;
        let mut stream = STREAM;
        loop {
            let Some((guess, is_last)) = self.grow(&mut krylov, target)? else { return Ok(None) };
            let (n, _) = self.count(&guess.sigma);
            let all = (n + self.spare(n)).min(krylov.n());
            let mut space = orthonormal(&krylov.vectors(&guess, all), self.map.d_in());
            let mut missed = None;
            // An error that f32 left becomes smaller by steps in f64, any other by a larger space.
            let mut before = RESIDUAL_F32 * guess.sigma[0];
            for refinement in 0..=MOST_REFINEMENTS {
                let ritz = Ritz::of(self.map, &space)?;
                let measured = self.measure(&ritz, stream);
                stream += 1;
                if self.is_enough(&measured.bounds, &ritz.sigma, self.finder.tolerance) {
                    return Ok(Some(measured.of(ritz)));
                }
                let residual = ritz.residual(measured.bounds.len());
                if measured.missed.is_some() || residual > before / 3.0 || refinement == MOST_REFINEMENTS {
                    if is_last {
                        return Ok(Some(measured.of(ritz)));
                    }
                    missed = measured.missed;
                    break;
                }
                before = residual;
                space = ritz.image(self.map);
            }
            if let Some(vectors) = missed {
                krylov.widen_by(&vectors);
            }
            target /= 4.0;
        }
    }

    /// Adds to the space until it promises the tolerance or may not grow more, which is the second of the pair.
    fn grow(&self, krylov: &mut Krylov<'_>, target: f64) -> Result<Option<(Guess, bool)>> {
        // The eigenvalues of a large space take longer than a step.
        let mut next = 0;
        loop {
            if krylov.n() + 2 * krylov.width() > self.least_side {
                return Ok(None);
            }
            krylov.step();
            let is_last = krylov.n() >= self.most_vectors();
            if krylov.n() < next && !is_last {
                continue;
            }
            next = krylov.n() + krylov.n() / 5;
            let spare = self.spare(self.most);
            let guess = krylov.guess(self.most + spare)?;
            let (n, is_known) = self.count(&guess.sigma);
            let is_wide = krylov.n() >= n + self.spare(n);
            if is_last || is_known && is_wide && self.promises(&guess, n, target) {
                return Ok(Some((guess, is_last)));
            }
        }
    }

    /// Whether the first n directions would hold a tolerance if the space had missed nothing.
    fn promises(&self, guess: &Guess, n: usize, tolerance: f64) -> bool {
        let all = (n + self.spare(n)).min(guess.gram.nrows());
        let gram = guess.gram.submatrix(0, 0, all, all).to_owned();
        let rest = guess.sigma.get(all).map_or(guess.sigma[all - 1], |&next| next);
        let residuals = Residuals { sigma: &guess.sigma[..all], gram: &gram, rest, rounding: 0.0 };
        self.is_enough(&residuals.bounds(n), &guess.sigma, tolerance)
    }

    /// Whether all bounds hold that can.
    fn is_enough(&self, bounds: &[f64], sigma: &[f64], tolerance: f64) -> bool {
        let is_tie = |k: usize| sigma.get(k + 1).is_some_and(|next| sigma[k] - next <= NO_GAP * sigma[k]);
        bounds.iter().enumerate().all(|(k, &bound)| bound <= tolerance || is_tie(k))
    }

    /// Bounds what was found.
    fn measure(&self, ritz: &Ritz, stream: u64) -> Measured {
        let sigma = &ritz.sigma;
        let (n, _) = self.count(sigma);
        let longest = self.map.d_in().max(self.map.d_out()) as f64;
        let error = 16.0 * f64::EPSILON * longest.sqrt() * sigma[0];
        let bounds =
            |rest: f64| rounded(Residuals { sigma, gram: &ritz.gram, rest, rounding: error }.bounds(n));
        let energy: f64 = sigma.iter().map(|sigma| sigma * sigma).sum();
        let residual: f64 = (0..sigma.len()).map(|k| ritz.gram[(k, k)]).sum();
        let squares = self.norm * self.norm;
        let certain = ((squares - energy - residual).max(0.0) + 64.0 * f64::EPSILON * squares).sqrt();
        let mut best = Measured { bounds: bounds(certain), failure: 0.0, missed: None };
        if self.is_enough(&best.bounds, sigma, self.finder.tolerance) || n == 0 {
            return best;
        }
        // A remainder that a better one followed counts too.
        let failure = (stream - STREAM + 1) as f64 * remainder::FAILURE;
        let scale = sigma[sigma.len() - 1].max(error);
        let mut remainder = Remainder::new(self.map, &ritz.left, sigma[0], scale, (self.finder.seed, stream));
        let can_hold = self.is_enough(&bounds(scale), sigma, self.finder.tolerance);
        while let Some(rest) = remainder.step() {
            if rest < certain {
                best = Measured { bounds: bounds(rest), failure, missed: None };
                if self.is_enough(&best.bounds, sigma, self.finder.tolerance) {
                    return best;
                }
            }
            if !can_hold && remainder.degree() == STEPS_TO_SEE {
                break;
            }
        }
        let (reached, vectors) = remainder.reached();
        let next = sigma.get(n).copied().unwrap_or(0.0);
        best.missed = (reached > next * (1.0 + NO_GAP) + error).then_some(vectors);
        best
    }
}

/// Degree of a remainder that shows what was missed.
const STEPS_TO_SEE: usize = 6;

/// Streams of random numbers from here on are those of the remainders.
const STREAM: u64 = 1 << 32;

/// With the rounding of the vectors to f32.
fn rounded(bounds: Vec<f64>) -> Vec<f64> {
    bounds.iter().enumerate().map(|(k, bound)| (bound + rounding(k + 1)).min(1.0)).collect()
}

struct Measured {
    bounds: Vec<f64>,
    failure: f64,
    /// Vectors near directions that were missed.
    missed: Option<Vec<f64>>,
}

impl Measured {
    fn of(self, ritz: Ritz) -> Factorised {
        let Ritz { sigma, left, right, .. } = ritz;
        Factorised { sigma, left, right, bounds: self.bounds, failure: self.failure }
    }
}
