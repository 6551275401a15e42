//! The sizes of a heatmap, and where its parts go.

use std::borrow::Cow;

use super::Heatmap;
use super::labels::{Labels, width};
use super::numbers;
use super::strip::{STRIP_GAP_PT, STRIP_PT};
use super::tree::{self, TREE_GAP_PT, TREE_PT};
use crate::error::Result;
use crate::figure::canvas::{Canvas, too_narrow};
use crate::figure::color_bar::{BAR_WIDTH_PT, ColorScale};
use crate::figure::page::{LABEL_GAP_PT, MARGIN_PT, Page, TICK_LENGTH_PT, TICK_PT, TITLE_GAP_PT, TITLE_PT};
use crate::figure::scene::{CellArea, Rect, Scene};
use crate::figure::text::Text;

/// The height that many rows share, and the heights and widths of a cell.
const SIDE_PT: f64 = 504.0;
const LARGEST_CELL_PT: f64 = 40.0;
const NAMED_CELL_PT: (f64, f64) = (26.0, 84.0);
const HIGHEST_NAMED_CELL_PT: f64 = 18.0;
const NOTE_PT: f64 = 7.5;
const GAP_PT: f64 = 14.0;

/// A heatmap with its sizes.
pub(super) struct Plan<'a> {
    of: &'a Heatmap,
    title: Text,
    note: Text,
    labels: Labels,
    panel_pt: (f64, f64),
    /// Room of the tree or of row names at the left, and of row names at the right.
    left_pt: f64,
    right_pt: f64,
    content_pt: f64,
    width_pt: f64,
}

impl<'a> Plan<'a> {
    /// The sizes that the matrix asks for, or those that a given width has room for.
    ///
    /// # Errors
    /// `Invalid` when the width has no room for a pixel a column.
    pub(super) fn new(of: &'a Heatmap, colors: &ColorScale, px_pt: f64) -> Result<Self> {
        let whole = |pt: f64| (pt / px_pt).round().max(1.0) * px_pt;
        let (cell_w_pt, cell_h_pt) = cell_pt(of);
        let (cell_w_pt, cell_h_pt) = (whole(cell_w_pt), whole(cell_h_pt));
        let Some(width_in) = of.style.width_in else {
            return Ok(Self::of_cells(of, colors, (cell_w_pt, cell_h_pt)));
        };
        let width_pt = 72.0 * width_in / of.style.points();
        let with_px = |n_px: usize| {
            let cell_w_pt = n_px as f64 * px_pt;
            Self::of_cells(of, colors, (cell_w_pt, if of.cols.is_some() { cell_h_pt } else { cell_w_pt }))
        };
        // Names of rows take more room the higher these are, so the size is found by trying.
        let most_px = (width_pt / px_pt / of.n_cols() as f64) as usize;
        let fits = |plan: &Self| plan.needed_pt() <= width_pt;
        let Some(mut plan) = (1..=most_px).rev().map(with_px).find(fits) else {
            let found = format!("{width_in} in for {} columns", of.n_cols());
            return Err(too_narrow(found, with_px(1).needed_pt() * of.style.points()));
        };
        let room_pt = width_pt - 2.0 * MARGIN_PT;
        (plan.title, plan.note) = (plan.title.within(room_pt), plan.note.within(room_pt));
        plan.width_pt = width_pt;
        Ok(plan)
    }

    /// The sizes with cells of this width and height.
    pub(super) fn of_cells(of: &'a Heatmap, colors: &ColorScale, (cell_w, cell_h): (f64, f64)) -> Self {
        let labels = Labels::new(of, cell_w, cell_h);
        let labels_pt = TICK_LENGTH_PT + LABEL_GAP_PT + labels.rows_pt();
        let (left_pt, right_pt) = match of.cols {
            Some(_) => (labels_pt.max(of.axis_names().map_or(0.0, |(rows, _)| width(rows))), 0.0),
            None if of.tree.is_empty() => (0.0, labels_pt),
            None => (TREE_PT + TREE_GAP_PT, labels_pt),
        };
        let strip_pt = if of.strip.is_some() { STRIP_PT + STRIP_GAP_PT } else { 0.0 };
        let left_pt = left_pt + strip_pt;
        let panel_pt = (of.n_cols() as f64 * cell_w, of.rows.len() as f64 * cell_h);
        let bar_pt = GAP_PT + BAR_WIDTH_PT + colors.labels_pt();
        let content_pt = left_pt + panel_pt.0 + right_pt + bar_pt;
        let title = Text::title(of.style.title.as_deref().unwrap_or_default(), TITLE_PT);
        let note = Text::title(&of.note, NOTE_PT);
        let width_pt = content_pt.max(title.width_pt).max(note.width_pt) + 2.0 * MARGIN_PT;
        Self { of, title, note, labels, panel_pt, left_pt, right_pt, content_pt, width_pt }
    }

    /// Width that all but the title and the note needs.
    pub(super) fn needed_pt(&self) -> f64 {
        self.content_pt + 2.0 * MARGIN_PT
    }

    /// Width of the whole on the page.
    pub(super) fn width_in(&self) -> f64 {
        self.width_pt * self.of.style.points() / 72.0
    }

    pub(super) fn scene(self, canvas: Canvas, colors: &ColorScale) -> Result<Scene<'a>> {
        let mut page = Page::new(canvas);
        let middle_pt = 0.5 * canvas.width_pt();
        let baseline_pt = MARGIN_PT + self.title.ascent_pt();
        let axis_pt = if self.of.axes.is_some() { 1.3 * TICK_PT } else { 0.0 };
        let top_pt = canvas.snap(baseline_pt + self.title.descent_pt() + TITLE_GAP_PT + axis_pt);
        page.title(middle_pt, baseline_pt, self.title);

        let x_pt = middle_pt - 0.5 * self.content_pt;
        let rect = Rect {
            x_pt: canvas.snap(x_pt + self.left_pt),
            y_pt: top_pt,
            width_pt: self.panel_pt.0,
            height_pt: self.panel_pt.1,
        };
        page.panel(CellArea {
            rect,
            n_rows: self.of.rows.len(),
            n_cols: self.of.n_cols(),
            values: Cow::Borrowed(&self.of.values),
            gaps: Some(canvas.theme().missing),
            colors: colors.table(),
        });
        numbers::draw(&mut page, rect, self.of, colors);
        let mut left_pt = rect.x_pt;
        if let Some(strip) = &self.of.strip {
            let width_pt = canvas.snap(STRIP_PT).max(canvas.px_pt());
            left_pt = canvas.snap(left_pt - STRIP_GAP_PT) - width_pt;
            strip.draw(&mut page, Rect { x_pt: left_pt, width_pt, ..rect }, self.of)?;
        }
        self.labels.draw_rows(&mut page, rect, self.of);
        let mut end_pt = self.labels.draw_cols(&mut page, rect, self.of);
        if !self.of.tree.is_empty() {
            let width_pt = left_pt - TREE_GAP_PT - x_pt;
            let tree = Rect { x_pt, width_pt, ..rect };
            end_pt = end_pt.max(tree::draw(&mut page, tree, self.of.rows.len(), &self.of.tree));
        }
        let bar_x_pt = rect.right_pt() + self.right_pt + GAP_PT;
        end_pt = end_pt.max(colors.draw_bar(&mut page, bar_x_pt, top_pt, rect.height_pt));
        if let Some(strip) = &self.of.strip {
            end_pt = strip.legend(&mut page, end_pt + 6.0)?;
        }
        if !self.of.note.is_empty() {
            let note_pt = end_pt + 4.0 + self.note.ascent_pt();
            end_pt = note_pt + self.note.descent_pt();
            page.centred_within(middle_pt, note_pt, self.note);
        }
        page.finish(end_pt)
    }
}

/// The width and height of a cell that a matrix asks for, not yet whole pixels.
fn cell_pt(of: &Heatmap) -> (f64, f64) {
    let side_pt = SIDE_PT / of.rows.len() as f64;
    match &of.cols {
        None => (side_pt.min(LARGEST_CELL_PT), side_pt.min(LARGEST_CELL_PT)),
        Some(names) => {
            let widest_pt = names.iter().map(|name| width(name)).fold(0.0, f64::max);
            let widest_pt = widest_pt.max(numbers::width_pt(of));
            let (least_pt, most_pt) = NAMED_CELL_PT;
            let width_pt = (widest_pt + 2.0 * LABEL_GAP_PT).clamp(least_pt, most_pt);
            (width_pt, side_pt.min(HIGHEST_NAMED_CELL_PT))
        }
    }
}
