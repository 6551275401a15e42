//! An update in the form that engines multiply: ΔW/‖ΔW‖ = Σₖ xₖ·yₖᵀ, where either the yₖ or the xₖ are orthonormal.

#[cfg(feature = "scan")]
use std::borrow::Cow;

use faer::Mat;

use super::flaw::beyond_f64;
#[cfg(feature = "scan")]
use super::gram::Gram;
use super::scale::Scaled;
use super::{Basis, Update, eigen, thin, transposed};
#[cfg(feature = "scan")]
use crate::adapter::Side;
use crate::error::{Fault, Result};

/// Rows that engines multiply start and end at a multiple of so many numbers, with zeros after d: the most that a kernel stages
/// at once.
pub const COLUMNS: usize = 32;

/// An update ΔW = s·B·A of one module, factorised so that its inner products with others lose no digits: ΔW/‖ΔW‖ is the sum of
/// some xₖ·yₖᵀ. The yₖ are orthonormal in the d_in dimensions of the input, and the xₖ, in the d_out dimensions of the output,
/// have Σ‖xₖ‖² = 1; or the other way round.
///
/// No direction is left out: what rounding to the stored type made is a part of the update as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateFactors {
    /// A row xₖ, zeros up to `split`, yₖ for each k; one row of zeros for no update.
    joined: Basis,
    split: usize,
    d_out: usize,
    norm: f64,
}

impl UpdateFactors {
    /// Factorises an update, in f64 on the calling thread, and keeps it in f32.
    ///
    /// With A·Aᵀ = U·Λ·Uᵀ, ΔW = s·Σₖ (B·uₖ·√λₖ)·(Aᵀ·uₖ/√λₖ)ᵀ, and ‖ΔW‖² = s²·Σᵢⱼ (A·Aᵀ)ᵢⱼ·(Bᵀ·B)ᵢⱼ.
    ///
    /// # Errors
    /// `Invalid` when the ranks of A and B differ, a number is not finite, or f64 does not hold the update.
    pub fn of(update: Update<'_>) -> Result<Self> {
        let Update { a, b, scaling } = update;
        if a.rows != b.cols || !update.is_finite() {
            let found = format!("A of {} rows, B of {} columns, scaling {scaling}", a.rows, b.cols);
            return Err(Fault::new(found, "one rank and finite numbers").of("update").invalid());
        }
        if let Some(exponent) = update.beyond_f64() {
            return Err(beyond_f64(exponent).of("update").invalid());
        }
        let [Ok(scaled_a), Ok(scaled_b)] = [a, b].map(Scaled::new) else {
            return Self::empty(a.cols, b.rows, 0.0);
        };
        let unit = scaling * scaled_a.unit * scaled_b.unit;
        let (rows_a, rows_b) = (scaled_a.values(), transposed(scaled_b.values(), b.cols));
        match Product::of(rows_a, &rows_b, a.rows) {
            Some(product) if unit != 0.0 => {
                let x = product.x(&rows_b, unit.signum());
                let v = product.v(rows_a);
                let joined = join(&x, b.rows, &v, a.cols);
                let split = b.rows.next_multiple_of(COLUMNS);
                let joined = Basis::from_rows(split + a.cols, joined, vec![1.0; product.n_kept])?;
                Ok(Self { joined, split, d_out: b.rows, norm: product.norm * unit.abs() })
            }
            _ => Self::empty(a.cols, b.rows, 0.0),
        }
    }

    /// As [`UpdateFactors::of`]; what is not finite has a norm of NaN.
    ///
    /// # Errors
    /// `Invalid` for factors without entries.
    #[cfg(feature = "scan")]
    pub(super) fn of_any(update: Update<'_>) -> Result<Self> {
        Self::of(update).or_else(|_| Self::empty(update.a.cols, update.b.rows, f64::NAN))
    }

    /// As [`UpdateFactors::of`], of factors of which one, A on side a and B on side b, has this basis of all its directions by
    /// the spectrum of its Gram matrix. The basis is a part of the rows.
    ///
    /// With the r rows X of that factor and O of the other one, X = Σₖ uₖ·σₖ·vₖᵀ, the update is Oᵀ·X or its transpose, which is
    /// Σₖ (Oᵀ·uₖ·σₖ)·vₖᵀ.
    ///
    /// # Errors
    /// As [`UpdateFactors::of_any`].
    #[cfg(feature = "scan")]
    pub(super) fn on(update: Update<'_>, side: Side, basis: &Basis, gram: &Gram) -> Result<Self> {
        let Update { a, b, scaling } = update;
        if a.rows != b.cols || !update.is_finite() {
            return Self::of_any(update);
        }
        let (r, is_of_b) = (a.rows, side == Side::B);
        // A factor of zeros has zeros for its part.
        let (mut norm, mut weighted) = (0.0, vec![0.0; r * if is_of_b { a.cols } else { b.rows }]);
        if let Ok(other) = Scaled::new(if is_of_b { a } else { b }) {
            let rows = match is_of_b {
                true => Cow::Borrowed(other.values()),
                false => Cow::Owned(transposed(other.values(), r)),
            };
            // Of the update but for its sign and the powers of two that were taken out of the numbers.
            let of_numbers = product_norm(&gram.matrix, &thin::gram(&rows, r));
            if of_numbers > 0.0 && scaling != 0.0 {
                let scale = scaling.signum() / of_numbers;
                let weight = |i, k| scale * gram.weights[(i, k)] * gram.sigma[k] * gram.sigma[k];
                weighted = thin::combine(&rows, Mat::from_fn(r, r, weight).as_ref());
                norm = of_numbers * scaling.abs() * other.unit * (basis.sigma()[0] / gram.sigma[0]);
            }
        }
        let (x, y) = if is_of_b { (basis.rows(), &weighted[..]) } else { (&weighted[..], basis.rows()) };
        let split = b.rows.next_multiple_of(COLUMNS);
        let joined = Basis::from_rows(split + a.cols, join(x, b.rows, y, a.cols), vec![1.0; r])?;
        Ok(Self { joined, split, d_out: b.rows, norm })
    }

    /// An update without directions: of zeros, or with a norm of NaN for one that is not known.
    pub(crate) fn empty(d_in: usize, d_out: usize, norm: f64) -> Result<Self> {
        let split = d_out.next_multiple_of(COLUMNS);
        let joined = Basis::from_rows(split + d_in, vec![0.0; split + d_in], vec![1.0])?;
        Ok(Self { joined, split, d_out, norm })
    }

    /// Factors that were made before, from all that they were.
    ///
    /// # Errors
    /// `Invalid` when the counts do not match.
    #[cfg(feature = "scan")]
    pub(crate) fn from_parts(rows: Vec<f32>, [d_in, d_out]: [usize; 2], norm: f64) -> Result<Self> {
        let wrong = || Fault::new(format!("{} numbers", rows.len()), "whole rows").of("update").invalid();
        let d = Self::row_numbers(d_in, d_out).filter(|&d| d > 0).ok_or_else(wrong)?;
        let n_terms = rows.len() / d;
        let joined = Basis::from_rows(d, rows, vec![1.0; n_terms])?;
        Ok(Self { joined, split: d - d_in, d_out, norm })
    }

    /// Numbers of a row of the joined factors; `None` for more than fit a machine.
    #[cfg(feature = "scan")]
    pub(crate) fn row_numbers(d_in: usize, d_out: usize) -> Option<usize> {
        d_out.checked_next_multiple_of(COLUMNS)?.checked_add(d_in)
    }

    /// ‖ΔW‖_F, with the scaling; NaN for an update that is not known.
    pub fn norm(&self) -> f64 {
        self.norm
    }

    /// Columns of ΔW.
    pub fn d_in(&self) -> usize {
        self.joined.d() - self.split
    }

    /// Rows of ΔW.
    pub fn d_out(&self) -> usize {
        self.d_out
    }

    /// Rows and columns of ΔW.
    #[cfg(feature = "scan")]
    pub(crate) fn shape(&self) -> [usize; 2] {
        [self.d_out, self.d_in()]
    }

    /// How many terms xₖ·vₖᵀ there are.
    pub fn n_terms(&self) -> usize {
        self.joined.q()
    }

    /// Which part of the joined rows these basis vectors are, if they are one and nothing else is there.
    pub(crate) fn part_of(&self, basis: &Basis) -> Option<Part> {
        let (d, split, n) = (self.joined.d(), self.split, self.n_terms());
        let bytes = |row| bytemuck::cast_slice::<f32, u8>(row);
        let is_part = |start: usize, end: usize| {
            let mut both = self.joined.rows().chunks_exact(d).zip(basis.rows().chunks_exact(basis.d()));
            let is_size = basis.q() == n && basis.d() == end - start;
            is_size && both.all(|(joined, row)| bytes(&joined[start..end]) == bytes(row))
        };
        let right = is_part(split, d).then_some(Part::Right);
        right.or_else(|| is_part(0, self.d_out).then_some(Part::Left))
    }

    /// Whether there is an update, so that it has a cosine with others.
    pub fn is_there(&self) -> bool {
        self.norm > 0.0
    }

    /// The rows xₖ, zeros up to [`UpdateFactors::split`], yₖ.
    pub(crate) fn joined(&self) -> &Basis {
        &self.joined
    }

    /// The memory of the joined rows, for other numbers.
    #[cfg(feature = "scan")]
    pub(crate) fn into_rows(self) -> Vec<f32> {
        self.joined.into_rows()
    }

    /// Where yₖ begins in a row.
    pub(crate) fn split(&self) -> usize {
        self.split
    }
}

/// A part of the joined rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The xₖ.
    Left,
    /// The yₖ.
    Right,
}

/// What the two Gram matrices of an update say.
struct Product {
    u: Mat<f64>,
    /// √λₖ, falling; what rounding makes of a zero is raised to it.
    sigma: Vec<f64>,
    n_kept: usize,
    norm: f64,
}

impl Product {
    /// `None` for an update of zeros. The rows are those of A and of Bᵀ.
    fn of(rows_a: &[f64], rows_b: &[f64], r: usize) -> Option<Self> {
        let (gram_a, gram_b) = (thin::gram(rows_a, r), thin::gram(rows_b, r));
        let (lambda, u) = eigen::symmetric(&gram_a)?;
        let least = lambda[0] * f64::EPSILON * r as f64;
        let sigma: Vec<f64> = lambda.iter().map(|lambda| lambda.max(least).sqrt()).collect();
        let norm = product_norm(&gram_a, &gram_b);
        let n_kept = r.min(rows_a.len() / r);
        (norm > 0.0).then_some(Self { u, sigma, n_kept, norm })
    }

    fn x(&self, rows_b: &[f64], sign: f64) -> Vec<f32> {
        let weight = |i, k| sign * self.u[(i, k)] * self.sigma[k] / self.norm;
        thin::combine(rows_b, Mat::from_fn(self.u.nrows(), self.n_kept, weight).as_ref())
    }

    fn v(&self, rows_a: &[f64]) -> Vec<f32> {
        let weight = |i, k| self.u[(i, k)] / self.sigma[k];
        thin::combine(rows_a, Mat::from_fn(self.u.nrows(), self.n_kept, weight).as_ref())
    }
}

/// ‖B·A‖_F of the lower halves of A·Aᵀ and Bᵀ·B.
fn product_norm(gram_a: &Mat<f64>, gram_b: &Mat<f64>) -> f64 {
    let row = |i: usize| {
        let below: f64 = (0..i).map(|j| gram_a[(i, j)] * gram_b[(i, j)]).sum();
        2.0 * below + gram_a[(i, i)] * gram_b[(i, i)]
    };
    (0..gram_a.nrows()).map(row).sum::<f64>().max(0.0).sqrt()
}

/// Each xₖ, filled up with zeros, and yₖ.
pub(super) fn join(x: &[f32], d_out: usize, y: &[f32], d_in: usize) -> Vec<f32> {
    let split = d_out.next_multiple_of(COLUMNS);
    let mut joined = Vec::with_capacity(x.len() / d_out * (split + d_in));
    for (x, y) in x.chunks_exact(d_out).zip(y.chunks_exact(d_in)) {
        joined.extend_from_slice(x);
        joined.resize(joined.len() + split - d_out, 0.0);
        joined.extend_from_slice(y);
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::Matrix;
    use crate::basis::random;

    fn cosine(x: &UpdateFactors, y: &UpdateFactors) -> f64 {
        let dot = |x: &[f32], y: &[f32]| -> f64 {
            x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
        };
        let rows = |factors: &UpdateFactors| -> Vec<(Vec<f32>, Vec<f32>)> {
            let rows = factors.joined.rows().chunks(factors.joined.d());
            rows.map(|row| row.split_at(factors.split)).map(|(x, v)| (x.to_vec(), v.to_vec())).collect()
        };
        let (x, y) = (rows(x), rows(y));
        x.iter().flat_map(|(x, v)| y.iter().map(move |(y, w)| dot(x, y) * dot(v, w))).sum()
    }

    #[test]
    fn the_rows_and_the_norm_are_those_of_the_update_at_every_shape() {
        for (r_1, r_2, d_in, d_out) in [(1, 1, 1, 1), (4, 7, 20, 31), (16, 3, 40, 64), (9, 12, 5, 33)] {
            let [a_1, a_2] = [(r_1, 1), (r_2, 2)].map(|(r, seed)| random::gaussian(r, d_in, seed, 0));
            let [b_1, b_2] = [(r_1, 1), (r_2, 2)].map(|(r, seed)| random::gaussian(d_out, r, seed, 1));
            let x = Update { a: &a_1, b: &b_1, scaling: 0.5 };
            let y = Update { a: &a_2, b: &b_2, scaling: -2.0 };
            let expected = x.pair(y);
            let [x, y] = [x, y].map(|update| UpdateFactors::of(update).unwrap());
            assert!((cosine(&x, &y) - expected.cosine.unwrap()).abs() < 1e-6);
            assert!((cosine(&x, &x) - 1.0).abs() < 1e-6);
            for (factors, norm) in [&x, &y].into_iter().zip(expected.norms) {
                assert!((factors.norm() / norm - 1.0).abs() < 1e-12);
                assert_eq!((factors.d_in(), factors.d_out()), (d_in, d_out));
            }
        }
    }

    #[cfg(feature = "scan")]
    #[test]
    fn a_basis_of_a_factor_is_a_part_of_the_rows_and_the_update_the_same() {
        let matrix = |rows, cols, seed| {
            let matrix = random::gaussian(rows, cols, seed, 0);
            Matrix { dtype: crate::adapter::Dtype::F32, ..matrix }
        };
        for (r, d_in, d_out) in [(1, 9, 7), (4, 250, 31), (16, 40, 64)] {
            let (a, b) = (matrix(r, d_in, 1), matrix(d_out, r, 2));
            let update = Update { a: &a, b: &b, scaling: -0.5 };
            let plain = UpdateFactors::of(update).unwrap();
            for (side, part) in [(Side::A, Part::Right), (Side::B, Part::Left)] {
                let (basis, factors) = Basis::and_update(update, side).unwrap();
                assert_eq!((factors.part_of(&basis), plain.n_terms()), (Some(part), factors.n_terms()));
                assert!((cosine(&factors, &plain) - 1.0).abs() < 1e-6, "{side}");
                assert!((factors.norm() / plain.norm() - 1.0).abs() < 1e-12, "{side}");
                let zero = Matrix { values: vec![0.0; b.values.len()], ..b.clone() };
                let zero = Update { b: &zero, ..update };
                if side == Side::A {
                    let (basis, none) = Basis::and_update(zero, side).unwrap();
                    assert_eq!((none.part_of(&basis), none.norm()), (Some(part), 0.0));
                    assert!(!none.is_there());
                }
            }
            let other = Basis::of_matrix(&matrix(r, d_in, 3), Side::A).unwrap();
            assert_eq!(plain.part_of(&other), None);
        }
    }

    #[test]
    fn another_factorisation_of_the_same_update_has_the_same_cosines() {
        // A·R and R⁻¹·B with an R that scales the directions by 1 to 1e5.
        let (a, b) = (random::gaussian(6, 30, 1, 0), random::gaussian(20, 6, 1, 1));
        let scale = |k: usize| 10f64.powi(k as i32);
        let mut turned = [a.clone(), b.clone()];
        for k in 0..6 {
            turned[0].values[k * 30..][..30].iter_mut().for_each(|value| *value *= scale(k));
            (0..20).for_each(|row| turned[1].values[row * 6 + k] /= scale(k));
        }
        let [x, y] = [[&a, &b], [&turned[0], &turned[1]]]
            .map(|[a, b]| UpdateFactors::of(Update { a, b, scaling: 1.0 }).unwrap());
        assert!((cosine(&x, &y) - 1.0).abs() < 1e-6);
        assert!((x.norm() / y.norm() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn an_update_of_zeros_is_there_with_norm_0_and_what_is_not_finite_is_refused() {
        let (a, b) = (random::gaussian(3, 10, 1, 0), random::gaussian(8, 3, 1, 1));
        let zero = Matrix { values: vec![0.0; 24], ..b.clone() };
        let factors = UpdateFactors::of(Update { a: &a, b: &zero, scaling: 1.0 }).unwrap();
        assert!(!factors.is_there() && factors.norm() == 0.0 && factors.n_terms() == 1);
        assert!(!UpdateFactors::of(Update { a: &a, b: &b, scaling: 0.0 }).unwrap().is_there());
        let wrong = Matrix { values: vec![f64::NAN; 24], ..b };
        assert!(UpdateFactors::of(Update { a: &a, b: &wrong, scaling: 1.0 }).is_err());
    }
}
