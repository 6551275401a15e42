//! The colours of a plot's cells, and the bar that explains them.

use std::borrow::Cow;
use std::sync::Arc;

use super::page::{LABEL_GAP_PT, Page, TICK_LENGTH_PT, TICK_PT};
use super::scene::{CellArea, Rect};
use super::style::Style;
use super::text::{DIGIT_HEIGHT, Face, Text};
use super::ticks;
use crate::error::Result;
use crate::kernels::colormap::ColorTable;

pub(super) const BAR_WIDTH_PT: f64 = 11.0;
/// A bar any shorter has no room for labels.
const MIN_BAR_PT: f64 = 72.0;
/// Least distance between labels along the bar.
const LABELS_APART_PT: f64 = 4.0;

/// The colours that values stand for.
#[derive(Debug, Clone)]
pub(super) struct ColorScale {
    vmin: f64,
    vmax: f64,
    table: Arc<ColorTable>,
}

impl ColorScale {
    /// The palette and the range of a style.
    ///
    /// # Errors
    /// `Invalid` when the ends of the range are not in order.
    pub(super) fn new(style: &Style, default: (f64, f64)) -> Result<Self> {
        let (vmin, vmax) = style.range_or(default);
        let table = Arc::new(ColorTable::new(style.palette.colors(), vmin, vmax)?);
        Ok(Self { vmin, vmax, table })
    }

    /// What cells are painted through.
    pub(super) fn table(&self) -> Arc<ColorTable> {
        Arc::clone(&self.table)
    }

    /// The colour that a value is painted in.
    pub(super) fn color_of(&self, value: f32) -> [u8; 3] {
        let place = self.table.edges.partition_point(|edge| *edge <= value);
        let [red, green, blue, _] = self.table.colors[place].to_le_bytes();
        [red, green, blue]
    }

    /// Room that ticks and the widest label take at the right of the bar.
    pub(super) fn labels_pt(&self) -> f64 {
        let labels = ticks::scale(self.vmin, self.vmax, f64::INFINITY, 0.0);
        let widths = labels.iter().map(|(_, label)| Face::Upright.width(label) * TICK_PT);
        TICK_LENGTH_PT + LABEL_GAP_PT + widths.fold(0.0, f64::max)
    }

    /// Draws the bar with its labels, the high end at the top, over a height that its labels have room in: where the
    /// lowest label ends.
    pub(super) fn draw_bar(&self, page: &mut Page<'_>, x_pt: f64, y_pt: f64, height_pt: f64) -> f64 {
        let canvas = page.canvas();
        let rect = Rect {
            x_pt: canvas.snap(x_pt),
            y_pt,
            width_pt: canvas.snap(BAR_WIDTH_PT).max(canvas.px_pt()),
            height_pt: height_pt.max(canvas.snap(MIN_BAR_PT)),
        };
        let Self { vmin, vmax, .. } = *self;
        // The middle of each colour's share of the scale, highest first, so that no value lies on an edge.
        let middle = |k: usize| vmin + (vmax - vmin) * (k as f64 + 0.5) / 256.0;
        let values: Vec<f32> = (0..256).rev().map(|k| middle(k) as f32).collect();
        let values = Cow::Owned(values);
        page.color_bar(CellArea {
            rect,
            n_rows: 256,
            n_cols: 1,
            values,
            has_gaps: false,
            colors: self.table(),
        });
        for (value, label) in
            ticks::scale(vmin, vmax, rect.height_pt, DIGIT_HEIGHT * TICK_PT + LABELS_APART_PT)
        {
            let y_pt = rect.y_pt + rect.height_pt * (vmax - value) / (vmax - vmin);
            page.horizontal_tick(rect.right_pt(), y_pt);
            let x_pt = rect.right_pt() + TICK_LENGTH_PT + LABEL_GAP_PT;
            page.text(x_pt, y_pt + 0.5 * DIGIT_HEIGHT * TICK_PT, Text::plain(&label, TICK_PT));
        }
        rect.bottom_pt() + 0.5 * TICK_PT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::canvas::Canvas;
    use crate::figure::scene::Item;

    /// The labels of a bar from y = 20 pt down, each with the height at which its middle stands; and the bar.
    fn bar(vmin: f64, vmax: f64, height_pt: f64) -> (Vec<(String, f64)>, Rect) {
        let colors = ColorScale::new(&Style::new().range(vmin, vmax), (0.0, 1.0)).unwrap();
        let mut page = Page::new(Canvas::new(3.0, 300.0).unwrap());
        colors.draw_bar(&mut page, 100.0, 20.0, height_pt);
        let scene = page.finish(height_pt + 40.0).unwrap();
        let rect = scene.color_bar.as_ref().unwrap().rect;
        let labels = scene.items.iter().filter_map(|item| match item {
            Item::Text { x_pt, y_pt, text } => {
                assert!((x_pt - rect.right_pt() - TICK_LENGTH_PT - LABEL_GAP_PT).abs() < 1e-9);
                assert!(text.width_pt <= colors.labels_pt() - TICK_LENGTH_PT - LABEL_GAP_PT);
                Some((text.pieces[0].text.clone(), y_pt - 0.5 * DIGIT_HEIGHT * TICK_PT))
            }
            _ => None,
        });
        let ticks = scene.items.iter().filter_map(|item| match item {
            Item::Bar(tick) => Some((tick.x_pt, tick.y_pt + 0.5 * tick.height_pt)),
            _ => None,
        });
        let (labels, ticks): (Vec<_>, Vec<_>) = (labels.collect(), ticks.collect());
        assert_eq!(labels.len(), ticks.len());
        for ((_, label_y_pt), (x_pt, y_pt)) in labels.iter().zip(ticks) {
            assert_eq!(x_pt, rect.right_pt());
            assert!((label_y_pt - y_pt).abs() < 1e-9);
        }
        (labels, rect)
    }

    #[test]
    fn every_label_stands_at_its_value_and_there_are_as_many_as_the_range_asks_for() {
        for (vmin, vmax, height_pt, n) in [
            (0.0, 0.5, 250.0, 6),
            (0.0, 1.0, 250.0, 11),
            // A low bar has room for every other tenth only.
            (0.0, 1.0, 72.0, 6),
            (0.0, 0.1, 250.0, 6),
            (0.0, 0.3, 250.0, 4),
            (0.05, 0.38, 250.0, 3),
            (-1.0, 1.0, 250.0, 5),
        ] {
            let (labels, rect) = bar(vmin, vmax, height_pt);
            assert_eq!(labels.len(), n, "{vmin} to {vmax}: {labels:?}");
            for (label, y_pt) in &labels {
                let value: f64 = label.replace('−', "-").parse().unwrap();
                let expected_pt = rect.y_pt + rect.height_pt * (vmax - value) / (vmax - vmin);
                assert!((y_pt - expected_pt).abs() < 1e-6, "{label} at {y_pt}, not {expected_pt}");
            }
            assert!(labels.windows(2).all(|pair| pair[0].1 - pair[1].1 > DIGIT_HEIGHT * TICK_PT + 3.9));
        }
    }

    #[test]
    fn the_ends_of_the_default_range_stand_at_the_ends_of_the_bar() {
        let (labels, rect) = bar(0.0, 0.5, 100.0);
        let (first, last) = (labels.first().unwrap(), labels.last().unwrap());
        assert_eq!((first.0.as_str(), last.0.as_str()), ("0.0", "0.5"));
        assert!((first.1 - rect.bottom_pt()).abs() < 1e-9 && (last.1 - rect.y_pt).abs() < 1e-9);
    }

    #[test]
    fn a_bar_next_to_a_flat_panel_is_high_enough_for_its_labels() {
        let (labels, rect) = bar(0.0, 0.5, 5.0);
        assert!((rect.height_pt - MIN_BAR_PT).abs() < 0.2 && labels.len() == 6, "{rect:?} {labels:?}");
    }
}
