//! Products by panels of rows, each on one thread: the panels follow from the shapes, so that the bits do not depend on the
//! number of threads. Sets of vectors are slices, one vector after the other, which are the columns of a matrix.

use faer::linalg::matmul::matmul;
use faer::traits::ComplexField;
use faer::{Accum, MatMut, MatRef, Par};
use rayon::prelude::*;

/// Rows of a panel.
const ROWS: usize = 128;

/// Columns of a panel that is transposed: runs of numbers that are long enough to read fast.
const COLUMNS: usize = 512;

/// Numbers that are widened at once: 512 KiB.
const PIECE: usize = 1 << 16;

/// Vectors of d numbers, as columns.
pub(super) fn columns<T>(vectors: &[T], d: usize) -> MatRef<'_, T> {
    MatRef::from_column_major_slice(vectors, d, vectors.len() / d.max(1))
}

/// a·x, as columns one after the other.
pub(super) fn product<T>(a: MatRef<'_, T>, x: MatRef<'_, T>) -> Vec<T>
where
    T: ComplexField + Copy + Default + Send + Sync,
{
    by_panels(a.nrows(), x.ncols(), ROWS, |first, mut panel| {
        let rows = a.subrows(first, panel.nrows());
        matmul(panel.as_mut(), Accum::Replace, rows, x, T::one_impl(), Par::Seq);
    })
}

/// a·x in f64 for a (rows, cols) row-major matrix in f32, which is widened a piece at a time.
pub(super) fn wide_product(a: &[f32], cols: usize, x: MatRef<'_, f64>) -> Vec<f64> {
    const DEPTH: usize = PIECE / ROWS;
    by_panels(a.len() / cols.max(1), x.ncols(), ROWS, |first, mut panel| {
        let n_rows = panel.nrows();
        let mut wide = Vec::with_capacity(n_rows * DEPTH.min(cols));
        for at in (0..cols).step_by(DEPTH) {
            let depth = DEPTH.min(cols - at);
            wide.clear();
            for row in first..first + n_rows {
                wide.extend(a[row * cols + at..][..depth].iter().map(|&value| f64::from(value)));
            }
            let piece = MatRef::from_row_major_slice(&wide, n_rows, depth);
            accumulate(panel.as_mut(), at, piece, x.subrows(at, depth));
        }
    })
}

/// aᵀ·y, as [`wide_product`].
pub(super) fn wide_transposed_product(a: &[f32], cols: usize, y: MatRef<'_, f64>) -> Vec<f64> {
    const DEPTH: usize = PIECE / COLUMNS;
    let rows = a.len() / cols.max(1);
    by_panels(cols, y.ncols(), COLUMNS, |first, mut panel| {
        let n_cols = panel.nrows();
        let mut wide = Vec::with_capacity(n_cols * DEPTH.min(rows));
        for at in (0..rows).step_by(DEPTH) {
            let depth = DEPTH.min(rows - at);
            wide.clear();
            for row in at..at + depth {
                wide.extend(a[row * cols + first..][..n_cols].iter().map(|&value| f64::from(value)));
            }
            let piece = MatRef::from_row_major_slice(&wide, depth, n_cols).transpose();
            accumulate(panel.as_mut(), at, piece, y.subrows(at, depth));
        }
    })
}

fn accumulate(panel: MatMut<'_, f64>, at: usize, a: MatRef<'_, f64>, x: MatRef<'_, f64>) {
    matmul(panel, if at == 0 { Accum::Replace } else { Accum::Add }, a, x, 1.0, Par::Seq);
}

/// A matrix whose panels of `height` rows are filled in by all threads; `fill` is given a panel and its first row.
fn by_panels<T>(rows: usize, cols: usize, height: usize, fill: impl Fn(usize, MatMut<'_, T>) + Sync) -> Vec<T>
where
    T: Copy + Default + Send + Sync,
{
    let mut values = vec![T::default(); rows * cols];
    let mut rest = MatMut::from_column_major_slice_mut(&mut values, rows, cols);
    let mut panels = Vec::with_capacity(rows.div_ceil(height));
    while rest.nrows() > 0 {
        let n_rows = height.min(rest.nrows());
        let (panel, below) = rest.split_at_row_mut(n_rows);
        panels.push(panel);
        rest = below;
    }
    panels.into_par_iter().enumerate().for_each(|(at, panel)| fill(at * height, panel));
    values
}
