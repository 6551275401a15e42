//! Passes over many numbers: eight running values, so that none waits for itself at every step, with the SIMD that the
//! processor has.

use pulp::Arch;

const LANES: usize = 8;

/// Σ f(value).
pub(super) fn sum(values: &[f64], f: impl Fn(f64) -> f64) -> f64 {
    fold(values, |sum, value| sum + f(value), |a, b| a + b)
}

/// The largest magnitude; NaN where a number is NaN or infinite.
pub(super) fn largest_finite(values: &[f64]) -> f64 {
    let larger = |a: f64, b: f64| if b > a { b } else { a };
    let largest = fold(values, |largest, value| larger(largest, value.abs()), larger);
    // 0 · x is NaN for just those x that are not finite.
    largest + sum(values, |value| 0.0 * value)
}

fn fold(values: &[f64], step: impl Fn(f64, f64) -> f64, join: impl Fn(f64, f64) -> f64) -> f64 {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let mut lanes = [0.0; LANES];
            let chunks = values.chunks_exact(LANES);
            let rest = chunks.remainder();
            for chunk in chunks {
                for (lane, &value) in lanes.iter_mut().zip(chunk) {
                    *lane = step(*lane, value);
                }
            }
            for (lane, &value) in lanes.iter_mut().zip(rest) {
                *lane = step(*lane, value);
            }
            lanes.into_iter().fold(0.0, &join)
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_counts_whatever_its_place() {
        for n in 0..20 {
            for at in 0..n {
                let with = |value: f64| {
                    let mut values = vec![1.0; n];
                    values[at] = value;
                    values
                };
                assert_eq!(sum(&with(3.0), |value| 2.0 * value), 2.0 * (n + 2) as f64);
                assert_eq!(largest_finite(&with(-7.0)), 7.0);
                assert!(largest_finite(&with(f64::NAN)).is_nan());
                assert!(largest_finite(&with(f64::NEG_INFINITY)).is_nan());
            }
        }
        assert_eq!((sum(&[], |value| value), largest_finite(&[])), (0.0, 0.0));
    }
}
