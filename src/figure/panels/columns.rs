//! The columns that panels stand in, and how many of them stand side by side.

use super::axes;
use super::row::{PANEL_GAP_PT, Row};
use crate::error::Result;
use crate::figure::axis_style::AxisStyle;
use crate::figure::canvas::{Canvas, too_narrow};
use crate::figure::color_bar::{BAR_WIDTH_PT, ColorScale};
use crate::figure::page::MARGIN_PT;
use crate::text::counted;

/// A panel any smaller cannot be read.
const MIN_SLOT_PT: f64 = 30.0;
/// Panels that would be smaller than this go to more rows.
const GOOD_SLOT_PT: f64 = 80.0;

/// The columns: equal squares, the slots, with room for labels at the left of each.
pub(super) struct Columns {
    left_pt: Vec<f64>,
    pub(super) slot_pt: f64,
}

impl Columns {
    /// The columns of these rows on a canvas.
    ///
    /// # Errors
    /// `Invalid` when the canvas leaves no room for the panels.
    pub(super) fn new(
        rows: &[Row<'_>],
        canvas: &Canvas,
        colors: &ColorScale,
        y_axis: &AxisStyle,
    ) -> Result<Self> {
        let columns = Self::on(rows, canvas, colors, y_axis);
        if columns.slot_pt >= MIN_SLOT_PT {
            return Ok(columns);
        }
        let n_cols = columns.left_pt.len();
        let width_in = canvas.width_in();
        let found = format!("{width_in} in for {} in a row", counted(n_cols, "panel"));
        let needed_pt = canvas.width_pt() + n_cols as f64 * (MIN_SLOT_PT - columns.slot_pt);
        Err(too_narrow(found, needed_pt * canvas.scale()))
    }

    /// Whether the panels of these rows can be read well.
    pub(super) fn are_good(
        rows: &[Row<'_>],
        canvas: &Canvas,
        colors: &ColorScale,
        y_axis: &AxisStyle,
    ) -> bool {
        Self::on(rows, canvas, colors, y_axis).slot_pt >= GOOD_SLOT_PT
    }

    fn on(rows: &[Row<'_>], canvas: &Canvas, colors: &ColorScale, y_axis: &AxisStyle) -> Self {
        let n_cols = rows.iter().map(|row| row.panels.len()).max().unwrap_or(1);
        let has_names = rows.iter().any(|row| row.label.is_some());
        let names_axes = rows.iter().filter_map(Row::first).any(|panel| panel.axis_name(0).is_some());
        let names_axes = names_axes || y_axis.label.is_some();
        let name_pt = if has_names { axes::row_label_pt() } else { 0.0 };
        let left_pt: Vec<f64> = (0..n_cols)
            .map(|n_col| {
                let labelled = rows.iter().filter(|row| row.panels.len() > n_col && row.is_labelled(n_col));
                let panels = labelled.filter_map(|row| row.panels[n_col]);
                let labels = panels.map(|panel| axes::row_labels_pt(panel.n_rows()));
                let before_pt = if n_col == 0 {
                    MARGIN_PT + name_pt + axes::row_letter_pt(names_axes)
                } else {
                    PANEL_GAP_PT
                };
                before_pt + labels.fold(0.0, f64::max)
            })
            .collect();
        let bar_pt = PANEL_GAP_PT + BAR_WIDTH_PT + colors.labels_pt() + MARGIN_PT;
        let taken_pt = left_pt.iter().sum::<f64>() + bar_pt;
        let slot_pt = (canvas.width_pt() - taken_pt) / n_cols as f64;
        Self { left_pt, slot_pt }
    }

    /// Left edge of a column's slot.
    pub(super) fn slot_x_pt(&self, n_col: usize) -> f64 {
        self.left_pt[..=n_col].iter().sum::<f64>() + n_col as f64 * self.slot_pt
    }

    /// Right edge of the last slot.
    pub(super) fn right_pt(&self) -> f64 {
        self.slot_x_pt(self.left_pt.len() - 1) + self.slot_pt
    }

    /// The middle of all slots.
    pub(super) fn middle_pt(&self) -> f64 {
        0.5 * (self.slot_x_pt(0) + self.right_pt())
    }
}
