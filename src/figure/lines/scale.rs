//! The axes of a line chart.

use super::LineChart;
use crate::error::{Fault, Result};
use crate::figure::axis_style::AxisStyle;
use crate::figure::page::TICK_PT;
use crate::figure::scene::Rect;
use crate::figure::text::DIGIT_HEIGHT;
use crate::figure::ticks;

/// Space inside the frame, so that no dot lies on it.
pub(super) const INSET_PT: f64 = 8.0;
/// Least distances between labels along the axes.
const X_LABELS_APART_PT: f64 = 34.0;
const Y_LABELS_APART_PT: f64 = 4.0;

/// A linear or logarithmic axis.
pub(super) struct Scale {
    is_log: bool,
    low: f64,
    high: f64,
    from_pt: f64,
    to_pt: f64,
}

impl Scale {
    /// The x axis of a frame; all frames of a chart have the same.
    pub(super) fn x(chart: &LineChart, rect: Rect) -> Self {
        let lines = chart.panels.iter().flat_map(|panel| panel.all_lines());
        let points = lines.flat_map(|line| &line.points);
        let (low, high) =
            points.fold((f64::MAX, f64::MIN), |(low, high), (x, _)| (low.min(*x), high.max(*x)));
        // A single step stands in the middle.
        let (low, high) = if low < high { (low, high) } else { (low - 1.0, high + 1.0) };
        let (low, high) = chart.style.x_axis.range.unwrap_or((low, high));
        Self { is_log: false, low, high, from_pt: rect.x_pt + INSET_PT, to_pt: rect.right_pt() - INSET_PT }
    }

    /// The y axis of a frame, from one of these ends to the other.
    pub(super) fn y((low, high): (f64, f64), is_log: bool, rect: Rect) -> Self {
        Self { is_log, low, high, from_pt: rect.bottom_pt() - INSET_PT, to_pt: rect.y_pt + INSET_PT }
    }

    /// Where a value lies.
    pub(super) fn pt(&self, value: f64) -> f64 {
        let share = match self.is_log {
            true => (value / self.low).ln() / (self.high / self.low).ln(),
            false => (value - self.low) / (self.high - self.low),
        };
        self.from_pt + (self.to_pt - self.from_pt) * share
    }

    /// The ticks of the x axis with their labels.
    pub(super) fn x_ticks(&self, axis: &AxisStyle) -> Vec<(f64, String)> {
        let own = || ticks::scale(self.low, self.high, self.to_pt - self.from_pt, X_LABELS_APART_PT);
        axis.ticks_within(self.low, self.high).unwrap_or_else(own)
    }
}

/// Of the frames whose y has this name: 0, or the lowest value under it, and the highest value; wider where the style's range
/// is. Of a logarithmic scale, the lowest and the highest.
///
/// # Errors
/// `Invalid` for a range that is not finite.
pub(super) fn y_ends(chart: &LineChart, y_name: &str) -> Result<(f64, f64)> {
    if let Some(ends) = chart.style.y_axis.range {
        return Ok(ends);
    }
    let panels = chart.panels.iter().filter(|panel| panel.y_name == y_name);
    let points = panels.flat_map(|panel| panel.all_lines()).flat_map(|line| &line.points);
    if chart.is_log {
        let (low, high) =
            points.fold((f64::MAX, 0.0), |(low, high): (f64, f64), (_, y)| (low.min(*y), high.max(*y)));
        // A decade's tenth at least, and room for the ring round the last point.
        return Ok((low / 1.1, (high * 1.1).max(low * 1.3)));
    }
    let (low, high) = points.fold((0.0, 0.0), |(low, high): (f64, f64), (_, y)| (low.min(*y), high.max(*y)));
    let (vmin, vmax) = chart.style.range_or((low, high));
    if !(vmin.is_finite() && vmax.is_finite()) {
        return Err(Fault::new(format!("{vmin} to {vmax}"), "finite ends").of("range").invalid());
    }
    let low = low.min(vmin);
    Ok((low, high.max(vmax).max(low + 1e-6)))
}

/// The ticks of a y axis `height_pt` long, with their labels.
pub(super) fn y_ticks((low, high): (f64, f64), is_log: bool, height_pt: f64) -> Vec<(f64, String)> {
    let (height_pt, apart_pt) = (height_pt - 2.0 * INSET_PT, DIGIT_HEIGHT * TICK_PT + Y_LABELS_APART_PT);
    match is_log {
        true => ticks::decades(low, high, height_pt, 2.0 * apart_pt),
        false => ticks::scale(low, high, height_pt, apart_pt),
    }
}
