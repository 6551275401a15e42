//! `shaders/colormap.wgsl`: cell values to pixels through a palette, by comparisons and integer look-ups only.

use bytemuck::{Pod, Zeroable};

use super::{Binding, Kernel, MAX_WORKGROUPS, sources};
use crate::error::{Fault, Remedy, Result};

/// The kernel.
pub const KERNEL: Kernel = Kernel {
    name: "colormap",
    source: sources::COLORMAP,
    bindings: &[Binding::Read, Binding::Read, Binding::Uniform, Binding::ReadWrite],
    overrides: &[("WIDTH", WORKGROUP as f64), ("HEIGHT", WORKGROUP as f64)],
};

/// Invocations a side of a workgroup, one a pixel.
const WORKGROUP: u32 = 16;

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
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
#[repr(C)]
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
            .remedy(Remedy::OrderRange)
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

/// The kernel's uniforms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Params {
    /// Rows of cells.
    pub n_rows: u32,
    /// Columns of cells.
    pub n_cols: u32,
    /// Width of the whole panel.
    pub width_px: u32,
    /// Height of the whole panel.
    pub height_px: u32,
    /// First row of pixels to paint.
    pub y_px: u32,
    /// Rows of pixels to paint.
    pub n_rows_px: u32,
}

impl Params {
    /// The uniforms of one band, checked: the kernel itself is loaded without bounds checks.
    ///
    /// # Errors
    /// `Invalid` when the band leaves the panel, a side is 0, the values do not fill the cells, or a product of a
    /// panel's side and its cells is over 32 bits.
    pub fn new(cells: &Cells<'_>, band: &Band) -> Result<Self> {
        let in_reach = |px: usize| px.div_ceil(WORKGROUP as usize) <= MAX_WORKGROUPS as usize;
        let filled =
            cells.n_rows.checked_mul(cells.n_cols) == Some(cells.values.len()) && !cells.values.is_empty();
        let inside = band.y_px.checked_add(band.n_rows_px).is_some_and(|end| end <= band.height_px);
        let narrow =
            |px: usize, n: usize| px.checked_mul(n).is_some_and(|product| u32::try_from(product).is_ok());
        let small = narrow(band.height_px, cells.n_rows)
            && narrow(band.width_px, cells.n_cols)
            && narrow(band.width_px, band.n_rows_px)
            && in_reach(band.width_px)
            && in_reach(band.n_rows_px);
        if !filled || !inside || !small || band.width_px == 0 || band.n_rows_px == 0 {
            return Err(Fault::new(
                format!(
                    "{} values for {} × {} cells, {} rows from {} on of {} × {} pixels",
                    cells.values.len(),
                    cells.n_rows,
                    cells.n_cols,
                    band.n_rows_px,
                    band.y_px,
                    band.width_px,
                    band.height_px
                ),
                "filled cells and a band inside its panel, within 32 bits",
            )
            .of("panel")
            .invalid());
        }
        Ok(Self {
            n_rows: cells.n_rows as u32,
            n_cols: cells.n_cols as u32,
            width_px: band.width_px as u32,
            height_px: band.height_px as u32,
            y_px: band.y_px as u32,
            n_rows_px: band.n_rows_px as u32,
        })
    }

    /// Workgroups (x, y) that cover the band.
    pub fn dispatch_size(&self) -> (u32, u32) {
        (self.width_px.div_ceil(WORKGROUP), self.n_rows_px.div_ceil(WORKGROUP))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn grey() -> [[u8; 3]; 256] {
        std::array::from_fn(|k| [k as u8; 3])
    }

    #[test]
    fn a_value_takes_the_color_of_its_256th_and_ends_take_the_end_colors() {
        let table = ColorTable::new(&grey(), 0.0, 0.5).unwrap();
        let values = [-1.0, 0.0, 0.5 / 256.0, 0.25, 0.4999, 0.5, 7.0];
        let cells = Cells { n_rows: 1, n_cols: 7, values: &values };
        let reds: Vec<u32> =
            colormap(&cells, &table, &Band::whole(7, 1)).iter().map(|color| color & 255).collect();
        assert_eq!(reds, [0, 0, 1, 128, 255, 255, 255]);
    }

    #[test]
    fn refuses_a_range_that_is_empty_reversed_or_not_finite() {
        for (vmin, vmax) in [(0.5, 0.5), (0.5, 0.0), (0.0, f64::NAN), (0.0, f64::INFINITY), (1.0, 1.0 + 1e-9)]
        {
            assert!(ColorTable::new(&grey(), vmin, vmax).is_err(), "{vmin} {vmax}");
        }
    }

    #[test]
    fn refuses_a_band_outside_its_panel_and_cells_without_values() {
        let cells = Cells { n_rows: 2, n_cols: 2, values: &[0.0; 4] };
        assert_eq!(Params::new(&cells, &Band::whole(33, 16)).unwrap().dispatch_size(), (3, 1));
        let band = Band { width_px: 4, height_px: 4, y_px: 2, n_rows_px: 3 };
        assert!(Params::new(&cells, &band).is_err());
        assert!(Params::new(&cells, &Band::whole(0, 4)).is_err());
        assert!(Params::new(&cells, &Band::whole(4, usize::MAX)).is_err());
        assert!(Params::new(&cells, &Band::whole(2_000_000, 1)).is_err());
        assert!(Params::new(&Cells { n_rows: 3, ..cells }, &Band::whole(4, 4)).is_err());
    }
}
