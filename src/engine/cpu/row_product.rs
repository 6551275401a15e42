//! The product of plain rows with packed ones, for bases that are multiplied once and so are not worth packing.
//!
//! Every element is summed as [`super::product`] sums it, so that it has the same bits.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::product::{PANEL, SLICE, Step, in_chunks};

/// U·Vᵀ of plain rows and packed ones.
pub(super) struct RowFactors<'a> {
    pub(super) d: usize,
    /// Rows of U, one after another.
    pub(super) u: &'a [f32],
    /// Panels of V, `d` steps each.
    pub(super) v: &'a [Step],
}

impl RowFactors<'_> {
    /// Puts U·Vᵀ, summed over `columns` of both, into `c`, row-major.
    #[inline(always)]
    pub(super) fn multiply<S: Simd>(&self, simd: S, columns: Range<usize>, c: &mut [f32]) {
        in_chunks(columns, c, |chunk, c| match S::F32_LANES {
            16 => self.slices::<S, 1, 16>(simd, chunk, c),
            8 => self.slices::<S, 2, 6>(simd, chunk, c),
            4 => self.slices::<S, 4, 4>(simd, chunk, c),
            _ => self.slices::<S, { PANEL }, 1>(simd, chunk, c),
        });
    }

    /// `N` rows by a panel of `V` registers at once.
    #[inline(always)]
    fn slices<S: Simd, const V: usize, const N: usize>(&self, simd: S, columns: Range<usize>, c: &mut [f32]) {
        let Self { d, u, v } = *self;
        let n_panels = v.len() / d;
        // Rows whose length is a power of two would push each other out of the first cache.
        let mut near = [[0.0; SLICE + PANEL]; N];
        for start in columns.clone().step_by(SLICE) {
            let slice = start..columns.end.min(start + SLICE);
            for (rows, c) in u.chunks(N * d).zip(c.chunks_mut(N * n_panels * PANEL)) {
                for (near, row) in near.iter_mut().zip(rows.chunks_exact(d)) {
                    near[..slice.len()].copy_from_slice(&row[slice.clone()]);
                }
                for panel in 0..n_panels {
                    simd.vectorize(RowsByPanel::<V, N> {
                        u: &near,
                        v: &v[panel * d..][slice.clone()],
                        c: &mut c[panel * PANEL..],
                        width: n_panels * PANEL,
                        is_first: start == columns.start,
                    });
                }
            }
        }
    }
}

/// The innermost loop, in a function of its own as in [`super::product`].
struct RowsByPanel<'a, const V: usize, const N: usize> {
    u: &'a [[f32; SLICE + PANEL]; N],
    v: &'a [Step],
    c: &'a mut [f32],
    width: usize,
    is_first: bool,
}

impl<const V: usize, const N: usize> WithSimd for RowsByPanel<'_, V, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let n_steps = self.v.len();
        let v: &[[S::f32s; V]] = S::as_simd_f32s(self.v.as_flattened()).0.as_chunks().0;
        let v = &v[..n_steps];
        // Of rows that end within the block's, the sums are not written.
        let u: [&[f32]; N] = std::array::from_fn(|n| &self.u[n][..n_steps]);
        let mut sums = [[simd.splat_f32s(0.0); V]; N];
        for k in 0..n_steps {
            for (sums, u) in sums.iter_mut().zip(&u) {
                let u = simd.splat_f32s(u[k]);
                for l in 0..V {
                    sums[l] = simd.mul_add_e_f32s(u, v[k][l], sums[l]);
                }
            }
        }
        for (row, sums) in self.c.chunks_mut(self.width).zip(&sums) {
            let (row, _) = S::as_mut_simd_f32s(&mut row[..PANEL]);
            for (c, &sum) in row.iter_mut().zip(sums) {
                *c = if self.is_first { sum } else { simd.add_f32s(*c, sum) };
            }
        }
    }
}
