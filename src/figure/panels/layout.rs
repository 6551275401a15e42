//! Places everything: panels on whole pixels in rows, titles above them, the colour bar at the right.

use super::panel::Panel;
use super::titles::{PATH_PT, PanelTitle, Titles};
use super::{Figure, axes};
use crate::error::Result;
use crate::figure::canvas::{Canvas, too_narrow};
use crate::figure::color_bar::{BAR_WIDTH_PT, ColorScale};
use crate::figure::page::{MARGIN_PT, Page, TITLE_GAP_PT};
use crate::figure::scene::{Rect, Scene};

/// Panels side by side before a new row begins.
pub(super) const MAX_PER_ROW: usize = 4;

const PANEL_GAP_PT: f64 = 18.0;
const ROW_GAP_PT: f64 = 10.0;
/// Under the titles of panels.
const PANEL_TITLE_GAP_PT: f64 = 3.5;
/// Between the titles of panels side by side.
const TITLES_APART_PT: f64 = 6.0;
/// A panel any smaller cannot be read.
const MIN_SLOT_PT: f64 = 30.0;
/// Whole pixels a cell are worth losing this share of a panel's size.
const MAX_LOSS: f64 = 0.08;

/// The figure as a scene whose panels lie on whole pixels of its canvas.
///
/// # Errors
/// `Invalid` when the width leaves no room for the panels; `Limit` when the scene is too high.
pub(super) fn scene<'a>(figure: &'a Figure, canvas: Canvas, colors: &ColorScale) -> Result<Scene<'a>> {
    let rows: Vec<&[Panel]> = figure.panels.chunks(MAX_PER_ROW).collect();
    let columns = Columns::new(figure, &rows, &canvas, colors)?;
    let titles = Titles::new(
        figure.style.title.as_deref(),
        &figure.symbol,
        &figure.panels,
        canvas.width_pt() - 2.0 * MARGIN_PT,
        columns.slot_pt + PANEL_GAP_PT - TITLES_APART_PT,
    );

    let mut page = Page::new(canvas);
    let baseline_pt = MARGIN_PT + titles.main.ascent_pt();
    let mut y_pt = baseline_pt + titles.main.descent_pt() + TITLE_GAP_PT;
    page.title(columns.middle_pt(), baseline_pt, titles.main);

    let mut panel_titles = titles.panels.into_iter();
    let mut bar: Option<(f64, f64)> = None;
    for row in rows {
        let titles: Vec<_> = panel_titles.by_ref().take(row.len()).collect();
        let (top_pt, panels_end_pt, end_pt) = place_row(&mut page, &columns, row, titles, y_pt, colors);
        bar = Some((bar.map_or(top_pt, |(first_top_pt, _)| first_top_pt), panels_end_pt));
        y_pt = end_pt + ROW_GAP_PT;
    }

    let (top_pt, bottom_pt) = bar.unwrap_or((y_pt, y_pt));
    let bar_end_pt =
        colors.draw_bar(&mut page, columns.right_pt() + PANEL_GAP_PT, top_pt, bottom_pt - top_pt);
    page.finish((y_pt - ROW_GAP_PT).max(bar_end_pt))
}

/// Places a row of panels with their titles from `y_pt` down: the top of its panels, the bottom of the lowest, and the
/// end of all that stands under them.
fn place_row<'a>(
    page: &mut Page<'a>,
    columns: &Columns,
    row: &'a [Panel],
    titles: Vec<PanelTitle>,
    y_pt: f64,
    colors: &ColorScale,
) -> (f64, f64, f64) {
    let highest = |size: fn(&PanelTitle) -> f64| titles.iter().map(size).fold(0.0, f64::max);
    let title_y_pt = y_pt + highest(|text| text.title.ascent_pt());
    let title_end_pt = title_y_pt + highest(|text| text.title.descent_pt());
    let path_y_pt = title_end_pt + PATH_PT;
    let has_path = titles.iter().any(|text| text.path.is_some());
    let titles_end_pt = if has_path { path_y_pt + 0.25 * PATH_PT } else { title_end_pt };
    let top_pt = page.canvas().snap(titles_end_pt + PANEL_TITLE_GAP_PT);

    let (mut panels_end_pt, mut end_pt) = (top_pt, top_pt);
    for (n_col, (panel, text)) in row.iter().zip(titles).enumerate() {
        let rect = place(panel, page.canvas(), columns.slot_x_pt(n_col), top_pt, columns.slot_pt);
        let middle_pt = rect.x_pt + 0.5 * rect.width_pt;
        page.centred_within(middle_pt, title_y_pt, text.title);
        if let Some(path) = text.path {
            page.centred_within(middle_pt, path_y_pt, path);
        }
        if n_col == 0 || !rows_align(panel, &row[0]) {
            let labels_x_pt = axes::row_labels(page, rect, panel.grid.n_rows());
            if n_col == 0 {
                axes::row_letter(page, rect, labels_x_pt);
            }
        }
        end_pt = end_pt.max(axes::panel(page, rect, panel, colors));
        panels_end_pt = panels_end_pt.max(rect.bottom_pt());
    }
    (top_pt, panels_end_pt, end_pt)
}

/// The columns that panels stand in: equal squares, the slots, with room for labels at the left of each.
struct Columns {
    left_pt: Vec<f64>,
    slot_pt: f64,
}

impl Columns {
    fn new(figure: &Figure, rows: &[&[Panel]], canvas: &Canvas, colors: &ColorScale) -> Result<Self> {
        let n_cols = figure.panels.len().min(MAX_PER_ROW);
        let left_pt: Vec<f64> = (0..n_cols)
            .map(|n_col| {
                let panels = rows.iter().filter_map(|row| Some((row.get(n_col)?, &row[0])));
                let labelled = panels.filter(|(panel, first)| n_col == 0 || !rows_align(panel, first));
                let labels = labelled.map(|(panel, _)| axes::row_labels_pt(panel.grid.n_rows()));
                let before_pt = if n_col == 0 { MARGIN_PT + axes::row_letter_pt() } else { PANEL_GAP_PT };
                before_pt + labels.fold(0.0, f64::max)
            })
            .collect();
        let bar_pt = PANEL_GAP_PT + BAR_WIDTH_PT + colors.labels_pt() + MARGIN_PT;
        let taken_pt = left_pt.iter().sum::<f64>() + bar_pt;
        let slot_pt = (canvas.width_pt() - taken_pt) / n_cols as f64;
        if slot_pt < MIN_SLOT_PT {
            let found = format!("{} in for {n_cols} panels in a row", figure.width_in());
            return Err(too_narrow(found, taken_pt + n_cols as f64 * MIN_SLOT_PT));
        }
        Ok(Self { left_pt, slot_pt })
    }

    /// Left edge of a column's slot.
    fn slot_x_pt(&self, n_col: usize) -> f64 {
        self.left_pt[..=n_col].iter().sum::<f64>() + n_col as f64 * self.slot_pt
    }

    /// Right edge of the last slot.
    fn right_pt(&self) -> f64 {
        self.slot_x_pt(self.left_pt.len() - 1) + self.slot_pt
    }

    /// The middle of all slots.
    fn middle_pt(&self) -> f64 {
        0.5 * (self.slot_x_pt(0) + self.right_pt())
    }
}

/// Whether two panels side by side have their rows at the same heights, so that one's labels serve both.
fn rows_align(a: &Panel, b: &Panel) -> bool {
    let shape = |panel: &Panel| (panel.grid.n_rows(), panel.grid.n_rows().max(panel.grid.n_cols()));
    shape(a) == shape(b)
}

/// A panel's rectangle in whole pixels, in the middle of its slot: square cells, of whole pixels where that costs
/// little.
fn place(panel: &Panel, canvas: &Canvas, slot_x_pt: f64, top_pt: f64, slot_pt: f64) -> Rect {
    let (n_rows, n_cols) = (panel.grid.n_rows() as f64, panel.grid.n_cols() as f64);
    let slot_px = (slot_pt / canvas.px_pt()).floor();
    let cell_px = slot_px / n_rows.max(n_cols);
    let whole_px = cell_px.floor();
    let cell_px = if cell_px - whole_px < MAX_LOSS * cell_px { whole_px } else { cell_px };
    let width_pt = (n_cols * cell_px).round().max(1.0) * canvas.px_pt();
    let height_pt = (n_rows * cell_px).round().max(1.0) * canvas.px_pt();
    Rect { x_pt: canvas.snap(slot_x_pt + 0.5 * (slot_pt - width_pt)), y_pt: top_pt, width_pt, height_pt }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::figure::{Plot, Style};
    use crate::measure::Grid;

    fn panel(path: &str, (n_rows, n_cols): (usize, usize)) -> Panel {
        Panel::module(path, Grid::new(n_rows, n_cols, 600, vec![0.0; n_rows * n_cols]).unwrap())
    }

    fn figure(shapes: &[(usize, usize)]) -> Figure {
        let paths = ["l.0.q_proj", "l.0.v_proj", "model.layers.31.self_attn.a_module_with_a_long_name"];
        let panels = shapes.iter().zip(paths.iter().cycle());
        panels.fold(Figure::new('A'), |figure, (&shape, path)| figure.panel(panel(path, shape)))
    }

    /// The rectangles of the panels, and of the colour bar after them.
    fn pictures(figure: &Figure) -> Vec<Rect> {
        figure.scene().unwrap().cells().map(|cells| cells.rect).collect()
    }

    fn labels(figure: &Figure, wanted: &str) -> usize {
        figure.scene().unwrap().texts().iter().filter(|text| *text == wanted).count()
    }

    #[test]
    fn cells_are_whole_pixels_and_square_at_the_default_size() {
        for rect in &pictures(&figure(&[(64, 64); 3]))[..3] {
            let px = rect.width_pt * 300.0 / 72.0;
            assert_eq!(rect.width_pt, rect.height_pt);
            assert!((px / 64.0 - (px / 64.0).round()).abs() < 1e-9, "{px}");
        }
    }

    #[test]
    fn unequal_ranks_keep_cells_square_and_tops_aligned() {
        let rects = pictures(&figure(&[(8, 64), (64, 64), (64, 8)]));
        assert!((rects[0].width_pt / rects[0].height_pt - 8.0).abs() < 0.1);
        assert!((rects[2].height_pt / rects[2].width_pt - 8.0).abs() < 0.1);
        assert!(rects.iter().all(|rect| rect.y_pt == rects[0].y_pt));
    }

    #[test]
    fn the_y_label_stands_on_the_leftmost_panel_of_a_row_and_the_x_label_on_all() {
        let figure = figure(&[(64, 64); 7]);
        assert_eq!((labels(&figure, "i"), labels(&figure, "j")), (2, 7));
        assert_eq!((labels(&figure, "56"), labels(&figure, "59")), (2, 7));
    }

    #[test]
    fn a_panel_whose_rows_lie_elsewhere_has_its_own_row_labels() {
        // Labels 1 to 8 under each panel, and at the left of the first and of any that differs in size of cell.
        assert_eq!(labels(&figure(&[(8, 8), (8, 8)]), "7"), 3);
        assert_eq!(labels(&figure(&[(8, 8), (7, 8)]), "7"), 4);
        assert_eq!(labels(&figure(&[(8, 64), (8, 8)]), "7"), 2);
    }

    #[test]
    fn a_fifth_panel_begins_a_new_row_and_the_bar_spans_both() {
        let rects = pictures(&figure(&[(8, 8); 5]));
        let (first, fifth, bar) = (rects[0], rects[4], rects[5]);
        assert_eq!(first.x_pt, fifth.x_pt);
        assert!(fifth.y_pt > first.bottom_pt());
        assert_eq!(bar.y_pt, first.y_pt);
        assert!((bar.bottom_pt() - fifth.bottom_pt()).abs() < 1e-6);
    }

    #[test]
    fn a_width_without_room_says_how_much_is_needed() {
        let figure = figure(&[(64, 64); 3]).style(Style::new().width_in(2.0));
        let error = figure.scene().unwrap_err();
        assert_eq!(error.to_string(), "width: found 2 in for 3 panels in a row, expected at least 3.0 in");
    }

    proptest! {
        #[test]
        fn everything_lies_on_the_canvas(
            shapes in proptest::collection::vec((1usize..=520, 1usize..=520), 1..10),
            width_in in 4.0..20.0f64,
            dpi in 20.0..400.0f64,
            vmax in 0.01..1.0f64,
        ) {
            let style = Style::new().width_in(width_in).dpi(dpi).range(0.0, vmax);
            let figure = figure(&shapes).style(style);
            let Ok(scene) = figure.scene() else { return Ok(()) };
            prop_assert_eq!(scene.outside(), None);
        }

        #[test]
        fn pictures_lie_on_whole_pixels_and_apart(
            shapes in proptest::collection::vec((1usize..=520, 1usize..=520), 1..10),
            width_in in 6.0..20.0f64,
            dpi in 20.0..400.0f64,
        ) {
            let figure = figure(&shapes).style(Style::new().width_in(width_in).dpi(dpi));
            let canvas = Canvas::new(width_in, dpi).unwrap();
            let rects = pictures(&figure);
            for (n, rect) in rects.iter().enumerate() {
                for edge in [rect.x_pt, rect.y_pt, rect.right_pt(), rect.bottom_pt()] {
                    prop_assert!((edge - canvas.snap(edge)).abs() < 1e-6);
                }
                prop_assert!(rect.width_pt > 0.0 && rect.height_pt > 0.0);
                for other in &rects[n + 1..] {
                    let apart = rect.right_pt() < other.x_pt || other.right_pt() < rect.x_pt;
                    let over = rect.bottom_pt() < other.y_pt || other.bottom_pt() < rect.y_pt;
                    prop_assert!(apart || over, "{rect:?} {other:?}");
                }
            }
        }
    }
}
