//! One heatmap of a figure: a grid, what it is of, and the ranks in its title.

use std::borrow::Cow;

use crate::error::Result;
use crate::figure::quantity::Quantity;
use crate::figure::theme::Theme;
use crate::measure::Grid;
use crate::names;

/// One heatmap: the grid of a module, or the random control.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    pub(super) kind: Kind,
    pub(super) grid: Grid,
    pub(super) ranks: (usize, usize),
    pub(super) title: Option<String>,
    pub(super) caption: Option<String>,
    axes: Option<[String; 2]>,
    is_stretched: bool,
    is_triangle: bool,
    /// Rows and columns that are shown, where these are more than the grid has.
    room: Option<(usize, usize)>,
    pub(super) quantity: Quantity,
    /// Whether each row and each column is arbitrary.
    pub(super) ties: Option<[Vec<bool>; 2]>,
}

/// What a panel shows.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Module { path: String, projection: String },
    Control,
}

impl Panel {
    /// The grid of the module at `path`, a dotted path; the title is ΔW with the path's [`label`](crate::names::label).
    pub fn module(path: impl Into<String>, grid: Grid) -> Self {
        let path = path.into();
        let projection = names::label(&path).to_owned();
        Self::of_kind(Kind::Module { path, projection }, grid)
    }

    /// The grid of two random Gaussian matrices, titled "Random Gaussian".
    pub fn control(grid: Grid) -> Self {
        Self::of_kind(Kind::Control, grid)
    }

    fn of_kind(kind: Kind, grid: Grid) -> Self {
        let ranks = (grid.n_rows(), grid.n_cols());
        Self {
            kind,
            grid,
            ranks,
            title: None,
            caption: None,
            axes: None,
            is_stretched: false,
            is_triangle: false,
            room: None,
            quantity: Quantity::Phi,
            ties: None,
        }
    }

    /// Another title; ϕ and the letters in the parentheses that follow it are set as in mathematics.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// A line in small type under the title, in place of the module's path.
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = Some(caption.into());
        self
    }

    /// What i and j count directions of, in parentheses after the letters; W is set as in mathematics.
    pub fn axes(mut self, rows: impl Into<String>, cols: impl Into<String>) -> Self {
        self.axes = Some([rows.into(), cols.into()]);
        self
    }

    /// What the rows, 0, or the columns, 1, are of, where that is said.
    pub(super) fn axis_name(&self, axis: usize) -> Option<&str> {
        self.axes.as_ref().map(|names| names[axis].as_str())
    }

    /// What the cells show; default: φ itself.
    pub fn quantity(mut self, quantity: Quantity) -> Self {
        self.quantity = quantity;
        self
    }

    /// Which rows and which columns are arbitrary, since their last direction and the next have equal singular values: marked along
    /// the axes, and their cells hatched.
    pub fn ties(mut self, rows: Vec<bool>, cols: Vec<bool>) -> Self {
        self.ties = Some([rows, cols]);
        self
    }

    /// What NaN is painted in.
    pub(super) fn gaps(&self, theme: &Theme) -> Option<[u8; 3]> {
        if self.is_triangle {
            return Some(theme.paper);
        }
        (self.is_padded() || self.quantity != Quantity::Phi).then_some(theme.missing)
    }

    /// Cells that fill a square together, and need not be square themselves: for grids that are much wider than high.
    pub fn stretched(mut self) -> Self {
        self.is_stretched = true;
        self
    }

    /// Only the cells of the first `n` rows and columns. The ranks in the title stay.
    ///
    /// # Errors
    /// `Invalid` when `n` is 0.
    pub fn corner(self, n: usize) -> Result<Self> {
        self.first(n, n)
    }

    /// Only the cells of these first rows and columns.
    ///
    /// # Errors
    /// `Invalid` when there are none.
    pub(super) fn first(mut self, n_rows: usize, n_cols: usize) -> Result<Self> {
        self.room = self.room.map(|room| (room.0.min(n_rows), room.1.min(n_cols)));
        let (n_rows, n_cols) = (self.grid.n_rows().min(n_rows), self.grid.n_cols().min(n_cols));
        let rows = self.grid.values().chunks_exact(self.grid.n_cols()).take(n_rows);
        let values = rows.flat_map(|row| &row[..n_cols]).copied().collect();
        self.grid = Grid::new(n_rows, n_cols, self.grid.d(), values)?;
        if let Some([rows, cols]) = &mut self.ties {
            rows.truncate(n_rows);
            cols.truncate(n_cols);
        }
        Ok(self)
    }

    /// At least so many rows and columns; those that the grid does not have are grey. For plots that are to be of one size.
    pub fn padded(mut self, n_rows: usize, n_cols: usize) -> Self {
        self.room = Some((n_rows, n_cols));
        self
    }

    fn is_padded(&self) -> bool {
        (self.n_rows(), self.n_cols()) != (self.grid.n_rows(), self.grid.n_cols())
    }

    /// Rows that are shown.
    pub(super) fn n_rows(&self) -> usize {
        self.room.map_or(0, |room| room.0).max(self.grid.n_rows())
    }

    /// Columns that are shown.
    pub(super) fn n_cols(&self) -> usize {
        self.room.map_or(0, |room| room.1).max(self.grid.n_cols())
    }

    /// Only the cells with j ≤ i, as the paper draws corners.
    pub fn lower_left(mut self) -> Self {
        self.is_triangle = true;
        self
    }

    /// The values to paint, NaN where nothing is to be seen.
    pub(super) fn shown_values(&self) -> Cow<'_, [f32]> {
        let mut values = self.quantity.of(&self.grid);
        let n_cols = self.n_cols();
        if self.is_padded() {
            let mut padded = vec![f32::NAN; self.n_rows() * n_cols];
            for (to, from) in padded.chunks_mut(n_cols).zip(values.chunks(self.grid.n_cols())) {
                to[..from.len()].copy_from_slice(from);
            }
            values = Cow::Owned(padded);
        }
        if !self.is_triangle {
            return values;
        }
        let shown = |(at, &value): (usize, &f32)| if at % n_cols > at / n_cols { f32::NAN } else { value };
        values.iter().enumerate().map(shown).collect::<Vec<_>>().into()
    }

    pub(super) fn is_stretched(&self) -> bool {
        self.is_stretched
    }

    /// Cells that the side of a square slot is parted into, across.
    pub(super) fn cells_wide(&self) -> usize {
        let (n_rows, n_cols) = (self.n_rows(), self.n_cols());
        if self.is_stretched { n_cols } else { n_cols.max(n_rows) }
    }

    /// The same, down.
    pub(super) fn cells_high(&self) -> usize {
        let (n_rows, n_cols) = (self.n_rows(), self.n_cols());
        if self.is_stretched { n_rows } else { n_cols.max(n_rows) }
    }

    /// The ranks r of the two adapters, where the grid is smaller because directions are missing; the titles have
    /// these, the axes what the grid holds. Default: the sides of the grid.
    pub fn ranks(mut self, first: usize, second: usize) -> Self {
        self.ranks = (first, second);
        self
    }

    /// The ranks of the two adapters.
    pub fn adapter_ranks(&self) -> (usize, usize) {
        self.ranks
    }

    /// Another subscript for ΔW than the path's [`label`](crate::names::label). The control has none, and stays as it is.
    pub fn projection(mut self, name: impl Into<String>) -> Self {
        if let Kind::Module { projection, .. } = &mut self.kind {
            *projection = name.into();
        }
        self
    }

    /// The panel's grid.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    pub(super) fn is_control(&self) -> bool {
        self.kind == Kind::Control
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_corner_has_the_first_cells_and_a_triangle_those_at_the_lower_left() {
        let grid = Grid::new(3, 4, 9, (0..12).map(|k| k as f32).collect()).unwrap();
        let corner = Panel::module("q", grid).corner(2).unwrap();
        assert_eq!((corner.grid.values(), corner.ranks), (&[0.0, 1.0, 4.0, 5.0][..], (3, 4)));
        let shown = corner.lower_left();
        let values = shown.shown_values();
        assert!(values[1].is_nan() && (values[0], values[2], values[3]) == (0.0, 4.0, 5.0), "{values:?}");
        assert!(Panel::control(Grid::new(1, 1, 2, vec![0.0]).unwrap()).corner(0).is_err());
    }

    #[test]
    fn a_padded_panel_has_its_cells_where_they_were_and_grey_ones_after_them() {
        let grid = Grid::new(2, 2, 9, vec![0.1, 0.2, 0.3, 0.4]).unwrap();
        let panel = Panel::module("q", grid.clone()).padded(3, 4);
        let values = panel.shown_values();
        assert_eq!((panel.n_rows(), panel.n_cols(), values.len()), (3, 4, 12));
        assert_eq!((&values[..2], &values[4..6]), (&[0.1, 0.2][..], &[0.3, 0.4][..]));
        assert_eq!(values.iter().filter(|value| value.is_nan()).count(), 8);
        let theme = Theme::default();
        assert_eq!(panel.gaps(&theme), Some(theme.missing));
        assert_eq!(Panel::module("q", grid).padded(1, 2).gaps(&theme), None);
    }

    #[test]
    fn ranks_default_to_the_sides_of_the_grid() {
        let grid = Grid::new(2, 3, 4, vec![0.0; 6]).unwrap();
        assert_eq!(Panel::module("q", grid.clone()).ranks, (2, 3));
        assert_eq!(Panel::module("q", grid).ranks(8, 8).ranks, (8, 8));
    }
}
