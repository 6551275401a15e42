//! Places the heatmaps of an atlas, the names of its rows and columns, and the colour bar.

use std::borrow::Cow;

use super::{Atlas, AtlasCell};
use crate::error::Result;
use crate::figure::canvas::too_narrow;
use crate::figure::color_bar::{BAR_WIDTH_PT, ColorScale};
use crate::figure::page::{LABEL_GAP_PT, MARGIN_PT, Page, TICK_PT, TITLE_GAP_PT, TITLE_PT};
use crate::figure::scene::{CellArea, Item, Rect, Scene};
use crate::figure::text::{DESCENT, DIGIT_HEIGHT, Face, Text, elide};
use crate::measure::summary::Strength;

/// The side of a heatmap, and the least in which a band can be seen.
const SIDE_PT: f64 = 44.0;
const MIN_SIDE_PT: f64 = 9.0;
/// Between heatmaps: room for a mark and for white on both sides of it.
const GAP_PT: f64 = 6.0;
/// Between a heatmap's frame and its mark.
const MARK_GAP_PT: f64 = 1.2;
const STRONG_PT: f64 = 2.0;
const WEAK_PT: f64 = 0.7;
const BAR_GAP_PT: f64 = 14.0;
const MAX_BAR_PT: f64 = 288.0;
/// The widest name of a row.
const NAME_PT: f64 = 140.0;
const NOTE_PT: f64 = 7.5;

/// The atlas as a scene.
///
/// # Errors
/// `Invalid` when the width leaves no room for the heatmaps; `Limit` when the scene is too large.
pub(super) fn scene<'a>(atlas: &'a Atlas, colors: &ColorScale) -> Result<Scene<'a>> {
    let n_cols = atlas.cols.len() as f64;
    let names =
        atlas.rows.iter().map(|name| Text::plain(&elide(name, Face::Upright, TICK_PT, NAME_PT), TICK_PT));
    let names: Vec<Text> = names.collect();
    let axis = Text::plain(&atlas.axis, TICK_PT);
    let names_pt = names.iter().chain([&axis]).map(|name| name.width_pt).fold(0.0, f64::max);
    let left_pt = MARGIN_PT + names_pt + 2.0 * LABEL_GAP_PT + GAP_PT;
    let right_pt = BAR_GAP_PT + BAR_WIDTH_PT + colors.labels_pt() + MARGIN_PT;
    let taken_pt = left_pt + (n_cols - 1.0) * GAP_PT + right_pt;
    let points = atlas.style.points();
    let width_in = atlas.style.width_in.unwrap_or((taken_pt + n_cols * SIDE_PT) * points / 72.0);
    let canvas = atlas.style.canvas(width_in)?;
    let room_pt = (canvas.width_pt() - taken_pt) / n_cols;
    if room_pt < MIN_SIDE_PT {
        let found = format!("{width_in:.1} in for {} columns", atlas.cols.len());
        return Err(too_narrow(found, (taken_pt + n_cols * MIN_SIDE_PT) * points));
    }
    // Whole pixels, so that all are of one size and in line.
    let px_pt = canvas.px_pt();
    let whole = |pt: f64| (pt / px_pt).floor().max(1.0) * px_pt;
    let (side_pt, gap_pt) = (whole(room_pt), whole(GAP_PT));
    let sheet = Sheet { left_pt: canvas.snap(left_pt), side_pt, step_pt: side_pt + gap_pt };

    let mut page = Page::new(canvas);
    let wide_pt = canvas.width_pt() - 2.0 * MARGIN_PT;
    let title = Text::title(atlas.style.title.as_deref().unwrap_or_default(), TITLE_PT).within(wide_pt);
    let mut y_pt = MARGIN_PT + title.ascent_pt();
    let title_end_pt = y_pt + title.descent_pt() + TITLE_GAP_PT;
    page.title(0.5 * canvas.width_pt(), y_pt, title);

    y_pt = title_end_pt + DIGIT_HEIGHT * TICK_PT;
    page.text(sheet.left_pt - GAP_PT - LABEL_GAP_PT - axis.width_pt, y_pt, axis);
    for (col, name) in atlas.cols.iter().enumerate() {
        let text = Text::plain(&elide(name, Face::Upright, TICK_PT, side_pt + gap_pt - 2.0), TICK_PT);
        page.centred(sheet.x_pt(col) + 0.5 * side_pt, y_pt, text.within(side_pt + gap_pt));
    }
    let top_pt = canvas.snap(y_pt + DESCENT * TICK_PT + GAP_PT);
    for (row, name) in names.into_iter().enumerate() {
        let name = name.within(names_pt.min(NAME_PT)).scaled((side_pt / TICK_PT).min(1.0));
        let x_pt = sheet.left_pt - GAP_PT - LABEL_GAP_PT - name.width_pt;
        let middle_pt = top_pt + row as f64 * sheet.step_pt + 0.5 * side_pt;
        page.text(x_pt, middle_pt + 0.5 * DIGIT_HEIGHT * TICK_PT, name);
    }
    for cell in &atlas.cells {
        let y_pt = top_pt + cell.row as f64 * sheet.step_pt;
        sheet.cell(&mut page, cell, y_pt, colors);
    }
    let bottom_pt = top_pt + atlas.rows.len() as f64 * sheet.step_pt - gap_pt;
    let bar_x_pt = sheet.x_pt(atlas.cols.len()) - gap_pt + BAR_GAP_PT;
    let bar_pt = (bottom_pt - top_pt).min(canvas.snap(MAX_BAR_PT));
    let mut end_pt = bottom_pt.max(colors.draw_bar(&mut page, bar_x_pt, top_pt, bar_pt));
    if !atlas.note.is_empty() {
        let note = Text::title(&atlas.note, NOTE_PT).within(wide_pt);
        let note_pt = end_pt + 6.0 + note.ascent_pt();
        end_pt = note_pt + note.descent_pt();
        page.centred_within(0.5 * canvas.width_pt(), note_pt, note);
    }
    page.finish(end_pt)
}

/// Where columns stand.
struct Sheet {
    left_pt: f64,
    side_pt: f64,
    step_pt: f64,
}

impl Sheet {
    fn x_pt(&self, col: usize) -> f64 {
        self.left_pt + col as f64 * self.step_pt
    }

    fn cell<'a>(&self, page: &mut Page<'a>, cell: &'a AtlasCell, y_pt: f64, colors: &ColorScale) {
        let side_pt = self.side_pt;
        let rect = Rect { x_pt: self.x_pt(cell.col), y_pt, width_pt: side_pt, height_pt: side_pt };
        page.panel(CellArea {
            rect,
            n_rows: cell.grid.n_rows(),
            n_cols: cell.grid.n_cols(),
            values: Cow::Borrowed(cell.grid.values()),
            gaps: None,
            colors: colors.table(),
        });
        if let Some(thick_pt) = thickness(cell.horizontal) {
            let y_pt = rect.y_pt - MARK_GAP_PT - thick_pt;
            page.put(Item::Bar(Rect { y_pt, height_pt: thick_pt, ..rect }));
        }
        if let Some(thick_pt) = thickness(cell.vertical) {
            let x_pt = rect.x_pt - MARK_GAP_PT - thick_pt;
            page.put(Item::Bar(Rect { x_pt, width_pt: thick_pt, ..rect }));
        }
    }
}

fn thickness(strength: Strength) -> Option<f64> {
    match strength {
        Strength::Strong => Some(STRONG_PT),
        Strength::Weak => Some(WEAK_PT),
        Strength::None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Plot, Style};
    use crate::measure::Grid;
    use crate::measure::summary::Summary;

    fn grid(value: f32) -> Grid {
        Grid::new(8, 8, 4096, vec![value; 64]).unwrap()
    }

    fn atlas(n_rows: usize, n_cols: usize) -> Atlas {
        let names = |n: usize, name: &str| (0..n).map(|k| format!("{name}{k}")).collect();
        let mut atlas = Atlas::new(names(n_rows, ""), names(n_cols, "projection_")).unwrap();
        for (row, col) in (0..n_rows).flat_map(|row| (0..n_cols).map(move |col| (row, col))) {
            let grid = grid([0.0, 0.1, 0.4][(row + col) % 3]);
            let summary = Summary::of(&grid);
            atlas = atlas.grid(row, col, grid, &summary).unwrap();
        }
        atlas.note("A note.").style(Style::new().title("All of it"))
    }

    #[test]
    fn heatmaps_are_squares_of_one_size_in_line_and_nothing_overlaps() {
        for (n_rows, n_cols) in [(1, 1), (2, 7), (32, 7), (80, 7), (3, 20)] {
            for style in [Style::new().dpi(100.0), Style::new().print_width_in(7.0), Style::new().dpi(300.0)]
            {
                let atlas = atlas(n_rows, n_cols);
                let atlas = atlas.style(style.title("All of it"));
                let scene = atlas.scene().unwrap();
                let areas = scene.panels();
                assert_eq!(areas.len(), n_rows * n_cols);
                assert!(
                    areas
                        .iter()
                        .all(|area| area.width_px == areas[0].width_px && area.height_px == area.width_px)
                );
                assert!((0..n_rows).all(|row| areas[row * n_cols].x_px == areas[0].x_px));
                assert!((0..n_cols).all(|col| areas[col].y_px == areas[0].y_px));
                assert_eq!((scene.overlapping_texts(), scene.outside()), (None, None));
            }
        }
    }

    #[test]
    fn bands_are_marked_as_the_summary_calls_them() {
        let bars = |value: f32| -> Vec<f64> {
            let grid = grid(value);
            let summary = Summary::of(&grid);
            let atlas = Atlas::new(vec!["0".to_owned()], vec!["q".to_owned()]).unwrap();
            let atlas = atlas.grid(0, 0, grid, &summary).unwrap();
            let scene = atlas.scene().unwrap();
            let rect = scene.panels[0].rect;
            let bars = scene.items.iter().filter_map(|item| match item {
                // Those that are as long as the heatmap; ticks are not.
                Item::Bar(bar) if bar.width_pt == rect.width_pt || bar.height_pt == rect.height_pt => {
                    assert!(bar.bottom_pt() < rect.y_pt || bar.right_pt() < rect.x_pt);
                    Some(bar.width_pt.min(bar.height_pt))
                }
                _ => None,
            });
            bars.collect()
        };
        assert_eq!(bars(0.4), [STRONG_PT, STRONG_PT]);
        assert_eq!(bars(0.1), [WEAK_PT, WEAK_PT]);
        assert_eq!(bars(0.0), Vec::<f64>::new());
    }

    #[test]
    fn places_off_the_sheet_and_widths_without_room_are_refused() {
        let one = || Atlas::new(vec!["0".to_owned()], vec!["q".to_owned()]).unwrap();
        let summary = Summary::of(&grid(0.0));
        assert!(one().grid(1, 0, grid(0.0), &summary).is_err());
        assert!(Atlas::new(vec![], vec!["q".to_owned()]).is_err());
        let error = atlas(2, 30).style(Style::new().width_in(3.0)).scene().unwrap_err();
        assert!(
            error.to_string().starts_with("width: found 3.0 in for 30 columns, expected at least"),
            "{error}"
        );
    }
}
