//! φ at every cell of a pair.

use pulp::{Simd, WithSimd};

use super::tile::{Scratch, Tile};

/// Every cell of a tile that is one pair, row-major.
pub(super) struct WholeGrid<'a> {
    pub(super) tile: Tile<'a>,
    pub(super) scratch: &'a mut Scratch,
    pub(super) values: &'a mut Vec<f32>,
}

impl WithSimd for WholeGrid<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { tile, scratch: Scratch { products, sums, .. }, values } = self;
        let (n_rows, n_cols) = (tile.a.ranks[0], tile.b.ranks[0]);
        sums.restart(tile.group_b.n_rows());
        let whole = std::array::from_fn(|_| 0..tile.a.d);
        tile.row_runs(simd, whole, products, |run, [products]| {
            for i in run.start..run.end.min(n_rows) {
                sums.add(&tile.rows(i..i + 1, run.start, products), 0);
                let mut sum = 0.0;
                values.extend((0..n_cols).map(|j| {
                    sum = sums.along(j..j + 1, sum);
                    (sum / (i.min(j) + 1) as f64) as f32
                }));
            }
        });
    }
}
