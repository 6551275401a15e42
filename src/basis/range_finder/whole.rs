//! Singular values and vectors in f64: all of a matrix, or those that a search has found.

use super::exact;
use super::found::{Directions, Factorised};
use super::map::{LinearMap, Unit, widen};
use super::ritz;
use crate::basis::update::{self, Vectors};
use crate::basis::{Update, noise, random};
use crate::error::{Error, Fault, Result};

/// The share of ‖M‖²_F that the values which are not known may hold and still count as zeros.
const NOTHING: f64 = 1e-12;

/// Singular values, falling, and both kinds of singular vectors of a matrix M, (d_out, d_in), in f64.
#[derive(Debug, Clone, PartialEq)]
pub struct SingularVectors {
    d_out: usize,
    d_in: usize,
    sigma: Vec<f64>,
    left: Vec<f64>,
    right: Vec<f64>,
    norm: f64,
    floor: f64,
}

impl SingularVectors {
    /// All min(d_out, d_in) of a matrix, those with the value 0 too; none of a matrix of zeros.
    ///
    /// It takes min(d_out, d_in)²·max(d_out, d_in) operations, some twenty times over, most of them on one thread: for a large
    /// matrix of which only the first are needed, [`super::RangeFinder`] is the faster way.
    ///
    /// # Errors
    /// `Invalid` for a matrix without entries, with a number that is not finite, or whose SVD does not converge.
    pub fn of(map: &dyn LinearMap) -> Result<Self> {
        let (d_out, d_in, norm) = (map.d_out(), map.d_in(), map.norm());
        let shape = || format!("{d_out} × {d_in}");
        if d_out == 0 || d_in == 0 {
            return Err(Fault::new(shape(), "entries").of("matrix").invalid());
        }
        if !norm.is_finite() {
            let found = format!("a norm of {norm} in {}", shape());
            return Err(Fault::new(found, "finite numbers").of("matrix").invalid());
        }
        if norm == 0.0 {
            return Ok(Self::none(d_out, d_in));
        }
        let unit = Unit::new(map, norm);
        let Factorised { sigma, left, right, .. } = exact::factorise(&unit)?;
        let sigma: Vec<f64> = sigma.iter().map(|sigma| sigma * unit.unit).collect();
        let floor = noise::bounds(map.noise(), d_out.max(d_in), sigma.first().copied().unwrap_or(0.0)).floor;
        Ok(Self { d_out, d_in, sigma, left, right, norm, floor })
    }

    /// The min(r, d_out, d_in) of an update s·B·A that can have a value above 0, without forming it; none of an update of zeros.
    ///
    /// # Errors
    /// `Invalid` when the ranks of A and B differ, for factors without entries and for numbers that are not finite.
    pub fn of_update(update: Update<'_>) -> Result<Self> {
        let Update { a, b, scaling } = update;
        if a.rows != b.cols || !scaling.is_finite() {
            let found = format!("A of {} rows, B of {} columns, scaling {scaling}", a.rows, b.cols);
            return Err(Fault::new(found, "one rank and a finite scaling").of("update").invalid());
        }
        let found = match update::singular(a, b) {
            // A factor of zeros.
            Err(Error::Unsupported(_)) => return Ok(Self::none(b.rows, a.cols)),
            found => found?,
        };
        if scaling == 0.0 {
            return Ok(Self::none(b.rows, a.cols));
        }
        let flat = |which| -> Vec<f64> {
            found
                .vectors(which)
                .col_iter()
                .flat_map(|column| column.iter().copied().collect::<Vec<_>>())
                .collect()
        };
        let (mut left, right) = (flat(Vectors::Left), flat(Vectors::Right));
        if scaling < 0.0 {
            left.iter_mut().for_each(|x| *x = -*x);
        }
        let sigma: Vec<f64> = found.sigma.iter().map(|sigma| sigma * scaling.abs()).collect();
        let (norm, floor) = (crate::simd::norm(&sigma), found.bounds.floor * scaling.abs());
        Ok(Self { d_out: b.rows, d_in: a.cols, sigma, left, right, norm, floor })
    }

    /// Independent random spaces of n directions on both sides, those of the top n singular vectors of a Gaussian matrix,
    /// nested as those are. All values are 1. The same seed gives the same vectors on every machine.
    ///
    /// # Errors
    /// `Invalid` for n above d_out or d_in.
    pub fn random(d_out: usize, d_in: usize, n: usize, seed: u64) -> Result<Self> {
        if n > d_out.min(d_in) {
            let found = format!("{n} random directions in {d_out} × {d_in}");
            return Err(Fault::new(found, "at most as many as the shorter side has").invalid());
        }
        let of = |d: usize, stream| match n {
            0 => vec![],
            _ => ritz::orthonormal(&random::gaussian(n, d, seed, stream).values, d),
        };
        let (left, right) = (of(d_out, LEFT), of(d_in, RIGHT));
        Ok(Self { d_out, d_in, sigma: vec![1.0; n], left, right, norm: (n as f64).sqrt(), floor: 0.0 })
    }

    fn none(d_out: usize, d_in: usize) -> Self {
        Self { d_out, d_in, sigma: vec![], left: vec![], right: vec![], norm: 0.0, floor: 0.0 }
    }

    /// Rows of M.
    pub fn d_out(&self) -> usize {
        self.d_out
    }

    /// Columns of M.
    pub fn d_in(&self) -> usize {
        self.d_in
    }

    /// How many directions there are.
    pub fn n(&self) -> usize {
        self.sigma.len()
    }

    /// The singular values, falling.
    pub fn sigma(&self) -> &[f64] {
        &self.sigma
    }

    /// The left singular vectors, a row of d_out numbers for each value.
    pub fn left(&self) -> &[f64] {
        &self.left
    }

    /// The right singular vectors, a row of d_in numbers for each value, which belong to the left ones.
    pub fn right(&self) -> &[f64] {
        &self.right
    }

    /// ‖M‖_F of all directions, known or not.
    pub fn norm(&self) -> f64 {
        self.norm
    }

    /// What a value must be above so that rounding, to the stored type or in f64, cannot have made it: max(2ν,
    /// max(d_out, d_in)·2⁻⁵²·σ₁), with ν of [`LinearMap::noise`].
    pub fn floor(&self) -> f64 {
        self.floor
    }

    /// How many values are above the floor.
    pub fn n_above_floor(&self) -> usize {
        self.sigma.iter().filter(|&&sigma| sigma > self.floor).count()
    }

    /// Whether every direction of M is here, up to those that hold 10⁻¹² of ‖M‖²_F.
    pub fn is_whole(&self) -> bool {
        let held: f64 = self.sigma.iter().map(|sigma| (sigma / self.norm).powi(2)).sum();
        self.norm == 0.0 || self.n() == self.d_out.min(self.d_in) || 1.0 - held <= NOTHING
    }
}

/// The stream of random numbers for each side.
const LEFT: u64 = 0;
const RIGHT: u64 = 1;

/// What a search has found: the vectors were rounded to f32, so that products with them are off by some 10⁻⁷ of ‖M‖_F.
impl From<&Directions> for SingularVectors {
    fn from(found: &Directions) -> Self {
        let (d_out, d_in, sigma) = (found.d_out(), found.d_in(), found.sigma().to_vec());
        let floor =
            noise::bounds(found.noise(), d_out.max(d_in), sigma.first().copied().unwrap_or(0.0)).floor;
        let (left, right) = (widen(found.left()), widen(found.right()));
        Self { d_out, d_in, sigma, left, right, norm: found.norm(), floor }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{HowMany, LowRank, RangeFinder};
    use super::*;
    use crate::adapter::{Dtype, Matrix};

    /// M − U·diag(σ)·Vᵀ, relative, from products with the right vectors of `found` and the norm that they hold.
    fn is_factorisation(map: &dyn LinearMap, found: &SingularVectors, within: f64) {
        let (d_out, d_in) = (found.d_out(), found.d_in());
        let images = map.times(found.right());
        let preimages = map.transposed_times(found.left());
        for (k, sigma) in found.sigma().iter().enumerate() {
            let off = |image: &[f64], vector: &[f64]| {
                let squares = image.iter().zip(vector).map(|(image, x)| (image - sigma * x).powi(2));
                squares.sum::<f64>().sqrt()
            };
            let right = off(&preimages[k * d_in..][..d_in], &found.right()[k * d_in..][..d_in]);
            let left = off(&images[k * d_out..][..d_out], &found.left()[k * d_out..][..d_out]);
            assert!(left.max(right) <= within * found.norm(), "direction {k}: {left:e} {right:e}");
        }
        assert!((crate::simd::norm(found.sigma()) / found.norm() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn the_values_and_vectors_of_all_forms_are_those_of_the_matrix() {
        for (rows, cols) in [(7, 12), (12, 7), (1, 5)] {
            let matrix = Matrix { dtype: Dtype::F32, ..random::gaussian(rows, cols, 3, 0) };
            let found = SingularVectors::of(&matrix).unwrap();
            assert_eq!((found.n(), found.is_whole()), (rows.min(cols), true));
            is_factorisation(&matrix, &found, 1e-13);
            assert!(found.floor() > 0.0 && found.n_above_floor() == found.n());
        }
        // Both signs of s, and a rank above a dimension.
        for (r, d_in, d_out, scaling) in [(3, 20, 11, 2.0), (3, 20, 11, -0.5), (9, 20, 6, 1.0)] {
            let (a, b) = (random::gaussian(r, d_in, 1, 0), random::gaussian(d_out, r, 2, 0));
            let update = Update { a: &a, b: &b, scaling };
            let map = LowRank::new(update).unwrap();
            let found = SingularVectors::of_update(update).unwrap();
            assert_eq!((found.n(), found.is_whole()), (r.min(d_out), true));
            is_factorisation(&map, &found, 1e-13);
            let searched = RangeFinder::new(HowMany::Top(2)).find(&map).unwrap();
            let first = SingularVectors::from(&searched);
            assert!(!first.is_whole() && (first.norm() / found.norm() - 1.0).abs() < 1e-12);
            assert!((first.sigma()[1] / found.sigma()[1] - 1.0).abs() < 1e-9);
        }
    }

    #[test]
    fn zeros_have_no_directions_and_what_is_not_finite_is_refused() {
        let zeros = Matrix { rows: 2, cols: 3, dtype: Dtype::F32, values: vec![0.0; 6] };
        let some = random::gaussian(2, 2, 1, 0);
        let found = SingularVectors::of(&zeros).unwrap();
        assert_eq!((found.n(), found.d_out(), found.d_in(), found.norm()), (0, 2, 3, 0.0));
        let untrained = Matrix { rows: 3, cols: 2, ..zeros.clone() };
        for (b, scaling) in [(&random::gaussian(3, 2, 5, 0), 0.0), (&untrained, 1.0)] {
            let found = SingularVectors::of_update(Update { a: &some, b, scaling }).unwrap();
            assert_eq!((found.n(), found.d_out(), found.d_in(), found.is_whole()), (0, 3, 2, true));
        }
        let broken = Matrix { values: vec![f64::NAN; 6], ..zeros };
        let message = SingularVectors::of(&broken).unwrap_err().to_string();
        assert!(message.contains("2 × 3, expected finite numbers"), "{message}");
        assert!(SingularVectors::of_update(Update { a: &some, b: &some, scaling: f64::NAN }).is_err());
        assert!(SingularVectors::random(4, 3, 4, 0).is_err());
    }
}
