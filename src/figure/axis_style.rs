//! What the user sets of an axis.

use super::text::Text;

/// What an axis shows in place of its plot's own choice.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AxisStyle {
    /// Its name. ϕ and the letters in the parentheses that follow it are set as in mathematics.
    pub label: Option<String>,
    /// Where its ticks are: cells, from 1, or values. Those that it does not reach are left out.
    pub ticks: Option<Vec<f64>>,
    /// The first and the last value of a chart's axis. Cells have no range: see [`Figure::cells`](super::Figure::cells).
    pub range: Option<(f64, f64)>,
}

impl AxisStyle {
    /// The user's name for it.
    pub(super) fn text(&self, size_pt: f64) -> Option<Text> {
        self.label.as_ref().map(|label| Text::title(label, size_pt))
    }

    /// The user's ticks from one value to another, with their labels.
    pub(super) fn ticks_within(&self, low: f64, high: f64) -> Option<Vec<(f64, String)>> {
        self.ticks.as_ref().map(|ticks| labelled(ticks, low, high))
    }

    /// The user's ticks of so many cells.
    pub(super) fn cells(&self, n_cells: usize) -> Option<Vec<usize>> {
        let is_cell = |tick: &&f64| **tick >= 1.0 && **tick <= n_cells as f64 && tick.fract() == 0.0;
        self.ticks.as_ref().map(|ticks| ticks.iter().filter(is_cell).map(|tick| *tick as usize).collect())
    }
}

/// The ticks that lie from one value to another, as they were written.
pub(super) fn labelled(ticks: &[f64], low: f64, high: f64) -> Vec<(f64, String)> {
    let slack = 1e-9 * (high - low);
    let is_within = |tick: &&f64| (low - slack..=high + slack).contains(*tick);
    ticks.iter().filter(is_within).map(|&tick| (tick, tick.to_string().replace('-', "−"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_that_an_axis_does_not_reach_are_left_out() {
        let axis = AxisStyle { ticks: Some(vec![0.0, 1.0, 2.5, 8.0, 9.0]), ..AxisStyle::default() };
        assert_eq!(axis.cells(8), Some(vec![1, 8]));
        let labels = |low, high| axis.ticks_within(low, high).unwrap().into_iter().map(|(_, label)| label);
        assert_eq!(labels(0.5, 8.0).collect::<Vec<_>>(), ["1", "2.5", "8"]);
        assert_eq!(labelled(&[-0.5, 0.0], -1.0, 1.0)[0].1, "−0.5");
        assert_eq!((AxisStyle::default().cells(8), AxisStyle::default().text(8.0)), (None, None));
    }
}
