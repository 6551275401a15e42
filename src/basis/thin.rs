//! The two products with a thin matrix X that a basis through its Gram matrix takes, in f64 and without a copy of X:
//! X·Xᵀ, and W·X rounded to f32. X is (r, d) row-major, r ≪ d; each sum is taken in one fixed order.

use faer::{Mat, MatRef};
use pulp::{Arch, Simd, WithSimd};

/// Columns of X that are read at once for all pairs of rows: they stay in the second cache.
const COLUMNS: usize = 1024;

/// The lower half of X·Xᵀ.
pub(super) fn gram(x: &[f64], r: usize) -> Mat<f64> {
    let mut gram = Mat::zeros(r, r);
    let d = x.len() / r;
    for start in (0..d).step_by(COLUMNS) {
        let columns = start..d.min(start + COLUMNS);
        Arch::new().dispatch(Gram { x, d, columns, gram: &mut gram });
    }
    gram
}

struct Gram<'a> {
    x: &'a [f64],
    d: usize,
    columns: std::ops::Range<usize>,
    gram: &'a mut Mat<f64>,
}

impl WithSimd for Gram<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        // So many sums as leave registers for the numbers themselves.
        match S::F64_LANES {
            8 => self.blocks::<S, 4>(simd),
            _ => self.blocks::<S, 3>(simd),
        }
    }
}

impl Gram<'_> {
    #[inline(always)]
    fn blocks<S: Simd, const N: usize>(self, simd: S) {
        let r = self.gram.nrows();
        // The last row again where the rows end within a block.
        let rows = |first: usize| -> [&[f64]; N] {
            std::array::from_fn(|l| &self.x[(first + l).min(r - 1) * self.d..][self.columns.clone()])
        };
        for i in (0..r).step_by(N) {
            for j in (0..=i).step_by(N) {
                let dots = simd.vectorize(Dots { a: rows(i), b: rows(j) });
                for (i, dots) in (i..r).zip(dots) {
                    for (j, dot) in (j..r).zip(dots) {
                        self.gram[(i, j)] += dot;
                    }
                }
            }
        }
    }
}

/// The products of each of some rows with each of others, in a function of its own: inlined into its caller it is short
/// of registers.
struct Dots<'a, const N: usize> {
    a: [&'a [f64]; N],
    b: [&'a [f64]; N],
}

impl<const N: usize> WithSimd for Dots<'_, N> {
    type Output = [[f64; N]; N];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let n = S::as_simd_f64s(self.a[0]).0.len();
        let (heads_a, heads_b) =
            (self.a.map(|row| &S::as_simd_f64s(row).0[..n]), self.b.map(|row| &S::as_simd_f64s(row).0[..n]));
        let mut sums = [[simd.splat_f64s(0.0); N]; N];
        for k in 0..n {
            for (sums, a) in sums.iter_mut().zip(&heads_a) {
                for (sum, b) in sums.iter_mut().zip(&heads_b) {
                    *sum = simd.mul_add_e_f64s(a[k], b[k], *sum);
                }
            }
        }
        // Loops throughout: what is passed to `map` may be compiled without the processor's instructions.
        let mut dots = [[0.0; N]; N];
        for (i, (dots, sums)) in dots.iter_mut().zip(&sums).enumerate() {
            let tail_a = simd.partial_load_f64s(S::as_simd_f64s(self.a[i]).1);
            for (j, (dot, &sum)) in dots.iter_mut().zip(sums).enumerate() {
                let tail_b = simd.partial_load_f64s(S::as_simd_f64s(self.b[j]).1);
                *dot = simd.reduce_sum_f64s(simd.mul_add_e_f64s(tail_a, tail_b, sum));
            }
        }
        dots
    }
}

/// Row k of the result is Σᵢ w(i, k)·xᵢ, (q, d) row-major for `weights` of (r, q).
pub(super) fn combine(x: &[f64], weights: MatRef<'_, f64>) -> Vec<f32> {
    let (r, q) = (weights.nrows(), weights.ncols());
    let d = x.len() / r;
    // The weights of eight results beside each other.
    let mut packed = vec![[0.0; AT_ONCE]; r * q.div_ceil(AT_ONCE)];
    for k in 0..q {
        let block = &mut packed[k / AT_ONCE * r..][..r];
        block.iter_mut().zip(weights.col(k).iter()).for_each(|(place, &weight)| place[k % AT_ONCE] = weight);
    }
    let mut rows = vec![0.0; q * d];
    Arch::new().dispatch(Combine { x, r, d, weights: &packed, rows: &mut rows });
    rows
}

/// Results that are summed at once.
const AT_ONCE: usize = 8;

struct Combine<'a> {
    x: &'a [f64],
    r: usize,
    d: usize,
    weights: &'a [[f64; AT_ONCE]],
    rows: &'a mut [f32],
}

impl WithSimd for Combine<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        match S::F64_LANES {
            8 => self.all::<S, 3, AT_ONCE>(simd),
            _ => self.all::<S, 2, { AT_ONCE / 2 }>(simd),
        }
    }
}

impl Combine<'_> {
    #[inline(always)]
    fn all<S: Simd, const P: usize, const N: usize>(&mut self, simd: S) {
        let mut column = 0;
        while column + P * S::F64_LANES <= self.d {
            let load = |row: &[f64]| -> [S::f64s; P] {
                let registers = S::as_simd_f64s(&row[..P * S::F64_LANES]).0;
                std::array::from_fn(|p| registers[p])
            };
            self.columns::<S, P, N>(simd, column, load);
            column += P * S::F64_LANES;
        }
        while column < self.d {
            self.columns::<S, 1, N>(simd, column, |row| [simd.partial_load_f64s(row)]);
            column += S::F64_LANES;
        }
    }

    /// All results in `P` registers of columns, or in what is left of a row.
    #[inline(always)]
    fn columns<S: Simd, const P: usize, const N: usize>(
        &mut self,
        simd: S,
        column: usize,
        load: impl Fn(&[f64]) -> [S::f64s; P],
    ) {
        let end = self.d.min(column + P * S::F64_LANES);
        for (block, weights) in self.weights.chunks_exact(self.r).enumerate() {
            for part in (0..AT_ONCE).step_by(N) {
                let mut sums = [[simd.splat_f64s(0.0); P]; N];
                for (x, weights) in self.x.chunks_exact(self.d).zip(weights) {
                    let x = load(&x[column..end]);
                    for (sums, &weight) in sums.iter_mut().zip(&weights[part..part + N]) {
                        let weight = simd.splat_f64s(weight);
                        for (sum, &x) in sums.iter_mut().zip(&x) {
                            *sum = simd.mul_add_e_f64s(weight, x, *sum);
                        }
                    }
                }
                let first = block * AT_ONCE + part;
                for (row, sums) in self.rows.chunks_exact_mut(self.d).skip(first).zip(&sums) {
                    let mut registers = *sums;
                    let values = bytemuck::cast_slice_mut::<S::f64s, f64>(&mut registers);
                    row[column..end].iter_mut().zip(values).for_each(|(row, value)| *row = *value as f32);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::basis::random;

    #[test]
    fn both_products_agree_with_plain_loops_at_every_size() {
        for (r, d) in [(1, 1), (1, 8), (3, 7), (4, 24), (5, 25), (8, 1025), (9, 48), (17, 2100), (33, 71)] {
            let x = random::gaussian(r, d, (r * d) as u64, 0).values;
            let gram = gram(&x, r);
            for i in 0..r {
                for j in 0..=i {
                    let dot: f64 = x[i * d..][..d].iter().zip(&x[j * d..][..d]).map(|(a, b)| a * b).sum();
                    assert!((gram[(i, j)] - dot).abs() < 1e-12 * d as f64, "{r} × {d}: ({i}, {j})");
                }
            }
            for q in [1, r.div_ceil(2), r] {
                let weights = Mat::from_fn(r, q, |i, k| ((i * 7 + k * 3) % 11) as f64 - 5.0);
                let rows = combine(&x, weights.as_ref());
                assert_eq!(rows.len(), q * d);
                for (k, row) in rows.chunks(d).enumerate() {
                    for (at, &value) in row.iter().enumerate() {
                        let sum: f64 = (0..r).map(|i| weights[(i, k)] * x[i * d + at]).sum();
                        assert!((f64::from(value) - sum).abs() < 1e-5 * r as f64, "{r} × {d}: ({k}, {at})");
                    }
                }
            }
        }
    }
}
