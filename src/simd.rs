//! Passes over many numbers: many running values, so that none waits for itself at every step, with the SIMD that the
//! processor has.

use pulp::{Arch, Simd, WithSimd};

const LANES: usize = 32;

/// Σ f(value).
pub(crate) fn sum(values: &[f64], f: impl Fn(f64) -> f64) -> f64 {
    fold(values, 0.0, |sum, value| sum + f(value), |a, b| a + b)
}

/// The largest magnitude; NaN or infinite where a number is.
pub(crate) fn largest(values: &[f64]) -> f64 {
    // Of two magnitudes the larger has the larger bits, and those of what is not finite are larger still.
    let magnitude = |value: f64| value.to_bits() & !(1 << 63);
    f64::from_bits(fold(values, 0, |largest, value| largest.max(magnitude(value)), u64::max))
}

/// √Σ value², however large or small the numbers are.
pub(crate) fn norm(values: &[f64]) -> f64 {
    let plain = sum(values, |value| value * value);
    if SAFE_SQUARES.contains(&plain) {
        return plain.sqrt();
    }
    let largest = largest(values);
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    let unit = unit_near(largest);
    let inverse = 1.0 / unit;
    sum(values, |value| (value * inverse).powi(2)).sqrt() * unit
}

/// The power of two at a magnitude, 1 for 0: of numbers up to that in units of it, no square overflows or vanishes next to the
/// others. It is within the normal numbers, so that its inverse is a power of two as well and no digit changes.
pub(crate) fn unit_near(largest: f64) -> f64 {
    if largest == 0.0 { 1.0 } else { largest.log2().floor().clamp(-1000.0, 1000.0).exp2() }
}

/// Sums of squares none of which overflowed or vanished next to the others.
pub(crate) const SAFE_SQUARES: std::ops::Range<f64> = 1e-200..1e200;

fn fold<T: Copy>(values: &[f64], start: T, step: impl Fn(T, f64) -> T, join: impl Fn(T, T) -> T) -> T {
    let lanes = Arch::new().dispatch(Lanes { values, start, step });
    lanes.into_iter().fold(start, join)
}

/// A type of its own, not a closure: a large closure is compiled apart, without the processor's instructions.
struct Lanes<'a, T, F> {
    values: &'a [f64],
    start: T,
    step: F,
}

impl<T: Copy, F: Fn(T, f64) -> T> WithSimd for Lanes<'_, T, F> {
    type Output = [T; LANES];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let mut lanes = [self.start; LANES];
        let (chunks, rest) = self.values.as_chunks::<LANES>();
        for chunk in chunks {
            for (lane, &value) in lanes.iter_mut().zip(chunk) {
                *lane = (self.step)(*lane, value);
            }
        }
        for (lane, &value) in lanes.iter_mut().zip(rest) {
            *lane = (self.step)(*lane, value);
        }
        lanes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_norm_is_that_of_numbers_of_any_size() {
        for unit in [1.0, 1e-320, 1e-160, 1e160, 3e307] {
            let found = norm(&[3.0 * unit, -4.0 * unit, 0.0]) / unit;
            assert!(
                (found - 5.0).abs() < 1e-3 * f64::from(u8::from(unit < 1e-310)) + 1e-14,
                "{unit:e}: {found}"
            );
        }
        assert_eq!((norm(&[]), norm(&[0.0]), norm(&[1e200, f64::INFINITY])), (0.0, 0.0, f64::INFINITY));
        assert!(norm(&[1.0, f64::NAN]).is_nan());
    }

    #[test]
    fn every_number_counts_whatever_its_place() {
        for n in 0..70 {
            for at in 0..n {
                let with = |value: f64| {
                    let mut values = vec![1.0; n];
                    values[at] = value;
                    values
                };
                assert_eq!(sum(&with(3.0), |value| 2.0 * value), 2.0 * (n + 2) as f64);
                assert_eq!(largest(&with(-7.0)), 7.0);
                assert!(largest(&with(f64::NAN)).is_nan());
                assert_eq!(largest(&with(f64::NEG_INFINITY)), f64::INFINITY);
            }
        }
        assert_eq!((sum(&[], |value| value), largest(&[])), (0.0, 0.0));
    }
}
