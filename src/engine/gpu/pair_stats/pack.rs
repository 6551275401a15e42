//! A basis as the pair statistics kernels read it: rows padded with zeros, and what must be known of each.

use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::basis::Basis;
use crate::error::{Fault, Result};
use crate::kernels::pair_stats::{Layout, RowParams, Wanted};
use crate::kernels::similarity::HalfRows;

/// How far a row of f32 may be from norm 1. Whole numbers hold squares up to twice what orthonormal rows give.
const NORM_TOLERANCE: f32 = 1e-2;

/// A basis ready to upload.
pub(super) struct Packed<'a> {
    basis: &'a Basis,
    numbers: Numbers,
    row_bytes: usize,
}

/// What the numbers were made into.
enum Numbers {
    F32,
    F16(HalfRows),
    Split { high: Vec<f16>, low: Vec<f16> },
}

impl<'a> Packed<'a> {
    /// # Errors
    /// `Invalid` when a row is not a unit vector, and in f16 when it is zero or not finite.
    pub(super) fn new(basis: &'a Basis, layout: Layout, wanted: Wanted<'_>) -> Result<Self> {
        let d = basis.d();
        let row_bytes = 4 * layout.row_words(d);
        let numbers = match layout {
            Layout::F32 => Numbers::F32,
            Layout::F16 => Numbers::F16(HalfRows::of(basis.rows(), d)),
            Layout::Split => split(basis.rows()),
        };
        let is_unit = match &numbers {
            // Rows of updates have norms of their own.
            _ if matches!(wanted, Wanted::Cosine { .. }) => true,
            Numbers::F32 | Numbers::Split { .. } => {
                basis.rows().chunks_exact(d).all(|row| (square_norm(row) - 1.0).abs() <= 2.0 * NORM_TOLERANCE)
            }
            Numbers::F16(half) => half.reciprocals.iter().all(|&reciprocal| reciprocal > 0.0),
        };
        if is_unit {
            Ok(Self { basis, numbers, row_bytes })
        } else {
            Err(Fault::new("a row of another norm", "orthonormal rows").of("basis").invalid())
        }
    }

    pub(super) fn write_params(&self, params: &mut [RowParams], row: usize) {
        let scales = match &self.numbers {
            Numbers::F16(half) => Some(&half.reciprocals[..]),
            Numbers::F32 | Numbers::Split { .. } => None,
        };
        RowParams::write(params, row, self.basis.sigma(), scales);
    }

    /// Hands these rows' bytes to `write` in order, each with where it begins; gaps between them are to be zero.
    pub(super) fn rows(&self, rows: std::ops::Range<usize>, mut write: impl FnMut(usize, &[u8])) {
        let d = self.basis.d();
        fn bytes(numbers: &[f16]) -> &[u8] {
            let bits: &[u16] = numbers.reinterpret_cast();
            bytemuck::cast_slice(bits)
        }
        for (at, row) in rows.enumerate() {
            let numbers = row * d..(row + 1) * d;
            let begin = at * self.row_bytes;
            match &self.numbers {
                Numbers::F32 => write(begin, bytemuck::cast_slice(&self.basis.rows()[numbers])),
                Numbers::F16(half) => write(begin, bytes(&half.numbers[numbers])),
                Numbers::Split { high, low } => {
                    write(begin, bytes(&high[numbers.clone()]));
                    write(begin + self.row_bytes / 2, bytes(&low[numbers]));
                }
            }
        }
    }
}

/// V·2¹⁰ = high + low·2⁻¹¹, of which 2⁻²² of V at most is lost.
fn split(rows: &[f32]) -> Numbers {
    let high: Vec<f16> = rows.iter().map(|value| f16::from_f32(value * 1024.0)).collect();
    let rest = |(value, high): (&f32, &f16)| f16::from_f32((value * 1024.0 - high.to_f32()) * 2048.0);
    let low = rows.iter().zip(&high).map(rest).collect();
    Numbers::Split { high, low }
}

/// In 16 sums, so that it runs in vectors.
fn square_norm(row: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    let chunks = row.chunks_exact(16);
    let rest: f32 = chunks.remainder().iter().map(|x| x * x).sum();
    for chunk in chunks {
        sums.iter_mut().zip(chunk).for_each(|(sum, x)| *sum += x * x);
    }
    rest + sums.iter().sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_numbers_come_back_to_2_to_the_minus_22() {
        let rows: Vec<f32> = (0..200).map(|k| (k as f32 * 0.731).sin() * 10f32.powi(-(k % 5))).collect();
        let Numbers::Split { high, low } = split(&rows) else { panic!("split gives split numbers") };
        for ((value, high), low) in rows.iter().zip(high).zip(low) {
            let back = (high.to_f64() + low.to_f64() / 2048.0) / 1024.0;
            assert!(
                (back - f64::from(*value)).abs() <= f64::from(value.abs()) * 2f64.powi(-22),
                "{back} for {value}"
            );
        }
    }

    #[test]
    fn split_rows_hold_all_high_parts_then_all_low_ones() {
        let basis = Basis::from_rows(3, vec![1.0, 0.0, 0.0, 0.0, 0.6, 0.8], vec![1.0; 2]).unwrap();
        let packed = Packed::new(&basis, Layout::Split, Wanted::Statistics(&[])).unwrap();
        let mut parts = vec![];
        packed.rows(0..2, |begin, bytes| parts.push((begin, bytes.len())));
        assert_eq!(parts, [(0, 6), (64, 6), (128, 6), (192, 6)]);
    }
}
