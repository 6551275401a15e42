//! The paper's figure: heatmaps of φ(i, j) side by side, with titles, ticks and one colour bar.

mod axes;
mod columns;
mod layout;
mod overlay;
mod panel;
mod row;
mod titles;

pub use panel::Panel;

use self::columns::Columns;
use self::overlay::Overlay;
use self::row::Row;
use super::canvas::Canvas;
use super::color_bar::{ColorScale, is_over};
use super::plot::Plot;
use super::quantity::Quantity;
use super::scene::Scene;
use super::style::Style;
use crate::error::{Fault, Result};
use crate::measure::Grid;

/// The range of a figure's colours, as in the paper.
const DEFAULT_RANGE: (f64, f64) = (0.0, 0.5);
/// Panels side by side before a new row begins.
const MAX_PER_ROW: usize = 4;
/// The width of the page for each panel. Where rows have names: the width for the labels, and that for each panel, which is so
/// much that the whole is no higher than this, if panels can still be seen.
const PANEL_IN: f64 = 4.0;
const ROW_LABELS_IN: f64 = 1.4;
const ROW_PANEL_IN: f64 = 2.6;
const HIGHEST_IN: f64 = 48.0;
const LEAST_PANEL_IN: f64 = 0.9;

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
    /// Of the rows, where they are not of a matrix of the same kind.
    row_symbol: Option<String>,
    panels: Vec<Panel>,
    /// Rows with names, of places in the list of panels; without any, panels flow.
    rows: Vec<NamedRow>,
    is_of_two_ranks: bool,
    /// What the title goes on with, and the longest of its kind, whose room it takes.
    title_end: [String; 2],
    overlay: Overlay,
    style: Style,
}

#[derive(Debug, Clone)]
struct NamedRow {
    name: String,
    slots: Vec<Option<usize>>,
}

impl Figure {
    /// A figure without panels, of the matrices that `symbol` stands for in the title: `'A'`, `'B'` or `"ΔW"`.
    pub fn new(symbol: impl Into<String>) -> Self {
        Self {
            symbol: symbol.into(),
            row_symbol: None,
            panels: vec![],
            rows: vec![],
            is_of_two_ranks: false,
            title_end: Default::default(),
            overlay: Overlay::default(),
            style: Style::default(),
        }
    }

    /// Adds a panel on the right, or at the left of a new row under four others, or under fewer where these would be too small.
    pub fn panel(mut self, panel: Panel) -> Self {
        self.panels.push(panel);
        self
    }

    /// Adds a row of panels with a name, such as "Layer 3"; `None` leaves a place empty. Panels under each other share their
    /// axes. A figure has either such rows or single panels.
    pub fn row(mut self, name: impl Into<String>, panels: Vec<Option<Panel>>) -> Self {
        let mut slots = vec![];
        for panel in panels {
            slots.push(panel.is_some().then_some(self.panels.len()));
            self.panels.extend(panel);
        }
        self.rows.push(NamedRow { name: name.into(), slots });
        self
    }

    /// Two adapters of different ranks: the default title has the larger rank first and no prime, as the paper's figure 3.
    pub fn of_two_ranks(mut self) -> Self {
        self.is_of_two_ranks = true;
        self
    }

    /// What the title goes on with, be it the default one or the style's: such as ", step 500", in the room of ", step 1000", so
    /// that the titles of an animation stand in one place.
    pub fn title_end(mut self, text: impl Into<String>, longest: impl Into<String>) -> Self {
        self.title_end = [text.into(), longest.into()];
        self
    }

    /// Only the first cells of every panel: i up to `n_rows` and j up to `n_cols`. The ranks in the titles stay.
    ///
    /// # Errors
    /// `Invalid` for no rows or no columns.
    pub fn cells(mut self, n_rows: usize, n_cols: usize) -> Result<Self> {
        self.panels =
            self.panels.into_iter().map(|panel| panel.first(n_rows, n_cols)).collect::<Result<_>>()?;
        Ok(self)
    }

    /// Rows that are of another matrix, which has no rank of its own: the default title is φ(W, ΔW, i, j) for `"W"`.
    pub fn rows_of(mut self, symbol: impl Into<String>) -> Self {
        self.row_symbol = Some(symbol.into());
        self
    }

    /// Lines between the cells that reach each of these values and those that do not.
    pub fn contours(mut self, values: Vec<f64>) -> Self {
        self.overlay.contours = values;
        self
    }

    /// Whether the line i = j is drawn.
    pub fn diagonal(mut self, diagonal: bool) -> Self {
        self.overlay.diagonal = diagonal;
        self
    }

    /// How it looks. Default title: φ(A, A′, i, j) with the ranks that all modules share.
    pub fn style(mut self, style: Style) -> Self {
        self.style = style;
        self
    }

    /// The least and the largest value of all cells, of the control too, for [`Style::with_values`]. Infinite the wrong way round
    /// without any.
    pub fn span(&self) -> (f32, f32) {
        let shown: Vec<_> = self.panels.iter().map(Panel::shown_values).collect();
        let values = shown.iter().flat_map(|values| values.iter()).filter(|value| !value.is_nan());
        values.fold((f32::INFINITY, f32::NEG_INFINITY), |(least, largest), &value| {
            (least.min(value), largest.max(value))
        })
    }

    /// The largest value of the modules that were added, for [`Style::range_up_to`].
    pub fn largest(&self) -> f64 {
        let modules = self.panels.iter().filter(|panel| !panel.is_control());
        let largest = |panel: &Panel| {
            panel.shown_values().iter().fold(0.0f32, |largest, &value| largest.max(value)).into()
        };
        let largest = modules.map(largest).fold(0.0, f64::max);
        // φ is over 1 by rounding only.
        if self.quantity() == Quantity::Z { largest } else { largest.min(1.0) }
    }

    /// The share of a grid's cells that would be over the upper end of the colours, from 0 to 1.
    pub fn share_over(&self, grid: &Grid) -> f64 {
        let (vmin, vmax) = self.style.range_or(DEFAULT_RANGE);
        let values = self.quantity().of(grid);
        let n_over = values.iter().filter(|&&value| is_over(value, vmin, vmax)).count();
        n_over as f64 / values.len() as f64
    }

    /// The upper end of the colours.
    pub fn vmax(&self) -> f64 {
        self.style.range_or(DEFAULT_RANGE).1
    }

    /// What the cells show, which is the same in all panels of a figure that can be read.
    fn quantity(&self) -> Quantity {
        self.panels.first().map_or(Quantity::Phi, |panel| panel.quantity)
    }

    fn has_rows(&self) -> bool {
        !self.rows.is_empty()
    }

    /// Panels side by side at most.
    fn per_row(&self) -> usize {
        match self.rows.iter().map(|row| row.slots.len()).max() {
            Some(n_slots) => n_slots,
            None => self.panels.len().min(self.style.columns.unwrap_or(MAX_PER_ROW)),
        }
    }

    fn width_in(&self) -> f64 {
        let (labels_in, panel_in) = match self.rows.len() {
            0 => (0.0, PANEL_IN),
            n => (ROW_LABELS_IN, (HIGHEST_IN / n as f64).clamp(LEAST_PANEL_IN, ROW_PANEL_IN)),
        };
        self.style.width_in.unwrap_or(labels_in + panel_in * self.per_row() as f64)
    }

    /// The panels in their rows. Without names and without a wish for columns, as many side by side as can be read.
    fn arranged(&self, canvas: &Canvas, colors: &ColorScale) -> Vec<Row<'_>> {
        if self.has_rows() {
            let of =
                |row: &'_ NamedRow| row.slots.iter().map(|slot| slot.map(|at| &self.panels[at])).collect();
            return self.rows.iter().map(|row| Row { label: Some(&row.name), panels: of(row) }).collect();
        }
        let rows = |n_cols: usize| -> Vec<Row<'_>> {
            self.panels
                .chunks(n_cols)
                .map(|panels| Row { label: None, panels: panels.iter().map(Some).collect() })
                .collect()
        };
        let most = self.per_row();
        if self.style.columns.is_some() {
            return rows(most);
        }
        let is_good = |n_cols: &usize| Columns::are_good(&rows(*n_cols), canvas, colors, &self.style.y_axis);
        rows((1..=most).rev().find(is_good).unwrap_or(1))
    }
}

impl Plot for Figure {
    fn scene(&self) -> Result<Scene<'_>> {
        let _fonts = self.style.fonts.enter();
        if self.panels.is_empty() {
            return Err(Fault::new("no panel", "at least one").of("figure").invalid());
        }
        let shown: Vec<_> = self.panels.iter().map(Panel::shown_values).collect();
        let colors =
            ColorScale::new(&self.style, DEFAULT_RANGE, shown.iter().flat_map(|values| values.iter()))?;
        let canvas = self.style.canvas(self.width_in())?;
        layout::scene(self, canvas, &colors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let grids = [grid(&[0.1, 0.5, 0.500_4, 0.51]), grid(&[0.6, 0.7])];
        let figure = Figure::new('A')
            .panel(Panel::module("q", grids[0].clone()))
            .panel(Panel::control(grids[1].clone()));
        let over = |figure: &Figure| (grids.each_ref().map(|grid| figure.share_over(grid)), figure.vmax());
        assert_eq!(over(&figure), ([0.25, 1.0], 0.5));
        let figure = figure.style(Style::new().range(0.0, 0.65));
        assert_eq!(over(&figure), ([0.0, 0.5], 0.65));
        let largest = figure.largest();
        assert_eq!(over(&figure.style(Style::new().range_up_to(0.0, largest))).0[0], 0.0);
    }
}
