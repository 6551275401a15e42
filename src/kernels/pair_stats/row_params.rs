//! What the pair statistics kernels must know of each row of a basis besides its numbers.

use bytemuck::{Pod, Zeroable};

use crate::kernels::similarity::sign_of;
use crate::measure::linear_cka;

/// Of four neighbouring rows of the stack. Rows without a basis are never read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Pod, Zeroable)]
#[repr(C)]
pub struct RowParams {
    /// σ² / √Σσ⁴ over the row's basis.
    pub weights: [f32; 4],
    /// What products with the row are multiplied by.
    pub scales: [f32; 4],
    /// Its part of the dither as a row of products, in [0, 1).
    pub dithers_a: [f32; 4],
    /// Its part as a column.
    pub dithers_b: [f32; 4],
    /// ± the scale, by which its products count in the check of a tile; 0 for a row without a basis.
    pub signs: [f32; 4],
}

/// Steps of the R₂ sequence, the most even way to fill a square: 1/g and 1/g² with g³ = g + 1. Each (i, j) gets the
/// dither frac(i·1/g + j·1/g²), so that squares which all round one way are rounded both ways in turn, over any rectangle.
const STEPS: [f64; 2] = [0.754_877_666_246_692_7, 0.569_840_290_998_053_2];

impl RowParams {
    /// Writes the params of a basis whose first row is row `row` of `params`, and of a run.
    ///
    /// Without `scales` every row's is 1.
    ///
    /// # Panics
    /// When the rows end past `params`.
    pub fn write(params: &mut [Self], row: usize, sigma: &[f64], scales: Option<&[f32]>) {
        for (i, weight) in linear_cka::weights(sigma).into_iter().enumerate() {
            let (four, k) = ((row + i) / 4, (row + i) % 4);
            let dither = |step: f64| (i as f64 * step).fract() as f32;
            params[four].weights[k] = weight as f32;
            params[four].scales[k] = scales.map_or(1.0, |scales| scales[i]);
            params[four].dithers_a[k] = dither(STEPS[0]);
            params[four].dithers_b[k] = dither(STEPS[1]);
            params[four].signs[k] = sign_of(row + i) * params[four].scales[k];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dither_rounds_the_same_number_both_ways_in_turn_over_any_rectangle() {
        let mut params = vec![RowParams::default(); 256];
        RowParams::write(&mut params, 0, &vec![1.0; 1024], None);
        let dither =
            |i: usize, j: usize| (params[i / 4].dithers_a[i % 4] + params[j / 4].dithers_b[j % 4]).fract();
        for square in [0.03f32, 0.5, 0.25, 0.97, 1048.576] {
            for (n_rows, n_cols) in [(1, 1024), (1024, 1), (7, 900), (64, 64), (1000, 1000)] {
                let mut sum = 0.0;
                for i in 0..n_rows {
                    sum += (0..n_cols).map(|j| f64::from((square + dither(i, j)).floor())).sum::<f64>();
                }
                // As little as if a few cells of one line had been rounded, where it could have been half of all; and what
                // the sum of square and dither loses in f32.
                let n_cells = (n_rows * n_cols) as f64;
                let lost = n_cells * f64::from(square.next_up() - square) / 2.0;
                let error = (sum - f64::from(square) * n_cells).abs();
                assert!(error <= 20.0 + lost, "{square}, {n_rows} × {n_cols}: {error}");
            }
        }
    }

    #[test]
    fn weights_have_norm_1_and_rows_go_in_fours() {
        let mut params = vec![RowParams::default(); 2];
        RowParams::write(&mut params, 3, &[3.0, 1.0], Some(&[0.5, 0.25]));
        assert_eq!((params[0].scales, params[1].scales), ([0.0, 0.0, 0.0, 0.5], [0.25, 0.0, 0.0, 0.0]));
        let (first, second) = (params[0].weights[3], params[1].weights[0]);
        assert!((first * first + second * second - 1.0).abs() < 1e-6 && (first / second - 9.0).abs() < 1e-5);
    }
}
