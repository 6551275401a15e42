//! `shaders/prefix_carry.wgsl`: carries prefix sums across the tiles of a grid, for ranks over one tile.

use super::similarity::{SIDE, TILE};
use super::{Binding, Kernel, sources};

/// The kernel. Its tiles are those of [`super::similarity::KERNEL`].
pub const KERNEL: Kernel = Kernel {
    name: "prefix_carry",
    source: sources::PREFIX_CARRY,
    bindings: &[Binding::Read, Binding::Read, Binding::ReadWrite],
    overrides: &[("SIDE", SIDE as f64)],
};

// The shader gives a row, a column and a tile row of corners an invocation each.
const _: () = assert!(3 * TILE <= (SIDE * SIDE) as usize);

/// The kernel's work in plain loops, sums in f64: from the prefix sums within each tile of a grid of `n_cols` columns
/// to φ of the whole.
pub fn prefix_carry(sums: &[f32], n_cols: usize) -> Vec<f64> {
    let n_rows = sums.len() / n_cols;
    let at = |row: usize, col: usize| f64::from(sums[row * n_cols + col]);
    let edges = |end: usize| (1..=end / TILE).map(|tile| tile * TILE - 1);
    let mut phi = Vec::with_capacity(sums.len());
    for row in 0..n_rows {
        for col in 0..n_cols {
            let left: f64 = edges(col).map(|edge| at(row, edge)).sum();
            let above: f64 = edges(row).map(|edge| at(edge, col)).sum();
            let corner: f64 = edges(row).flat_map(|i| edges(col).map(move |j| at(i, j))).sum();
            phi.push((at(row, col) + left + above + corner) / (row.min(col) + 1) as f64);
        }
    }
    phi
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_ones_carry_to_the_area() {
        let (n_rows, n_cols) = (TILE + 3, 2 * TILE + 1);
        let sums: Vec<f32> = (0..n_rows * n_cols)
            .map(|at| ((at / n_cols % TILE + 1) * (at % n_cols % TILE + 1)) as f32)
            .collect();
        for (at, phi) in prefix_carry(&sums, n_cols).iter().enumerate() {
            let (i, j) = (at / n_cols + 1, at % n_cols + 1);
            assert_eq!(*phi, i.max(j) as f64, "({i}, {j})");
        }
    }
}
