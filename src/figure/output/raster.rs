//! Paints bands of a scene into pixels.
//!
//! Every item is painted from its place on the whole canvas, and only then cut to the band, so that the height of the
//! bands changes no byte.

use tiny_skia::{LineCap, LineJoin, PathBuilder, Stroke};

use super::rows::{PixelRows, PxRect};
use crate::engine::Painter;
use crate::error::Result;
use crate::figure::scene::{CellArea, Item, Rect, Scene};
use crate::figure::text::{Pen, Piece, Text};
use crate::kernels::colormap::{Band, Cells};

/// Memory for the rows that are painted together.
const BAND_BYTES: usize = 2 << 20;

/// A scene with what it takes to paint it.
pub(super) struct Raster<'a> {
    pub(super) scene: &'a Scene<'a>,
    pub(super) painter: &'a dyn Painter,
}

impl Raster<'_> {
    /// Rows of pixels to paint at a time.
    pub(super) fn band_px(&self) -> usize {
        (BAND_BYTES / (3 * self.scene.width_px())).max(1)
    }

    /// Paints the rows from `y_px` on, as many as `rgb` holds, on the canvas's background.
    ///
    /// # Errors
    /// `Gpu` when the painter fails.
    pub(super) fn paint(&self, y_px: usize, rgb: &mut [u8]) -> Result<()> {
        let width_px = self.scene.width_px();
        let theme = self.scene.canvas.theme();
        rgb.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&theme.paper));
        let ink = theme.ink;
        let mut strip = PixelRows { width_px, y_px, n_rows_px: rgb.len() / (3 * width_px), rgb };
        for area in self.scene.cells() {
            self.cells(area, &mut strip)?;
        }
        for item in &self.scene.items {
            match item {
                Item::Frame { rect, width_pt } => self.frame(rect, *width_pt, &mut strip),
                Item::Bar(rect) => strip.fill(self.thin(rect), ink),
                Item::Text { x_pt, y_pt, text, is_turned } => {
                    let place = TextPlace { x_pt: *x_pt, y_pt: *y_pt, is_turned: *is_turned };
                    self.text(place, text, &mut strip);
                }
                Item::Line { points_pt, width_pt, color } => {
                    self.line(points_pt, *width_pt, color.unwrap_or(ink), &mut strip);
                }
                Item::Polygon { points_pt, color } => self.polygon(points_pt, *color, &mut strip),
                Item::Dot { x_pt, y_pt, radius_pt, color } => {
                    let [x, y, radius] = [*x_pt, *y_pt, *radius_pt].map(|pt| self.px(pt) as f32);
                    if let Some(path) = PathBuilder::from_circle(x, y, radius) {
                        strip.cover(&path, 0, 0, *color);
                    }
                }
            }
        }
        Ok(())
    }

    fn px(&self, x_pt: f64) -> f64 {
        x_pt / self.scene.canvas.px_pt()
    }

    /// The whole pixels of a rectangle that was laid out on them.
    fn pixels(&self, rect: &Rect) -> PxRect {
        let area = self.scene.area(rect);
        let (left, top) = (area.x_px, area.y_px);
        PxRect { left, top, right: left + area.width_px, bottom: top + area.height_px }
    }

    fn cells(&self, area: &CellArea<'_>, strip: &mut PixelRows<'_>) -> Result<()> {
        let rect = self.pixels(&area.rect);
        let Some((first, last)) = strip.rows(rect) else { return Ok(()) };
        let width_px = rect.right - rect.left;
        let cells = Cells { n_rows: area.n_rows, n_cols: area.n_cols, values: &area.values };
        let band = Band {
            width_px,
            height_px: rect.bottom - rect.top,
            y_px: first - rect.top,
            n_rows_px: last - first,
        };
        let painted = self.painter.colormap(&cells, &area.colors, &band)?;
        for (y_px, row) in (first..last).zip(painted.chunks_exact(width_px)) {
            let to = strip.row(y_px, rect.left, rect.right);
            for (to, from) in to.chunks_exact_mut(3).zip(row) {
                to.copy_from_slice(&from.to_le_bytes()[..3]);
            }
            area.put_gaps(to, (y_px - rect.top) * area.n_rows / band.height_px);
        }
        Ok(())
    }

    fn line(&self, points_pt: &[(f64, f64)], width_pt: f64, color: [u8; 3], strip: &mut PixelRows<'_>) {
        let stroke = Stroke {
            width: self.px(width_pt).max(1.0) as f32,
            line_cap: LineCap::Round,
            line_join: LineJoin::Round,
            ..Stroke::default()
        };
        let path = self.path(points_pt).finish();
        if let Some(path) = path.and_then(|path| path.stroke(&stroke, 1.0)) {
            strip.cover(&path, 0, 0, color);
        }
    }

    fn polygon(&self, points_pt: &[(f64, f64)], color: [u8; 3], strip: &mut PixelRows<'_>) {
        let mut path = self.path(points_pt);
        path.close();
        if let Some(path) = path.finish() {
            strip.cover(&path, 0, 0, color);
        }
    }

    /// Straight lines from point to point.
    fn path(&self, points_pt: &[(f64, f64)]) -> PathBuilder {
        let mut path = PathBuilder::new();
        for (n, &(x_pt, y_pt)) in points_pt.iter().enumerate() {
            let (x, y) = (self.px(x_pt) as f32, self.px(y_pt) as f32);
            if n == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
        }
        path
    }

    /// A line's width in whole pixels: thin lines keep their contrast at any resolution.
    fn line_px(&self, width_pt: f64) -> usize {
        self.px(width_pt).round().max(1.0) as usize
    }

    fn frame(&self, rect: &Rect, width_pt: f64, strip: &mut PixelRows<'_>) {
        let (width, ink) = (self.line_px(width_pt), self.scene.canvas.theme().ink);
        let inner = self.pixels(rect);
        let outer = PxRect {
            left: inner.left.saturating_sub(width),
            top: inner.top.saturating_sub(width),
            right: inner.right + width,
            bottom: inner.bottom + width,
        };
        strip.fill(PxRect { bottom: inner.top, ..outer }, ink);
        strip.fill(PxRect { top: inner.bottom, ..outer }, ink);
        strip.fill(PxRect { right: inner.left, ..outer }, ink);
        strip.fill(PxRect { left: inner.right, ..outer }, ink);
    }

    /// A thin rectangle: its long side to the nearest pixels, its short side a line round its middle.
    fn thin(&self, rect: &Rect) -> PxRect {
        let side = |from_pt: f64, length_pt: f64, is_thin: bool| {
            if is_thin {
                let width = self.line_px(length_pt);
                let start =
                    (self.px(from_pt + 0.5 * length_pt) - 0.5 * width as f64).round().max(0.0) as usize;
                (start, start + width)
            } else {
                (self.px(from_pt).round() as usize, self.px(from_pt + length_pt).round() as usize)
            }
        };
        let is_upright = rect.width_pt < rect.height_pt;
        let (left, right) = side(rect.x_pt, rect.width_pt, is_upright);
        let (top, bottom) = side(rect.y_pt, rect.height_pt, !is_upright);
        PxRect { left, top, right, bottom }
    }

    fn text(&self, place: TextPlace, text: &Text, strip: &mut PixelRows<'_>) {
        let TextPlace { x_pt, y_pt, is_turned } = place;
        let (above_pt, below_pt) = match is_turned {
            true => (text.width_pt + text.ascent_pt(), text.ascent_pt()),
            false => (1.5 * text.ascent_pt(), 1.5 * text.descent_pt()),
        };
        let (top, bottom) = (self.px(y_pt - above_pt), self.px(y_pt + below_pt));
        if (strip.y_px + strip.n_rows_px) as f64 <= top - 2.0 || strip.y_px as f64 >= bottom + 2.0 {
            return;
        }
        for piece in &text.pieces {
            let (x_pt, y_pt) = if is_turned {
                (x_pt + piece.y_pt, y_pt - piece.x_pt)
            } else {
                (x_pt + piece.x_pt, y_pt + piece.y_pt)
            };
            let color = text.color.unwrap_or(self.scene.canvas.theme().ink);
            self.piece(TextPlace { x_pt, y_pt, is_turned }, piece, color, strip);
        }
    }

    fn piece(&self, place: TextPlace, piece: &Piece, color: [u8; 3], strip: &mut PixelRows<'_>) {
        let size_px = self.px(piece.size_pt);
        let (x_px, y_px) = (self.px(place.x_pt), self.px(place.y_pt));
        for (character, x_em) in piece.face.advances(&piece.text).0 {
            // Baselines on whole pixels: digits of one line must not differ in sharpness.
            let (left, top, shift_px) = if place.is_turned {
                let y_px = y_px - x_em * size_px;
                (x_px.round(), y_px.ceil(), (0.0, y_px - y_px.ceil()))
            } else {
                let x_px = x_px + x_em * size_px;
                (x_px.floor(), y_px.round(), (x_px - x_px.floor(), 0.0))
            };
            let mut outline = Outline {
                path: PathBuilder::new(),
                scale: size_px as f32,
                shift_px: (shift_px.0 as f32, shift_px.1 as f32),
                is_turned: place.is_turned,
            };
            piece.face.outline(character, &mut outline);
            if let Some(path) = outline.path.finish() {
                strip.cover(&path, left as i64, top as i64, color);
            }
        }
    }
}

/// Where a text's baseline starts, and whether it runs upwards.
#[derive(Clone, Copy)]
struct TextPlace {
    x_pt: f64,
    y_pt: f64,
    is_turned: bool,
}

/// Collects an outline in pixels, y down.
struct Outline {
    path: PathBuilder,
    scale: f32,
    shift_px: (f32, f32),
    is_turned: bool,
}

impl Outline {
    fn px(&self, x: f32, y: f32) -> (f32, f32) {
        let (x, y) = if self.is_turned {
            (-y * self.scale, -x * self.scale)
        } else {
            (x * self.scale, -y * self.scale)
        };
        (self.shift_px.0 + x, self.shift_px.1 + y)
    }
}

impl Pen for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.px(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.px(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.px(x1, y1), self.px(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn cubic_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.px(x1, y1), self.px(x2, y2), self.px(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::CpuPainter;
    use crate::figure::{Figure, Heatmap, Line, LineChart, Panel, Pixels, Plot, Style};
    use crate::measure::Grid;

    fn figure() -> Figure {
        let values = (0..12).map(|k| k as f32 / 20.0).collect();
        let grid = Grid::new(3, 4, 36, values).unwrap();
        Figure::new('A').panel(Panel::module("l.q_proj", grid.clone())).panel(Panel::control(grid))
    }

    fn heatmap() -> Heatmap {
        let names = ["a", "b"].map(String::from).to_vec();
        Heatmap::square(names, vec![1.0, f32::NAN, 0.5, 1.0]).unwrap().note("A note.")
    }

    fn line_chart() -> LineChart {
        let line =
            |name: &str, points: &[(f64, f64)]| Line { name: name.to_owned(), points: points.to_vec() };
        let lines = vec![line("a", &[(1.0, 0.3), (2.0, 0.1), (4.0, 0.9)]), line("b", &[(3.0, 0.5)])];
        LineChart::new(lines).unwrap().axes("step", "1 − ϕ(r, r)")
    }

    #[test]
    fn bands_of_any_height_give_the_same_pixels() {
        let style = Style::new().title("Title").dpi(55.0);
        let plots: [Box<dyn Plot>; 3] = [
            Box::new(figure().style(style.clone())),
            Box::new(heatmap().style(style.clone())),
            Box::new(line_chart().style(style)),
        ];
        for plot in plots {
            let scene = plot.scene().unwrap();
            let whole = Pixels::of(&scene, &CpuPainter).unwrap();
            let raster = Raster { scene: &scene, painter: &CpuPainter };
            let row_bytes = 3 * whole.width_px();
            for band_px in [1, 7, 64, 100_000] {
                let mut rgb = vec![7; whole.rgb().len()];
                for (n, band) in rgb.chunks_mut(row_bytes * band_px).enumerate() {
                    raster.paint(n * band_px, band).unwrap();
                }
                assert!(rgb == whole.rgb(), "bands of {band_px} rows differ");
            }
        }
    }
}
