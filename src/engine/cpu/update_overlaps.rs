//! The cosines of N updates and the overlaps of their spaces, from tiles of two products of singular vectors.
//!
//! With ΔWᵢ = Uᵢ·diag(σᵢ)·Vᵢᵀ, ⟨ΔW₁, ΔW₂⟩ = Σ_kl σ₁ₖ·σ₂ₗ·(U₁ᵀU₂)_kl·(V₁ᵀV₂)_kl, here of σ/‖ΔW‖ in place of σ, and φ of two spaces at full rank is ‖V₁ᵀV₂‖²_F /
//! min(q₁, q₂). Orthonormal vectors lose no digits in f32, however small a singular value is.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::pair_stats::{Sides, for_each_tile};
use super::pool::Buffers;
use super::tile::{BasisRows, Scratch, Tile};
use crate::basis::{Basis, UpdateSvd};
use crate::engine::{Block, Pairs, Precision};
use crate::error::Result;

/// What two updates have of each other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct UpdateOverlap {
    /// cos(ΔW₁, ΔW₂); 0 where one is zero.
    pub(crate) cosine: f64,
    /// φ at full ranks of the left and of the right spaces; NaN where an update is zero.
    pub(crate) phi: [f64; 2],
}

const N_NUMBERS: usize = 3;

/// Every pair of updates of one shape, i < j, in the order (0, 1), (0, 2), …, (1, 2), ….
pub(super) fn update_overlaps(updates: &[UpdateSvd], buffers: &Buffers) -> Result<Vec<UpdateOverlap>> {
    let bases: Vec<&Basis> = updates.iter().map(UpdateSvd::rows).collect();
    let block = Block { a: &bases, b: &bases, pairs: Pairs::Upper, cells: &[] };
    let (d, split) = (block.d()?, updates[0].split());
    let mut values = vec![0.0; N_NUMBERS * block.n_pairs()];
    let sides = Sides::new(&block, Precision::F32, buffers);
    for_each_tile(&block, &sides, [(&mut values, N_NUMBERS)], |tile, [values]| {
        let parts = [0..split, split..d];
        buffers.scratches.with(|scratch| {
            Arch::new().dispatch(TileOverlaps { tile, parts, updates, scratch, values });
        });
    });
    sides.give_back(buffers);
    let overlap = |&[cosine, left, right]: &[f32; N_NUMBERS]| UpdateOverlap {
        cosine: f64::from(cosine),
        phi: [left, right].map(|phi| f64::from(phi).min(1.0)),
    };
    Ok(values.as_chunks().0.iter().map(overlap).collect())
}

struct TileOverlaps<'a, 'v> {
    tile: Tile<'a>,
    parts: [Range<usize>; 2],
    updates: &'a [UpdateSvd],
    scratch: &'a mut Scratch,
    /// For each update of the first group its pairs, in the order of the second group.
    values: &'a mut [&'v mut [f32]],
}

impl WithSimd for TileOverlaps<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { tile, parts, updates, scratch: Scratch { products, cosines: sums, .. }, values } = self;
        let width = tile.group_b.n_rows();
        tile.row_runs(simd, parts, products, |run, [left, right]| {
            for BasisRows { place, rows, now, first_b } in tile.bases_in(&run) {
                let own = &updates[tile.group_a.bases.start + place];
                let values = &mut *values[place];
                if now.start == rows.start {
                    sums.clear();
                    sums.resize(values.len(), 0.0);
                }
                for row in now.clone() {
                    let (k, at) = (row - rows.start, (row - run.start) * width);
                    let (left, right) = (&left[at..at + width], &right[at..at + width]);
                    let of_pairs = sums.as_chunks_mut::<N_NUMBERS>().0;
                    for ((b, other), [inner, phi_left, phi_right]) in
                        (first_b..).zip(&updates[first_b..]).zip(of_pairs)
                    {
                        let columns = tile.columns_of(b);
                        let (left, right) = (&left[columns.clone()], &right[columns]);
                        *inner += own.shares()[k] * weighted_dot(left, right, other.shares());
                        if k < own.q() {
                            *phi_left += squares(&left[..other.q()]);
                            *phi_right += squares(&right[..other.q()]);
                        }
                    }
                }
                if now.end == rows.end {
                    let (values, sums) = (values.as_chunks_mut().0, sums.as_chunks::<N_NUMBERS>().0);
                    for ((values, sums), other) in values.iter_mut().zip(sums).zip(&updates[first_b..]) {
                        *values = numbers(own, other, sums);
                    }
                }
            }
        });
    }
}

/// Of a pair whose sums are whole.
fn numbers(own: &UpdateSvd, other: &UpdateSvd, [cosine, left, right]: &[f64; N_NUMBERS]) -> [f32; N_NUMBERS] {
    // NaN where there are no directions.
    let least = own.q().min(other.q()) as f64;
    [*cosine, left / least, right / least].map(|value| value as f32)
}

const LANES: usize = 8;

/// Σ wₖ·xₖ·yₖ.
#[inline(always)]
fn weighted_dot(x: &[f32], y: &[f32], weights: &[f64]) -> f64 {
    let (heads_x, rest_x) = x.as_chunks::<LANES>();
    let (heads_y, rest_y) = y.as_chunks::<LANES>();
    let (heads_w, rest_w) = weights.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for ((x, y), w) in heads_x.iter().zip(heads_y).zip(heads_w) {
        for l in 0..LANES {
            sums[l] += w[l] * (f64::from(x[l]) * f64::from(y[l]));
        }
    }
    let mut rest = 0.0;
    for ((&x, &y), w) in rest_x.iter().zip(rest_y).zip(rest_w) {
        rest += w * (f64::from(x) * f64::from(y));
    }
    sums.iter().sum::<f64>() + rest
}

/// Σ xₖ².
#[inline(always)]
fn squares(x: &[f32]) -> f64 {
    let (heads, rest) = x.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for x in heads {
        for l in 0..LANES {
            sums[l] += f64::from(x[l]) * f64::from(x[l]);
        }
    }
    let mut last = 0.0;
    for &x in rest {
        last += f64::from(x) * f64::from(x);
    }
    sums.iter().sum::<f64>() + last
}
