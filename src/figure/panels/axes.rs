//! A panel of the figure with its axes: i down the left side, j along the bottom.

use super::panel::Panel;
use crate::figure::axis_style::AxisStyle;
use crate::figure::color_bar::ColorScale;
use crate::figure::page::{LABEL_GAP_PT, Page, ROW_LABELS_APART_PT, TICK_LENGTH_PT, TICK_PT};
use crate::figure::scene::{CellArea, Rect};
use crate::figure::text::{ASCENT, DESCENT, DIGIT_HEIGHT, Face, Text};
use crate::figure::ticks::{self, Axis};

/// Type size of the letters i and j.
const LETTER_PT: f64 = 10.0;
/// Type size of the name of a row.
pub(super) const ROW_LABEL_PT: f64 = 10.0;
/// Between the name of a row and the letter i.
const ROW_LABEL_GAP_PT: f64 = 6.0;
/// Least distance between labels of columns.
const COL_LABELS_APART_PT: f64 = 5.0;

/// Room that row labels up to `n_rows` take at the left of a panel. Digits are all of one width, so the largest number is
/// as wide as any label.
pub(super) fn row_labels_pt(n_rows: usize) -> f64 {
    TICK_LENGTH_PT + LABEL_GAP_PT + Face::Upright.width(&n_rows.to_string()) * TICK_PT
}

/// Room that the name of a row takes at the left of all.
pub(super) fn row_label_pt() -> f64 {
    (ASCENT + DESCENT) * ROW_LABEL_PT + ROW_LABEL_GAP_PT
}

/// Room that the letter i takes at the left of the row labels, or with the name of what it counts, which runs upwards.
pub(super) fn row_letter_pt(is_named: bool) -> f64 {
    let width_pt = if is_named { ASCENT + DESCENT } else { Face::Italic.width("i") };
    width_pt * LETTER_PT + 2.0 * LABEL_GAP_PT
}

/// The letter of an axis and what it counts directions of: i (W).
fn letter(letter: &str, name: Option<&str>) -> Text {
    let text = Text::letter(letter, LETTER_PT);
    let Some(name) = name else { return text };
    let mut text = text.upright(" (", LETTER_PT);
    for part in name.split_inclusive('W') {
        let words = part.strip_suffix('W');
        text = text.upright(words.unwrap_or(part), LETTER_PT);
        if words.is_some() {
            text = text.italic("W", LETTER_PT);
        }
    }
    text.upright(")", LETTER_PT)
}

/// Draws a panel in its frame.
pub(super) fn panel<'a>(page: &mut Page<'a>, rect: Rect, panel: &'a Panel, colors: &ColorScale) {
    let gaps = panel.gaps(page.canvas().theme());
    page.panel(CellArea {
        rect,
        n_rows: panel.n_rows(),
        n_cols: panel.n_cols(),
        values: panel.shown_values(),
        gaps,
        colors: colors.table(),
    });
}

/// Draws the letter i, its right end at `right_pt`, at the middle of a panel; the left edge of its room.
pub(super) fn row_letter(
    page: &mut Page<'_>,
    rect: Rect,
    name: Option<&str>,
    axis: &AxisStyle,
    right_pt: f64,
) -> f64 {
    let text = axis.text(LETTER_PT).unwrap_or_else(|| letter("i", name));
    if name.is_some() || axis.label.is_some() {
        let text = text.within(rect.height_pt.max(LETTER_PT));
        let x_pt = right_pt - 2.0 * LABEL_GAP_PT - text.descent_pt();
        let left_pt = x_pt - text.ascent_pt();
        page.turned(x_pt, rect.y_pt + 0.5 * rect.height_pt, text);
        return left_pt - ROW_LABEL_GAP_PT;
    }
    let x_pt = right_pt - 2.0 * LABEL_GAP_PT - text.width_pt;
    page.text(x_pt, rect.y_pt + 0.5 * (rect.height_pt + DIGIT_HEIGHT * LETTER_PT), text);
    x_pt - ROW_LABEL_GAP_PT
}

/// Draws ticks and labels of the rows at the left of a panel; the left edge of the labels.
pub(super) fn row_labels(page: &mut Page<'_>, rect: Rect, n_rows: usize, axis: &AxisStyle) -> f64 {
    let cell_pt = rect.height_pt / n_rows as f64;
    let right_pt = rect.x_pt - TICK_LENGTH_PT - LABEL_GAP_PT;
    let mut left_pt = right_pt;
    let own = || ticks::cells(Axis::Rows, n_rows, cell_pt, ROW_LABELS_APART_PT, |_| DIGIT_HEIGHT * TICK_PT);
    for i in axis.cells(n_rows).unwrap_or_else(own) {
        let y_pt = rect.y_pt + (i as f64 - 0.5) * cell_pt;
        page.horizontal_tick(rect.x_pt - TICK_LENGTH_PT, y_pt);
        let text = Text::plain(&i.to_string(), TICK_PT);
        let x_pt = right_pt - text.width_pt;
        left_pt = left_pt.min(x_pt);
        page.text(x_pt, y_pt + 0.5 * DIGIT_HEIGHT * TICK_PT, text);
    }
    left_pt
}

/// Draws ticks and labels of the columns under a panel, and the letter j; the lower edge of it.
pub(super) fn col_labels(page: &mut Page<'_>, rect: Rect, panel: &Panel, axis: &AxisStyle) -> f64 {
    let n_cols = panel.n_cols();
    let cell_pt = rect.width_pt / n_cols as f64;
    let baseline_pt = rect.bottom_pt() + TICK_LENGTH_PT + LABEL_GAP_PT + DIGIT_HEIGHT * TICK_PT;
    let width_pt = |j: usize| Face::Upright.width(&j.to_string()) * TICK_PT;
    let own = || ticks::cells(Axis::Cols, n_cols, cell_pt, COL_LABELS_APART_PT, width_pt);
    for j in axis.cells(n_cols).unwrap_or_else(own) {
        let x_pt = rect.x_pt + (j as f64 - 0.5) * cell_pt;
        page.vertical_tick(x_pt, rect.bottom_pt());
        page.centred(x_pt, baseline_pt, Text::plain(&j.to_string(), TICK_PT));
    }
    let letter_y_pt = baseline_pt + 1.5 * LABEL_GAP_PT + ASCENT * LETTER_PT;
    let text = axis.text(LETTER_PT).map(|text| text.within(rect.width_pt));
    let text = text.unwrap_or_else(|| letter("j", panel.axis_name(1)));
    page.centred(rect.x_pt + 0.5 * rect.width_pt, letter_y_pt, text);
    letter_y_pt + DESCENT * LETTER_PT
}
