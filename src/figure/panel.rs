//! One heatmap of a figure: a grid, what it is of, and the ranks that its title tells.

use crate::similarity::Grid;

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
    /// The grid of the module at `path`, a dotted path; the title is ΔW with the path's [`projection`].
    pub fn module(path: impl Into<String>, grid: Grid) -> Self {
        let path = path.into();
        let projection = projection(&path).to_owned();
        let ranks = (grid.n_rows(), grid.n_cols());
        Self { kind: Kind::Module { path, projection }, grid, ranks }
    }

    /// The grid of two random Gaussian matrices, titled "Random Gaussian".
    pub fn control(grid: Grid) -> Self {
        let ranks = (grid.n_rows(), grid.n_cols());
        Self { kind: Kind::Control, grid, ranks }
    }

    /// The ranks r of the two adapters, where the grid is smaller because directions are missing; the titles tell
    /// these, the axes what the grid holds. Default: the sides of the grid.
    pub fn ranks(mut self, first: usize, second: usize) -> Self {
        self.ranks = (first, second);
        self
    }

    /// Another subscript for ΔW than the path's [`projection`]. The control has none, and stays as it is.
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

/// A module's projection: the last name of its dotted path, as `q`, `k`, `v` or `o` for the usual names of those four.
///
/// A number at the end is passed over, so that `attn1.to_out.0` is `o`.
///
/// ```
/// use lorascope::figure::projection;
///
/// assert_eq!(projection("model.layers.0.self_attn.q_proj"), "q");
/// assert_eq!(projection("encoder.layer.5.attention.self.value"), "v");
/// assert_eq!(projection("model.layers.0.mlp.gate_proj"), "gate_proj");
/// ```
pub fn projection(path: &str) -> &str {
    let is_number = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    let name = path.rsplit('.').find(|name| !is_number(name)).unwrap_or(path);
    match name {
        "q_proj" | "query" | "to_q" | "q_lin" | "wq" => "q",
        "k_proj" | "key" | "to_k" | "k_lin" | "wk" => "k",
        "v_proj" | "value" | "to_v" | "v_lin" | "wv" => "v",
        "o_proj" | "out_proj" | "to_out" | "out_lin" | "wo" => "o",
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_names_of_a_projection_become_its_letter() {
        for (path, letter) in [
            ("a.q_proj", "q"),
            ("a.query", "q"),
            ("SelfAttention.q", "q"),
            ("attn1.to_k", "k"),
            ("v", "v"),
            ("attn2.to_out.0", "o"),
            ("h.0.attn.c_attn", "c_attn"),
            ("7", "7"),
            ("", ""),
        ] {
            assert_eq!(projection(path), letter, "{path}");
        }
    }

    #[test]
    fn ranks_default_to_the_sides_of_the_grid() {
        let grid = Grid::new(2, 3, 4, vec![0.0; 6]).unwrap();
        assert_eq!(Panel::module("q", grid.clone()).ranks, (2, 3));
        assert_eq!(Panel::module("q", grid).ranks(8, 8).ranks, (8, 8));
    }
}
