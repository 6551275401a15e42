//! `shaders/similarity.wgsl` and `shaders/similarity_f16.wgsl`: product of two bases, squares, 2-D prefix sums and
//! division by min(i, j).

mod chunk;
mod precision;

use bytemuck::{Pod, Zeroable};

use super::{Binding, Kernel, sources};
use crate::error::{Fault, Result};

pub use chunk::{CHUNK, Chunk, N_CHUNKS};
pub(crate) use precision::HalfRows;
pub use precision::Precision;

/// The kernel for bases in f32.
pub const KERNEL: Kernel = Kernel {
    name: "similarity",
    source: sources::SIMILARITY,
    bindings: &[
        Binding::Read,
        Binding::Read,
        Binding::Read,
        Binding::ReadWrite,
        Binding::Uniform,
        Binding::ReadWrite,
    ],
    overrides: &[
        ("SIDE", SIDE as f64),
        ("STEP", STEP as f64),
        ("SLICE", SLICE as f64),
        ("CHUNK", CHUNK as f64),
        ("N_CHUNKS", N_CHUNKS as f64),
    ],
};

/// The kernel for bases in f16, as [`Precision::F16`] says.
pub const KERNEL_F16: Kernel = Kernel { name: "similarity_f16", source: sources::SIMILARITY_F16, ..KERNEL };

/// Invocations a side of a workgroup.
pub(crate) const SIDE: u32 = 16;

/// Cells a side of a tile: 4 for each invocation.
pub const TILE: usize = 4 * SIDE as usize;

/// Columns that are summed in one go, before the sums of the slices are added up. At most 256 columns keep φ within
/// 1e-5 on the direction 1/√d; 128 balance the two levels in a [`CHUNK`].
pub const SLICE: usize = 128;

/// Columns that are staged in workgroup memory at once.
const STEP: usize = 16;

// A step that crossed the end of a slice would count its columns twice.
const _: () = assert!(SLICE.is_multiple_of(STEP));

/// One tile of one pair's grid: the work of one workgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Tile {
    /// Where the pair's first basis starts in the first stack, in words of 32 bits.
    pub offset_a: u32,
    /// Where the second starts in the second stack.
    pub offset_b: u32,
    /// Rank of the first basis: rows of the grid.
    pub n_rows: u32,
    /// Rank of the second: columns of the grid.
    pub n_cols: u32,
    /// Numbers in a basis vector.
    pub d: u32,
    /// The tile's first row of cells.
    pub row: u32,
    /// The tile's first column of cells.
    pub col: u32,
    /// Where the pair's grid starts in the output.
    pub offset_grid: u32,
}

/// Where a pair's numbers lie in the stacks and the output, in words of 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// What the bases are kept in, and so the kernel that reads them.
    pub precision: Precision,
    /// First word of the first basis.
    pub offset_a: usize,
    /// First word of the second basis.
    pub offset_b: usize,
    /// First number of the grid.
    pub offset_grid: usize,
    /// Rank of the first basis.
    pub n_rows: usize,
    /// Rank of the second basis.
    pub n_cols: usize,
    /// Dimension of both.
    pub d: usize,
}

impl Placement {
    /// Whether one tile holds the whole grid, so that no carry pass is needed.
    pub fn fits_tile(&self) -> bool {
        self.n_rows <= TILE && self.n_cols <= TILE
    }

    /// The tiles of the pair's grid, row after row, checked against the lengths of the three buffers: the kernel itself
    /// is loaded without bounds checks.
    ///
    /// # Errors
    /// `Limit` when a basis or the grid ends past its buffer, or a buffer is too long for 32-bit indices.
    pub fn tiles(&self, lengths: Lengths) -> Result<Vec<Tile>> {
        let row_words = self.precision.row_words(self.d);
        let ends = [
            ("first basis", self.offset_a, self.n_rows, row_words, lengths.bases_a),
            ("second basis", self.offset_b, self.n_cols, row_words, lengths.bases_b),
            ("grid", self.offset_grid, self.n_rows, self.n_cols, lengths.grids),
        ];
        for (what, offset, rows, cols, length) in ends {
            let end = rows.checked_mul(cols).and_then(|size| size.checked_add(offset));
            let empty = rows == 0 || cols == 0 || self.d == 0;
            if end.is_none_or(|end| end > length) || u32::try_from(length).is_err() || empty {
                return Err(Fault::new(
                    format!("{rows} × {cols} words from {offset} on"),
                    format!("a place within a buffer of {length}, itself under 2³²"),
                )
                .of(what)
                .limit());
            }
        }
        let corners = (0..self.n_rows)
            .step_by(TILE)
            .flat_map(|row| (0..self.n_cols).step_by(TILE).map(move |col| (row as u32, col as u32)));
        Ok(corners
            .map(|(row, col)| Tile {
                offset_a: self.offset_a as u32,
                offset_b: self.offset_b as u32,
                n_rows: self.n_rows as u32,
                n_cols: self.n_cols as u32,
                d: self.d as u32,
                row,
                col,
                offset_grid: self.offset_grid as u32,
            })
            .collect())
    }
}

/// Words of 32 bits in each of the kernel's buffers.
#[derive(Debug, Clone, Copy)]
pub struct Lengths {
    /// The stack of first bases.
    pub bases_a: usize,
    /// The stack of second bases.
    pub bases_b: usize,
    /// The grids of the output, which the checks of the tiles follow.
    pub grids: usize,
}

/// Words of the output that a tile's checks take: the bits of a sum of its products, and a sum of what it wrote.
pub const CHECK_WORDS: usize = 2;

/// The sign of a basis vector in the check of the products: the tile's sum is that of all its products, each with the signs
/// of both vectors.
pub(crate) fn sign_of(vector: usize) -> f32 {
    let mixed = (vector as u32 + 1).wrapping_mul(0x9e37_79b1);
    if ((mixed ^ (mixed >> 15)).wrapping_mul(0x85eb_ca6b)) >> 31 == 1 { -1.0 } else { 1.0 }
}

/// The check of what was written to these words of the output: each times an odd number of its place.
pub fn written<'a>(words: impl IntoIterator<Item = (usize, &'a u32)>) -> u32 {
    let term = |(place, word): (usize, &u32)| word.wrapping_mul(2 * place as u32 + 1);
    words.into_iter().map(term).fold(0, u32::wrapping_add)
}

/// The kernel's work in plain loops, sums in f64: φ of the pair of bases `a` (n_rows, d) and `b` (n_cols, d),
/// row-major (n_rows, n_cols).
pub fn similarity(a: &[f32], b: &[f32], d: usize) -> Vec<f64> {
    let (n_rows, n_cols) = (a.len() / d, b.len() / d);
    let mut sums = vec![0.0; n_rows * n_cols];
    for i in 0..n_rows {
        let mut row_sum = 0.0;
        for j in 0..n_cols {
            let (u, v) = (&a[i * d..][..d], &b[j * d..][..d]);
            let p: f64 = u.iter().zip(v).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
            row_sum += p * p;
            let above = if i == 0 { 0.0 } else { sums[(i - 1) * n_cols + j] };
            sums[i * n_cols + j] = above + row_sum;
        }
    }
    let smaller_side = |at: usize| (at / n_cols).min(at % n_cols) + 1;
    sums.iter().enumerate().map(|(at, sum)| sum / smaller_side(at) as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placement(n_rows: usize, n_cols: usize) -> Placement {
        Placement {
            precision: Precision::F32,
            offset_a: 10,
            offset_b: 0,
            offset_grid: 5,
            n_rows,
            n_cols,
            d: 3,
        }
    }

    fn lengths(place: &Placement) -> Lengths {
        let row_words = place.precision.row_words(place.d);
        Lengths {
            bases_a: place.offset_a + place.n_rows * row_words,
            bases_b: place.n_cols * row_words,
            grids: place.offset_grid + place.n_rows * place.n_cols,
        }
    }

    #[test]
    fn tiles_cover_every_cell_once() {
        for (n_rows, n_cols) in [(1, 1), (64, 64), (65, 64), (64, 129), (130, 1), (512, 200)] {
            let place = placement(n_rows, n_cols);
            let tiles = place.tiles(lengths(&place)).unwrap();
            assert_eq!(tiles.len() == 1, place.fits_tile());
            let mut seen = vec![0; n_rows * n_cols];
            for tile in &tiles {
                for row in (tile.row as usize..n_rows).take(TILE) {
                    for col in (tile.col as usize..n_cols).take(TILE) {
                        seen[row * n_cols + col] += 1;
                    }
                }
            }
            assert!(seen.iter().all(|&count| count == 1), "{n_rows} × {n_cols}");
        }
    }

    #[test]
    fn refuses_a_pair_that_ends_past_a_buffer() {
        for (precision, d) in [(Precision::F32, 3), (Precision::F16, 6), (Precision::F16, 7)] {
            let place = Placement { precision, d, ..placement(64, 65) };
            let whole = lengths(&place);
            assert!(place.tiles(whole).is_ok());
            for short in [
                Lengths { bases_a: whole.bases_a - 1, ..whole },
                Lengths { bases_b: whole.bases_b - 1, ..whole },
                Lengths { grids: whole.grids - 1, ..whole },
            ] {
                assert!(place.tiles(short).is_err(), "{precision}: {short:?}");
            }
            let huge = Placement { n_rows: usize::MAX / 2, ..place };
            assert!(huge.tiles(whole).is_err());
            let past_32_bits = Lengths { bases_a: 1 << 32, ..whole };
            assert!(place.tiles(past_32_bits).is_err());
            assert!(Placement { n_rows: 0, ..place }.tiles(whole).is_err());
            assert!(Placement { d: 0, ..place }.tiles(whole).is_err());
        }
    }

    #[test]
    fn the_plain_loops_give_the_mean_of_cos_squared_for_planted_angles() {
        let (sin, cos) = 0.3f32.sin_cos();
        let a = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        let b = [cos, 0.0, sin, 0.0, 1.0, 0.0];
        let phi = similarity(&a, &b, 3);
        let square = f64::from(cos).powi(2);
        let expected = [square, square, square, (square + 1.0) / 2.0];
        assert!(phi.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{phi:?}");
    }
}
