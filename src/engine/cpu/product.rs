//! The products of packed rows, C = U·Vᵀ, with the sums of every element in one fixed order.
//!
//! Rows lie in panels of 16 (see [`super::stack`]). With AVX-512 the kernel holds 8 rows × 48 columns of C in registers
//! and runs through a slice of the d columns with one fused multiply-add an element and column; the sums of the slices
//! are added to C. So an element depends only on its two rows: not on its place in C, on what is computed next to it, or
//! on the thread.

use pulp::{Simd, WithSimd};

/// Rows of a panel: one AVX-512 register of f32.
pub(super) const PANEL: usize = 16;

/// Rows of U that are multiplied at once: half a panel.
pub(super) const UNIT: usize = 8;

/// Columns that are summed in one go. One f32 sum over all of d would not keep φ within 1e-5.
pub(super) const SLICE: usize = 192;

/// Columns whose slices are added up in f32. The sums of longer rows are added up in f64, so that their rounding is what it is
/// within so many: at most ¾·(192 + 32)·2⁻²⁴ of φ, 1.0e-5, for products of one sign that all round one way.
pub(super) const CHUNK: usize = 6144;

/// The same column of the 16 rows of a panel.
pub(super) type Step = [f32; PANEL];

/// The factors of a product: whole panels, `d` steps each.
pub(super) struct Factors<'a> {
    pub(super) d: usize,
    /// Panels of U.
    pub(super) u: &'a [Step],
    /// Panels of V.
    pub(super) v: &'a [Step],
}

impl Factors<'_> {
    /// Puts rows `units` · 8 of U·Vᵀ into `c`, row-major over all rows of V, summed over `columns` of both. Of each unit only the panels
    /// from `first_panel(unit)` on are computed; the rest of `c` means nothing.
    #[inline(always)]
    pub(super) fn multiply<S: Simd>(
        &self,
        simd: S,
        columns: std::ops::Range<usize>,
        units: std::ops::Range<usize>,
        first_panel: impl Fn(usize) -> usize,
        c: &mut [f32],
    ) {
        in_chunks(columns, c, |chunk, c| self.multiply_chunk(simd, chunk, units.clone(), &first_panel, c));
    }

    #[inline(always)]
    fn multiply_chunk<S: Simd>(
        &self,
        simd: S,
        columns: std::ops::Range<usize>,
        units: std::ops::Range<usize>,
        first_panel: impl Fn(usize) -> usize,
        c: &mut [f32],
    ) {
        let n_panels = self.v.len() / self.d;
        let width = n_panels * PANEL;
        for start in columns.clone().step_by(SLICE) {
            let n_steps = SLICE.min(columns.end - start);
            for (unit, c) in units.clone().zip(c.chunks_exact_mut(UNIT * width)) {
                let u = &self.u[unit / 2 * self.d + start..][..n_steps];
                let mut panel = first_panel(unit);
                while panel < n_panels {
                    let n_columns = match n_panels - panel {
                        2 | 4 => 2,
                        1 => 1,
                        _ => 3,
                    };
                    let v = &self.v[panel * self.d + start..];
                    let part =
                        Part { u, half: unit % 2, v, d: self.d, width, is_first: start == columns.start };
                    let c = &mut c[panel * PANEL..];
                    match n_columns {
                        3 => part.multiply::<S, 3>(simd, c),
                        2 => part.multiply::<S, 2>(simd, c),
                        _ => part.multiply::<S, 1>(simd, c),
                    }
                    panel += n_columns;
                }
            }
        }
    }
}

/// Calls `multiply` for each [`CHUNK`] of the columns, and puts the sums of what it makes into `c`.
#[inline(always)]
pub(super) fn in_chunks(
    columns: std::ops::Range<usize>,
    c: &mut [f32],
    mut multiply: impl FnMut(std::ops::Range<usize>, &mut [f32]),
) {
    let is_long = columns.len() > CHUNK;
    let mut sums = if is_long { vec![0.0; c.len()] } else { vec![] };
    for start in columns.clone().step_by(CHUNK) {
        multiply(start..columns.end.min(start + CHUNK), c);
        sums.iter_mut().zip(&*c).for_each(|(sum, c): (&mut f64, &f32)| *sum += f64::from(*c));
    }
    c.iter_mut().zip(&sums).for_each(|(c, sum)| *c = *sum as f32);
}

/// One unit of rows by a few panels of columns, one slice.
struct Part<'a> {
    u: &'a [Step],
    half: usize,
    v: &'a [Step],
    d: usize,
    width: usize,
    is_first: bool,
}

impl Part<'_> {
    /// `P` panels at once if the processor has registers for it.
    #[inline(always)]
    fn multiply<S: Simd, const P: usize>(&self, simd: S, c: &mut [f32]) {
        match S::F32_LANES {
            16 => self.tile::<S, 1, P, UNIT>(simd, 0, 0, c),
            8 => self.tiles::<S, 2, 4>(simd, P, c),
            4 => self.tiles::<S, 4, 4>(simd, P, c),
            _ => self.tiles::<S, { PANEL }, 1>(simd, P, c),
        }
    }

    #[inline(always)]
    fn tiles<S: Simd, const V: usize, const N: usize>(&self, simd: S, n_panels: usize, c: &mut [f32]) {
        for panel in 0..n_panels {
            for row in (0..UNIT).step_by(N) {
                self.tile::<S, V, 1, N>(simd, row, panel, &mut c[row * self.width + panel * PANEL..]);
            }
        }
    }

    /// `N` rows by `P` panels of `V` registers.
    #[inline(always)]
    fn tile<S: Simd, const V: usize, const P: usize, const N: usize>(
        &self,
        simd: S,
        row: usize,
        panel: usize,
        c: &mut [f32],
    ) {
        let v = std::array::from_fn(|p| &self.v[(panel + p) * self.d..][..self.u.len()]);
        let Self { u, width, is_first, .. } = *self;
        simd.vectorize(TileProduct::<V, P, N> { u, row: self.half * UNIT + row, v, c, width, is_first });
    }
}

/// The innermost loop, in a function of its own: inlined into its caller it is short of registers.
struct TileProduct<'a, const V: usize, const P: usize, const N: usize> {
    u: &'a [Step],
    row: usize,
    v: [&'a [Step]; P],
    c: &'a mut [f32],
    width: usize,
    is_first: bool,
}

impl<const V: usize, const P: usize, const N: usize> WithSimd for TileProduct<'_, V, P, N> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let n_steps = self.u.len();
        let v = self.v.map(|steps| {
            let registers: &[[S::f32s; V]] = S::as_simd_f32s(steps.as_flattened()).0.as_chunks().0;
            &registers[..n_steps]
        });
        let mut sums = [[[simd.splat_f32s(0.0); V]; P]; N];
        for (k, u) in self.u.iter().enumerate() {
            for (sums, &u) in sums.iter_mut().zip(&u[self.row..self.row + N]) {
                let u = simd.splat_f32s(u);
                for p in 0..P {
                    for l in 0..V {
                        sums[p][l] = simd.mul_add_e_f32s(u, v[p][k][l], sums[p][l]);
                    }
                }
            }
        }
        for (row, sums) in self.c.chunks_mut(self.width).zip(&sums) {
            let (row, _) = S::as_mut_simd_f32s(&mut row[..PANEL * P]);
            for (c, &sum) in row.iter_mut().zip(sums.as_flattened()) {
                *c = if self.is_first { sum } else { simd.add_f32s(*c, sum) };
            }
        }
    }
}
