//! What JSON and tables have of a grid: φ(k, k) at powers of two and at its end, and all of its cells.

use serde::Serialize;

use crate::Grid;
use crate::measure::chance;

/// φ(k, k) next to chance.
#[derive(Debug, Serialize)]
pub(super) struct Cell {
    pub(super) k: usize,
    pub(super) phi: f64,
    pub(super) baseline: f64,
    /// `None` where the two are not independent, which z tests.
    pub(super) z: Option<f64>,
}

impl Cell {
    /// `None` outside of the grid.
    pub(super) fn at(grid: &Grid, k: usize, is_independent: bool) -> Option<Self> {
        let z = chance::z(grid, k, k).filter(|_| is_independent);
        Some(Self { k, phi: grid.phi(k, k)?, baseline: chance::baseline(k, k, grid.d()), z })
    }
}

/// φ(k, k) at powers of two and at the smaller of both ranks.
pub(super) fn diagonal(grid: &Grid, is_independent: bool) -> Vec<Cell> {
    let last = grid.n_rows().min(grid.n_cols());
    let mut depths: Vec<usize> = powers(last).collect();
    if depths.last() != Some(&last) {
        depths.push(last);
    }
    depths.into_iter().filter_map(|k| Cell::at(grid, k, is_independent)).collect()
}

/// 1, 2, 4, ... up to `last`.
pub(super) fn powers(last: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(1), |k| Some(2 * k)).take_while(move |&k| k <= last)
}

/// φ(i, j), row by row.
pub(super) fn rows(grid: &Grid) -> Vec<Vec<f64>> {
    let row = |i| (1..=grid.n_cols()).filter_map(|j| grid.phi(i, j)).collect();
    (1..=grid.n_rows()).map(row).collect()
}
