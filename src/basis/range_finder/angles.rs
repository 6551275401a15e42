//! How far computed singular subspaces can be from the true ones.
//!
//! U and V have orthonormal columns and A·V = U·Σ. Then, in the bases (U, rest) and (V, rest),
//!
//! ```text
//! A = | Σ₁  0   E₁ |   Σ₁: the leading k values, Σ₂: the others up to the width of V,
//!     | 0   Σ₂  E₂ |   E = the residual Aᵀ·U − V·Σ, transposed,
//!     | 0   0   A₃ |   ‖A₃‖ ≤ α.
//! ```
//!
//! The rows of A·X = Y·S and Aᵀ·Y = X·S, for the true leading k vectors X and Y, bound the parts of X and Y outside of the
//! leading k, as Wedin (1972) does, but in two steps: first the part x₃ outside of V, over the distance of σₖ to α, then the part
//! in the rest of V, which is that part again times ‖E₂‖ over the distance to σₖ₊₁. So a narrow gap within V multiplies the product
//! of two residuals (Nakatsukasa 2020), not the residual itself.

use faer::Mat;

/// What is known of a factorisation A·V = U·Σ.
pub(super) struct Residuals<'a> {
    /// The values Σ, falling.
    pub(super) sigma: &'a [f64],
    /// E·Eᵀ, a row and a column for each value.
    pub(super) gram: &'a Mat<f64>,
    /// α.
    pub(super) rest: f64,
    /// What rounding in f64 may have changed of A.
    pub(super) rounding: f64,
}

impl Residuals<'_> {
    /// For each k ≤ n, the sine of the largest angle between the computed and the true leading k left or right singular vectors,
    /// at most; 1 where there is no bound.
    pub(super) fn bounds(&self, n: usize) -> Vec<f64> {
        (1..=n).map(|k| self.bound(k)).collect()
    }

    fn bound(&self, k: usize) -> f64 {
        let all = self.sigma.len();
        // σₖ of A is σ̂ₖ at least.
        let sigma = self.sigma[k - 1] - self.rounding;
        let next = self.sigma.get(k).copied().unwrap_or(0.0) + self.rounding;
        let rest = self.rest + self.rounding;
        if sigma <= next.max(rest) {
            return 1.0;
        }
        let (e_1, e_2) = (self.norm(0, k) + self.rounding, self.norm(k, all) + self.rounding);
        let (to_rest, to_next) =
            (sigma / (sigma * sigma - rest * rest), sigma / (sigma * sigma - next * next));
        // x₃ ≤ (e₁ + e₂·y₂)·to_rest and y₂ ≤ e₂·x₃·to_next.
        let turned = 1.0 - e_2 * e_2 * to_rest * to_next;
        if turned <= 0.0 {
            return 1.0;
        }
        let x_3 = e_1 * to_rest / turned;
        let y_2 = e_2 * to_next * x_3;
        // x₂ ≤ y₂·next/σ and y₃ ≤ x₃·rest/σ, so this holds for both sides.
        x_3.hypot(y_2).min(1.0)
    }

    /// ‖E‖ of the values from `start` to `end`, at most: the smaller of the Frobenius norm and the largest row sum of the Gram
    /// matrix.
    fn norm(&self, start: usize, end: usize) -> f64 {
        let trace: f64 = (start..end).map(|i| self.gram[(i, i)].max(0.0)).sum();
        let row = |i: usize| (start..end).map(|j| self.gram[(i, j)].abs()).sum::<f64>();
        let largest = (start..end).map(row).fold(0.0, f64::max);
        trace.min(largest).sqrt()
    }
}

/// The same for a factorisation of the whole of A that is exact but for `rounding`, by Wedin's theorem.
pub(super) fn of_whole(sigma: &[f64], n: usize, rounding: f64) -> Vec<f64> {
    let bound = |k: usize| {
        let gap = sigma[k - 1] - sigma.get(k).copied().unwrap_or(0.0) - 2.0 * rounding;
        if gap > rounding { rounding / gap } else { 1.0 }
    };
    (1..=n).map(bound).collect()
}
