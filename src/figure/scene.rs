//! The description of a figure that every output is drawn from: text, lines and pictures placed in points (1/72 in).
//!
//! x grows to the right and y down from the top left corner. Nothing here depends on the output's resolution except
//! that pictures are placed on whole pixels of it.

use std::borrow::Cow;

use super::text::Text;

/// A figure ready to be drawn, all in black on white but for its pictures and coloured lines.
#[derive(Debug)]
pub(crate) struct Scene<'a> {
    /// The height that the content took; the width is the canvas's.
    pub height_pt: f64,
    /// Drawn in this order.
    pub items: Vec<Item<'a>>,
}

/// One thing to draw.
#[derive(Debug)]
pub(crate) enum Item<'a> {
    /// A line of text; (x, y) is the left end of its baseline.
    Text { x_pt: f64, y_pt: f64, text: Text },
    /// A filled rectangle, in practice a thin one: a tick.
    Bar(Rect),
    /// A line round a rectangle, outside of it.
    Frame { rect: Rect, width_pt: f64 },
    /// A line through points, in a colour.
    Line { points_pt: Vec<(f64, f64)>, width_pt: f64, color: [u8; 3] },
    /// A filled circle.
    Dot { x_pt: f64, y_pt: f64, radius_pt: f64, color: [u8; 3] },
    /// A matrix painted through the figure's colours.
    Picture(Picture<'a>),
}

/// A matrix of values to be painted into a rectangle, each cell with sharp edges.
#[derive(Debug)]
pub(crate) struct Picture<'a> {
    pub rect: Rect,
    pub n_rows: usize,
    pub n_cols: usize,
    /// n_rows × n_cols values, row-major.
    pub values: Cow<'a, [f32]>,
    /// Whether NaN stands for a value that is missing, which is painted grey.
    pub has_gaps: bool,
}

/// A rectangle by its top left corner and its size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rect {
    pub x_pt: f64,
    pub y_pt: f64,
    pub width_pt: f64,
    pub height_pt: f64,
}

impl Rect {
    /// The right edge.
    pub fn right_pt(&self) -> f64 {
        self.x_pt + self.width_pt
    }

    /// The bottom edge.
    pub fn bottom_pt(&self) -> f64 {
        self.y_pt + self.height_pt
    }
}

impl Item<'_> {
    /// The rectangle that the item stays within.
    #[cfg(test)]
    pub fn bounds(&self) -> Rect {
        match self {
            Self::Text { x_pt, y_pt, text } => Rect {
                x_pt: *x_pt,
                y_pt: y_pt - text.ascent_pt(),
                width_pt: text.width_pt,
                height_pt: text.ascent_pt() + text.descent_pt(),
            },
            Self::Bar(rect) => *rect,
            Self::Frame { rect, width_pt } => Rect {
                x_pt: rect.x_pt - width_pt,
                y_pt: rect.y_pt - width_pt,
                width_pt: rect.width_pt + 2.0 * width_pt,
                height_pt: rect.height_pt + 2.0 * width_pt,
            },
            Self::Line { points_pt, width_pt, .. } => {
                let around = |of: fn(&(f64, f64)) -> f64| {
                    let ends = points_pt
                        .iter()
                        .map(of)
                        .fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)));
                    (ends.0 - 0.5 * width_pt, ends.1 - ends.0 + width_pt)
                };
                let ((x_pt, width_pt), (y_pt, height_pt)) =
                    (around(|point| point.0), around(|point| point.1));
                Rect { x_pt, y_pt, width_pt, height_pt }
            }
            Self::Dot { x_pt, y_pt, radius_pt, .. } => Rect {
                x_pt: x_pt - radius_pt,
                y_pt: y_pt - radius_pt,
                width_pt: 2.0 * radius_pt,
                height_pt: 2.0 * radius_pt,
            },
            Self::Picture(picture) => picture.rect,
        }
    }
}
