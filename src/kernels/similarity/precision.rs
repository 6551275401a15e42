//! What the numbers of a basis are kept in on their way into a product: f32, or f16 with a norm for each row.

use std::fmt;
use std::str::FromStr;

use half::f16;
use half::slice::HalfFloatSliceExt;
use pulp::{Arch, Simd, WithSimd};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Fault, Result};

/// What bases are kept in when grids are computed. Sums are in f32 either way.
///
/// The user chooses it; no engine changes it by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 4 bytes a number; |φ − exact| ≤ 1e-5.
    #[default]
    F32,
    /// 2 bytes a number, and the f32 reciprocal of each row's norm; |φ(i, j) − exact| ≤ 5e-4·(1 + √(max(i, j)/min(i, j))).
    F16,
}

impl Precision {
    /// Every precision.
    pub const ALL: [Self; 2] = [Self::F32, Self::F16];

    /// Words of 32 bits that a basis vector of `d` numbers takes in the kernels' buffers.
    pub fn row_words(self, d: usize) -> usize {
        match self {
            Self::F32 => d,
            Self::F16 => 1 + d.div_ceil(2),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        })
    }
}

impl FromStr for Precision {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|precision| precision.to_string() == text)
            .ok_or_else(|| Fault::new(crate::text::quoted(text), "`f32` or `f16`").of("precision").invalid())
    }
}

/// Basis vectors in f16: each is scaled and carries the reciprocal of its norm after rounding.
///
/// The scale puts a row's largest number between 2¹³ and 2¹⁵, far from both ends of f16: a number is rounded by at most
/// 2⁻¹¹ of itself unless it is 2²⁷ times smaller than that. The reciprocal takes the scale back, and with it what
/// rounding did to the row's length, so that only what it did to the row's direction is left: at most 2⁻¹² radians.
#[derive(Debug)]
pub(crate) struct HalfRows {
    /// (q, d) row-major.
    pub(crate) numbers: Vec<f16>,
    /// 1/‖row‖ of the rounded numbers, one a row; 0 for a row of zeros.
    pub(crate) reciprocals: Vec<f32>,
}

/// By how much rounding may turn a row, in radians.
///
/// Two vectors that are turned by δ₁ and δ₂ have a φ that is off by at most δ₁ + δ₂: 4.9e-4 here. Where i vectors are turned by δ
/// at most, and j others, φ(i, j) = ‖P‖²/m with m = min(i, j) is off by at most 2δ·(√(i/m) + √(j/m)), since each row of the other
/// basis's projection of a vector adds at most its length times δ, and the squares of these lengths sum to m: 4.9e-4·(1 +
/// √(max/min)).
///
/// A single scale keeps δ only under 2⁻¹¹. Over many numbers most of the roundings cancel, to 1.8e-4, and the first scale will do;
/// of three numbers, or of many equal ones, each may be rounded by nearly half a step, and always in the direction that turns the
/// row.
#[cfg(test)]
const TURN: f64 = 1.0 / 4096.0;

/// A turn of many numbers that no other scale makes much smaller.
const ENOUGH: f64 = 2e-4;

/// So few numbers that the best of all scales is worth its time.
const FEW: usize = 128;

/// How many scales are tried, evenly from a power of two down to its half. The best of sixteen turned none of two million
/// rows of 2 to 128 random numbers by more than 2.2e-4.
const N_SCALES: usize = 16;

impl HalfRows {
    /// Rounds rows of `d` numbers.
    pub(crate) fn of(rows: &[f32], d: usize) -> Self {
        let mut numbers = vec![f16::ZERO; rows.len()];
        let mut rounding = Rounding { scaled: vec![0.0; d], rounded: vec![0.0; d] };
        let reciprocals = rows.chunks_exact(d).zip(numbers.chunks_exact_mut(d)).map(|(row, numbers)| {
            let power = scale(row);
            let (mut best, mut least) = (power, f64::INFINITY);
            for k in 0..N_SCALES {
                let scale = power * (1.0 - k as f32 / (2 * N_SCALES) as f32);
                let (turn, reciprocal) = rounding.of(row, scale, numbers);
                // A row of zeros and one that is not finite turn by NaN.
                if turn == 0.0 || d > FEW && turn <= ENOUGH || turn.is_nan() {
                    return reciprocal;
                }
                if turn < least {
                    (best, least) = (scale, turn);
                }
            }
            rounding.of(row, best, numbers).1
        });
        let reciprocals = reciprocals.collect();
        Self { numbers, reciprocals }
    }

    /// The rows as `shaders/similarity_f16.wgsl` reads them: [`Precision::row_words`] words each.
    #[cfg(any(feature = "gpu", test))]
    pub(crate) fn words(&self, d: usize) -> Vec<u32> {
        let mut words = Vec::with_capacity(self.reciprocals.len() * Precision::F16.row_words(d));
        for (row, reciprocal) in self.numbers.chunks_exact(d).zip(&self.reciprocals) {
            words.push(reciprocal.to_bits());
            words.extend(row.chunks(2).map(|pair| {
                let high = pair.get(1).map_or(0, |number| u32::from(number.to_bits()));
                u32::from(pair[0].to_bits()) | high << 16
            }));
        }
        words
    }
}

/// Room for one row's numbers before and after rounding.
struct Rounding {
    scaled: Vec<f32>,
    rounded: Vec<f32>,
}

impl Rounding {
    /// Rounds a row into `numbers`: the sine of the angle that it turns by, and the reciprocal of its norm after that.
    fn of(&mut self, row: &[f32], scale: f32, numbers: &mut [f16]) -> (f64, f32) {
        let Self { scaled, rounded } = self;
        scaled.iter_mut().zip(row).for_each(|(scaled, value)| *scaled = value * scale);
        numbers.convert_from_f32_slice(scaled);
        numbers.convert_to_f32_slice(rounded);
        let [before, both, square] = Arch::new().dispatch(Products { x: scaled, y: rounded });
        let cos_squared = both.powi(2) / (before * square);
        // Rounding of the sums may leave the cosine of an exact row above 1.
        let turn = if cos_squared > 1.0 { 0.0 } else { (1.0 - cos_squared).sqrt() };
        (turn, if square == 0.0 { 0.0 } else { (1.0 / square.sqrt()) as f32 })
    }
}

/// x·x, x·y and y·y in f64, each in sums of their own for every [`LANES`]th number, so that none waits for itself.
struct Products<'a> {
    x: &'a [f32],
    y: &'a [f32],
}

const LANES: usize = 16;

impl WithSimd for Products<'_> {
    type Output = [f64; 3];

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Self::Output {
        let mut sums = [[0.0; LANES]; 3];
        let mut add = |x: &[f32], y: &[f32]| {
            for (lane, (&x, &y)) in x.iter().zip(y).enumerate() {
                let (x, y) = (f64::from(x), f64::from(y));
                sums[0][lane] += x * x;
                sums[1][lane] += x * y;
                sums[2][lane] += y * y;
            }
        };
        let ((x, rest_x), (y, rest_y)) = (self.x.as_chunks::<LANES>(), self.y.as_chunks::<LANES>());
        x.iter().zip(y).for_each(|(x, y)| add(x, y));
        add(rest_x, rest_y);
        sums.map(|lanes| lanes.iter().sum())
    }
}

/// The power of two that puts the row's largest number between 2¹⁴ and 2¹⁵.
fn scale(row: &[f32]) -> f32 {
    let largest = row.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    if !largest.is_normal() {
        // Zeros stay zeros; what is not finite shows in the result. No row of norm 1 comes here.
        return 1.0;
    }
    // The power's own bits: a biased exponent and no fraction.
    let biased = (127 + 14 + 127 - (largest.to_bits() >> 23)).min(254);
    f32::from_bits(biased << 23)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::basis::Basis;

    #[test]
    fn each_precision_reads_back_from_what_it_prints() {
        for precision in Precision::ALL {
            assert_eq!(precision.to_string().parse::<Precision>().unwrap(), precision);
        }
        let error = "f64".parse::<Precision>().unwrap_err();
        assert_eq!(error.to_string(), "precision: found `f64`, expected `f32` or `f16`");
    }

    #[test]
    fn a_row_loses_at_most_half_a_unit_of_f16_whatever_its_size() {
        for size in [1e-30f32, 3e-5, 0.7, 1.0, 1e30] {
            let row: Vec<f32> =
                (0..100).map(|k| size * (1.0 + k as f32 * 0.731) / 74.0 * [1.0, -1.0][k % 2]).collect();
            let half = HalfRows::of(&row, 100);
            let norm = row.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
            let largest = half.numbers.iter().fold(0.0, |largest, number| number.to_f64().abs().max(largest));
            assert!((8192.0..=32_768.0).contains(&largest), "{size}: {largest}");
            for (value, number) in row.iter().zip(&half.numbers) {
                let back = number.to_f64() * f64::from(half.reciprocals[0]);
                let exact = f64::from(*value) / norm;
                assert!((back - exact).abs() <= exact.abs() * 6e-4, "{size}: {back} for {exact}");
            }
        }
    }

    /// The angle between a row and what is kept of it.
    fn turn(row: &[f32]) -> f64 {
        let half = HalfRows::of(row, row.len());
        let norm = row.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
        let reciprocal = f64::from(half.reciprocals[0]);
        let error = row
            .iter()
            .zip(&half.numbers)
            .map(|(&value, number)| (f64::from(value) / norm - number.to_f64() * reciprocal).powi(2));
        error.sum::<f64>().sqrt()
    }

    #[test]
    fn no_row_is_turned_by_more_than_half_of_what_two_may_be() {
        // Few numbers, whose roundings do not cancel: 80,000 directions, each number from 20 bits of a hash.
        for d in [1usize, 2, 3, 4, 7, 16, 33, 64] {
            for seed in 0..10_000u64 {
                let number = |k: usize| {
                    let hash = (seed * 64 + k as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 44
                };
                let row: Vec<f32> = (0..d).map(|k| number(k) as f32 / (1 << 19) as f32 - 1.0).collect();
                let turn = turn(&row);
                assert!(turn <= TURN, "{row:?}: {turn:e}");
            }
        }
        // Many numbers that a power of two would round by half a step each, in turn up and down.
        let half_step = 2.0f32.powi(-11);
        let row: Vec<f32> = (0..4096).map(|k| 1.0 + half_step * [0.999, 1.001][k % 2]).collect();
        assert!(turn(&row) <= TURN, "{:e}", turn(&row));
    }

    #[test]
    fn the_direction_that_rounding_is_worst_for_is_within_the_bound_of_one_next_to_many() {
        let mut overall = 0.0f64;
        for (q, d) in [(2, 3), (4, 4), (8, 8), (16, 16), (32, 32), (64, 64), (4, 32), (32, 64), (32, 200)] {
            for seed in 0..10 {
                let basis = Basis::gaussian(q, d, seed).unwrap();
                let half = HalfRows::of(basis.rows(), d);
                let rounded = half.numbers.chunks(d).zip(&half.reciprocals);
                let rounded: Vec<f64> = rounded
                    .flat_map(|(row, &scale)| row.iter().map(move |x| x.to_f64() * f64::from(scale)))
                    .collect();
                let exact: Vec<f64> = basis.rows().iter().map(|&x| f64::from(x)).collect();
                let dots = |rows: &[f64], u: &[f64]| -> Vec<f64> {
                    rows.chunks(d).map(|row| row.iter().zip(u).map(|(x, y)| x * y).sum()).collect()
                };
                // What rounding adds to ‖Vu‖², made as large as it can be by steps towards its eigenvectors, from either end.
                for shift in [1e-3, -1e-3] {
                    let mut u: Vec<f64> = (0..d).map(|k| ((k + 1) as f64 * 0.7).sin()).collect();
                    for _ in 0..300 {
                        let mut next: Vec<f64> = u.iter().map(|x| x * shift).collect();
                        for (rows, sign) in [(&rounded, 1.0), (&exact, -1.0)] {
                            for (row, dot) in rows.chunks(d).zip(dots(rows, &u)) {
                                next.iter_mut().zip(row).for_each(|(sum, x)| *sum += sign * dot * x);
                            }
                        }
                        let norm = next.iter().map(|x| x * x).sum::<f64>().sqrt();
                        u = next.iter().map(|x| x / norm).collect();
                    }
                    let square = |rows| dots(rows, &u).iter().map(|x| x * x).sum::<f64>();
                    let off = (square(&rounded) - square(&exact)).abs();
                    assert!(off <= 2.0 * TURN * (q as f64).sqrt(), "{q} of {d}: {off:e}");
                    overall = overall.max(off);
                }
            }
        }
        // The largest that was found, with the first scale that turns a row by 2⁻¹² at most: 6.2e-4.
        assert!((2e-4..5.5e-4).contains(&overall), "{overall:e}");
    }

    #[test]
    fn the_reciprocal_makes_a_rounded_row_a_unit_vector() {
        let row: Vec<f32> = (0..37).map(|k| (k as f32 * 0.37).sin()).collect();
        let half = HalfRows::of(&row, 37);
        let square: f64 = half.numbers.iter().map(|number| number.to_f64().powi(2)).sum();
        assert!((square.sqrt() * f64::from(half.reciprocals[0]) - 1.0).abs() < 1e-7);
    }

    #[test]
    fn words_hold_the_reciprocal_and_two_numbers_each_with_an_odd_one_padded() {
        let half = HalfRows::of(&[1.0, -0.5, 0.25, 0.0, 0.0, 0.0], 3);
        let words = half.words(3);
        assert_eq!(words.len(), 2 * Precision::F16.row_words(3));
        let bits = |value: f32| u32::from(f16::from_f32(value).to_bits());
        assert_eq!(words[1], bits(16_384.0) | bits(-8192.0) << 16);
        assert_eq!(words[2], bits(4096.0));
        assert_eq!(f32::from_bits(words[0]), (1.0 / (1.3125f64.sqrt() * 16_384.0)) as f32);
        assert_eq!(words[3..], [0, 0, 0], "a row of zeros");
    }
}
