//! What is drawn over the cells of a panel: contour lines, the line i = j, and marks for cells that are arbitrary.

use super::panel::Panel;
use crate::figure::color_bar::ColorScale;
use crate::figure::page::Page;
use crate::figure::scene::{Item, Rect};

const CONTOUR_PT: f64 = 0.9;
/// White on a rim of black, which is seen on every colour.
const DIAGONAL_PT: f64 = 0.6;
const RIM_PT: f64 = 1.4;
const HATCH_PT: f64 = 0.4;
const HATCH_STEP_PT: f64 = 3.0;
const HATCH: [u8; 3] = [150; 3];
/// A mark along an axis, and its distance from the frame.
const MARK_PT: f64 = 1.5;
const MARK_GAP_PT: f64 = 1.0;

/// The lines that a figure has over its cells.
#[derive(Debug, Clone, Default)]
pub(super) struct Overlay {
    /// Values whose contours are drawn.
    pub(super) contours: Vec<f64>,
    /// Whether the line i = j is.
    pub(super) diagonal: bool,
}

/// Where cells lie.
struct Cells {
    rect: Rect,
    n_rows: usize,
    n_cols: usize,
}

impl Cells {
    /// The corner between cells: (0, 0) is the top left one of all.
    fn corner(&self, row: usize, col: usize) -> (f64, f64) {
        let share = |at: usize, n: usize| at as f64 / n as f64;
        (
            self.rect.x_pt + self.rect.width_pt * share(col, self.n_cols),
            self.rect.y_pt + self.rect.height_pt * share(row, self.n_rows),
        )
    }
}

/// Draws all of it over a panel.
pub(super) fn draw(page: &mut Page<'_>, rect: Rect, panel: &Panel, overlay: &Overlay, colors: &ColorScale) {
    let cells = Cells { rect, n_rows: panel.n_rows(), n_cols: panel.n_cols() };
    if let Some([rows, cols]) = &panel.ties {
        ties(page, &cells, rows, cols);
    }
    if !overlay.contours.is_empty() {
        let values = panel.shown_values();
        for &level in &overlay.contours {
            contour(page, &cells, &values, level, colors.ink_on(level as f32));
        }
    }
    if overlay.diagonal {
        let n = cells.n_rows.min(cells.n_cols);
        let points_pt = vec![cells.corner(0, 0), cells.corner(n, n)];
        page.put(Item::Line { points_pt: points_pt.clone(), width_pt: RIM_PT, color: Some([0; 3]) });
        page.put(Item::Line { points_pt, width_pt: DIAGONAL_PT, color: Some([255; 3]) });
    }
}

/// The line between the cells that reach a level and those that do not, along their edges.
fn contour(page: &mut Page<'_>, cells: &Cells, values: &[f32], level: f64, color: [u8; 3]) {
    let (n_rows, n_cols) = (cells.n_rows, cells.n_cols);
    let value = |row: usize, col: usize| f64::from(values[row * n_cols + col]);
    let parts = |a: f64, b: f64| !a.is_nan() && !b.is_nan() && (a >= level) != (b >= level);
    let mut line = |from, to| {
        page.put(Item::Line { points_pt: vec![from, to], width_pt: CONTOUR_PT, color: Some(color) });
    };
    for row in 1..n_rows {
        runs(
            n_cols,
            |col| parts(value(row - 1, col), value(row, col)),
            |from, to| {
                line(cells.corner(row, from), cells.corner(row, to));
            },
        );
    }
    for col in 1..n_cols {
        runs(
            n_rows,
            |row| parts(value(row, col - 1), value(row, col)),
            |from, to| {
                line(cells.corner(from, col), cells.corner(to, col));
            },
        );
    }
}

/// Calls `found` with the ends of every run of places, of `n`, that hold.
fn runs(n: usize, holds: impl Fn(usize) -> bool, mut found: impl FnMut(usize, usize)) {
    let mut from = None;
    for at in 0..=n {
        match (from, at < n && holds(at)) {
            (None, true) => from = Some(at),
            (Some(start), false) => {
                found(start, at);
                from = None;
            }
            _ => {}
        }
    }
}

/// Marks at the right of rows and over columns that are arbitrary, and lines over their cells.
fn ties(page: &mut Page<'_>, cells: &Cells, rows: &[bool], cols: &[bool]) {
    let rect = cells.rect;
    let is_tied = |flags: &[bool], at: usize| flags.get(at).copied().unwrap_or(false);
    runs(
        cells.n_rows,
        |row| is_tied(rows, row),
        |from, to| {
            let ((_, top_pt), (_, bottom_pt)) = (cells.corner(from, 0), cells.corner(to, 0));
            let band = Rect { y_pt: top_pt, height_pt: bottom_pt - top_pt, ..rect };
            hatch(page, band);
            let x_pt = rect.right_pt() + MARK_GAP_PT;
            page.put(Item::Polygon {
                points_pt: corners(Rect { x_pt, width_pt: MARK_PT, ..band }),
                color: HATCH,
            });
        },
    );
    runs(
        cells.n_cols,
        |col| is_tied(cols, col),
        |from, to| {
            let ((left_pt, _), (right_pt, _)) = (cells.corner(0, from), cells.corner(0, to));
            let band = Rect { x_pt: left_pt, width_pt: right_pt - left_pt, ..rect };
            hatch(page, band);
            let y_pt = rect.y_pt - MARK_GAP_PT - MARK_PT;
            page.put(Item::Polygon {
                points_pt: corners(Rect { y_pt, height_pt: MARK_PT, ..band }),
                color: HATCH,
            });
        },
    );
}

fn corners(rect: Rect) -> Vec<(f64, f64)> {
    let (left, top, right, bottom) = (rect.x_pt, rect.y_pt, rect.right_pt(), rect.bottom_pt());
    vec![(left, top), (right, top), (right, bottom), (left, bottom)]
}

/// Lines at 45° that end at the rectangle's sides, in line with those of every other rectangle.
fn hatch(page: &mut Page<'_>, rect: Rect) {
    // On a line, x + y is the same everywhere.
    let first = ((rect.x_pt + rect.y_pt) / HATCH_STEP_PT).ceil() as i64;
    let last = ((rect.right_pt() + rect.bottom_pt()) / HATCH_STEP_PT).floor() as i64;
    for sum_pt in (first..=last).map(|k| k as f64 * HATCH_STEP_PT) {
        let from_x = rect.x_pt.max(sum_pt - rect.bottom_pt());
        let to_x = rect.right_pt().min(sum_pt - rect.y_pt);
        if to_x > from_x {
            let points_pt = vec![(from_x, sum_pt - from_x), (to_x, sum_pt - to_x)];
            page.put(Item::Line { points_pt, width_pt: HATCH_PT, color: Some(HATCH) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Figure, Plot, Quantity, Style};
    use crate::measure::Grid;

    fn panel() -> Panel {
        let values = (0..16).map(|at| if at / 4 < 2 && at % 4 < 3 { 0.4 } else { 0.1 }).collect();
        Panel::module("l.q_proj", Grid::new(4, 4, 64, values).unwrap())
    }

    /// The lines of this width, each by its ends in cells.
    fn lines(figure: &Figure, width: f64) -> Vec<[(f64, f64); 2]> {
        let scene = figure.scene().unwrap();
        assert_eq!(scene.outside(), None);
        let rect = scene.panels[0].rect;
        let in_cells = |(x, y): (f64, f64)| {
            let cell = |pt: f64, from: f64, length: f64| (4.0 * (pt - from) / length * 1e6).round() / 1e6;
            (cell(y, rect.y_pt, rect.height_pt), cell(x, rect.x_pt, rect.width_pt))
        };
        let lines = scene.items.iter().filter_map(|item| match item {
            Item::Line { points_pt, width_pt, .. } if *width_pt == width => {
                Some([in_cells(points_pt[0]), in_cells(points_pt[1])])
            }
            _ => None,
        });
        lines.collect()
    }

    #[test]
    fn a_contour_goes_round_the_cells_that_reach_its_level() {
        let figure = |level: f64| Figure::new('A').panel(panel()).contours(vec![level]);
        assert_eq!(lines(&figure(0.25), CONTOUR_PT), [[(2.0, 0.0), (2.0, 3.0)], [(0.0, 3.0), (2.0, 3.0)]]);
        assert!(lines(&figure(0.9), CONTOUR_PT).is_empty());
    }

    #[test]
    fn the_line_of_equal_ranks_ends_where_one_of_them_does() {
        let wide = Grid::new(2, 4, 64, vec![0.1; 8]).unwrap();
        let figure = Figure::new('A').panel(Panel::module("q", wide).stretched()).diagonal(true);
        // Half way across, all the way down.
        assert_eq!(lines(&figure, DIAGONAL_PT), [[(0.0, 0.0), (4.0, 2.0)]]);
    }

    #[test]
    fn rows_that_are_arbitrary_are_hatched_and_marked() {
        let figure = Figure::new('A').panel(panel().ties(vec![false, true, true], vec![false; 4]));
        let hatch = lines(&figure, HATCH_PT);
        assert!(hatch.len() > 20, "{}", hatch.len());
        assert!(hatch.iter().flatten().all(|(row, _)| (0.999..=3.001).contains(row)), "{hatch:?}");
        let scene = figure.scene().unwrap();
        let marks =
            scene.items.iter().filter(|item| matches!(item, Item::Polygon { color, .. } if *color == HATCH));
        assert_eq!(marks.count(), 1);
    }

    #[test]
    fn other_quantities_are_named_in_the_title() {
        let title = |quantity: Quantity| {
            let figure =
                Figure::new('A').panel(panel().quantity(quantity)).style(Style::new().range(-0.5, 0.5));
            figure.scene().unwrap().title
        };
        assert_eq!(title(Quantity::Phi), "ϕ(Ar=4,A′r=4,i,j)");
        assert_eq!(title(Quantity::Excess), "ϕ(Ar=4,A′r=4,i,j) − chance");
        assert_eq!(title(Quantity::Adjusted), "Adjusted ϕ(Ar=4,A′r=4,i,j)");
        assert_eq!(title(Quantity::Z), "z of ϕ(Ar=4,A′r=4,i,j)");
    }
}
