//! One heatmap of a figure: a grid, what it is of, and the ranks in its title.

use crate::measure::Grid;
use crate::names;

/// One heatmap: the grid of a module, or the random control.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    pub(super) kind: Kind,
    pub(super) grid: Grid,
    pub(super) ranks: (usize, usize),
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
        let ranks = (grid.n_rows(), grid.n_cols());
        Self { kind: Kind::Module { path, projection }, grid, ranks }
    }

    /// The grid of two random Gaussian matrices, titled "Random Gaussian".
    pub fn control(grid: Grid) -> Self {
        let ranks = (grid.n_rows(), grid.n_cols());
        Self { kind: Kind::Control, grid, ranks }
    }

    /// The ranks r of the two adapters, where the grid is smaller because directions are missing; the titles have
    /// these, the axes what the grid holds. Default: the sides of the grid.
    pub fn ranks(mut self, first: usize, second: usize) -> Self {
        self.ranks = (first, second);
        self
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
    fn ranks_default_to_the_sides_of_the_grid() {
        let grid = Grid::new(2, 3, 4, vec![0.0; 6]).unwrap();
        assert_eq!(Panel::module("q", grid.clone()).ranks, (2, 3));
        assert_eq!(Panel::module("q", grid).ranks(8, 8).ranks, (8, 8));
    }
}
