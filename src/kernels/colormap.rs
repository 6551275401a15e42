//! `shaders/colormap.wgsl`: cell values to pixels through a palette, by comparisons and integer look-ups alone.

use crate::error::{Fault, Result};

/// A matrix of values to paint, row-major, (n_rows, n_cols).
#[derive(Debug, Clone, Copy)]
pub struct Cells<'a> {
    /// Rows of cells.
    pub n_rows: usize,
    /// Columns of cells.
    pub n_cols: usize,
    /// n_rows × n_cols finite values.
    pub values: &'a [f32],
}

/// What turns a value into a colour: 256 colours and the 255 values that part them.
///
/// The edges are computed once, in f64, so that every engine and driver only compares and paints the same bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct ColorTable {
    /// Ascending: a value takes the colour whose index is the number of edges at or below it.
    pub edges: [f32; 255],
    /// Packed as red | green << 8 | blue << 16 | 255 << 24, so that little-endian bytes are RGBA.
    pub colors: [u32; 256],
}

impl ColorTable {
    /// A linear scale from `vmin` to `vmax` over the 256 colours; values past the ends take the end colour.
    ///
    /// # Errors
    /// `Invalid` unless `vmin < vmax`, both finite, far enough apart for 255 f32 edges in order.
    pub fn new(palette: &[[u8; 3]; 256], vmin: f64, vmax: f64) -> Result<Self> {
        let edges = std::array::from_fn(|k| (vmin + (vmax - vmin) * (k + 1) as f64 / 256.0) as f32);
        if !edges.is_sorted_by(|a, b| a < b) || !edges[0].is_finite() || !edges[254].is_finite() {
            return Err(Fault::new(
                format!("{vmin} to {vmax}"),
                "a lower end below the upper one, both finite",
            )
            .of("colour range")
            .hint("choose --vmin below --vmax")
            .invalid());
        }
        let colors = palette.map(|[red, green, blue]| u32::from_le_bytes([red, green, blue, 255]));
        Ok(Self { edges, colors })
    }
}

/// The rows of a panel's picture to paint now. Pixel (x, y) of the panel shows cell
/// (⌊y · n_rows / height_px⌋, ⌊x · n_cols / width_px⌋).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Band {
    /// Width of the whole panel.
    pub width_px: usize,
    /// Height of the whole panel.
    pub height_px: usize,
    /// First row of pixels to paint.
    pub y_px: usize,
    /// Rows of pixels to paint.
    pub n_rows_px: usize,
}

impl Band {
    /// The whole of a panel.
    pub fn whole(width_px: usize, height_px: usize) -> Self {
        Self { width_px, height_px, y_px: 0, n_rows_px: height_px }
    }
}

/// The kernel's work in plain loops: `band.n_rows_px` × `band.width_px` packed pixels, row-major.
pub fn colormap(cells: &Cells<'_>, table: &ColorTable, band: &Band) -> Vec<u32> {
    let mut pixels = Vec::with_capacity(band.n_rows_px * band.width_px);
    for y in band.y_px..band.y_px + band.n_rows_px {
        for x in 0..band.width_px {
            let i = y * cells.n_rows / band.height_px;
            let j = x * cells.n_cols / band.width_px;
            let value = cells.values[i * cells.n_cols + j];
            let color = table.edges.iter().filter(|&&edge| edge <= value).count();
            pixels.push(table.colors[color]);
        }
    }
    pixels
}
