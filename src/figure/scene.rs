//! The description of a plot that every output is drawn from: text, lines and areas of cells, placed in points (1/72 in).
//!
//! x grows to the right and y down from the top left corner. Nothing here depends on the output's resolution except
//! that areas of cells are placed on whole pixels of it.

use std::borrow::Cow;
use std::sync::Arc;

use super::canvas::Canvas;
use super::text::Text;
use crate::kernels::colormap::ColorTable;

/// A plot that is laid out: all in the ink of its canvas but for cells and coloured lines.
#[derive(Debug)]
pub struct Scene<'a> {
    pub(super) canvas: Canvas,
    pub(super) height_px: u32,
    /// The title in plain letters, for what a file says of itself.
    pub(super) title: String,
    /// How it was made, for what a file says of itself.
    pub(super) recipe: Option<String>,
    /// The heatmaps, which are drawn first.
    pub(super) panels: Vec<CellArea<'a>>,
    pub(super) color_bar: Option<CellArea<'a>>,
    /// Drawn over the cells, in this order.
    pub(super) items: Vec<Item>,
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

impl<'a> Scene<'a> {
    /// Records how it was made: a text chunk of a PNG, a property of a PDF, metadata of an SVG.
    pub fn recipe(mut self, recipe: Option<&str>) -> Self {
        self.recipe = recipe.map(str::to_owned);
        self
    }

    /// Width of the whole.
    pub fn width_px(&self) -> usize {
        self.canvas.width_px() as usize
    }

    /// Height of the whole.
    pub fn height_px(&self) -> usize {
        self.height_px as usize
    }

    /// Where the heatmaps lie, in the order in which they were added, to point at their cells.
    pub fn panels(&self) -> Vec<Area> {
        self.panels.iter().map(|cells| self.area(&cells.rect)).collect()
    }

    /// Where the colour bar lies, the high end at its top; `None` for a plot without cells.
    pub fn color_bar(&self) -> Option<Area> {
        self.color_bar.as_ref().map(|cells| self.area(&cells.rect))
    }

    /// Width and height of the printed page.
    pub(super) fn size_pt(&self) -> (f64, f64) {
        let inch = |n_px: usize| 72.0 * n_px as f64 / self.canvas.dpi();
        (inch(self.width_px()), inch(self.height_px()))
    }

    /// All areas of cells.
    pub(super) fn cells(&self) -> impl Iterator<Item = &CellArea<'a>> {
        self.panels.iter().chain(&self.color_bar)
    }

    /// The whole pixels of a rectangle that was laid out on them.
    pub(super) fn area(&self, rect: &Rect) -> Area {
        let px = |x_pt: f64| (x_pt / self.canvas.px_pt()).round() as usize;
        let (x_px, y_px) = (px(rect.x_pt), px(rect.y_pt));
        Area { x_px, y_px, width_px: px(rect.right_pt()) - x_px, height_px: px(rect.bottom_pt()) - y_px }
    }
}

/// One thing to draw.
#[derive(Debug)]
pub(super) enum Item {
    /// A line of text; (x, y) is the start of its baseline. One that is turned runs upwards.
    Text { x_pt: f64, y_pt: f64, text: Text, is_turned: bool },
    /// A filled rectangle, in practice a thin one: a tick.
    Bar(Rect),
    /// A line round a rectangle, outside of it.
    Frame { rect: Rect, width_pt: f64 },
    /// A line through points, in a colour or in ink.
    Line { points_pt: Vec<(f64, f64)>, width_pt: f64, color: Option<[u8; 3]> },
    /// A filled shape with straight sides.
    Polygon { points_pt: Vec<(f64, f64)>, color: [u8; 3] },
    /// A filled circle.
    Dot { x_pt: f64, y_pt: f64, radius_pt: f64, color: [u8; 3] },
}

/// A matrix of values to be painted into a rectangle, each cell with sharp edges.
#[derive(Debug)]
pub(super) struct CellArea<'a> {
    pub(super) rect: Rect,
    pub(super) n_rows: usize,
    pub(super) n_cols: usize,
    /// n_rows × n_cols values, row-major.
    pub(super) values: Cow<'a, [f32]>,
    /// What NaN is painted in, where it stands for a value that is missing.
    pub(super) gaps: Option<[u8; 3]>,
    pub(super) colors: Arc<ColorTable>,
}

impl CellArea<'_> {
    /// Paints the missing values of cell row `row` over a line of its pixels, RGB.
    pub(super) fn put_gaps(&self, line: &mut [u8], row: usize) {
        let Some(color) = self.gaps else { return };
        let values = &self.values[row * self.n_cols..(row + 1) * self.n_cols];
        let width_px = line.len() / 3;
        for (x_px, pixel) in line.chunks_exact_mut(3).enumerate() {
            if values[x_px * self.n_cols / width_px].is_nan() {
                pixel.copy_from_slice(&color);
            }
        }
    }
}

/// A rectangle by its top left corner and its size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rect {
    pub(super) x_pt: f64,
    pub(super) y_pt: f64,
    pub(super) width_pt: f64,
    pub(super) height_pt: f64,
}

impl Rect {
    /// The rectangle with this much more on every side.
    pub(super) fn grown(&self, by_pt: f64) -> Self {
        let (width_pt, height_pt) = (self.width_pt + 2.0 * by_pt, self.height_pt + 2.0 * by_pt);
        Self { x_pt: self.x_pt - by_pt, y_pt: self.y_pt - by_pt, width_pt, height_pt }
    }

    /// The right edge.
    pub(super) fn right_pt(&self) -> f64 {
        self.x_pt + self.width_pt
    }

    /// The bottom edge.
    pub(super) fn bottom_pt(&self) -> f64 {
        self.y_pt + self.height_pt
    }
}

/// What tests ask of a scene.
#[cfg(test)]
impl Scene<'_> {
    /// The rectangles that everything stays within, each with a name for messages.
    pub(super) fn bounds(&self) -> Vec<(String, Rect)> {
        let cells = self.cells().map(|cells| ("cells".to_owned(), cells.rect));
        cells.chain(self.items.iter().map(|item| (format!("{item:?}"), item.bounds()))).collect()
    }

    /// Whether everything lies on the canvas; what does not, for a message.
    pub(super) fn outside(&self) -> Option<String> {
        let (width_pt, height_pt) = (self.canvas.width_pt(), f64::from(self.height_px) * self.canvas.px_pt());
        let is_inside = |rect: &Rect| {
            rect.x_pt >= 0.0
                && rect.y_pt >= 0.0
                && rect.right_pt() <= width_pt
                && rect.bottom_pt() <= height_pt
        };
        self.bounds()
            .into_iter()
            .find(|(_, rect)| !is_inside(rect))
            .map(|(name, rect)| format!("{name} {rect:?}"))
    }

    /// Two texts that lie over each other, for a message.
    pub(super) fn overlapping_texts(&self) -> Option<String> {
        let texts: Vec<(String, Rect)> = self
            .items
            .iter()
            .filter_map(|item| match item {
                Item::Text { text, .. } if !text.pieces.is_empty() => Some((text.letters(), item.bounds())),
                _ => None,
            })
            .collect();
        // Boxes have room for accents above and for subscripts below, which most letters do not take.
        let (x_pt, y_pt) = (0.3, 1.5);
        let overlaps = |a: &Rect, b: &Rect| {
            a.x_pt + x_pt < b.right_pt()
                && b.x_pt + x_pt < a.right_pt()
                && a.y_pt + y_pt < b.bottom_pt()
                && b.y_pt + y_pt < a.bottom_pt()
        };
        texts.iter().enumerate().find_map(|(n, (first, a))| {
            let (second, b) = texts[n + 1..].iter().find(|(_, b)| overlaps(a, b))?;
            Some(format!("`{first}` {a:?} and `{second}` {b:?}"))
        })
    }

    /// All texts, each in one string.
    pub(super) fn texts(&self) -> Vec<String> {
        let text = |item: &Item| match item {
            Item::Text { text, .. } => Some(text.pieces.iter().map(|piece| piece.text.as_str()).collect()),
            _ => None,
        };
        self.items.iter().filter_map(text).collect()
    }
}

#[cfg(test)]
impl Item {
    /// The rectangle that the item stays within.
    fn bounds(&self) -> Rect {
        match self {
            Self::Text { x_pt, y_pt, text, is_turned: true } => Rect {
                x_pt: x_pt - text.ascent_pt(),
                y_pt: y_pt - text.width_pt,
                width_pt: text.ascent_pt() + text.descent_pt(),
                height_pt: text.width_pt,
            },
            Self::Text { x_pt, y_pt, text, is_turned: false } => Rect {
                x_pt: *x_pt,
                y_pt: y_pt - text.ascent_pt(),
                width_pt: text.width_pt,
                height_pt: text.ascent_pt() + text.descent_pt(),
            },
            Self::Bar(rect) => *rect,
            Self::Frame { rect, width_pt } => rect.grown(*width_pt),
            Self::Line { points_pt, width_pt, .. } => around(points_pt, *width_pt),
            Self::Polygon { points_pt, .. } => around(points_pt, 0.0),
            Self::Dot { x_pt, y_pt, radius_pt, .. } => Rect {
                x_pt: x_pt - radius_pt,
                y_pt: y_pt - radius_pt,
                width_pt: 2.0 * radius_pt,
                height_pt: 2.0 * radius_pt,
            },
        }
    }
}

/// The rectangle round points that are joined by a line of this width.
#[cfg(test)]
fn around(points_pt: &[(f64, f64)], width_pt: f64) -> Rect {
    let side = |of: fn(&(f64, f64)) -> f64| {
        let ends =
            points_pt.iter().map(of).fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)));
        (ends.0 - 0.5 * width_pt, ends.1 - ends.0 + width_pt)
    };
    let ((x_pt, width_pt), (y_pt, height_pt)) = (side(|point| point.0), side(|point| point.1));
    Rect { x_pt, y_pt, width_pt, height_pt }
}
