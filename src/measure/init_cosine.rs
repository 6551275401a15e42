//! How near two factors A are to each other, number by number: whether they share their random start.
//!
//! - formula: cos(vec A₁, vec A₂). `compare` and `figure` have it exactly; a scan estimates it from two projections of 512
//!   numbers (`start_projection.rs`), with a standard deviation of √((1 + cos²)/512), and has it exactly where the estimate is within 0.2 of
//!   [`SHARED_INIT`].
//! - source: the projection is a count sketch, Charikar et al. 2002.
//! - range: \[−1, 1\]; null for factors of different ranks, and where one is zero.
//! - chance: mean 0, standard deviation 1/√(r·d) for independent starts.
//! - column: `init_cosine`, a number or null.
//! - needs: A itself.

use super::needs::Needs;
use super::statistic::{Column, Columns, Kind, Statistic, Text};
use crate::adapter::Matrix;

pub(super) const STATISTIC: Statistic = Statistic {
    key: "init_cosine",
    needs: Needs::Factors,
    columns: Columns::Fixed(&[Column { name: "init_cosine", kind: Kind::OptionalFloat }]),
    text: Some(Text { heading: "init cosine", cell: |values| format!("{:.3}", values[0]) }),
    values: |batch| Ok(vec![batch.numbers(|pair| pair.init_cosine)]),
};

/// A cosine over this marks a pair as one start.
///
/// A barely leaves its initialisation, so checkpoints of one run or of one seed keep a cosine near 1, while independent
/// starts have one near 0: its standard deviation is 1/√(r·d).
pub const SHARED_INIT: f64 = 0.5;

/// cos(vec A₁, vec A₂) of two factors A, (rank, d_in); `None` where their shapes differ or one is zero.
pub fn cosine(a_1: &Matrix, a_2: &Matrix) -> Option<f64> {
    if (a_1.rows, a_1.cols) != (a_2.rows, a_2.cols) {
        return None;
    }
    let largest = |matrix: &Matrix| matrix.values.iter().fold(0.0, |largest: f64, x| largest.max(x.abs()));
    let (unit_1, unit_2) = (largest(a_1), largest(a_2));
    let (mut dot, mut square_1, mut square_2) = (0.0, 0.0, 0.0);
    for (x, y) in a_1.values.iter().zip(&a_2.values) {
        // In units of the largest, so that no square vanishes or overflows.
        let (x, y) = (x / unit_1, y / unit_2);
        dot += x * y;
        square_1 += x * x;
        square_2 += y * y;
    }
    let cosine = dot / (square_1 * square_2).sqrt();
    cosine.is_finite().then_some(cosine.clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::Dtype;
    use crate::basis::Basis;

    fn matrix(values: &[f64]) -> Matrix {
        Matrix { rows: 1, cols: values.len(), dtype: Dtype::F64, values: values.to_vec() }
    }

    #[test]
    fn the_cosine_ignores_scale_however_large_or_small() {
        let a = matrix(&[3.0, 4.0]);
        for unit in [1e-300, 1.0, 1e300] {
            let turned = matrix(&[4.0 * unit, 3.0 * unit]);
            assert!((cosine(&a, &turned).unwrap() - 0.96).abs() < 1e-15);
        }
        assert_eq!(cosine(&a, &matrix(&[-3.0, -4.0])), Some(-1.0));
    }

    #[test]
    fn there_is_none_for_other_shapes_and_zeros() {
        assert_eq!(cosine(&matrix(&[1.0]), &matrix(&[1.0, 0.0])), None);
        assert_eq!(cosine(&matrix(&[0.0]), &matrix(&[1.0])), None);
    }

    #[test]
    fn what_rounding_leaves_over_1_is_1() {
        for seed in 0..100 {
            let a = Basis::gaussian(1, 7, seed).unwrap();
            let a = matrix(&a.rows().iter().map(|&x| f64::from(x) * 0.3).collect::<Vec<_>>());
            let minus = matrix(&a.values.iter().map(|x| -x).collect::<Vec<_>>());
            let (one, other) = (cosine(&a, &a).unwrap(), cosine(&a, &minus).unwrap());
            assert!((1.0 - 1e-15..=1.0).contains(&one) && other == -one, "{seed}: {one} {other}");
        }
    }
}
