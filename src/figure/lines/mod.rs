//! Lines over a number, such as a training run's steps, in one frame or in several.

mod frame;
mod layout;
mod ranges;
mod scale;

use super::plot::Plot;
use super::scene::Scene;
use super::style::Style;
use crate::error::{Fault, Result};

/// A named line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What the legend calls it. Lines of one name have one colour, in all frames.
    pub name: String,
    /// (x, y), by rising x.
    pub points: Vec<(f64, f64)>,
}

/// Lines in a frame.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LinePanel {
    /// Above the frame.
    pub title: String,
    /// What y is. Frames with one name have one scale.
    pub y_name: String,
    /// Lines in colours, which the legend names.
    pub lines: Vec<Line>,
    /// Thin grey lines behind them, without names.
    pub behind: Vec<Line>,
    /// Points that stand out, as rings: of lines, by their places in the list.
    pub marks: Vec<(usize, f64, f64)>,
}

/// Frames with lines, each from y = 0 up, and a legend. The range of its [`Style`] is what y covers at least; its palette
/// has no part here.
#[derive(Debug, Clone)]
pub struct LineChart {
    x_name: String,
    note: String,
    panels: Vec<LinePanel>,
    is_log: bool,
    style: Style,
}

impl LineChart {
    /// Lines in one frame; points that are not finite are left out.
    ///
    /// # Errors
    /// `Invalid` when no point is finite.
    pub fn new(lines: Vec<Line>) -> Result<Self> {
        Self::of_panels(vec![LinePanel { lines, ..LinePanel::default() }])
    }

    /// Several frames side by side, at most four in a row; points that are not finite are left out, and so are frames without
    /// any.
    ///
    /// # Errors
    /// `Invalid` when no point is finite.
    pub fn of_panels(mut panels: Vec<LinePanel>) -> Result<Self> {
        for panel in &mut panels {
            for lines in [&mut panel.lines, &mut panel.behind] {
                for line in &mut *lines {
                    line.points.retain(|(x, y)| x.is_finite() && y.is_finite());
                }
            }
            // Marks count by the places of lines.
            if panel.marks.is_empty() {
                panel.lines.retain(|line| !line.points.is_empty());
            }
            panel.behind.retain(|line| !line.points.is_empty());
        }
        panels.retain(|panel| panel.all_lines().any(|line| !line.points.is_empty()));
        if panels.is_empty() {
            return Err(Fault::new("no finite point", "at least one").of("line chart").invalid());
        }
        Ok(Self {
            x_name: String::new(),
            note: String::new(),
            panels,
            is_log: false,
            style: Style::default(),
        })
    }

    /// What x and y are, y in every frame.
    pub fn axes(mut self, x: impl Into<String>, y: impl Into<String>) -> Self {
        let y = y.into();
        self.panels.iter_mut().for_each(|panel| panel.y_name.clone_from(&y));
        self.x(x)
    }

    /// What x is.
    pub fn x(mut self, x: impl Into<String>) -> Self {
        self.x_name = x.into();
        self
    }

    /// A logarithmic scale of y, for values over 0; others are left out, and frames without any too.
    ///
    /// # Errors
    /// `Invalid` when none is over 0.
    pub fn log_y(self) -> Result<Self> {
        let mut panels = self.panels;
        for panel in &mut panels {
            for line in panel.lines.iter_mut().chain(&mut panel.behind) {
                line.points.retain(|(_, y)| *y > 0.0);
            }
            panel.marks.retain(|(_, _, y)| *y > 0.0);
        }
        Ok(Self { panels: Self::of_panels(panels)?.panels, is_log: true, ..self })
    }

    /// A line under the picture, in small type.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// How it looks.
    pub fn style(mut self, style: Style) -> Self {
        self.style = style;
        self
    }

    /// The names that the legend has, in the order of their colours.
    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = vec![];
        for line in self.panels.iter().flat_map(|panel| &panel.lines) {
            if !names.contains(&line.name.as_str()) {
                names.push(&line.name);
            }
        }
        names
    }
}

impl LinePanel {
    fn all_lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().chain(&self.behind)
    }
}

impl Plot for LineChart {
    fn scene(&self) -> Result<Scene<'_>> {
        let _fonts = self.style.fonts.enter();
        layout::scene(&self.within_ranges()?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::figure::Look;
    use crate::figure::scene::Item;

    fn line(name: &str, points: &[(f64, f64)]) -> Line {
        Line { name: name.to_owned(), points: points.to_vec() }
    }

    #[test]
    fn points_that_are_not_finite_are_left_out_and_a_chart_without_any_is_refused() {
        let gaps = line("a", &[(1.0, f64::NAN), (2.0, 0.5), (f64::INFINITY, 0.1)]);
        let chart = LineChart::new(vec![gaps, line("b", &[])]).unwrap();
        assert_eq!(chart.panels[0].lines, [line("a", &[(2.0, 0.5)])]);
        assert!(LineChart::new(vec![line("a", &[(0.0, f64::NAN)])]).is_err());
    }

    #[test]
    fn a_legend_that_is_full_says_how_many_more_there_are() {
        let lines: Vec<_> = (0..40).map(|k| line(&format!("run {k}"), &[(0.0, f64::from(k))])).collect();
        let chart = LineChart::new(lines).unwrap();
        let legend = layout::legend(&chart, 220.0);
        assert_eq!(legend.len(), 18);
        assert_eq!(legend[17].1.pieces[0].text, "and 23 more");
    }

    #[test]
    fn lines_of_one_name_share_a_colour_and_a_place_in_the_legend() {
        let panel = |lines: Vec<Line>| LinePanel { lines, ..LinePanel::default() };
        let panels = vec![
            panel(vec![line("b", &[(0.0, 1.0)]), line("a", &[(0.0, 1.0)])]),
            panel(vec![line("a", &[(0.0, 1.0)]), line("c", &[(0.0, f64::NAN)])]),
        ];
        let chart = LineChart::of_panels(panels).unwrap();
        assert_eq!(chart.names(), ["b", "a"]);
        let texts = chart.scene().unwrap().texts();
        assert_eq!(texts.iter().filter(|text| *text == "a").count(), 1, "{texts:?}");
    }

    #[test]
    fn a_range_is_what_y_covers_at_least() {
        let chart = LineChart::new(vec![line("a", &[(0.0, 0.2), (1.0, 0.4)])]).unwrap();
        let ends = |style: Style| scale::y_ends(&chart.clone().style(style), "");
        assert_eq!(ends(Style::new()).unwrap(), (0.0, 0.4));
        assert_eq!(ends(Style::new().range(-0.5, 1.0)).unwrap(), (-0.5, 1.0));
        assert_eq!(ends(Style::new().range(0.1, 0.3)).unwrap(), (0.0, 0.4));
        assert!(ends(Style::new().range(0.0, f64::NAN)).is_err());
    }

    #[test]
    fn no_two_texts_overlap() {
        let points: Vec<(f64, f64)> = (1..=64).map(|k| (f64::from(k), 3.0 / f64::from(k * k))).collect();
        for n_panels in [1, 2, 4, 8, 9] {
            for style in [Style::new(), Style::new().print_width_in(7.0), Style::new().look(Look::Slides)] {
                let panel = |n: usize| LinePanel {
                    // As spectra have them, and trajectories.
                    title: if n_panels == 8 {
                        "ϕ(k, k) with the last".to_owned()
                    } else {
                        format!("q, layer {n}")
                    },
                    y_name: ["σ(k)", "smallest angle"][n % 2].to_owned(),
                    lines: vec![line("a long name of a run", &points), line("another", &points)],
                    marks: vec![(0, 8.0, 0.05)],
                    ..LinePanel::default()
                };
                let chart = LineChart::of_panels((0..n_panels).map(panel).collect()).unwrap();
                let chart = chart.x("k").note("A note.").style(style.title("Singular values of A"));
                for chart in [chart.clone(), chart.log_y().unwrap()] {
                    let Ok(scene) = chart.scene() else { continue };
                    assert_eq!(
                        (scene.overlapping_texts(), scene.outside()),
                        (None, None),
                        "{n_panels} panels"
                    );
                }
            }
        }
    }

    #[test]
    fn marks_are_rings_on_their_points_and_values_that_are_not_over_0_have_no_logarithm() {
        let panel = LinePanel {
            lines: vec![line("a", &[(1.0, 0.0), (2.0, 0.5), (3.0, 0.1)]), line("b", &[(1.0, -1.0)])],
            marks: vec![(0, 2.0, 0.5), (1, 1.0, -1.0)],
            ..LinePanel::default()
        };
        let chart = LineChart::of_panels(vec![panel]).unwrap().log_y().unwrap();
        assert_eq!(chart.panels[0].lines[0].points, [(2.0, 0.5), (3.0, 0.1)]);
        let scene = chart.scene().unwrap();
        let dots: Vec<(f64, f64, f64)> = scene
            .items
            .iter()
            .filter_map(|item| match item {
                Item::Dot { x_pt, y_pt, radius_pt, .. } => Some((*x_pt, *y_pt, *radius_pt)),
                _ => None,
            })
            .collect();
        // Two points, and a ring of two dots on the first.
        assert_eq!(dots.len(), 4);
        assert!((dots[0].0, dots[0].1) == (dots[2].0, dots[2].1) && dots[2].2 > dots[3].2, "{dots:?}");
        assert!(LineChart::new(vec![line("a", &[(1.0, -1.0)])]).unwrap().log_y().is_err());
    }

    #[test]
    fn frames_of_one_quantity_have_one_scale() {
        let panel = |y_name: &str, y: f64| LinePanel {
            y_name: y_name.to_owned(),
            lines: vec![line("a", &[(0.0, y)])],
            ..LinePanel::default()
        };
        let chart =
            LineChart::of_panels(vec![panel("drift", 0.2), panel("rate", 7.0), panel("drift", 0.9)]).unwrap();
        assert_eq!(scale::y_ends(&chart, "drift").unwrap(), (0.0, 0.9));
        assert_eq!(scale::y_ends(&chart, "rate").unwrap(), (0.0, 7.0));
    }

    proptest! {
        #[test]
        fn everything_lies_on_the_canvas(
            n_lines in 1usize..40,
            n_panels in 1usize..10,
            chars in 0usize..100,
            steps in proptest::collection::vec((0.0..1e6f64, -1.0..1.0f64), 1..20),
            width_in in proptest::option::of(2.0..20.0f64),
            dpi in 30.0..300.0f64,
        ) {
            let lines = |n| -> Vec<Line> { (0..n).map(|k| line(&format!("{k}{}", "x".repeat(chars)), &steps)).collect() };
            let panel = || LinePanel {
                title: "x".repeat(chars),
                y_name: "value".to_owned(),
                lines: lines(n_lines),
                behind: lines(2),
                marks: vec![],
            };
            let style = Style::new().title("Title").dpi(dpi);
            let style = match width_in {
                Some(width_in) => style.width_in(width_in),
                None => style,
            };
            let panels = (0..n_panels).map(|_| panel()).collect();
            let chart = LineChart::of_panels(panels).unwrap().x("step").note("A note.").style(style);
            match chart.scene() {
                Ok(scene) => prop_assert_eq!(scene.outside(), None),
                Err(_) => prop_assert!(width_in.is_some_and(|width_in| width_in < 11.0)),
            }
        }
    }
}
