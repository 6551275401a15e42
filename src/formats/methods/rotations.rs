//! Rotations that are stored as skew-symmetric matrices.

use faer::Mat;
use faer::linalg::solvers::Solve;

use crate::adapter::by_method::Cayley;

/// The size of a matrix whose upper triangle has so many numbers.
pub(super) fn block_size(n_numbers: usize) -> Option<usize> {
    let n = (((8.0 * n_numbers as f64 + 1.0).sqrt() + 1.0) / 2.0).round() as usize;
    (n.checked_mul(n.checked_sub(1)?)? == n_numbers.checked_mul(2)?).then_some(n)
}

/// The skew-symmetric matrix of which these numbers are the upper triangle, row by row.
pub(super) fn skew(upper: &[f64], size: usize) -> Mat<f64> {
    let mut skew = Mat::zeros(size, size);
    let places = (0..size).flat_map(|i| (i + 1..size).map(move |j| (i, j)));
    for ((i, j), &value) in places.zip(upper) {
        skew[(i, j)] = value;
        skew[(j, i)] = -value;
    }
    skew
}

/// The rotation minus the identity, so that a small one is exact.
pub(super) fn rotation_less_one(skew: &Mat<f64>, cayley: Cayley) -> Mat<f64> {
    let n = skew.nrows();
    match cayley {
        // (I − Q)·(I + Q)⁻¹ − I = −2·(I + Q)⁻¹·Q, since both commute. I + Q has an inverse, whatever Q is.
        Cayley::Exact => (Mat::<f64>::identity(n, n) + skew).partial_piv_lu().solve(skew * faer::Scale(-2.0)),
        Cayley::Series(n_terms) => series(skew, n_terms),
    }
}

/// 2·(Q + Q² + ...), where the last term has the factor 1: PEFT's sum.
fn series(skew: &Mat<f64>, n_terms: usize) -> Mat<f64> {
    let n = skew.nrows();
    if n_terms <= 1 {
        return Mat::zeros(n, n);
    }
    let mut sum = skew * faer::Scale(2.0);
    if n_terms > 2 {
        let mut power = skew * skew;
        sum += &power * faer::Scale(2.0);
        for _ in 3..n_terms.saturating_sub(1) {
            power = &power * skew;
            sum += &power * faer::Scale(2.0);
        }
        sum += &power * skew;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_triangle_has_the_size_of_its_matrix() {
        for size in [2, 3, 4, 32, 4096] {
            assert_eq!(block_size(size * (size - 1) / 2), Some(size));
        }
        assert_eq!([2, 4, 5, usize::MAX].map(block_size), [None; 4]);
    }

    #[test]
    fn a_series_of_many_terms_is_the_rotation_of_the_negated_matrix() {
        let q = skew(&[0.1, -0.05, 0.02], 3);
        let exact = rotation_less_one(&q, Cayley::Exact);
        let whole = &exact + Mat::<f64>::identity(3, 3);
        let off = whole.transpose() * &whole - Mat::<f64>::identity(3, 3);
        assert!(off.norm_max() < 1e-15);
        // PEFT's series is that of (I + Q)·(I − Q)⁻¹.
        let other = rotation_less_one(&q, Cayley::Series(60)) - exact.transpose();
        assert!(other.norm_max() < 1e-15, "{other:?}");
    }
}
