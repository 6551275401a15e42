//! One frame of a line chart with its axes and its lines.

use super::scale::{Scale, y_ends, y_ticks};
use super::{Line, LineChart, LinePanel};
use crate::error::Result;
use crate::figure::page::{LABEL_GAP_PT, Page, TICK_LENGTH_PT, TICK_PT};
use crate::figure::scene::{Item, Rect};
use crate::figure::text::{DESCENT, DIGIT_HEIGHT, Face, Text};

const LINE_PT: f64 = 1.4;
const DOT_PT: f64 = 2.0;
/// Points of a line, over which all lines of its frame have none.
const MOST_DOTS: usize = 32;
/// The outer radius of a mark.
const RING_PT: f64 = 4.0;
/// Of lines that stand behind.
const THIN_PT: f64 = 0.5;
const GREY: [u8; 3] = [190; 3];
/// Type size of a frame's own title.
const PANEL_TITLE_PT: f64 = 9.0;

/// A frame's room for what stands round it, and its axes.
pub(super) struct Frame<'a> {
    chart: &'a LineChart,
    panel: &'a LinePanel,
    y_ends: (f64, f64),
    y_ticks: Vec<(f64, String)>,
    title: Text,
    y_name: Text,
}

impl<'a> Frame<'a> {
    /// A frame `height_pt` high.
    ///
    /// # Errors
    /// As [`y_ends`].
    pub(super) fn new(chart: &'a LineChart, panel: &'a LinePanel, height_pt: f64) -> Result<Self> {
        let y_ends = y_ends(chart, &panel.y_name)?;
        let of_user = chart.style.y_axis.ticks_within(y_ends.0, y_ends.1);
        Ok(Self {
            chart,
            panel,
            y_ends,
            y_ticks: of_user.unwrap_or_else(|| y_ticks(y_ends, chart.is_log, height_pt)),
            title: Text::title(&panel.title, PANEL_TITLE_PT),
            y_name: chart.style.y_axis.text(TICK_PT).unwrap_or_else(|| Text::title(&panel.y_name, TICK_PT)),
        })
    }

    /// Room at the left, for the labels of the y axis.
    pub(super) fn left_pt(&self) -> f64 {
        let labels = self.y_ticks.iter().map(|(_, label)| Face::Upright.width(label) * TICK_PT);
        labels.fold(0.0, f64::max) + LABEL_GAP_PT + TICK_LENGTH_PT
    }

    /// Room above, for the title and the name of y.
    pub(super) fn top_pt(&self) -> f64 {
        let line =
            |text: &Text| if text.pieces.is_empty() { 0.0 } else { text.ascent_pt() + text.descent_pt() };
        line(&self.title) + 3.0 + line(&self.y_name) + 3.0
    }

    /// Draws everything; where it ends.
    pub(super) fn draw(self, page: &mut Page<'_>, rect: Rect, colors: impl Fn(&Line) -> [u8; 3]) -> f64 {
        let left_pt = rect.x_pt - self.left_pt();
        let y_name_pt = rect.y_pt - 3.0 - self.y_name.descent_pt();
        if !self.title.pieces.is_empty() {
            let baseline_pt = y_name_pt - self.y_name.ascent_pt() - 3.0 - self.title.descent_pt();
            let title = self.title.within(rect.right_pt() - left_pt);
            page.centred_within(rect.x_pt + 0.5 * rect.width_pt, baseline_pt, title);
        }
        page.text(left_pt, y_name_pt, self.y_name.within(rect.right_pt() - left_pt));
        page.frame(rect);

        let (x, y) = (Scale::x(self.chart, rect), Scale::y(self.y_ends, self.chart.is_log, rect));
        for (value, label) in &self.y_ticks {
            let y_pt = y.pt(*value);
            page.horizontal_tick(rect.x_pt - TICK_LENGTH_PT, y_pt);
            let text = Text::plain(label, TICK_PT);
            let x_pt = rect.x_pt - TICK_LENGTH_PT - LABEL_GAP_PT - text.width_pt;
            page.text(x_pt, y_pt + 0.5 * DIGIT_HEIGHT * TICK_PT, text);
        }
        let baseline_pt = rect.bottom_pt() + TICK_LENGTH_PT + LABEL_GAP_PT + DIGIT_HEIGHT * TICK_PT;
        for (value, label) in x.x_ticks(&self.chart.style.x_axis) {
            page.vertical_tick(x.pt(value), rect.bottom_pt());
            page.centred_within(x.pt(value), baseline_pt, Text::plain(&label, TICK_PT));
        }
        let x_name_pt = baseline_pt + 1.5 * TICK_PT;
        let x_axis = &self.chart.style.x_axis;
        let x_name = x_axis.text(TICK_PT).unwrap_or_else(|| Text::plain(&self.chart.x_name, TICK_PT));
        page.centred_within(rect.x_pt + 0.5 * rect.width_pt, x_name_pt, x_name);

        let points = |line: &Line| line.points.iter().map(|&(at, value)| (x.pt(at), y.pt(value))).collect();
        for line in &self.panel.behind {
            let points_pt: Vec<_> = points(line);
            if let [(x_pt, y_pt)] = points_pt[..] {
                page.put(Item::Dot { x_pt, y_pt, radius_pt: 0.5 * DOT_PT, color: GREY });
            }
            page.put(Item::Line { points_pt, width_pt: THIN_PT, color: Some(GREY) });
        }
        // Dots of many points would hide the line.
        let has_dots = self.panel.lines.iter().all(|line| line.points.len() <= MOST_DOTS);
        for line in &self.panel.lines {
            let (points_pt, color): (Vec<_>, _) = (points(line), colors(line));
            let dots = if has_dots { &points_pt[..] } else { &[] };
            for &(x_pt, y_pt) in dots {
                page.put(Item::Dot { x_pt, y_pt, radius_pt: DOT_PT, color });
            }
            page.put(Item::Line { points_pt, width_pt: LINE_PT, color: Some(color) });
        }
        let paper = page.canvas().theme().paper;
        for &(line, at, value) in &self.panel.marks {
            let Some(line) = self.panel.lines.get(line) else { continue };
            let (x_pt, y_pt) = (x.pt(at), y.pt(value));
            page.put(Item::Dot { x_pt, y_pt, radius_pt: RING_PT, color: colors(line) });
            page.put(Item::Dot { x_pt, y_pt, radius_pt: RING_PT - LINE_PT, color: paper });
        }
        x_name_pt + DESCENT * TICK_PT
    }
}

/// Draws a legend's sample of a line.
pub(super) fn sample(page: &mut Page<'_>, x_pt: f64, y_pt: f64, width_pt: f64, color: [u8; 3]) {
    page.put(Item::Line {
        points_pt: vec![(x_pt, y_pt), (x_pt + width_pt, y_pt)],
        width_pt: LINE_PT,
        color: Some(color),
    });
}
