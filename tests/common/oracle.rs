//! The definition of φ itself, in f64: a norm for each cell, no sums carried.

/// φ(i, j) = ‖U[:i]·V[:j]ᵀ‖²_F / min(i, j) for bases as rows of `d` numbers.
pub struct Oracle {
    n_rows: usize,
    n_cols: usize,
    product: Vec<f64>,
}

impl Oracle {
    pub fn new(u: &[f32], v: &[f32], d: usize) -> Self {
        let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
        let (u, v) = (wide(u), wide(v));
        let rows = u.chunks(d);
        let product = rows.flat_map(|u| v.chunks(d).map(|v| u.iter().zip(v).map(|(x, y)| x * y).sum()));
        Self { n_rows: u.len() / d, n_cols: v.len() / d, product: product.collect() }
    }

    /// One cell, counted from 1.
    pub fn phi(&self, i: usize, j: usize) -> f64 {
        let corner = self.product.chunks(self.n_cols).take(i).flat_map(|row| &row[..j]);
        corner.map(|p| p * p).sum::<f64>() / i.min(j) as f64
    }

    /// The largest |φ − `values`| over every cell, or, where there are over 20,000, over some 500 that are spread evenly
    /// and stand in the last column and at the end: a norm a cell takes that long.
    pub fn worst(&self, values: &[f32]) -> f64 {
        assert_eq!(values.len(), self.n_rows * self.n_cols);
        let n_cells = values.len();
        // Odd, so that the cells do not fall into a few columns of an even width.
        let stride = if n_cells > 20_000 { (n_cells / 500) | 1 } else { 1 };
        let edges = (1..=self.n_rows).step_by(61).map(|i| (i, self.n_cols));
        let cells = (0..n_cells).step_by(stride).map(|at| (at / self.n_cols + 1, at % self.n_cols + 1));
        cells.chain(edges).chain([(self.n_rows, self.n_cols)]).fold(0.0, |worst, (i, j)| {
            let value = f64::from(values[(i - 1) * self.n_cols + j - 1]);
            worst.max((value - self.phi(i, j)).abs())
        })
    }
}
