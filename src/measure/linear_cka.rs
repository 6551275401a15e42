//! How alike two factors are with every direction weighted by its strength.
//!
//! - formula: Σᵢⱼ σᵢ²·τⱼ²·P²ᵢⱼ / √(Σσᵢ⁴·Στⱼ⁴) with P = V₁ᵀ·V₂ and σ, τ the singular values of the two; on side a that is
//!   ‖A₁·A₂ᵀ‖²_F / (‖A₁·A₁ᵀ‖_F·‖A₂·A₂ᵀ‖_F). It is the linear CKA of the factors without centring, which is the RV
//!   coefficient of A₁ᵀ·A₁ and A₂ᵀ·A₂.
//! - source: Kornblith et al. 2019 (linear CKA); Robert & Escoufier 1976 (RV coefficient).
//! - range: \[0, 1\] by Cauchy–Schwarz, clamped here; 1 for factors that are equal up to a rotation, sign and scale.
//! - chance: mean (Σσᵢ²)(Στⱼ²) / (d·√(Σσᵢ⁴·Στⱼ⁴)) for independent random directions.
//! - column: `linear_cka`, a number.
//! - needs: one weighted sum of the product.

use super::needs::Needs;
use super::product::{Corner, ProductSum, Terms};
use super::statistic::{Column, Columns, Kind, Statistic, Text};

/// The linear CKA, as engines make it.
pub const LINEAR_CKA: ProductSum = ProductSum { terms: Terms::Weighted, corner: Corner::Whole };

pub(crate) const STATISTIC: Statistic = Statistic {
    key: "linear_cka",
    needs: Needs::Product(LINEAR_CKA),
    columns: Columns::Fixed(&[Column { name: "linear_cka", kind: Kind::Float }]),
    text: Some(Text { heading: "linear CKA", cell: |values| format!("{:.3}", values[0]) }),
    values: |batch| Ok(vec![batch.floats(|pair| pair.stats.sum(LINEAR_CKA).clamp(0.0, 1.0))]),
};

/// The weights of a basis's directions in it, σ²/√Σσ⁴; relative to σ₁ first, so that no power overflows. Zeros for zeros.
pub(crate) fn weights(sigma: &[f64]) -> Vec<f64> {
    let largest = sigma.iter().fold(0.0, |largest: f64, &sigma| largest.max(sigma));
    if largest == 0.0 {
        return vec![0.0; sigma.len()];
    }
    let squares: Vec<f64> = sigma.iter().map(|sigma| (sigma / largest).powi(2)).collect();
    let norm = squares.iter().map(|square| square * square).sum::<f64>().sqrt();
    squares.into_iter().map(|square| square / norm).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_have_norm_one_however_large_the_values() {
        for size in [1.0, 1e150, 1e-150] {
            let weights = weights(&[2.0 * size, size]);
            assert!((weights[0] - 4.0 / 17f64.sqrt()).abs() < 1e-15, "{weights:?}");
            assert!((weights[1] - 1.0 / 17f64.sqrt()).abs() < 1e-15, "{weights:?}");
        }
        assert_eq!(weights(&[0.0, 0.0]), [0.0, 0.0]);
    }
}
