//! What cells say of themselves, where all of them have room for it.

use super::Heatmap;
use crate::figure::color_bar::ColorScale;
use crate::figure::page::Page;
use crate::figure::scene::Rect;
use crate::figure::text::{DIGIT_HEIGHT, Face, Text};

/// The largest and the smallest type.
const SIZES_PT: (f64, f64) = (7.5, 5.0);
/// White on either side.
const INSET_PT: f64 = 1.5;

/// The width of the widest text.
pub(super) fn width_pt(of: &Heatmap) -> f64 {
    of.numbers.iter().map(|text| Face::Upright.width(text)).fold(0.0, f64::max) * SIZES_PT.0
}

/// Draws the texts of all cells of a matrix in this rectangle, or of none.
pub(super) fn draw(page: &mut Page<'_>, rect: Rect, of: &Heatmap, colors: &ColorScale) {
    if of.numbers.len() != of.values.len() {
        return;
    }
    let n_cols = of.n_cols();
    let (cell_w_pt, cell_h_pt) = (rect.width_pt / n_cols as f64, rect.height_pt / of.rows.len() as f64);
    let widest = width_pt(of) / SIZES_PT.0;
    let size_pt = SIZES_PT.0.min((cell_w_pt - 2.0 * INSET_PT) / widest.max(1e-3));
    if size_pt < SIZES_PT.1 || size_pt > cell_h_pt - 2.0 * INSET_PT {
        return;
    }
    for (at, (text, &value)) in of.numbers.iter().zip(&of.values).enumerate() {
        if text.is_empty() {
            continue;
        }
        let x_pt = rect.x_pt + ((at % n_cols) as f64 + 0.5) * cell_w_pt;
        let y_pt = rect.y_pt + ((at / n_cols) as f64 + 0.5) * cell_h_pt + 0.5 * DIGIT_HEIGHT * size_pt;
        page.centred(x_pt, y_pt, Text::plain(text, size_pt).colored(colors.ink_on(value)));
    }
}
