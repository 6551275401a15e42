//! Which of several factors A share their random start.

use faer::{Mat, MatRef};

use crate::adapter::Matrix;
use crate::measure::init_cosine::SHARED_INIT;
use crate::simd;

/// Of each A, whether its cosine with another of its shape is over [`SHARED_INIT`]. An update that has none shares none.
pub(crate) fn of(starts: &[Option<Matrix>]) -> Vec<bool> {
    let mut shared = vec![false; starts.len()];
    let starts: Vec<(usize, &Matrix)> =
        starts.iter().enumerate().filter_map(|(place, a)| Some((place, a.as_ref()?))).collect();
    for (at, (_, one)) in starts.iter().enumerate() {
        let is_same = |other: &Matrix| (other.rows, other.cols) == (one.rows, one.cols);
        if starts[..at].iter().any(|(_, other)| is_same(other)) {
            continue;
        }
        // All of one shape at once, each as a column of length 1.
        let alike = || starts[at..].iter().filter(|(_, other)| is_same(other));
        let places: Vec<usize> = alike().map(|(place, _)| *place).collect();
        let columns: Vec<Vec<f32>> = alike().map(|(_, other)| direction(other)).collect();
        let columns = columns.concat();
        let stack = MatRef::from_column_major_slice(&columns, one.rows * one.cols, places.len());
        let cosines: Mat<f32> = stack.transpose() * stack;
        for (k, &place) in places.iter().enumerate() {
            let is_near = |other: usize| other != k && f64::from(cosines[(k, other)]) > SHARED_INIT;
            shared[place] = (0..places.len()).any(is_near);
        }
    }
    shared
}

/// The numbers over their norm; zeros for zeros.
fn direction(matrix: &Matrix) -> Vec<f32> {
    // Its inverse is finite for a matrix of subnormal numbers too.
    let unit = 1.0 / simd::largest(&matrix.values).max(f64::MIN_POSITIVE);
    let norm = simd::sum(&matrix.values, |x| (x * unit) * (x * unit)).sqrt();
    let scale = if norm > 0.0 { 1.0 / norm } else { 0.0 };
    matrix.values.iter().map(|x| (x * unit * scale) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapter::Dtype;

    fn matrix(rows: usize, values: &[f64]) -> Matrix {
        let cols = values.len() / rows;
        Matrix { rows, cols, dtype: Dtype::F32, values: values.to_vec() }
    }

    #[test]
    fn marks_both_of_a_pair_whatever_its_scale_and_no_other_shape() {
        let starts = [
            matrix(1, &[1.0, 0.0, 0.0, 0.1]),
            matrix(1, &[0.0, 1.0, 0.0, 0.0]),
            matrix(1, &[5e200, 0.0, 1e200, 0.0]),
            matrix(2, &[1.0, 0.0, 0.0, 0.1]),
            matrix(1, &[-1.0, 0.0, 0.0, -0.1]),
            matrix(1, &[0.0; 4]),
        ];
        assert_eq!(of(&starts.clone().map(Some)), [true, false, true, false, false, false]);
        // One without A moves no mark to another place.
        let [first, second, third, ..] = starts;
        assert_eq!(
            of(&[None, Some(second), Some(first), None, Some(third)]),
            [false, false, true, false, true]
        );
    }
}
