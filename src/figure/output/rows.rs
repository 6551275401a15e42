//! Rows of pixels that are painted together, and how outlines and rectangles cover them.

use tiny_skia::{FillRule, Mask, Path, Transform};

/// Rows of pixels of the canvas, RGB.
pub(super) struct PixelRows<'a> {
    pub(super) width_px: usize,
    /// The first row's place on the canvas.
    pub(super) y_px: usize,
    pub(super) n_rows_px: usize,
    pub(super) rgb: &'a mut [u8],
}

/// A rectangle in whole pixels of the canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PxRect {
    pub(super) left: usize,
    pub(super) top: usize,
    pub(super) right: usize,
    pub(super) bottom: usize,
}

impl PixelRows<'_> {
    /// The rows of the canvas that lie in both these rows and the rectangle.
    pub(super) fn rows(&self, rect: PxRect) -> Option<(usize, usize)> {
        let (first, last) = (rect.top.max(self.y_px), rect.bottom.min(self.y_px + self.n_rows_px));
        (first < last).then_some((first, last))
    }

    pub(super) fn row(&mut self, y_px: usize, left: usize, right: usize) -> &mut [u8] {
        let start = (y_px - self.y_px) * self.width_px;
        &mut self.rgb[3 * (start + left.min(self.width_px))..3 * (start + right.min(self.width_px))]
    }

    pub(super) fn fill(&mut self, rect: PxRect, color: [u8; 3]) {
        if let Some((first, last)) = self.rows(rect) {
            for y_px in first..last {
                let row = self.row(y_px, rect.left, rect.right);
                row.chunks_exact_mut(3).for_each(|pixel| pixel.copy_from_slice(&color));
            }
        }
    }

    /// Fills an outline whose origin is the pixel corner (`x_px`, `y_px`) of the canvas.
    pub(super) fn cover(&mut self, path: &Path, x_px: i64, y_px: i64, color: [u8; 3]) {
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
