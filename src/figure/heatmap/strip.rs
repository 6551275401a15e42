//! Colours of the rows' groups, drawn at the left of the rows, with a legend under the picture.

use std::borrow::Cow;
use std::sync::Arc;

use super::Heatmap;
use crate::error::Result;
use crate::figure::page::{LABEL_GAP_PT, MARGIN_PT, Page, TICK_PT};
use crate::figure::palette::category;
use crate::figure::scene::{CellArea, Rect};
use crate::figure::text::{DIGIT_HEIGHT, Face, Text, elide};
use crate::kernels::colormap::ColorTable;

/// Groups of rows that a strip of colours shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strip {
    /// Names of the groups.
    pub names: Vec<String>,
    /// The group of each row; `None` is painted grey.
    pub of: Vec<Option<usize>>,
}

pub(super) const STRIP_PT: f64 = 9.0;
/// Between the strip and the rows.
pub(super) const STRIP_GAP_PT: f64 = 3.0;
const SWATCH_PT: f64 = 7.0;
const LEGEND_ROW_PT: f64 = 12.0;
const NAME_PT: f64 = 150.0;
const APART_PT: f64 = 10.0;
/// Names that the legend has, and colours that a table of 256 can hold clear of its edges.
const MOST_NAMES: usize = 24;
const MOST_COLORS: usize = 64;

impl Strip {
    fn n_colors(&self) -> usize {
        self.names.len().clamp(1, MOST_COLORS)
    }

    /// A table in which the k-th colour is that of k.
    fn colors(&self) -> Result<Arc<ColorTable>> {
        let n = self.n_colors();
        let palette = std::array::from_fn(|k| category(k * n / 256, n));
        Ok(Arc::new(ColorTable::new(&palette, -0.5, n as f64 - 0.5)?))
    }

    /// Draws the strip.
    ///
    /// # Errors
    /// None that a strip can cause.
    pub(super) fn draw(&self, page: &mut Page<'_>, rect: Rect, of: &Heatmap) -> Result<()> {
        let value = |group: &Option<usize>| group.map_or(f32::NAN, |group| (group % self.n_colors()) as f32);
        let missing = page.canvas().theme().missing;
        page.panel(CellArea {
            rect,
            n_rows: of.rows.len(),
            n_cols: 1,
            values: Cow::Owned(self.of.iter().map(value).collect()),
            gaps: Some(missing),
            colors: self.colors()?,
        });
        Ok(())
    }

    /// Draws the legend from `y_pt` down: where it ends.
    ///
    /// # Errors
    /// None that a strip can cause.
    pub(super) fn legend(&self, page: &mut Page<'_>, y_pt: f64) -> Result<f64> {
        let room_pt = page.canvas().width_pt() - 2.0 * MARGIN_PT;
        let (mut x_pt, mut y_pt) = (MARGIN_PT, y_pt);
        let n_shown = if self.names.len() <= MOST_NAMES { self.names.len() } else { MOST_NAMES - 1 };
        let more = self.names.len() - n_shown;
        let more = (more > 0).then(|| (None, format!("and {more} more")));
        let named = self.names[..n_shown].iter().enumerate().map(|(group, name)| (Some(group), name.clone()));
        for (group, name) in named.chain(more) {
            let name = elide(&name, Face::Upright, TICK_PT, NAME_PT.min(room_pt - SWATCH_PT - LABEL_GAP_PT));
            let text = Text::plain(&name, TICK_PT);
            let width_pt = SWATCH_PT + LABEL_GAP_PT + text.width_pt;
            if x_pt > MARGIN_PT && x_pt + width_pt > MARGIN_PT + room_pt {
                (x_pt, y_pt) = (MARGIN_PT, y_pt + LEGEND_ROW_PT);
            }
            if let Some(group) = group {
                let canvas = page.canvas();
                let [side_pt, left_pt, top_pt] = [SWATCH_PT, x_pt, y_pt].map(|pt| canvas.snap(pt));
                let side_pt = side_pt.max(canvas.px_pt());
                page.panel(CellArea {
                    rect: Rect { x_pt: left_pt, y_pt: top_pt, width_pt: side_pt, height_pt: side_pt },
                    n_rows: 1,
                    n_cols: 1,
                    values: Cow::Owned(vec![(group % self.n_colors()) as f32]),
                    gaps: None,
                    colors: self.colors()?,
                });
            }
            let baseline_pt = y_pt + 0.5 * SWATCH_PT + 0.5 * DIGIT_HEIGHT * TICK_PT;
            page.text(x_pt + SWATCH_PT + LABEL_GAP_PT, baseline_pt, text);
            x_pt += width_pt + APART_PT;
        }
        Ok(y_pt + LEGEND_ROW_PT)
    }
}
