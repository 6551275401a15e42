//! The colours of a plot's cells, and the bar that explains them.

use std::borrow::Cow;
use std::sync::Arc;

use super::axis_style::labelled;
use super::page::{FRAME_WIDTH_PT, LABEL_GAP_PT, Page, TICK_LENGTH_PT, TICK_PT};
use super::scene::{CellArea, Item, Rect};
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
/// Height of the arrow at an end that values lie past.
const ARROW_PT: f64 = 11.0;
/// How far past an end a value may lie before that is shown, as a share of the range: a quarter of a colour. It is over the
/// rounding of values whose own largest, rounded down to a tenth, was taken for the end.
const PAST: f64 = 1e-3;

/// The colours that values stand for.
#[derive(Debug, Clone)]
pub(super) struct ColorScale {
    vmin: f64,
    vmax: f64,
    table: Arc<ColorTable>,
    /// Of values at vmin and at vmax.
    ends: [[u8; 3]; 2],
    /// The user's own.
    ticks: Option<Vec<f64>>,
    /// Whether values lie under vmin, and over vmax.
    is_past: [bool; 2],
}

impl ColorScale {
    /// The palette and the range of a style, for these values; NaN stands for a value that is missing.
    ///
    /// # Errors
    /// `Invalid` when the ends of the range are not in order.
    pub(super) fn new<'a>(
        style: &Style,
        default: (f64, f64),
        values: impl IntoIterator<Item = &'a f32>,
    ) -> Result<Self> {
        let (vmin, vmax) = style.range_or(default);
        let palette = style.palette.colors();
        let table = Arc::new(ColorTable::new(palette, vmin, vmax)?);
        let mut is_past = [false; 2];
        let others = style.others.into_iter().flat_map(|(least, largest)| [least, largest]);
        for value in values.into_iter().copied().chain(others) {
            is_past[0] |= f64::from(value) < vmin - PAST * (vmax - vmin);
            is_past[1] |= is_over(value, vmin, vmax);
        }
        let ends = [palette[0], palette[255]];
        Ok(Self { vmin, vmax, table, ends, ticks: style.bar_ticks.clone(), is_past })
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

    /// Black or white, what can be read on the colour of a value.
    pub(super) fn ink_on(&self, value: f32) -> [u8; 3] {
        let [red, green, blue] = self.color_of(value).map(f64::from);
        let luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        if luma < 110.0 { [255; 3] } else { [0; 3] }
    }

    /// Room that ticks and the widest label take at the right of the bar.
    pub(super) fn labels_pt(&self) -> f64 {
        let labels = self.ticks(f64::INFINITY, 0.0);
        let widths = labels.iter().map(|(_, label)| Face::Upright.width(label) * TICK_PT);
        TICK_LENGTH_PT + LABEL_GAP_PT + widths.fold(0.0, f64::max)
    }

    fn ticks(&self, height_pt: f64, gap_pt: f64) -> Vec<(f64, String)> {
        match &self.ticks {
            Some(ticks) => labelled(ticks, self.vmin, self.vmax),
            None => ticks::scale(self.vmin, self.vmax, height_pt, gap_pt),
        }
    }

    /// Draws the bar with its labels, the high end at the top, over a height that its labels have room in: where the
    /// lowest label ends.
    pub(super) fn draw_bar(&self, page: &mut Page<'_>, x_pt: f64, y_pt: f64, height_pt: f64) -> f64 {
        let canvas = page.canvas();
        let arrow_pt = canvas.snap(ARROW_PT).max(canvas.px_pt());
        let [below_pt, above_pt] = self.is_past.map(|is_past| if is_past { arrow_pt } else { 0.0 });
        let rect = Rect {
            x_pt: canvas.snap(x_pt),
            y_pt: y_pt + above_pt,
            width_pt: canvas.snap(BAR_WIDTH_PT).max(canvas.px_pt()),
            height_pt: (height_pt - below_pt - above_pt).max(canvas.snap(MIN_BAR_PT)),
        };
        let Self { vmin, vmax, .. } = *self;
        // The middle of each colour's share of the scale, highest first, so that no value lies on an edge.
        let middle = |k: usize| vmin + (vmax - vmin) * (k as f64 + 0.5) / 256.0;
        let values: Vec<f32> = (0..256).rev().map(|k| middle(k) as f32).collect();
        let values = Cow::Owned(values);
        page.color_bar(CellArea { rect, n_rows: 256, n_cols: 1, values, gaps: None, colors: self.table() });
        let [lowest, highest] = self.ends;
        if self.is_past[0] {
            arrow(page, rect, rect.bottom_pt(), rect.bottom_pt() + below_pt, lowest);
        }
        if self.is_past[1] {
            arrow(page, rect, rect.y_pt, rect.y_pt - above_pt, highest);
        }
        for (value, label) in self.ticks(rect.height_pt, DIGIT_HEIGHT * TICK_PT + LABELS_APART_PT) {
            let y_pt = rect.y_pt + rect.height_pt * (vmax - value) / (vmax - vmin);
            page.horizontal_tick(rect.right_pt(), y_pt);
            let x_pt = rect.right_pt() + TICK_LENGTH_PT + LABEL_GAP_PT;
            page.text(x_pt, y_pt + 0.5 * DIGIT_HEIGHT * TICK_PT, Text::plain(&label, TICK_PT));
        }
        rect.bottom_pt() + below_pt.max(0.5 * TICK_PT)
    }
}

/// Whether a value lies so far over the upper end that its colour says less than it.
pub(super) fn is_over(value: f32, vmin: f64, vmax: f64) -> bool {
    f64::from(value) > vmax + PAST * (vmax - vmin)
}

/// A triangle as wide as the bar, from its end to a tip, in the colour of the values past the end.
fn arrow(page: &mut Page<'_>, bar: Rect, end_pt: f64, tip_pt: f64, color: [u8; 3]) {
    let tip = (bar.x_pt + 0.5 * bar.width_pt, tip_pt);
    let points_pt = vec![(bar.x_pt, end_pt), tip, (bar.right_pt(), end_pt)];
    page.put(Item::Polygon { points_pt: points_pt.clone(), color });
    page.put(Item::Line { points_pt, width_pt: FRAME_WIDTH_PT, color: None });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::canvas::Canvas;
    use crate::figure::scene::Item;

    /// The labels of a bar from y = 20 pt down, each with the height at which its middle stands; and the bar.
    fn bar(vmin: f64, vmax: f64, height_pt: f64) -> (Vec<(String, f64)>, Rect) {
        let colors = ColorScale::new(&Style::new().range(vmin, vmax), (0.0, 1.0), &[]).unwrap();
        let mut page = Page::new(Canvas::new(3.0, 300.0).unwrap());
        colors.draw_bar(&mut page, 100.0, 20.0, height_pt);
        let scene = page.finish(height_pt + 40.0).unwrap();
        let rect = scene.color_bar.as_ref().unwrap().rect;
        let labels = scene.items.iter().filter_map(|item| match item {
            Item::Text { x_pt, y_pt, text, .. } => {
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

    /// The tips of the arrows of a bar from 0.2 to 0.4 for these values, and the bar.
    fn arrows(values: &[f32]) -> (Vec<f64>, Rect) {
        let colors = ColorScale::new(&Style::new().range(0.2, 0.4), (0.0, 1.0), values).unwrap();
        let mut page = Page::new(Canvas::new(3.0, 300.0).unwrap());
        let end_pt = colors.draw_bar(&mut page, 100.0, 24.0, 240.0);
        let scene = page.finish(end_pt).unwrap();
        assert_eq!(scene.outside(), None);
        let rect = scene.color_bar.as_ref().unwrap().rect;
        let palette = Style::new().palette.colors();
        let tips = scene.items.iter().filter_map(|item| match item {
            Item::Polygon { points_pt, color } => {
                let [from, tip, to] = points_pt[..] else { panic!("{points_pt:?}") };
                assert_eq!((from.0, to.0, from.1), (rect.x_pt, rect.right_pt(), to.1));
                let is_upper = tip.1 < from.1;
                assert_eq!(from.1, if is_upper { rect.y_pt } else { rect.bottom_pt() });
                assert_eq!(*color, palette[if is_upper { 255 } else { 0 }]);
                Some(tip.1)
            }
            _ => None,
        });
        (tips.collect(), rect)
    }

    #[test]
    fn an_end_that_values_lie_past_has_an_arrow_and_the_whole_stays_as_high() {
        for values in [&[][..], &[0.2, 0.3, 0.4], &[f32::NAN], &[0.19999, 0.40001]] {
            let (tips, rect) = arrows(values);
            assert_eq!((tips, rect.y_pt, rect.bottom_pt()), (vec![], 24.0, 264.0), "{values:?}");
        }
        let (tips, rect) = arrows(&[0.3, 0.41]);
        assert_eq!((tips, rect.bottom_pt()), (vec![24.0], 264.0));
        assert!((rect.y_pt - 24.0 - ARROW_PT).abs() < 0.2, "{rect:?}");
        let (tips, rect) = arrows(&[0.1, f32::NAN]);
        assert!(tips.len() == 1 && (tips[0] - 264.0).abs() < 1e-9 && rect.y_pt == 24.0, "{tips:?}");
        let (tips, _) = arrows(&[0.1, 0.9]);
        assert!(
            (tips[0] - 264.0).abs() < 1e-9 && (tips[1] - 24.0).abs() < 1e-9 && tips.len() == 2,
            "{tips:?}"
        );
    }
}
