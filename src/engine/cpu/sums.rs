//! From products to φ while they are in the cache: squares, summed down the rows for every column by itself, and then
//! along the columns where a cell is wanted. Plain sums in f64, in the order of the rows and of the columns.

use super::product::PANEL;

/// For every column of a group the sums over the rows of one basis so far.
#[derive(Debug, Default)]
pub(super) struct Sums {
    /// Σᵢ P²ᵢⱼ.
    squares: Vec<f64>,
    /// Σᵢ wᵢ·P²ᵢⱼ, wᵢ the row's weight.
    weighted: Vec<f64>,
}

/// Rows of a product, `scales.len()` columns wide, and what belongs to each row.
pub(super) struct Rows<'a> {
    pub(super) products: &'a [f32],
    /// What the columns are to be multiplied by.
    pub(super) scales: &'a [f32],
    pub(super) row_scales: &'a [f32],
    pub(super) row_weights: &'a [f64],
}

impl Sums {
    /// Zeros for the rows of the next basis.
    pub(super) fn restart(&mut self, n_columns: usize) {
        for sums in [&mut self.squares, &mut self.weighted] {
            sums.clear();
            sums.resize(n_columns, 0.0);
        }
    }

    /// Adds rows, in the columns from `first_panel` on.
    #[inline(always)]
    pub(super) fn add(&mut self, rows: &Rows<'_>, first_panel: usize) {
        let (products, width) = (rows.products.as_chunks::<PANEL>().0, rows.scales.len() / PANEL);
        let scales = &rows.scales.as_chunks::<PANEL>().0[..width];
        let squares = &mut self.squares.as_chunks_mut::<PANEL>().0[..width];
        let weighted = &mut self.weighted.as_chunks_mut::<PANEL>().0[..width];
        for panel in first_panel..width {
            let (mut down, mut down_weighted) = (squares[panel], weighted[panel]);
            let products = products[panel..].iter().step_by(width);
            for ((products, &scale), &weight) in products.zip(rows.row_scales).zip(rows.row_weights) {
                for l in 0..PANEL {
                    let product = f64::from(products[l] * scale * scales[panel][l]);
                    // Exact: two f32 of 24 bits each.
                    let square = product * product;
                    down[l] += square;
                    down_weighted[l] += weight * square;
                }
            }
            (squares[panel], weighted[panel]) = (down, down_weighted);
        }
    }

    /// Σᵢⱼ P²ᵢⱼ over the rows so far and these columns, added to `sum`.
    #[inline(always)]
    pub(super) fn along(&self, columns: std::ops::Range<usize>, sum: f64) -> f64 {
        self.squares[columns].iter().fold(sum, |sum, square| sum + square)
    }

    /// Σᵢⱼ wᵢ·wⱼ·P²ᵢⱼ over the rows so far and the columns from `start` on that have weights.
    #[inline(always)]
    pub(super) fn weighted(&self, start: usize, weights: &[f64]) -> f64 {
        let weighted = &self.weighted[start..start + weights.len()];
        weighted.iter().zip(weights).fold(0.0, |sum, (square, weight)| sum + weight * square)
    }
}
