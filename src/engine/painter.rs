//! What paints the cells of a heatmap: the colormap kernel of a GPU, or this CPU painter. Both give the same bytes.

use crate::error::Result;
use crate::kernels::colormap::{Band, Cells, ColorTable, Params};

/// What turns the values of cells into pixels.
pub trait Painter: Send + Sync {
    /// Paints a band of a panel: `band.n_rows_px` × `band.width_px` pixels, row-major, packed as
    /// red | green << 8 | blue << 16 | alpha << 24. The same bytes from every painter.
    ///
    /// # Errors
    /// `Invalid` when the band leaves the panel or values are missing; `Gpu` when the device fails.
    fn colormap(&self, cells: &Cells<'_>, table: &ColorTable, band: &Band) -> Result<Vec<u32>>;
}

/// Paints on the calling thread; there is nothing to open.
#[derive(Debug, Clone, Copy, Default)]
pub struct CpuPainter;

impl Painter for CpuPainter {
    fn colormap(&self, cells: &Cells<'_>, table: &ColorTable, band: &Band) -> Result<Vec<u32>> {
        Params::new(cells, band)?;
        let colors: Vec<u32> = cells
            .values
            .iter()
            .map(|value| table.colors[table.edges.partition_point(|edge| edge <= value)])
            .collect();
        let columns: Vec<usize> = (0..band.width_px).map(|x| x * cells.n_cols / band.width_px).collect();
        let mut pixels = Vec::with_capacity(band.n_rows_px * band.width_px);
        let mut painted = None;
        for y in band.y_px..band.y_px + band.n_rows_px {
            let row = y * cells.n_rows / band.height_px;
            if painted == Some(row) {
                // The same row of cells as the line above: the same bytes.
                pixels.extend_from_within(pixels.len() - band.width_px..);
            } else {
                let colors = &colors[row * cells.n_cols..];
                pixels.extend(columns.iter().map(|&column| colors[column]));
                painted = Some(row);
            }
        }
        Ok(pixels)
    }
}
