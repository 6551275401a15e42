//! A grid in words: what a person would say of the paper's figure.

use std::fmt;

use serde::Serialize;

use crate::measure::Grid;
use crate::measure::chance;

/// A band's mean excess over the baseline from which it is called strong.
pub const STRONG: f64 = 0.20;

/// A band's mean excess over the baseline from which it is called weak.
pub const WEAK: f64 = 0.05;

/// A band that two random subspaces would show more often than this is called none, however large its excess.
pub const CHANCE: f64 = 1e-6;

/// Excess over the baseline under which a cell counts as empty.
pub const SPARSE: f64 = 0.05;

/// z(k, k) over which two subspaces are said to agree at depth k.
pub const DEPTH_Z: f64 = 3.0;

/// Side of the top-left corner whose peak is reported.
pub const CORNER: usize = 8;

/// What a grid shows. Cells (i, j) count from 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The largest φ of the top-left 8 × 8.
    pub peak_8x8: Peak,
    /// The largest excess φ − baseline of the whole grid. (φ itself always peaks on the last row or column.)
    pub excess_peak: Peak,
    /// Mean of φ(1, j): how far the first direction of the first adapter lies within the second.
    pub horizontal: Band,
    /// Mean of φ(i, 1): how far the first direction of the second adapter lies within the first.
    pub vertical: Band,
    /// Share of cells with φ − baseline < [`SPARSE`], in [0, 1].
    pub sparsity: f64,
    /// The largest k with z(k′, k′) > [`DEPTH_Z`] for all k′ ≤ k; 0 when there is none; `None` where z means nothing.
    pub depth: Option<usize>,
    /// φ(1, 1).
    pub phi_1_1: Cell,
    /// φ(8, 8), the last cell of that corner, where the grid has it.
    pub phi_8_8: Option<Cell>,
    /// φ(r, r) with r the smaller side of the grid.
    pub phi_r_r: Cell,
}

/// A largest value and its cell.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Peak {
    /// φ, or its excess over the baseline.
    pub value: f64,
    /// Row of the cell, from 1.
    pub i: usize,
    /// Column of the cell, from 1.
    pub j: usize,
}

/// The first row or the first column.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Band {
    /// Mean of φ over the band.
    pub mean: f64,
    /// Mean of φ − baseline over the band.
    pub excess: f64,
    /// The word for it.
    pub strength: Strength,
}

/// The word for a band.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Strength {
    /// Excess of [`STRONG`] or more, beyond chance.
    Strong,
    /// Excess of [`WEAK`] or more, beyond chance.
    Weak,
    /// Less, or within chance ([`CHANCE`]).
    None,
}

impl fmt::Display for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Strong => "strong",
            Self::Weak => "weak",
            Self::None => "none",
        })
    }
}

/// One diagonal cell, and what chance would give.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cell {
    /// i and j, from 1.
    pub k: usize,
    /// φ(k, k).
    pub phi: f64,
    /// k/d.
    pub baseline: f64,
    /// Standard deviations over the baseline; `None` where φ is certain or z means nothing.
    pub z: Option<f64>,
}

impl Summary {
    /// Reads a grid.
    pub fn of(grid: &Grid) -> Self {
        let cells = || (1..=grid.n_rows()).flat_map(|i| (1..=grid.n_cols()).map(move |j| (i, j)));
        let smaller = grid.n_rows().min(grid.n_cols());
        let n_cells = grid.values().len() as f64;
        let n_sparse = cells().filter(|&(i, j)| excess(grid, i, j) < SPARSE).count() as f64;
        let deep = |&k: &usize| chance::z(grid, k, k).is_some_and(|z| z > DEPTH_Z);
        Self {
            peak_8x8: peak(cells().filter(|&(i, j)| i.max(j) <= CORNER), |i, j| phi(grid, i, j)),
            excess_peak: peak(cells(), |i, j| excess(grid, i, j)),
            horizontal: band(grid, grid.n_cols(), |j| (1, j)),
            vertical: band(grid, grid.n_rows(), |i| (i, 1)),
            sparsity: n_sparse / n_cells,
            depth: Some((1..=smaller).take_while(deep).count()),
            phi_1_1: diagonal(grid, 1),
            phi_8_8: (smaller >= CORNER).then(|| diagonal(grid, CORNER)),
            phi_r_r: diagonal(grid, smaller),
        }
    }
}

impl Summary {
    /// The same without z, which tests only independence: of two checkpoints that are known not to be independent, such
    /// as those of one random start.
    pub fn of_dependent(mut self) -> Self {
        self.depth = None;
        let cells = [Some(&mut self.phi_1_1), self.phi_8_8.as_mut(), Some(&mut self.phi_r_r)];
        cells.into_iter().flatten().for_each(|cell| cell.z = None);
        self
    }
}

fn phi(grid: &Grid, i: usize, j: usize) -> f64 {
    grid.phi(i, j).expect("the caller asks for cells of the grid")
}

fn excess(grid: &Grid, i: usize, j: usize) -> f64 {
    phi(grid, i, j) - chance::baseline(i, j, grid.d())
}

fn peak(cells: impl Iterator<Item = (usize, usize)>, value: impl Fn(usize, usize) -> f64) -> Peak {
    let first = Peak { value: f64::NEG_INFINITY, i: 1, j: 1 };
    cells.fold(first, |best, (i, j)| {
        let value = value(i, j);
        if value > best.value { Peak { value, i, j } } else { best }
    })
}

fn band(grid: &Grid, n: usize, cell: impl Fn(usize) -> (usize, usize)) -> Band {
    let mean_of = |value: &dyn Fn(usize, usize) -> f64| {
        let sum: f64 = (1..=n).map(&cell).map(|(i, j)| value(i, j)).sum();
        sum / n as f64
    };
    let mean = mean_of(&|i, j| phi(grid, i, j));
    let excess = mean_of(&|i, j| excess(grid, i, j));
    let strength = if chance::band_tail(mean, n, grid.d()) > CHANCE || excess < WEAK {
        Strength::None
    } else if excess < STRONG {
        Strength::Weak
    } else {
        Strength::Strong
    };
    Band { mean, excess, strength }
}

fn diagonal(grid: &Grid, k: usize) -> Cell {
    Cell { k, phi: phi(grid, k, k), baseline: chance::baseline(k, k, grid.d()), z: chance::z(grid, k, k) }
}
