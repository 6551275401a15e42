//! A module's whole update as U·diag(σ)·Vᵀ, in f32 and without forming it: what sums of updates are computed from.

use faer::Mat;

use super::scale::Scaled;
use super::update::{self, Vectors};
use super::update_factors::join;
use super::{Basis, Flaw, Numbers, Update, eigen, noise, thin, transposed};
use crate::adapter::{Matrix, Module};
use crate::error::Result;
use crate::simd;

/// The smallest ratio of eigenvalues that is trusted of a Gram matrix: vectors are orthonormal within 2⁻⁵² over it, 2e-8.
const LEAST_RATIO: f64 = 1e-8;

/// ΔW = s·B·A of a module as U·diag(σ)·Vᵀ, all of it: no direction is left out.
pub(crate) struct UpdateSvd {
    /// A row uₖ, with the sign of s, zeros up to `split`, vₖ for each singular value, which are with |s|; one row of zeros for
    /// an update of zeros.
    joined: Basis,
    /// σ/‖ΔW‖ of each row, 0 for an update of zeros.
    shares: Vec<f64>,
    split: usize,
    q: usize,
    norm: f64,
}

/// But for s.
struct Svd {
    sigma: Vec<f64>,
    /// How many of them are above what rounding to the stored type could have made.
    q: usize,
    /// Uᵀ, (n, d_out) row-major.
    left: Vec<f32>,
    /// Vᵀ, (n, d_in) row-major.
    right: Vec<f32>,
}

impl UpdateSvd {
    /// Factorises the update.
    ///
    /// # Errors
    /// What is wrong with the numbers; an update of zeros is not an error.
    pub(crate) fn of(module: &Module, numbers: &Numbers<'_>) -> Result<Self, Flaw> {
        let flaw = |error| Flaw::without_basis("ΔW", error, &module.b);
        let Update { a, b, scaling } = numbers.update()?;
        if scaling == 0.0 || [a, b].iter().any(|factor| simd::largest(&factor.values) == 0.0) {
            let none = Svd { sigma: vec![0.0], q: 0, left: vec![0.0; b.rows], right: vec![0.0; a.cols] };
            return Self::joined(none, scaling, [a.cols, b.rows]).map_err(flaw);
        }
        let found = through_grams(a, b).map_or_else(|| through_qr(a, b), Ok);
        Self::joined(found.map_err(flaw)?, scaling, [a.cols, b.rows]).map_err(flaw)
    }

    fn joined(mut svd: Svd, scaling: f64, [d_in, d_out]: [usize; 2]) -> Result<Self> {
        if scaling < 0.0 {
            svd.left.iter_mut().for_each(|x| *x = -*x);
        }
        let sigma: Vec<f64> = svd.sigma.iter().map(|sigma| sigma * scaling.abs()).collect();
        let norm = simd::norm(&sigma);
        let rows = join(&svd.left, d_out, &svd.right, d_in);
        let d = rows.len() / sigma.len();
        let shares = sigma.iter().map(|sigma| if norm > 0.0 { sigma / norm } else { 0.0 }).collect();
        Ok(Self { joined: Basis::from_rows(d, rows, sigma)?, shares, split: d - d_in, q: svd.q, norm })
    }

    /// The rows uₖ, zeros up to [`UpdateSvd::split`], vₖ, and the singular values.
    pub(crate) fn rows(&self) -> &Basis {
        &self.joined
    }

    /// σ/‖ΔW‖ of each row, whose squares sum to 1; 0 for an update of zeros.
    pub(crate) fn shares(&self) -> &[f64] {
        &self.shares
    }

    /// Where vₖ begins in a row.
    pub(crate) fn split(&self) -> usize {
        self.split
    }

    /// How many directions are above what rounding to the stored type could have made; 0 for an update of zeros.
    pub(crate) fn q(&self) -> usize {
        self.q
    }

    /// ‖ΔW‖_F.
    pub(crate) fn norm(&self) -> f64 {
        self.norm
    }
}

/// By QR of both factors and a small SVD, which lose no digits.
fn through_qr(a: &Matrix, b: &Matrix) -> Result<Svd> {
    let update = update::singular(a, b)?;
    let rows = |vectors: Mat<f64>| {
        let columns = (0..vectors.ncols()).flat_map(|k| vectors.col_as_slice(k).iter().map(|&x| x as f32));
        columns.collect()
    };
    Ok(Svd {
        q: update.sigma.iter().filter(|&&sigma| sigma > update.bounds.floor).count(),
        left: rows(update.vectors(Vectors::Left)),
        right: rows(update.vectors(Vectors::Right)),
        sigma: update.sigma,
    })
}

/// By the Gram matrices of both factors, which is several times faster. `None` where a small singular value would lose too
/// many digits.
///
/// With BᵀB = W·Λ·Wᵀ, B = Q·C for C = Λ^(1/2)·Wᵀ and orthonormal Q = B·W·Λ^(−1/2); with C·AAᵀ·Cᵀ = X·Σ²·Xᵀ, ΔW =
/// (Q·X)·Σ·(Σ⁻¹·Xᵀ·C·A).
fn through_grams(a: &Matrix, b: &Matrix) -> Option<Svd> {
    let (r, d_in, d_out) = (a.rows, a.cols, b.rows);
    let (scaled_a, scaled_b) = (Scaled::new(a).ok()?, Scaled::of_b(b).ok()?);
    if r > d_in.min(d_out) || [&scaled_a, &scaled_b].iter().any(|scaled| scaled.unit != 1.0) {
        return None;
    }
    let (a_rows, b_rows) = (scaled_a.values(), transposed(scaled_b.values(), r));
    let (lambda_b, w) = trusted(&thin::gram(&b_rows, r))?;
    let gram_a = symmetric(&thin::gram(a_rows, r));
    let c = Mat::from_fn(r, r, |k, i| lambda_b[k].sqrt() * w[(i, k)]);
    let (squares, x) = trusted(&(&c * &gram_a * c.transpose()))?;
    let sigma: Vec<f64> = squares.iter().map(|square| square.sqrt()).collect();

    let inverse_root = Mat::from_fn(r, r, |i, k| w[(i, k)] / lambda_b[k].sqrt());
    let left = thin::combine(&b_rows, (&inverse_root * &x).as_ref());
    let turned = c.transpose() * &x;
    let right = thin::combine(a_rows, Mat::from_fn(r, r, |i, k| turned[(i, k)] / sigma[k]).as_ref());

    let (sigma_a, sigma_b) = (eigen::symmetric(&gram_a)?.0[0].sqrt(), lambda_b[0].sqrt());
    let nu = noise::nu(b, r, d_out) * sigma_a + sigma_b * noise::nu(a, r, d_in);
    let floor = noise::bounds(nu, r.max(d_in).max(d_out), sigma_a * sigma_b).floor;
    let q = sigma.iter().filter(|&&sigma| sigma > floor).count();
    Some(Svd { sigma, q, left, right })
}

/// Eigenvalues, falling, and vectors, if the smallest of the values has its digits.
fn trusted(gram: &Mat<f64>) -> Option<(Vec<f64>, Mat<f64>)> {
    let (values, vectors) = eigen::symmetric(gram)?;
    (values[values.len() - 1] >= LEAST_RATIO * values[0]).then_some((values, vectors))
}

/// The whole of a symmetric matrix whose lower half is given.
fn symmetric(lower: &Mat<f64>) -> Mat<f64> {
    Mat::from_fn(lower.nrows(), lower.nrows(), |i, j| lower[(i.max(j), i.min(j))])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::{Dtype, Side};
    use crate::basis::{Basis, random};

    /// B, (d_out, r), whose columns shrink by a power of ten.
    fn factors(r: usize, d_in: usize, d_out: usize, power: f64) -> (Matrix, Matrix) {
        let mut b = random::gaussian(d_out, r, 5, 0);
        b.values
            .iter_mut()
            .enumerate()
            .for_each(|(at, x)| *x *= 10f64.powf(-power * (at % r) as f64 / r as f64));
        let [a, b] =
            [random::gaussian(r, d_in, 4, 0), b].map(|matrix| Matrix { dtype: Dtype::F32, ..matrix });
        (a, b)
    }

    /// The largest error of U·diag(σ)·Vᵀ and of the products of its vectors with each other.
    fn error(a: &Matrix, b: &Matrix, found: &Svd) -> f64 {
        let (n, d_in, d_out) = (found.sigma.len(), a.cols, b.rows);
        let rows = |rows: &[f32], d: usize| Mat::from_fn(n, d, |k, i| f64::from(rows[k * d + i]));
        let (u, v) = (rows(&found.left, d_out), rows(&found.right, d_in));
        let dense = |matrix: &Matrix| {
            Mat::from_fn(matrix.rows, matrix.cols, |i, j| matrix.values[i * matrix.cols + j])
        };
        let product = dense(b) * dense(a);
        let scaled = Mat::from_fn(n, d_in, |k, j| found.sigma[k] * v[(k, j)]);
        let off = (u.transpose() * scaled - &product).norm_max() / found.sigma[0];
        let turn = [&u, &v].map(|x| (x * x.transpose() - Mat::<f64>::identity(n, n)).norm_max());
        off.max(turn[0]).max(turn[1])
    }

    #[test]
    fn both_ways_give_the_update_and_orthonormal_vectors_and_the_fast_one_knows_its_limits() {
        for (r, d_in, d_out, power, is_fast) in [
            (1, 9, 7, 0.0, true),
            (8, 40, 60, 2.0, true),
            (17, 30, 25, 3.0, true),
            (64, 90, 70, 2.0, true),
            (8, 40, 60, 7.0, false),
            // A rank above a dimension.
            (12, 9, 40, 0.0, false),
        ] {
            let (a, b) = factors(r, d_in, d_out, power);
            let exact = through_qr(&a, &b).unwrap();
            assert!(error(&a, &b, &exact) < 1e-6, "{r} {d_in} {d_out}: {:e}", error(&a, &b, &exact));
            let fast = through_grams(&a, &b);
            assert_eq!(fast.is_some(), is_fast, "{r} {d_in} {d_out} {power}");
            if let Some(fast) = fast {
                assert!(error(&a, &b, &fast) < 1e-6, "{r} {d_in} {d_out}: {:e}", error(&a, &b, &fast));
                assert_eq!(fast.q, exact.q);
                for (fast, exact) in fast.sigma.iter().zip(&exact.sigma) {
                    assert!((fast - exact).abs() < 1e-9 * exact, "{fast} for {exact}");
                }
            }
            let basis = Basis::of_update(&a, &b, None, Side::DwLeft).unwrap();
            assert_eq!(basis.q(), exact.q);
        }
    }
}
