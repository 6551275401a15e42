//! The part of a chart that lies in the ranges of its axes.

use super::{Line, LineChart, LinePanel};
use crate::error::{Fault, Result};

impl LineChart {
    /// The points in the ranges that the style sets. A line that leaves them is parted there.
    ///
    /// # Errors
    /// `Invalid` for a range whose ends are not finite and in order, or that no point lies in.
    pub(super) fn within_ranges(&self) -> Result<Self> {
        let (x, y) = (self.style.x_axis.range, self.style.y_axis.range);
        if (x, y) == (None, None) {
            return Ok(self.clone());
        }
        for (low, high) in x.into_iter().chain(y) {
            if !(low.is_finite()
                && high.is_finite()
                && low < high
                && (!self.is_log || y.is_none_or(|y| y.0 > 0.0)))
            {
                let expected =
                    "a first value below the last one, both finite, and over 0 on a logarithmic axis";
                return Err(Fault::new(format!("{low} to {high}"), expected)
                    .of("range of an axis")
                    .invalid());
            }
        }
        let is_in = |range: Option<(f64, f64)>, value: f64| {
            range.is_none_or(|(low, high)| (low..=high).contains(&value))
        };
        let is_shown = |&(at, value): &(f64, f64)| is_in(x, at) && is_in(y, value);
        let parts = |line: &Line| -> Vec<Line> {
            let runs = line.points.chunk_by(|a, b| is_shown(a) == is_shown(b));
            let shown = runs.filter(|run| is_shown(&run[0]));
            shown.map(|run| Line { name: line.name.clone(), points: run.to_vec() }).collect()
        };
        let panel = |panel: &LinePanel| {
            let (mut lines, mut marks) = (vec![], vec![]);
            for (n, line) in panel.lines.iter().enumerate() {
                // A mark has the colour of its line, whichever part it lies on.
                let of_line = panel.marks.iter().filter(|mark| mark.0 == n && is_shown(&(mark.1, mark.2)));
                marks.extend(of_line.map(|mark| (lines.len(), mark.1, mark.2)));
                lines.extend(parts(line));
            }
            let behind = panel.behind.iter().flat_map(parts).collect();
            LinePanel { lines, marks, behind, title: panel.title.clone(), y_name: panel.y_name.clone() }
        };
        let panels: Vec<LinePanel> = self.panels.iter().map(panel).collect();
        if panels.iter().all(|panel| panel.lines.is_empty()) {
            return Err(Fault::new("no point in it", "one that points lie in")
                .of("range of an axis")
                .invalid());
        }
        Ok(Self { panels, ..self.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{AxisStyle, Plot, Style};

    fn chart(x: Option<(f64, f64)>, y: Option<(f64, f64)>) -> LineChart {
        let points = [(1.0, 0.1), (2.0, 0.9), (3.0, 0.2), (4.0, 0.3)].to_vec();
        let line = Line { name: "a".to_owned(), points };
        let panel = LinePanel { lines: vec![line], marks: vec![(0, 4.0, 0.3)], ..LinePanel::default() };
        let axis = |range| AxisStyle { range, ..AxisStyle::default() };
        let style = Style::new().x_axis(axis(x)).y_axis(axis(y));
        LineChart::of_panels(vec![panel]).unwrap().style(style)
    }

    #[test]
    fn a_line_that_leaves_the_range_is_parted_and_keeps_its_marks() {
        let shown = chart(None, Some((0.0, 0.5))).within_ranges().unwrap();
        let points: Vec<_> = shown.panels[0].lines.iter().map(|line| line.points.clone()).collect();
        assert_eq!(points, [vec![(1.0, 0.1)], vec![(3.0, 0.2), (4.0, 0.3)]]);
        assert_eq!(shown.panels[0].marks, [(0, 4.0, 0.3)]);
        let shown = chart(Some((2.0, 3.0)), None).within_ranges().unwrap();
        assert_eq!((shown.panels[0].lines.len(), shown.panels[0].marks.len()), (1, 0));
    }

    #[test]
    fn ticks_stand_in_the_range_and_an_empty_one_is_refused() {
        let texts = chart(Some((0.0, 8.0)), Some((0.0, 1.0))).scene().unwrap().texts();
        assert!(texts.contains(&"8".to_owned()) && texts.contains(&"1.0".to_owned()), "{texts:?}");
        for range in [(3.0, 2.0), (f64::NAN, 1.0), (7.0, 9.0)] {
            let message = chart(Some(range), None).scene().unwrap_err().to_string();
            assert!(message.starts_with("range of an axis: found "), "{message}");
        }
    }
}
