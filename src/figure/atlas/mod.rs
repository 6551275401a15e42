//! A whole model on one sheet: a small heatmap for every module, layers down and projections across, with one colour bar.

mod layout;

use super::color_bar::ColorScale;
use super::plot::Plot;
use super::scene::Scene;
use super::style::Style;
use crate::error::{Fault, Result};
use crate::measure::Grid;
use crate::measure::summary::{Strength, Summary};

/// The range of an atlas's colours, as in the paper's figures.
const DEFAULT_RANGE: (f64, f64) = (0.0, 0.5);

/// A small heatmap of φ for every module. All are squares of one size, whatever their ranks, and lie in line.
///
/// A bar over a heatmap stands for its horizontal band, one at its left for its vertical band: thick where the summary calls
/// the band strong, thin where weak, none where none.
#[derive(Debug, Clone)]
pub struct Atlas {
    rows: Vec<String>,
    cols: Vec<String>,
    cells: Vec<AtlasCell>,
    axis: String,
    note: String,
    style: Style,
}

/// A heatmap in its place.
#[derive(Debug, Clone)]
struct AtlasCell {
    row: usize,
    col: usize,
    grid: Grid,
    horizontal: Strength,
    vertical: Strength,
}

impl Atlas {
    /// A sheet with these rows from the top and columns from the left, and nothing in them.
    ///
    /// # Errors
    /// `Invalid` without a row or a column.
    pub fn new(rows: Vec<String>, cols: Vec<String>) -> Result<Self> {
        if rows.is_empty() || cols.is_empty() {
            let found = format!("{} rows and {} columns", rows.len(), cols.len());
            return Err(Fault::new(found, "one of each at least").of("atlas").invalid());
        }
        Ok(Self {
            rows,
            cols,
            cells: vec![],
            axis: String::new(),
            note: String::new(),
            style: Style::default(),
        })
    }

    /// Puts a grid into a row and a column, counted from 0, with what its summary says.
    ///
    /// # Errors
    /// `Invalid` for a place that is not on the sheet.
    pub fn grid(mut self, row: usize, col: usize, grid: Grid, summary: &Summary) -> Result<Self> {
        if row >= self.rows.len() || col >= self.cols.len() {
            let expected = format!("a place in {} × {}", self.rows.len(), self.cols.len());
            return Err(Fault::new(format!("row {row}, column {col}"), expected).of("atlas").invalid());
        }
        let (horizontal, vertical) = (summary.horizontal.strength, summary.vertical.strength);
        self.cells.push(AtlasCell { row, col, grid, horizontal, vertical });
        Ok(self)
    }

    /// What the rows are, over their names.
    pub fn axis(mut self, axis: impl Into<String>) -> Self {
        self.axis = axis.into();
        self
    }

    /// A line under the sheet, in small type.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// How it looks.
    pub fn style(mut self, style: Style) -> Self {
        self.style = style;
        self
    }

    /// The largest φ, for [`Style::range_up_to`].
    pub fn largest(&self) -> f64 {
        let values = self.cells.iter().flat_map(|cell| cell.grid.values());
        values.fold(0.0f32, |largest, &value| largest.max(value)).min(1.0).into()
    }
}

impl Plot for Atlas {
    fn scene(&self) -> Result<Scene<'_>> {
        let _fonts = self.style.fonts.enter();
        let values = self.cells.iter().flat_map(|cell| cell.grid.values());
        let colors = ColorScale::new(&self.style, DEFAULT_RANGE, values)?;
        layout::scene(self, &colors)
    }
}
