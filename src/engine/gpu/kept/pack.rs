//! A basis as the gram kernels read it: rows padded with zeros, and what must be known of each.

use half::slice::HalfFloatSliceExt;

use crate::basis::Basis;
use crate::error::{Fault, Result};
use crate::kernels::gram::{Facts, row_words};
use crate::kernels::similarity::{HalfRows, Precision};

/// How far a row of f32 may be from norm 1. Whole numbers hold squares up to twice what orthonormal rows give.
const NORM_TOLERANCE: f32 = 1e-2;

/// A basis ready to upload.
pub(super) struct Packed<'a> {
    basis: &'a Basis,
    half: Option<HalfRows>,
    row_bytes: usize,
}

impl<'a> Packed<'a> {
    /// # Errors
    /// `Invalid` when a row is no unit vector, and in f16 when it is zero or not finite.
    pub(super) fn new(basis: &'a Basis, precision: Precision) -> Result<Self> {
        let d = basis.d();
        let row_bytes = 4 * row_words(precision, d);
        let half = match precision {
            Precision::F32 => None,
            Precision::F16 => Some(HalfRows::of(basis.rows(), d)),
        };
        let is_unit = match &half {
            None => {
                basis.rows().chunks_exact(d).all(|row| (square_norm(row) - 1.0).abs() <= 2.0 * NORM_TOLERANCE)
            }
            Some(half) => half.reciprocals.iter().all(|&reciprocal| reciprocal > 0.0),
        };
        match is_unit {
            true => Ok(Self { basis, half, row_bytes }),
            false => Err(Fault::new("a row of another norm", "orthonormal rows").of("basis").invalid()),
        }
    }

    pub(super) fn write_facts(&self, facts: &mut [Facts], row: usize) {
        let scales = self.half.as_ref().map(|half| &half.reciprocals[..]);
        Facts::write(facts, row, self.basis.sigma(), scales);
    }

    /// Hands these rows' bytes to `write` in order, each with where it begins; gaps between them are to be zero.
    pub(super) fn rows(&self, rows: std::ops::Range<usize>, mut write: impl FnMut(usize, &[u8])) {
        let d = self.basis.d();
        for (at, row) in rows.enumerate() {
            let numbers = row * d..(row + 1) * d;
            match &self.half {
                None => write(at * self.row_bytes, bytemuck::cast_slice(&self.basis.rows()[numbers])),
                Some(half) => {
                    let bits: &[u16] = half.numbers[numbers].reinterpret_cast();
                    write(at * self.row_bytes, bytemuck::cast_slice(bits));
                }
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
