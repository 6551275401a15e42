//! A basis as the pair statistics kernels read it: rows padded with zeros, and what must be known of each.

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::super::checks::Row;
use crate::basis::Basis;
use crate::error::{Fault, Result};
use crate::kernels::pair_stats::{RowParams, Wanted, stack_words};
use crate::kernels::similarity::{HalfRows, Precision};

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
}

impl<'a> Packed<'a> {
    /// # Errors
    /// `Invalid` when a row is not a unit vector, and in f16 when it is zero or not finite.
    pub(super) fn new(basis: &'a Basis, precision: Precision, wanted: Wanted<'_>) -> Result<Self> {
        let d = basis.d();
        let row_bytes = 4 * stack_words(precision, d);
        let numbers = match precision {
            Precision::F32 => Numbers::F32,
            Precision::F16 => Numbers::F16(HalfRows::of(basis.rows(), d)),
        };
        let is_unit = match &numbers {
            // Rows of updates have norms of their own.
            _ if matches!(wanted, Wanted::Cosine { .. }) => true,
            Numbers::F32 => {
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

    /// Its rows as the GPU has them.
    pub(super) fn numbers(&self) -> impl Iterator<Item = Row<'_>> {
        let d = self.basis.d();
        (0..self.basis.q()).map(move |row| match &self.numbers {
            Numbers::F32 => Row::F32(&self.basis.rows()[row * d..][..d]),
            Numbers::F16(half) => Row::of_half(half, row, d),
        })
    }

    pub(super) fn write_params(&self, params: &mut [RowParams], row: usize) {
        let scales = match &self.numbers {
            Numbers::F16(half) => Some(&half.reciprocals[..]),
            Numbers::F32 => None,
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
            }
        }
    }
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
