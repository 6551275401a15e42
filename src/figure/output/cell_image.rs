//! An area of cells as an image of its own, for formats that place images on a page.

use crate::engine::Painter;
use crate::error::Result;
use crate::figure::scene::{CellArea, Scene};
use crate::kernels::colormap::{Band, Cells};

/// Pixels a cell has at least, so that a viewer that smooths images blurs only the rims of cells.
const LEAST_PX: usize = 8;
/// Sides up to which cells get that many.
const SIDE_PX: usize = 2048;

/// The pixels of an area of cells, RGB. Every cell has the same whole number of them.
pub(super) struct CellImage {
    pub(super) width_px: usize,
    pub(super) height_px: usize,
    pub(super) rgb: Vec<u8>,
}

impl CellImage {
    /// The area as the colormap stage paints it, at the resolution of the scene at least.
    ///
    /// # Errors
    /// What the painter answers.
    pub(super) fn of(area: &CellArea<'_>, scene: &Scene<'_>, painter: &dyn Painter) -> Result<Self> {
        let shown = scene.area(&area.rect);
        let width_px = side_px(area.n_cols, shown.width_px);
        let height_px = side_px(area.n_rows, shown.height_px);
        let cells = Cells { n_rows: area.n_rows, n_cols: area.n_cols, values: &area.values };
        let painted = painter.colormap(&cells, &area.colors, &Band::whole(width_px, height_px))?;
        let mut rgb: Vec<u8> = Vec::with_capacity(3 * painted.len());
        rgb.extend(painted.iter().flat_map(|pixel| {
            let [red, green, blue, _] = pixel.to_le_bytes();
            [red, green, blue]
        }));
        let per_row = height_px / area.n_rows;
        for (y_px, line) in rgb.chunks_exact_mut(3 * width_px).enumerate() {
            area.put_gaps(line, y_px / per_row);
        }
        Ok(Self { width_px, height_px, rgb })
    }
}

/// Pixels along a side of `n` cells that is shown in `shown_px`.
fn side_px(n: usize, shown_px: usize) -> usize {
    n * shown_px.div_ceil(n).max(LEAST_PX.min(SIDE_PX / n)).max(1)
}
