//! Places everything: panels on whole pixels in rows, titles above them, the colour bar at the right.

use super::columns::Columns;
use super::panel::Panel;
use super::row::{PANEL_GAP_PT, Row};
use super::titles::{PATH_PT, PanelTitle, Titles};
use super::{Figure, axes, overlay};
use crate::error::Result;
use crate::figure::canvas::Canvas;
use crate::figure::color_bar::ColorScale;
use crate::figure::page::{MARGIN_PT, Page, TITLE_GAP_PT};
use crate::figure::scene::{Rect, Scene};
use crate::figure::text::Text;

const ROW_GAP_PT: f64 = 10.0;
/// Between rows whose column labels stand under the last one.
const ALIGNED_GAP_PT: f64 = 8.0;
/// Under the titles of panels.
const PANEL_TITLE_GAP_PT: f64 = 3.5;
/// Between the titles of panels side by side.
const TITLES_APART_PT: f64 = 6.0;
/// Whole pixels a cell are worth losing this share of a panel's size.
const MAX_LOSS: f64 = 0.08;
/// A bar next to many rows is no higher.
const MAX_BAR_PT: f64 = 288.0;

/// The figure as a scene whose panels lie on whole pixels of its canvas.
///
/// # Errors
/// `Invalid` when the width leaves no room for the panels; `Limit` when the scene is too high.
pub(super) fn scene<'a>(figure: &'a Figure, canvas: Canvas, colors: &ColorScale) -> Result<Scene<'a>> {
    let rows = figure.arranged(&canvas, colors);
    let columns = Columns::new(&rows, &canvas, colors, &figure.style.y_axis)?;
    let titles = Titles::new(
        figure,
        canvas.width_pt() - 2.0 * MARGIN_PT,
        columns.slot_pt + PANEL_GAP_PT - TITLES_APART_PT,
    );

    let mut page = Page::new(canvas);
    let baseline_pt = MARGIN_PT + titles.main.ascent_pt();
    let mut y_pt = baseline_pt + titles.main.descent_pt() + TITLE_GAP_PT;
    page.title(columns.middle_pt(), baseline_pt, titles.main);

    let is_grid = figure.has_rows();
    let share_titles = is_grid && titles_agree(&rows, &titles.panels);
    let mut panel_titles = titles.panels.into_iter();
    let mut bar: Option<(f64, f64)> = None;
    for (n_row, row) in rows.iter().enumerate() {
        let titles = row.panels.iter().map(|panel| panel.and_then(|_| panel_titles.next()));
        let titles = titles.map(|title| title.filter(|_| n_row == 0 || !share_titles)).collect();
        let below = rows.get(n_row + 1).filter(|_| is_grid);
        let (top_pt, panels_end_pt, end_pt) =
            place_row(&mut page, figure, &columns, (row, below), titles, y_pt, colors);
        bar = Some((bar.map_or(top_pt, |(first_top_pt, _)| first_top_pt), panels_end_pt));
        y_pt = end_pt + if below.is_some() { ALIGNED_GAP_PT } else { ROW_GAP_PT };
    }

    let (top_pt, bottom_pt) = bar.unwrap_or((y_pt, y_pt));
    let mut height_pt = bottom_pt - top_pt;
    if is_grid {
        height_pt = height_pt.min(canvas.snap(MAX_BAR_PT));
    }
    let bar_end_pt = colors.draw_bar(&mut page, columns.right_pt() + PANEL_GAP_PT, top_pt, height_pt);
    page.finish((y_pt - ROW_GAP_PT).max(bar_end_pt))
}

/// Whether every column has one title from top to bottom.
fn titles_agree(rows: &[Row<'_>], titles: &[PanelTitle]) -> bool {
    let mut titles = titles.iter();
    let mut of_columns: Vec<Option<String>> = vec![];
    for row in rows {
        for (n_col, _) in row.panels.iter().enumerate().filter(|(_, panel)| panel.is_some()) {
            let Some(title) = titles.next().map(|title| title.title.letters()) else { continue };
            of_columns.resize(of_columns.len().max(n_col + 1), None);
            if *of_columns[n_col].get_or_insert_with(|| title.clone()) != title {
                return false;
            }
        }
    }
    // A title over an empty place says nothing.
    rows.first()
        .is_none_or(|row| row.panels.len() == of_columns.len() && row.panels.iter().all(Option::is_some))
}

/// Places a row of panels with their titles from `y_pt` down: the top of its panels, the bottom of the lowest, and the
/// end of all that stands under them. The labels of columns are left to the row below where they are the same.
fn place_row<'a>(
    page: &mut Page<'a>,
    figure: &Figure,
    columns: &Columns,
    (row, below): (&Row<'a>, Option<&Row<'a>>),
    titles: Vec<Option<PanelTitle>>,
    y_pt: f64,
    colors: &ColorScale,
) -> (f64, f64, f64) {
    let highest = |size: fn(&PanelTitle) -> f64| titles.iter().flatten().map(size).fold(0.0, f64::max);
    let title_y_pt = y_pt + highest(|text| text.title.ascent_pt());
    let title_end_pt = title_y_pt + highest(|text| text.title.descent_pt());
    let path_y_pt = title_end_pt + PATH_PT;
    let has_path = titles.iter().flatten().any(|text| text.path.is_some());
    let titles_end_pt = if has_path { path_y_pt + 0.25 * PATH_PT } else { title_end_pt };
    let gap_pt = if titles.iter().any(Option::is_some) { PANEL_TITLE_GAP_PT } else { 0.0 };
    let top_pt = page.canvas().snap(titles_end_pt + gap_pt);

    let (mut panels_end_pt, mut end_pt) = (top_pt, top_pt);
    let mut is_first = true;
    for (n_col, (panel, text)) in row.panels.iter().zip(titles).enumerate() {
        let Some(panel) = *panel else { continue };
        let rect = place(panel, page.canvas(), columns.slot_x_pt(n_col), top_pt, columns.slot_pt);
        let middle_pt = rect.x_pt + 0.5 * rect.width_pt;
        if let Some(text) = text {
            page.centred_within(middle_pt, title_y_pt, text.title);
            if let Some(path) = text.path {
                page.centred_within(middle_pt, path_y_pt, path);
            }
        }
        if row.is_labelled(n_col) {
            let labels_x_pt = axes::row_labels(page, rect, panel.n_rows(), &figure.style.y_axis);
            if is_first {
                let letter_x_pt =
                    axes::row_letter(page, rect, panel.axis_name(0), &figure.style.y_axis, labels_x_pt);
                if let Some(label) = row.label {
                    row_label(page, rect, letter_x_pt, label);
                }
            }
        }
        is_first = false;
        axes::panel(page, rect, panel, colors);
        overlay::draw(page, rect, panel, &figure.overlay, colors);
        let has_same_below = below
            .and_then(|below| below.panels.get(n_col).copied().flatten())
            .is_some_and(|below| cols_align(panel, below));
        end_pt = end_pt.max(if has_same_below {
            rect.bottom_pt()
        } else {
            axes::col_labels(page, rect, panel, &figure.style.x_axis)
        });
        panels_end_pt = panels_end_pt.max(rect.bottom_pt());
    }
    (top_pt, panels_end_pt, end_pt)
}

/// The name of a row, which runs upwards at the left of all, as large as the panel allows.
fn row_label(page: &mut Page<'_>, rect: Rect, right_pt: f64, label: &str) {
    let text = Text::title(label, axes::ROW_LABEL_PT).within(rect.height_pt.max(axes::ROW_LABEL_PT));
    let x_pt = right_pt - text.descent_pt();
    page.turned(x_pt, rect.y_pt + 0.5 * rect.height_pt, text);
}

/// Whether two panels under each other have their columns in the same places.
fn cols_align(a: &Panel, b: &Panel) -> bool {
    let shape = |panel: &Panel| (panel.n_cols(), panel.cells_wide());
    shape(a) == shape(b)
}

/// A panel's rectangle in whole pixels, in the middle of its slot: square cells, of whole pixels where that costs
/// little, or cells that fill the slot.
fn place(panel: &Panel, canvas: &Canvas, slot_x_pt: f64, top_pt: f64, slot_pt: f64) -> Rect {
    let slot_px = (slot_pt / canvas.px_pt()).floor();
    let side_px = |n_cells: usize, n_in_slot: usize| {
        let cell_px = slot_px / n_in_slot as f64;
        let whole_px = cell_px.floor();
        // Stretched panels are all of one size.
        let is_worth_it = !panel.is_stretched() && cell_px - whole_px < MAX_LOSS * cell_px;
        let cell_px = if is_worth_it { whole_px } else { cell_px };
        (n_cells as f64 * cell_px).round().max(1.0)
    };
    let width_pt = side_px(panel.n_cols(), panel.cells_wide()) * canvas.px_pt();
    let height_pt = side_px(panel.n_rows(), panel.cells_high()) * canvas.px_pt();
    Rect { x_pt: canvas.snap(slot_x_pt + 0.5 * (slot_pt - width_pt)), y_pt: top_pt, width_pt, height_pt }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::figure::{Look, Plot, Style};
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
        let three = || figure(&[(64, 64); 3]);
        let error = three().style(Style::new().width_in(2.0).columns(3)).scene().unwrap_err();
        assert_eq!(error.to_string(), "width: found 2 in for 3 panels in a row, expected at least 3.0 in");
        let error = three().style(Style::new().width_in(1.2)).scene().unwrap_err();
        assert_eq!(error.to_string(), "width: found 1.2 in for 1 panel in a row, expected at least 1.7 in");
    }

    #[test]
    fn a_narrow_page_has_fewer_panels_side_by_side_and_smaller_type() {
        let n_rows = |style: Style| {
            let mut tops: Vec<f64> =
                pictures(&figure(&[(64, 64); 3]).style(style))[..3].iter().map(|rect| rect.y_pt).collect();
            tops.dedup();
            tops.len()
        };
        assert_eq!(n_rows(Style::new().print_width_in(3.25)), 2);
        assert_eq!(n_rows(Style::new().print_width_in(2.0)), 3);
        assert_eq!(n_rows(Style::new().print_width_in(5.5)), 1);
        assert_eq!(n_rows(Style::new().columns(2)), 2);
        let scale = |style: Style| figure(&[(8, 8)]).style(style).scene().unwrap().canvas.scale();
        assert_eq!(scale(Style::new().print_width_in(3.25)), 0.8);
        assert_eq!(scale(Style::new().print_width_in(12.0)), 1.0);
        assert_eq!(scale(Style::new().look(Look::Dark)), 1.5);
    }

    #[test]
    fn no_two_texts_overlap() {
        let styles = [
            Style::new(),
            Style::new().look(Look::Slides),
            Style::new().print_width_in(3.25),
            Style::new().print_width_in(5.5).columns(2),
            Style::new().print_width_in(7.0),
        ];
        let shapes = [(64, 64), (8, 8), (8, 64), (1, 1), (512, 300)];
        let mut n = 0;
        for style in &styles {
            for shape in shapes {
                for n_panels in [1, 3, 4, 7] {
                    for dpi in [72.0, 300.0] {
                        let style = style.clone().dpi(dpi).range(0.0, 0.4);
                        let scene = figure(&vec![shape; n_panels]).style(style);
                        let scene = scene.scene().unwrap();
                        assert_eq!(scene.overlapping_texts(), None, "{n_panels} of {shape:?}, {dpi} dpi");
                        assert_eq!(scene.outside(), None);
                        n += 1;
                    }
                }
            }
        }
        assert_eq!(n, 200);
    }

    #[test]
    fn figures_of_weights_have_names_on_their_axes_that_nothing_overlaps() {
        let styles = [
            Style::new(),
            Style::new().look(Look::Slides),
            Style::new().print_width_in(5.5),
            Style::new().print_width_in(7.0),
        ];
        let mut n = 0;
        for style in styles {
            for of_rows in ["W", "W, the weakest first", "random"] {
                for (n_modules, shapes) in
                    [(1, &[(64, 8), (64, 64)][..]), (2, &[(8, 8)]), (3, &[(512, 8), (512, 64), (512, 4)])]
                {
                    let row = |figure: Figure, layer: usize| {
                        let of = |&shape: &(usize, usize)| {
                            let panel = panel(&format!("l.{layer}.q_proj"), shape).stretched();
                            Some(
                                panel
                                    .axes(of_rows, "ΔW")
                                    .title(format!("runs/r{}, r = {}", shape.1, shape.1)),
                            )
                        };
                        figure.row(format!("q, layer {layer}"), shapes.iter().map(of).collect())
                    };
                    let figure =
                        (0..n_modules).fold(Figure::new("ΔW").rows_of("W"), row).style(style.clone());
                    let scene = figure.scene().unwrap();
                    assert_eq!(
                        (scene.overlapping_texts(), scene.outside()),
                        (None, None),
                        "{shapes:?} {of_rows}"
                    );
                    n += 1;
                }
            }
        }
        assert_eq!(n, 36);
    }

    fn rows_of_layers(layers: &[usize], shape: (usize, usize)) -> Figure {
        layers.iter().fold(Figure::new('A'), |figure, layer| {
            let panels = ["q_proj", "v_proj"].map(|name| Some(panel(&format!("l.{layer}.{name}"), shape)));
            figure.row(format!("Layer {layer}"), panels.into())
        })
    }

    #[test]
    fn rows_with_names_share_their_axes_their_titles_and_one_bar() {
        let figure = rows_of_layers(&[0, 31, 63, 95], (64, 64));
        for name in ["Layer 0", "Layer 31", "Layer 63", "Layer 95"] {
            assert_eq!(labels(&figure, name), 1, "{name}");
        }
        // i on each row, j under each column; titles over each column.
        assert_eq!((labels(&figure, "i"), labels(&figure, "j"), labels(&figure, "ΔWq")), (4, 2, 1));
        assert_eq!((labels(&figure, "56"), labels(&figure, "0.5")), (4, 1));
        let rects = pictures(&figure);
        assert_eq!((rects[0].x_pt, rects[0].y_pt), (rects[6].x_pt, rects[1].y_pt));
        let bar = rects[8];
        assert!(bar.y_pt == rects[0].y_pt && bar.height_pt <= MAX_BAR_PT + 1.0);
        for (layers, style) in [
            (vec![0, 1], Style::new()),
            (vec![0, 31, 63, 95], Style::new().print_width_in(3.25)),
            ((0..96).collect(), Style::new().dpi(100.0)),
        ] {
            let figure = rows_of_layers(&layers, (64, 64)).style(style);
            let scene = figure.scene().unwrap();
            assert_eq!((scene.overlapping_texts(), scene.outside()), (None, None), "{layers:?}");
        }
    }

    #[test]
    fn rows_that_differ_keep_their_own_titles_and_labels() {
        let figure = Figure::new('A')
            .row("Layer 0", vec![Some(panel("l.0.q_proj", (8, 8))), None])
            .row("Layer 1", vec![Some(panel("l.1.q_proj", (8, 8))), Some(panel("l.1.v_proj", (8, 4)))]);
        assert_eq!((labels(&figure, "ΔWq,r′=8"), labels(&figure, "ΔWv,r′=4")), (2, 1));
        assert_eq!(labels(&figure, "j"), 2);
        assert_eq!(figure.scene().unwrap().overlapping_texts(), None);
    }

    #[test]
    fn stretched_panels_fill_equal_squares_and_keep_every_tick_of_a_short_axis() {
        let wide = |panel: Panel| panel.stretched();
        let corner = |panel: &Panel| panel.clone().corner(8).unwrap().lower_left();
        let q = panel("l.3.q_proj", (8, 64));
        let figure = Figure::new('A').of_two_ranks().panel(wide(q.clone())).panel(wide(corner(&q)));
        let rects = pictures(&figure);
        assert_eq!((rects[0].width_pt, rects[0].height_pt), (rects[1].width_pt, rects[1].height_pt));
        assert_eq!(rects[0].width_pt, rects[0].height_pt);
        for tick in ["1", "2", "3", "4", "5", "6", "7", "8"] {
            // Once at the left, and under the corner; 1 and 5 are ticks of the 64 too.
            let expected = if matches!(tick, "1" | "5") { 3 } else { 2 };
            assert_eq!(labels(&figure, tick), expected, "{tick}");
        }
        assert_eq!(labels(&figure, "ϕ(Ar=64,Ar=8,i,j)"), 1);
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
