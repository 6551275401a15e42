//! Names of rows and columns, with their ticks.

use super::Heatmap;
use crate::figure::page::{LABEL_GAP_PT, MARGIN_PT, Page, ROW_LABELS_APART_PT, TICK_LENGTH_PT, TICK_PT};
use crate::figure::scene::Rect;
use crate::figure::text::{DESCENT, DIGIT_HEIGHT, Face, Text, elide};
use crate::figure::ticks::{self, Axis};

/// Rows any lower have no name each.
const LOWEST_NAMED_PT: f64 = 4.8;
/// The widest name of a row.
const NAME_PT: f64 = 200.0;

/// The names that are shown.
pub(super) struct Labels {
    /// With the number of the row, from 0.
    rows: Vec<(usize, Text)>,
    cols: Vec<Text>,
}

impl Labels {
    /// Those that cells of this size have room for.
    pub(super) fn new(of: &Heatmap, cell_w_pt: f64, cell_h_pt: f64) -> Self {
        let short = |name: &String| elide(name, Face::Upright, TICK_PT, cell_w_pt - LABEL_GAP_PT);
        let cols = of.cols.iter().flatten().map(|name| Text::plain(&short(name), TICK_PT));
        Self { rows: rows(of, cell_h_pt), cols: cols.collect() }
    }

    /// Width of the widest name of a row.
    pub(super) fn rows_pt(&self) -> f64 {
        self.rows.iter().map(|(_, text)| text.width_pt).fold(0.0, f64::max)
    }

    /// Draws names and ticks next to the rows: at the right of a square matrix, where a tree may stand at the left.
    pub(super) fn draw_rows(&self, page: &mut Page<'_>, rect: Rect, of: &Heatmap) {
        let row_pt = rect.height_pt / of.rows.len() as f64;
        let is_left = of.cols.is_some();
        for (row, text) in &self.rows {
            let y_pt = rect.y_pt + (*row as f64 + 0.5) * row_pt;
            let size_pt = text.pieces.first().map_or(TICK_PT, |piece| piece.size_pt);
            let x_pt = if is_left {
                page.horizontal_tick(rect.x_pt - TICK_LENGTH_PT, y_pt);
                rect.x_pt - TICK_LENGTH_PT - LABEL_GAP_PT - text.width_pt
            } else {
                page.horizontal_tick(rect.right_pt(), y_pt);
                rect.right_pt() + TICK_LENGTH_PT + LABEL_GAP_PT
            };
            page.text(x_pt, y_pt + 0.5 * DIGIT_HEIGHT * size_pt, text.clone());
        }
        if let Some((name, _)) = of.axis_names() {
            let text = Text::plain(name, TICK_PT);
            let x_pt = rect.x_pt - TICK_LENGTH_PT - text.width_pt;
            page.text(x_pt.max(MARGIN_PT), rect.y_pt - 0.5 * TICK_PT, text);
        }
    }

    /// Draws names and ticks under the columns that have names: where they end.
    pub(super) fn draw_cols(&self, page: &mut Page<'_>, rect: Rect, of: &Heatmap) -> f64 {
        if self.cols.is_empty() {
            return rect.bottom_pt();
        }
        let col_pt = rect.width_pt / self.cols.len() as f64;
        let mut baseline_pt = rect.bottom_pt() + TICK_LENGTH_PT + LABEL_GAP_PT + DIGIT_HEIGHT * TICK_PT;
        for (col, text) in self.cols.iter().enumerate() {
            let x_pt = rect.x_pt + (col as f64 + 0.5) * col_pt;
            page.vertical_tick(x_pt, rect.bottom_pt());
            page.centred_within(x_pt, baseline_pt, text.clone());
        }
        if let Some((_, name)) = of.axis_names() {
            baseline_pt += 1.5 * TICK_PT;
            page.centred_within(rect.x_pt + 0.5 * rect.width_pt, baseline_pt, Text::plain(name, TICK_PT));
        }
        baseline_pt + DESCENT * TICK_PT
    }
}

/// Every row's name where rows are high enough; else the names of every so many rows, or their numbers, from 1, where
/// names are long.
fn rows(of: &Heatmap, row_pt: f64) -> Vec<(usize, Text)> {
    if row_pt >= LOWEST_NAMED_PT {
        let size_pt = TICK_PT.min(0.95 * row_pt);
        let text = |name: &String| Text::plain(&elide(name, Face::Upright, size_pt, NAME_PT), size_pt);
        return of.rows.iter().map(text).enumerate().collect();
    }
    let height_pt = |_| DIGIT_HEIGHT * TICK_PT;
    let shown = ticks::cells(Axis::Rows, of.rows.len(), row_pt, ROW_LABELS_APART_PT, height_pt);
    let name = |n: usize| match of.cols {
        Some(_) => of.rows[n - 1].clone(),
        None => n.to_string(),
    };
    shown.into_iter().map(|n| (n - 1, Text::plain(&name(n), TICK_PT))).collect()
}

/// Width of a label.
pub(super) fn width(text: &str) -> f64 {
    Face::Upright.width(text) * TICK_PT
}
