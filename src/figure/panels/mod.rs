//! The paper's figure: heatmaps of φ(i, j) side by side, with titles, ticks and one colour bar.

mod axes;
mod layout;
mod panel;
mod titles;

pub use panel::Panel;

use super::canvas::Canvas;
use super::color_bar::{ColorScale, is_over};
use super::plot::Plot;
use super::scene::Scene;
use super::style::Style;
use crate::error::{Fault, Result};

/// The range of a figure's colours, as in the paper.
const DEFAULT_RANGE: (f64, f64) = (0.0, 0.5);

/// The paper's figure: panels side by side, at most four in a row, and one colour bar for all.
///
/// Its colours go from 0.0 to 0.5 and it is 4 in wide for each panel in a row, unless its [`Style`] says otherwise.
///
/// ```
/// use lorascope::Grid;
/// use lorascope::figure::{Figure, Output, Panel, Plot, Style};
///
/// # fn main() -> lorascope::Result<()> {
/// let grid = Grid::new(2, 2, 384, vec![0.9, 0.9, 0.9, 0.5])?;
/// let figure = Figure::new('A').panel(Panel::module("layers.0.q_proj", grid)).style(Style::new().dpi(100.0));
/// let mut png = Vec::new();
/// figure.write(Output::Png, &mut png)?;
/// assert!(png.starts_with(b"\x89PNG"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Figure {
    symbol: String,
    panels: Vec<Panel>,
    style: Style,
}

impl Figure {
    /// A figure without panels, of the matrices that `symbol` stands for in the title: `'A'`, `'B'` or `"ΔW"`.
    pub fn new(symbol: impl Into<String>) -> Self {
        Self { symbol: symbol.into(), panels: vec![], style: Style::default() }
    }

    /// Adds a panel on the right, or at the left of a new row under four others.
    pub fn panel(mut self, panel: Panel) -> Self {
        self.panels.push(panel);
        self
    }

    /// How it looks. Default title: φ(A, A′, i, j) with the ranks that all modules share.
    pub fn style(mut self, style: Style) -> Self {
        self.style = style;
        self
    }

    /// The largest φ of the modules that were added, for [`Style::range_up_to`].
    pub fn largest(&self) -> f64 {
        let modules = self.panels.iter().filter(|panel| !panel.is_control());
        let values = modules.flat_map(|panel| panel.grid.values());
        values.fold(0.0f32, |largest, &value| largest.max(value)).min(1.0).into()
    }

    /// The share of each panel's cells that are over the upper end of the colours, from 0 to 1, and that end.
    pub fn over(&self) -> (Vec<f64>, f64) {
        let (vmin, vmax) = self.style.range_or(DEFAULT_RANGE);
        let share = |panel: &Panel| {
            let values = panel.grid.values();
            let n_over = values.iter().filter(|&&value| is_over(value, vmin, vmax)).count();
            n_over as f64 / values.len() as f64
        };
        (self.panels.iter().map(share).collect(), vmax)
    }

    fn width_in(&self) -> f64 {
        self.style.width_in.unwrap_or(4.0 * self.panels.len().min(layout::MAX_PER_ROW) as f64)
    }
}

impl Plot for Figure {
    fn scene(&self) -> Result<Scene<'_>> {
        if self.panels.is_empty() {
            return Err(Fault::new("no panel", "at least one").of("figure").invalid());
        }
        let colors = ColorScale::new(
            &self.style,
            DEFAULT_RANGE,
            self.panels.iter().flat_map(|panel| panel.grid.values()),
        )?;
        let canvas = Canvas::new(self.width_in(), self.style.dpi)?;
        layout::scene(self, canvas, &colors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::Grid;

    #[test]
    fn a_range_up_to_the_largest_value_ends_at_the_next_tenth() {
        let with = |largest: f32| {
            let grid = Grid::new(1, 2, 8, vec![0.0, largest]).unwrap();
            let control = Panel::control(Grid::new(1, 1, 8, vec![0.99]).unwrap());
            Figure::new('A').panel(Panel::module("q", grid)).panel(control).largest()
        };
        let vmax =
            |vmin: f64, largest: f32| Style::new().range_up_to(vmin, with(largest)).range_or(DEFAULT_RANGE).1;
        for (largest, expected) in
            [(0.0, 0.1), (0.31, 0.4), (0.4, 0.4), (0.400_001, 0.4), (0.97, 1.0), (1.000_01, 1.0)]
        {
            assert!((vmax(0.0, largest) - expected).abs() < 1e-12, "{largest} gives {}", vmax(0.0, largest));
        }
        assert_eq!(vmax(0.7, 0.55), 0.7 + 0.1);
    }

    #[test]
    fn the_share_of_cells_over_the_range_is_that_of_each_panel() {
        let grid = |values: &[f32]| Grid::new(1, values.len(), 8, values.to_vec()).unwrap();
        let figure = Figure::new('A')
            .panel(Panel::module("q", grid(&[0.1, 0.5, 0.500_4, 0.51])))
            .panel(Panel::control(grid(&[0.6, 0.7])));
        assert_eq!(figure.over(), (vec![0.25, 1.0], 0.5));
        let figure = figure.style(Style::new().range(0.0, 0.65));
        assert_eq!(figure.over(), (vec![0.0, 0.5], 0.65));
        let largest = figure.largest();
        assert_eq!(figure.style(Style::new().range_up_to(0.0, largest)).over().0[0], 0.0);
    }
}
