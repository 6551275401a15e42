//! The paper's figures: heatmaps of φ(i, j) side by side, with titles, ticks and one colour bar.
//!
//! A figure is laid out into a scene of text, lines and pictures in points; outputs are drawn from that scene alone.
//! Pictures are painted by the engine's colormap kernel at the resolution they are shown in, text from the embedded
//! font, so that a figure has the same bytes on every machine.

mod canvas;
mod drawing;
mod font;
mod heatmap;
mod layout;
mod line_chart;
mod page;
mod palette;
mod panel;
mod png;
mod raster;
mod scene;
mod text;
mod ticks;
mod titles;
mod tree;

use std::io::Write;

use image::RgbImage;

pub use heatmap::Heatmap;
pub use line_chart::{Line, LineChart};
pub use palette::Palette;
pub use panel::Panel;
pub use tree::Merge;

use crate::engine::Engine;
use crate::error::{Fault, Result};
use crate::kernels::colormap::ColorTable;
use canvas::Canvas;
use drawing::Drawing;
use scene::Item;

/// A figure to be drawn: panels side by side, at most four in a row, and one colour bar for all.
///
/// ```
/// use lorascope::engine::CpuEngine;
/// use lorascope::figure::{Figure, Panel};
/// use lorascope::Grid;
///
/// # fn main() -> lorascope::Result<()> {
/// let grid = Grid::new(2, 2, 384, vec![0.9, 0.9, 0.9, 0.5])?;
/// let figure = Figure::new('A').panel(Panel::module("layers.0.q_proj", grid)).dpi(100.0);
/// let mut png = Vec::new();
/// figure.write_png(&CpuEngine::default(), &mut png)?;
/// assert!(png.starts_with(b"\x89PNG"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Figure {
    symbol: String,
    panels: Vec<Panel>,
    palette: Palette,
    vmin: f64,
    vmax: f64,
    width_in: Option<f64>,
    dpi: f64,
}

/// Where the pictures of a figure lie, in pixels from its top left corner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Areas {
    /// Width of the figure.
    pub width_px: usize,
    /// Height of the figure.
    pub height_px: usize,
    /// The heatmap of each panel, in the order they were added.
    pub panels: Vec<Area>,
    /// The colour bar, the high end at its top.
    pub color_bar: Area,
}

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    /// Pixels left of it.
    pub x_px: usize,
    /// Pixels above it.
    pub y_px: usize,
    /// Its width.
    pub width_px: usize,
    /// Its height.
    pub height_px: usize,
}

impl Figure {
    /// A figure without panels, of the matrices that `symbol` stands for in the title: `'A'`, `'B'` or `"ΔW"`.
    pub fn new(symbol: impl Into<String>) -> Self {
        Self {
            symbol: symbol.into(),
            panels: Vec::new(),
            palette: Palette::default(),
            vmin: 0.0,
            vmax: 0.5,
            width_in: None,
            dpi: 300.0,
        }
    }

    /// Adds a panel on the right, or at the left of a new row under four others.
    pub fn panel(mut self, panel: Panel) -> Self {
        self.panels.push(panel);
        self
    }

    /// The colours; default: [`Palette::Rocket`].
    pub fn palette(mut self, palette: Palette) -> Self {
        self.palette = palette;
        self
    }

    /// The values at the ends of the colours; default: 0.0 to 0.5. Values past an end take its colour.
    pub fn range(mut self, vmin: f64, vmax: f64) -> Self {
        (self.vmin, self.vmax) = (vmin, vmax);
        self
    }

    /// A scale from `vmin` to the largest φ of the modules that were added, rounded up to a whole tenth and at least 0.1
    /// over `vmin`.
    pub fn range_from(self, vmin: f64) -> Self {
        let modules = self.panels.iter().filter(|panel| !panel.is_control());
        let values = modules.flat_map(|panel| panel.grid.values());
        let largest = values.fold(0.0f32, |largest, &value| largest.max(value)).min(1.0);
        // An engine's rounding must not open another tenth.
        let tenths = (f64::from(largest) * 10.0 - 1e-3).ceil();
        let vmax = (tenths / 10.0).max(vmin + 0.1);
        self.range(vmin, vmax)
    }

    /// The width of the whole figure in inches; default: 4 for each panel in a row. The height follows.
    pub fn width_in(mut self, width_in: f64) -> Self {
        self.width_in = Some(width_in);
        self
    }

    /// Pixels an inch; default: 300. Text and lines keep their size in print.
    pub fn dpi(mut self, dpi: f64) -> Self {
        self.dpi = dpi;
        self
    }

    /// Writes the figure as an 8-bit RGB PNG that knows its resolution, holding a few rows in memory at a time.
    ///
    /// # Errors
    /// `Invalid` when there is no panel, the ends of the scale are not in order, the resolution is under 20, or the
    /// width leaves no room; `Limit` when a side is over 32,767 pixels or the whole over 2²⁹; `Gpu` when the engine
    /// fails; `Io` when the writer fails.
    pub fn write_png(&self, engine: &dyn Engine, writer: impl Write) -> Result<()> {
        self.drawing()?.write_png(engine, writer)
    }

    /// The figure's pixels: those that [`Figure::write_png`] writes.
    ///
    /// # Errors
    /// As [`Figure::write_png`], but for `Io`.
    pub fn render(&self, engine: &dyn Engine) -> Result<RgbImage> {
        self.drawing()?.render(engine)
    }

    /// Where the heatmaps and the colour bar lie in the pixels, to point at cells in them.
    ///
    /// # Errors
    /// As [`Figure::render`].
    pub fn areas(&self) -> Result<Areas> {
        let drawing = self.drawing()?;
        let mut pictures = drawing.scene.items.iter().filter_map(|item| match item {
            Item::Picture(picture) => Some(drawing.area(picture)),
            _ => None,
        });
        let panels = pictures.by_ref().take(self.panels.len()).collect();
        Ok(Areas {
            width_px: drawing.canvas.width_px() as usize,
            height_px: drawing.height_px as usize,
            panels,
            color_bar: pictures.next().expect("a scene ends its pictures with the colour bar"),
        })
    }

    fn drawing(&self) -> Result<Drawing<'_>> {
        if self.panels.is_empty() {
            return Err(Fault::new("no panel", "at least one").of("figure").invalid());
        }
        let table = ColorTable::new(self.palette.colors(), self.vmin, self.vmax)?;
        let canvas = Canvas::new(self.inches(), self.dpi)?;
        Drawing::new(canvas, layout::scene(self, &canvas)?, table)
    }

    fn inches(&self) -> f64 {
        self.width_in.unwrap_or(4.0 * self.panels.len().min(layout::MAX_PER_ROW) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::CpuEngine;
    use crate::measure::Grid;

    fn figure() -> Figure {
        let values = (0..12).map(|k| k as f32 / 20.0).collect();
        let grid = Grid::new(3, 4, 36, values).unwrap();
        Figure::new('A').panel(Panel::module("l.q_proj", grid.clone())).panel(Panel::control(grid)).dpi(60.0)
    }

    #[test]
    fn bands_of_any_height_give_the_same_pixels() {
        let (figure, engine): (_, CpuEngine) = (figure(), Default::default());
        let whole = figure.render(&engine).unwrap();
        let drawing = figure.drawing().unwrap();
        for band_px in [1, 7, 64, 100_000] {
            let mut rgb = Vec::new();
            for band in whole.chunks(3 * whole.width() as usize * band_px) {
                let mut painted = vec![7; band.len()];
                let y_px = rgb.len() / (3 * whole.width() as usize);
                drawing.raster(&engine).paint(y_px, &mut painted).unwrap();
                rgb.extend(painted);
            }
            assert!(rgb == *whole.as_raw(), "bands of {band_px} rows differ");
        }
    }

    #[test]
    fn a_range_from_the_values_ends_at_the_next_tenth() {
        let with = |largest: f32| {
            let grid = Grid::new(1, 2, 8, vec![0.0, largest]).unwrap();
            let control = Panel::control(Grid::new(1, 1, 8, vec![0.99]).unwrap());
            let figure = Figure::new('A').panel(Panel::module("q", grid)).panel(control);
            figure.range_from(0.0).vmax
        };
        for (largest, vmax) in
            [(0.0, 0.1), (0.31, 0.4), (0.4, 0.4), (0.400_001, 0.4), (0.97, 1.0), (1.000_01, 1.0)]
        {
            assert!((with(largest) - vmax).abs() < 1e-12, "{largest} gives {}", with(largest));
        }
        assert_eq!(figure().range_from(0.7).vmax, 0.7 + 0.1);
    }
}
