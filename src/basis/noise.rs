//! What rounding to the stored type could have made: the floor under which a direction is not believed.

use crate::adapter::{Dtype, Matrix, Quant};
use crate::simd;

/// The noise ν that rounding leaves in a singular value of a factor between r and d dimensions:
///
/// ν = ‖E‖_F·(1/√r + 1/√d), ‖E‖²_F = Σ ulp(a)²/12 over the stored entries, exact zeros counting 0: the norm of a random
/// r × d matrix of that size. 0 for f64.
pub(super) fn nu(matrix: &Matrix, r: usize, d: usize) -> f64 {
    rounding_norm(&matrix.values, matrix.dtype) * (1.0 / (r as f64).sqrt() + 1.0 / (d as f64).sqrt())
}

/// Where a spectrum is believed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bounds {
    /// A direction at or under this is left out: max(2ν, n·2⁻⁵²·σ₁).
    pub(super) floor: f64,
    /// A kept direction under this is marked uncertain: 20ν.
    pub(super) doubtful: f64,
}

/// The bounds for noise ν, with n the longest side and σ₁ the largest singular value.
pub(super) fn bounds(nu: f64, n: usize, sigma_1: f64) -> Bounds {
    Bounds { floor: f64::max(2.0 * nu, n as f64 * f64::EPSILON * sigma_1), doubtful: 20.0 * nu }
}

/// ‖E‖_F of the rounding error that the stored type may have left in these numbers.
pub(super) fn rounding_norm(values: &[f64], dtype: Dtype) -> f64 {
    if dtype == Dtype::F64 {
        return 0.0;
    }
    if let Dtype::Quantised(quant) = dtype {
        return quantised_norm(values, quant);
    }
    let (mantissa_bits, least_exponent) = dtype.precision();
    let least = 2f64.powi(least_exponent + mantissa_bits);
    let squares = simd::sum(values, |value| power(value, least).powi(2));
    (squares / 12.0).sqrt() * 2f64.powi(-mantissa_bits)
}

/// The same where so many numbers share a scale, each at a multiple of it: the scale is as large as the largest of them needs. The
/// numbers are taken as the view has them, so groups of a transposed view are taken across those of the file.
fn quantised_norm(values: &[f64], quant: Quant) -> f64 {
    let (n_scaled, steps) = quant.steps();
    let squares = values.chunks(n_scaled).map(|group| {
        let scale = simd::largest(group) / steps;
        group.len() as f64 * scale * scale
    });
    (squares.sum::<f64>() / 12.0).sqrt()
}

/// The power of two at or below a number's magnitude, at least `least`, which is 2^mantissa_bits ulps of the stored type;
/// 0 for an exact zero.
fn power(value: f64, least: f64) -> f64 {
    // Every stored number of up to 32 bits, subnormals included, is a normal f64: without its mantissa it is that power.
    let power = f64::from_bits(value.to_bits() & (0x7ff << 52));
    let power = if power < least { least } else { power };
    if value == 0.0 { 0.0 } else { power }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_norm_is_that_of_the_spacings_of_the_stored_type() {
        let norm = |dtype: Dtype, values: &[f64]| rounding_norm(values, dtype) * 12f64.sqrt();
        let close = |found: f64, expected: f64| assert!((found / expected - 1.0).abs() < 1e-14, "{found:e}");
        close(norm(Dtype::F32, &[1.0]), f64::from(f32::EPSILON));
        close(norm(Dtype::F32, &[-1.999]), f64::from(f32::EPSILON));
        close(norm(Dtype::F32, &[f64::from(f32::MIN_POSITIVE) / 4.0]), 2f64.powi(-149));
        close(norm(Dtype::F16, &[1.5]), half::f16::EPSILON.to_f64());
        close(norm(Dtype::F16, &[half::f16::MIN_POSITIVE_SUBNORMAL.to_f64()]), 2f64.powi(-24));
        close(norm(Dtype::Bf16, &[3.0]), 2.0 * half::bf16::EPSILON.to_f64());
        // The spacings of eight bits: 1/8 and 1/4 of the power of two, and that of the subnormals.
        close(norm(Dtype::F8E4m3, &[1.75]), 0.125);
        close(norm(Dtype::F8E4m3, &[2f64.powi(-9)]), 2f64.powi(-9));
        close(norm(Dtype::F8E4m3, &[2f64.powi(-6)]), 2f64.powi(-9));
        close(norm(Dtype::F8E5m2, &[-6.0]), 1.0);
        close(norm(Dtype::F8E5m2, &[2f64.powi(-15)]), 2f64.powi(-16));
        close(norm(Dtype::F8E4m3Fnuz, &[2f64.powi(-10)]), 2f64.powi(-10));
        close(norm(Dtype::F8E5m2Fnuz, &[2f64.powi(-17)]), 2f64.powi(-17));
        close(norm(Dtype::F32, &[1.0, 0.0, 1.0, 1.0, 1.0]), 2.0 * f64::from(f32::EPSILON));
        assert_eq!(norm(Dtype::Bf16, &[0.0, -0.0]), 0.0);
    }

    #[test]
    fn the_steps_of_a_block_are_as_large_as_its_largest_number_needs() {
        let norm =
            |quant: Quant, values: &[f64]| rounding_norm(values, Dtype::Quantised(quant)) * 12f64.sqrt();
        let mut values = vec![0.0; 64];
        values[3] = -127.0;
        values[40] = 254.0;
        assert!((norm(Quant::Q8_0, &values) - (32.0f64 * 1.0 + 32.0 * 4.0).sqrt()).abs() < 1e-12);
        assert!((norm(Quant::Q4_0, &values[..32]) - 32f64.sqrt() * 127.0 / 8.0).abs() < 1e-12);
        assert_eq!(norm(Quant::Q4K, &[0.0; 256]), 0.0);
    }

    #[test]
    fn f64_files_have_only_the_arithmetic_term() {
        let matrix = Matrix { rows: 1, cols: 2, dtype: Dtype::F64, values: vec![3.0, 4.0] };
        let expected = Bounds { floor: 2.0 * f64::EPSILON * 5.0, doubtful: 0.0 };
        assert_eq!(bounds(nu(&matrix, 1, 2), 2, 5.0), expected);
    }
}
