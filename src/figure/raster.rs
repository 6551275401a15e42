//! Paints bands of a scene into pixels.
//!
//! Every item is painted from its place on the whole canvas, and only then cut to the band, so that the height of the
//! bands changes no byte.

use tiny_skia::{FillRule, LineCap, LineJoin, Mask, Path, PathBuilder, Stroke, Transform};

use super::canvas::Canvas;
use super::font::Pen;
use super::scene::{Item, Picture, Rect, Scene};
use super::text::{Piece, Text};
use crate::engine::Engine;
use crate::error::Result;
use crate::kernels::colormap::{Band, Cells, ColorTable};

/// The grey level of values that are missing, which no palette has.
const MISSING: u8 = 216;

/// A scene with what it takes to paint it.
pub(crate) struct Raster<'a> {
    pub scene: &'a Scene<'a>,
    pub canvas: Canvas,
    pub table: &'a ColorTable,
    pub engine: &'a dyn Engine,
}

/// Rows of pixels of the canvas, RGB.
struct PixelRows<'a> {
    width_px: usize,
    y_px: usize,
    n_rows_px: usize,
    rgb: &'a mut [u8],
}

/// A rectangle in whole pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PxRect {
    pub left: usize,
    pub top: usize,
    pub right: usize,
    pub bottom: usize,
}

impl Raster<'_> {
    /// Paints the rows from `y_px` on, as many as `rgb` holds, on white.
    ///
    /// # Errors
    /// `Gpu` when the engine fails.
    pub fn paint(&self, y_px: usize, rgb: &mut [u8]) -> Result<()> {
        let width_px = self.canvas.width_px() as usize;
        rgb.fill(255);
        let mut strip = PixelRows { width_px, y_px, n_rows_px: rgb.len() / (3 * width_px), rgb };
        for item in &self.scene.items {
            match item {
                Item::Picture(picture) => self.picture(picture, &mut strip)?,
                Item::Frame { rect, width_pt } => self.frame(rect, *width_pt, &mut strip),
                Item::Bar(rect) => strip.fill(self.thin(rect)),
                Item::Text { x_pt, y_pt, text } => self.text(*x_pt, *y_pt, text, &mut strip),
                Item::Line { points_pt, width_pt, color } => {
                    self.line(points_pt, *width_pt, *color, &mut strip);
                }
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
        x_pt / self.canvas.px_pt()
    }

    fn picture(&self, picture: &Picture<'_>, strip: &mut PixelRows<'_>) -> Result<()> {
        let rect = pixels(&picture.rect, &self.canvas);
        let Some((first, last)) = strip.rows(rect) else { return Ok(()) };
        let width_px = rect.right - rect.left;
        let cells = Cells { n_rows: picture.n_rows, n_cols: picture.n_cols, values: &picture.values };
        let band = Band {
            width_px,
            height_px: rect.bottom - rect.top,
            y_px: first - rect.top,
            n_rows_px: last - first,
        };
        let painted = self.engine.colormap(&cells, self.table, &band)?;
        for (y_px, row) in (first..last).zip(painted.chunks_exact(width_px)) {
            let to = strip.row(y_px, rect.left, rect.right);
            for (to, from) in to.chunks_exact_mut(3).zip(row) {
                to.copy_from_slice(&from.to_le_bytes()[..3]);
            }
            if picture.has_gaps {
                let i = (y_px - rect.top) * picture.n_rows / band.height_px;
                let cells = &picture.values[i * picture.n_cols..(i + 1) * picture.n_cols];
                for (x_px, to) in to.chunks_exact_mut(3).enumerate() {
                    if cells[x_px * picture.n_cols / width_px].is_nan() {
                        to.fill(MISSING);
                    }
                }
            }
        }
        Ok(())
    }

    fn line(&self, points_pt: &[(f64, f64)], width_pt: f64, color: [u8; 3], strip: &mut PixelRows<'_>) {
        let mut path = PathBuilder::new();
        for (n, &(x_pt, y_pt)) in points_pt.iter().enumerate() {
            let (x, y) = (self.px(x_pt) as f32, self.px(y_pt) as f32);
            if n == 0 { path.move_to(x, y) } else { path.line_to(x, y) }
        }
        let stroke = Stroke {
            width: self.px(width_pt).max(1.0) as f32,
            line_cap: LineCap::Round,
            line_join: LineJoin::Round,
            ..Stroke::default()
        };
        if let Some(path) = path.finish().and_then(|path| path.stroke(&stroke, 1.0)) {
            strip.cover(&path, 0, 0, color);
        }
    }

    /// A line's width in whole pixels: thin lines keep their contrast at any resolution.
    fn line_px(&self, width_pt: f64) -> usize {
        self.px(width_pt).round().max(1.0) as usize
    }

    fn frame(&self, rect: &Rect, width_pt: f64, strip: &mut PixelRows<'_>) {
        let width = self.line_px(width_pt);
        let inner = pixels(rect, &self.canvas);
        let outer = PxRect {
            left: inner.left.saturating_sub(width),
            top: inner.top.saturating_sub(width),
            right: inner.right + width,
            bottom: inner.bottom + width,
        };
        strip.fill(PxRect { bottom: inner.top, ..outer });
        strip.fill(PxRect { top: inner.bottom, ..outer });
        strip.fill(PxRect { right: inner.left, ..outer });
        strip.fill(PxRect { left: inner.right, ..outer });
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

    fn text(&self, x_pt: f64, y_pt: f64, text: &Text, strip: &mut PixelRows<'_>) {
        let (top, bottom) = (self.px(y_pt - 1.5 * text.ascent_pt()), self.px(y_pt + 1.5 * text.descent_pt()));
        if (strip.y_px + strip.n_rows_px) as f64 <= top - 2.0 || strip.y_px as f64 >= bottom + 2.0 {
            return;
        }
        for piece in &text.pieces {
            self.piece(x_pt + piece.x_pt, y_pt + piece.y_pt, piece, strip);
        }
    }

    fn piece(&self, x_pt: f64, y_pt: f64, piece: &Piece, strip: &mut PixelRows<'_>) {
        let size_px = self.px(piece.size_pt);
        // Baselines on whole pixels: digits of one line must not differ in sharpness.
        let baseline = self.px(y_pt).round() as i64;
        for (character, x_em) in piece.face.advances(&piece.text).0 {
            let x_px = self.px(x_pt) + x_em * size_px;
            let left = x_px.floor();
            let mut outline =
                Outline { path: PathBuilder::new(), scale: size_px as f32, x_px: (x_px - left) as f32 };
            piece.face.outline(character, &mut outline);
            if let Some(path) = outline.path.finish() {
                strip.cover(&path, left as i64, baseline, [0; 3]);
            }
        }
    }
}

/// The whole pixels of a rectangle that was laid out on them.
pub(crate) fn pixels(rect: &Rect, canvas: &Canvas) -> PxRect {
    let px = |x_pt: f64| (x_pt / canvas.px_pt()).round() as usize;
    PxRect {
        left: px(rect.x_pt),
        top: px(rect.y_pt),
        right: px(rect.right_pt()),
        bottom: px(rect.bottom_pt()),
    }
}

impl PixelRows<'_> {
    /// The rows of the canvas that lie in both the strip and the rectangle.
    fn rows(&self, rect: PxRect) -> Option<(usize, usize)> {
        let (first, last) = (rect.top.max(self.y_px), rect.bottom.min(self.y_px + self.n_rows_px));
        (first < last).then_some((first, last))
    }

    fn row(&mut self, y_px: usize, left: usize, right: usize) -> &mut [u8] {
        let start = (y_px - self.y_px) * self.width_px;
        &mut self.rgb[3 * (start + left.min(self.width_px))..3 * (start + right.min(self.width_px))]
    }

    fn fill(&mut self, rect: PxRect) {
        if let Some((first, last)) = self.rows(rect) {
            for y_px in first..last {
                self.row(y_px, rect.left, rect.right).fill(0);
            }
        }
    }

    /// Fills an outline whose origin is the pixel corner (`x_px`, `y_px`) of the canvas.
    fn cover(&mut self, path: &Path, x_px: i64, y_px: i64, color: [u8; 3]) {
        let bounds = path.bounds();
        let (left, top) = (bounds.left().floor(), bounds.top().floor());
        let (width, height) = ((bounds.right() - left).ceil(), (bounds.bottom() - top).ceil());
        let (first, last) = (y_px + top as i64, y_px + (top + height) as i64);
        if last <= self.y_px as i64 || first >= (self.y_px + self.n_rows_px) as i64 {
            return;
        }
        let Some(mut mask) = Mask::new(width.max(1.0) as u32, height.max(1.0) as u32) else { return };
        mask.fill_path(path, FillRule::Winding, true, Transform::from_translate(-left, -top));
        let x_px = x_px + left as i64;
        for (y_px, coverage) in (first..).zip(mask.data().chunks_exact(mask.width() as usize)) {
            let Ok(y_px) = usize::try_from(y_px) else { continue };
            if !(self.y_px..self.y_px + self.n_rows_px).contains(&y_px) {
                continue;
            }
            for (x_px, &coverage) in (x_px..).zip(coverage) {
                let Ok(x_px) = usize::try_from(x_px) else { continue };
                for (channel, ink) in self.row(y_px, x_px, x_px + 1).iter_mut().zip(color) {
                    let (under, over) = (u16::from(*channel), u16::from(coverage));
                    *channel = ((under * (255 - over) + u16::from(ink) * over + 127) / 255) as u8;
                }
            }
        }
    }
}

/// Collects an outline in pixels, y down.
struct Outline {
    path: PathBuilder,
    scale: f32,
    x_px: f32,
}

impl Pen for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        self.path.move_to(self.x_px + x * self.scale, -y * self.scale);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.path.line_to(self.x_px + x * self.scale, -y * self.scale);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let (dx, scale) = (self.x_px, self.scale);
        self.path.quad_to(dx + x1 * scale, -y1 * scale, dx + x * scale, -y * scale);
    }

    fn close(&mut self) {
        self.path.close();
    }
}
