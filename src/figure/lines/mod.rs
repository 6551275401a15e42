//! Lines over a number, such as a training run's steps.

mod layout;
mod scale;

use super::plot::Plot;
use super::scene::Scene;
use super::style::Style;
use crate::error::{Fault, Result};

/// A named line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What the legend calls it.
    pub name: String,
    /// (x, y), by rising x.
    pub points: Vec<(f64, f64)>,
}

/// Lines in one frame, from y = 0 up, with a legend. The range of its [`Style`] is what y covers at least; its palette
/// has no part here.
#[derive(Debug, Clone)]
pub struct LineChart {
    x_name: String,
    y_name: String,
    lines: Vec<Line>,
    style: Style,
}

impl LineChart {
    /// A chart of lines; points that are not finite are left out.
    ///
    /// # Errors
    /// `Invalid` when no point is finite.
    pub fn new(mut lines: Vec<Line>) -> Result<Self> {
        for line in &mut lines {
            line.points.retain(|(x, y)| x.is_finite() && y.is_finite());
        }
        lines.retain(|line| !line.points.is_empty());
        if lines.is_empty() {
            return Err(Fault::new("no finite point", "at least one").of("line chart").invalid());
        }
        Ok(Self { x_name: String::new(), y_name: String::new(), lines, style: Style::default() })
    }

    /// What x and y are.
    pub fn axes(mut self, x: impl Into<String>, y: impl Into<String>) -> Self {
        (self.x_name, self.y_name) = (x.into(), y.into());
        self
    }

    /// How it looks.
    pub fn style(mut self, style: Style) -> Self {
        self.style = style;
        self
    }
}

impl Plot for LineChart {
    fn scene(&self) -> Result<Scene<'_>> {
        layout::scene(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(name: &str, points: &[(f64, f64)]) -> Line {
        Line { name: name.to_owned(), points: points.to_vec() }
    }

    #[test]
    fn points_that_are_not_finite_are_left_out_and_a_chart_without_any_is_refused() {
        let gaps = line("a", &[(1.0, f64::NAN), (2.0, 0.5), (f64::INFINITY, 0.1)]);
        let chart = LineChart::new(vec![gaps, line("b", &[])]).unwrap();
        assert_eq!(chart.lines, [line("a", &[(2.0, 0.5)])]);
        assert!(LineChart::new(vec![line("a", &[(0.0, f64::NAN)])]).is_err());
    }

    #[test]
    fn a_legend_that_is_full_says_how_many_more_there_are() {
        let lines: Vec<_> = (0..40).map(|k| line(&format!("run {k}"), &[(0.0, f64::from(k))])).collect();
        let legend = layout::legend(&lines);
        assert_eq!(legend.len(), 18);
        assert_eq!(legend[17].1.pieces[0].text, "and 23 more");
    }

    #[test]
    fn a_range_is_what_y_covers_at_least() {
        let chart = LineChart::new(vec![line("a", &[(0.0, 0.2), (1.0, 0.4)])]).unwrap();
        let ends = |style: Style| scale::y_ends(&chart.clone().style(style));
        assert_eq!(ends(Style::new()).unwrap(), (0.0, 0.4));
        assert_eq!(ends(Style::new().range(-0.5, 1.0)).unwrap(), (-0.5, 1.0));
        assert_eq!(ends(Style::new().range(0.1, 0.3)).unwrap(), (0.0, 0.4));
        assert!(ends(Style::new().range(0.0, f64::NAN)).is_err());
    }

    proptest! {
        #[test]
        fn everything_lies_on_the_canvas(
            n_lines in 1usize..40,
            chars in 0usize..100,
            steps in proptest::collection::vec((0.0..1e6f64, -1.0..1.0f64), 1..20),
            width_in in proptest::option::of(2.0..12.0f64),
            dpi in 30.0..300.0f64,
        ) {
            let lines = (0..n_lines).map(|_| line(&"x".repeat(chars), &steps)).collect();
            let style = Style::new().title("Title").dpi(dpi);
            let style = match width_in {
                Some(width_in) => style.width_in(width_in),
                None => style,
            };
            let chart = LineChart::new(lines).unwrap().axes("step", "value").style(style);
            match chart.scene() {
                Ok(scene) => prop_assert_eq!(scene.outside(), None),
                Err(_) => prop_assert!(width_in.is_some_and(|width_in| width_in < 5.5)),
            }
        }
    }
}
