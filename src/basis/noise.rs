//! What rounding to the stored type could have made: the floor under which a direction is not believed.

use crate::adapter::{Dtype, Matrix};

/// The noise ν that rounding leaves in a singular value of a factor between r and d dimensions:
///
/// ν = ‖E‖_F·(1/√r + 1/√d), ‖E‖²_F = Σ ulp(a)²/12 over the stored entries, exact zeros counting 0: the norm of a random
/// r × d matrix of that size. 0 for f64.
pub(super) fn nu(matrix: &Matrix, r: usize, d: usize) -> f64 {
    rounding_norm(matrix) * (1.0 / (r as f64).sqrt() + 1.0 / (d as f64).sqrt())
}

/// The numerical-rank floor max(2ν, n·2⁻⁵²·σ₁), with n the longest side and σ₁ the largest singular value, and the bound
/// 20ν under which a kept direction is marked uncertain.
pub(super) fn bounds(nu: f64, n: usize, sigma_1: f64) -> (f64, f64) {
    (f64::max(2.0 * nu, n as f64 * f64::EPSILON * sigma_1), 20.0 * nu)
}

/// ‖E‖_F of the rounding error that the stored type may have left.
fn rounding_norm(matrix: &Matrix) -> f64 {
    let (mantissa_bits, least_exponent) = match matrix.dtype {
        Dtype::F64 => return 0.0,
        Dtype::F32 => (23, -149),
        Dtype::F16 => (10, -24),
        Dtype::Bf16 => (7, -133),
    };
    let squares: f64 =
        matrix.values.iter().map(|&value| ulp(value, mantissa_bits, least_exponent).powi(2)).sum();
    (squares / 12.0).sqrt()
}

/// The distance between neighbouring numbers of the stored type at `value`; 0 for an exact zero.
fn ulp(value: f64, mantissa_bits: i32, least_exponent: i32) -> f64 {
    if value == 0.0 {
        return 0.0;
    }
    // Every stored f32, f16 and bf16, subnormals included, is a normal f64: its exponent field is the exponent.
    let exponent = ((value.to_bits() >> 52) & 0x7ff) as i32 - 1023;
    let exponent = (exponent - mantissa_bits).max(least_exponent);
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ulp_is_the_spacing_of_the_stored_type() {
        assert_eq!(ulp(1.0, 23, -149), f64::from(f32::EPSILON));
        assert_eq!(ulp(-1.999, 23, -149), f64::from(f32::EPSILON));
        assert_eq!(ulp(f64::from(f32::MIN_POSITIVE) / 4.0, 23, -149), 2f64.powi(-149));
        assert_eq!(ulp(1.5, 10, -24), half::f16::EPSILON.to_f64());
        assert_eq!(ulp(3.0, 7, -133), 2.0 * half::bf16::EPSILON.to_f64());
        assert_eq!(ulp(0.0, 7, -133), 0.0);
    }

    #[test]
    fn f64_files_have_only_the_arithmetic_term() {
        let matrix = Matrix { rows: 1, cols: 2, dtype: Dtype::F64, values: vec![3.0, 4.0] };
        assert_eq!(bounds(nu(&matrix, 1, 2), 2, 5.0), (2.0 * f64::EPSILON * 5.0, 0.0));
    }
}
