//! A matrix of any values as a picture: rows and columns with names, a colour bar, and the tree of a clustering.

use std::borrow::Cow;
use std::io::Write;

use image::RgbImage;

use super::canvas::Canvas;
use super::drawing::Drawing;
use super::font::{DESCENT, DIGIT_HEIGHT, Face};
use super::page::{self, LABEL_GAP_PT, MARGIN_PT, Page, ROW_LABELS_APART_PT, TICK_LENGTH_PT, TICK_PT};
use super::palette::Palette;
use super::scene::{Item, Picture, Rect, Scene};
use super::text::{Text, elide};
use super::ticks::{self, Axis};
use super::tree::{self, Merge, TREE_GAP_PT, TREE_PT};
use crate::engine::Engine;
use crate::error::{Fault, Result};
use crate::kernels::colormap::ColorTable;

/// The height that many rows share, and the heights and widths of a cell.
const SIDE_PT: f64 = 504.0;
const LARGEST_CELL_PT: f64 = 40.0;
const NAMED_CELL_PT: (f64, f64) = (26.0, 84.0);
const HIGHEST_NAMED_CELL_PT: f64 = 18.0;
/// Rows any lower have no name each.
const LOWEST_NAMED_PT: f64 = 4.8;
/// The widest name of a row.
const NAME_PT: f64 = 200.0;
const TITLE_PT: f64 = 12.0;
const NOTE_PT: f64 = 7.5;
const GAP_PT: f64 = 14.0;
const BAR_PT: f64 = 11.0;
const LEAST_BAR_PT: f64 = 72.0;

/// A matrix as a picture, its rows from the top. NaN stands for a value that is missing, and is painted grey.
///
/// A cell is whole pixels high and wide, one at the least, so that the picture grows with a large matrix.
#[derive(Debug, Clone)]
pub struct Heatmap {
    title: String,
    note: String,
    values: Vec<f32>,
    rows: Vec<String>,
    /// Names of columns, or none, when the columns are the rows again.
    cols: Option<Vec<String>>,
    axes: Option<(String, String)>,
    tree: Vec<Merge>,
    palette: Palette,
    vmin: f64,
    vmax: f64,
    dpi: f64,
}

impl Heatmap {
    /// A square matrix, (n, n) row-major, whose columns have the names and the order of its rows.
    ///
    /// # Errors
    /// `Invalid` when there are no rows, or not n² values.
    pub fn square(rows: Vec<String>, values: Vec<f32>) -> Result<Self> {
        Self::new(rows, None, values)
    }

    /// A matrix, (n_rows, n_cols) row-major, whose columns have names of their own.
    ///
    /// # Errors
    /// `Invalid` when there are no rows or columns, or not a value for each cell.
    pub fn named(rows: Vec<String>, cols: Vec<String>, values: Vec<f32>) -> Result<Self> {
        Self::new(rows, Some(cols), values)
    }

    fn new(rows: Vec<String>, cols: Option<Vec<String>>, values: Vec<f32>) -> Result<Self> {
        let n_cols = cols.as_ref().map_or(rows.len(), Vec::len);
        if values.is_empty() || rows.len().checked_mul(n_cols) != Some(values.len()) {
            let found = format!("{} values for {} × {n_cols} cells", values.len(), rows.len());
            return Err(Fault::new(found, "one for each, and a cell").of("heatmap").invalid());
        }
        Ok(Self {
            title: String::new(),
            note: String::new(),
            values,
            rows,
            cols,
            axes: None,
            tree: vec![],
            palette: Palette::default(),
            vmin: 0.0,
            vmax: 1.0,
            dpi: 300.0,
        })
    }

    /// The title; ϕ and the letters in brackets behind it are set as in mathematics.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// A line under the picture, in small type.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// What the rows and the columns are.
    pub fn axes(mut self, rows: impl Into<String>, cols: impl Into<String>) -> Self {
        self.axes = Some((rows.into(), cols.into()));
        self
    }

    /// The tree that joins the rows, in the order of the merges.
    pub fn tree(mut self, merges: Vec<Merge>) -> Self {
        self.tree = merges;
        self
    }

    /// The colours; default: [`Palette::Rocket`].
    pub fn palette(mut self, palette: Palette) -> Self {
        self.palette = palette;
        self
    }

    /// The values at the ends of the colours; default: 0 to 1. Values past an end take its colour.
    pub fn range(mut self, vmin: f64, vmax: f64) -> Self {
        (self.vmin, self.vmax) = (vmin, vmax);
        self
    }

    /// Pixels an inch; default: 300.
    pub fn dpi(mut self, dpi: f64) -> Self {
        self.dpi = dpi;
        self
    }

    /// Writes an 8-bit RGB PNG, holding a few rows in memory at a time.
    ///
    /// # Errors
    /// `Invalid` when the ends of the scale are not in order or the resolution is under 20; `Limit` when a side is over
    /// 32,767 pixels or the whole over 2²⁹; `Gpu` when the engine fails; `Io` when the writer fails.
    pub fn write_png(&self, engine: &dyn Engine, writer: impl Write) -> Result<()> {
        self.drawing()?.write_png(engine, writer)
    }

    /// The pixels that [`Heatmap::write_png`] writes.
    ///
    /// # Errors
    /// As [`Heatmap::write_png`], but for `Io`.
    pub fn render(&self, engine: &dyn Engine) -> Result<RgbImage> {
        self.drawing()?.render(engine)
    }

    fn drawing(&self) -> Result<Drawing<'_>> {
        let table = ColorTable::new(self.palette.colors(), self.vmin, self.vmax)?;
        // The width follows from what is drawn, so a canvas of any width gives the size of a pixel first.
        let px_pt = Canvas::new(1.0, self.dpi)?.px_pt();
        let plan = Plan::new(self, px_pt);
        let canvas = Canvas::new(plan.width_pt / 72.0, self.dpi)?;
        let scene = plan.scene(&canvas);
        Drawing::new(canvas, scene, table)
    }

    fn n_cols(&self) -> usize {
        self.cols.as_ref().map_or(self.rows.len(), Vec::len)
    }
}

/// A heatmap with its sizes.
struct Plan<'a> {
    of: &'a Heatmap,
    title: Text,
    note: Text,
    row_names: Vec<(usize, Text)>,
    col_names: Vec<Text>,
    panel_pt: (f64, f64),
    /// Room of the tree or of row names at the left, and of row names at the right.
    left_pt: f64,
    right_pt: f64,
    content_pt: f64,
    width_pt: f64,
}

impl<'a> Plan<'a> {
    fn new(of: &'a Heatmap, px_pt: f64) -> Self {
        let (n_rows, n_cols) = (of.rows.len(), of.n_cols());
        let whole = |cell_pt: f64| (cell_pt / px_pt).round().max(1.0) * px_pt;
        let widest = |names: &[String]| names.iter().map(|name| width(name, TICK_PT)).fold(0.0, f64::max);
        let (cell_w, cell_h) = match &of.cols {
            None => {
                let cell = whole((SIDE_PT / n_rows as f64).min(LARGEST_CELL_PT));
                (cell, cell)
            }
            Some(names) => {
                let (narrowest, widest_cell) = NAMED_CELL_PT;
                let cell_w = (widest(names) + 2.0 * LABEL_GAP_PT).clamp(narrowest, widest_cell);
                (whole(cell_w), whole((SIDE_PT / n_rows as f64).min(HIGHEST_NAMED_CELL_PT)))
            }
        };
        let row_names = row_names(of, cell_h);
        let names_pt = row_names.iter().map(|(_, text)| text.width_pt).fold(0.0, f64::max);
        let col_names =
            of.cols.iter().flatten().map(|name| {
                Text::plain(&elide(name, Face::Upright, TICK_PT, cell_w - LABEL_GAP_PT), TICK_PT)
            });
        let labels_pt = TICK_LENGTH_PT + LABEL_GAP_PT + names_pt;
        let (left_pt, right_pt) = match of.cols {
            Some(_) => (labels_pt.max(of.axes.as_ref().map_or(0.0, |axes| width(&axes.0, TICK_PT))), 0.0),
            None if of.tree.is_empty() => (0.0, labels_pt),
            None => (TREE_PT + TREE_GAP_PT, labels_pt),
        };
        let panel_pt = (n_cols as f64 * cell_w, n_rows as f64 * cell_h);
        let bar_pt = GAP_PT + BAR_PT + page::bar_labels_pt(of.vmin, of.vmax);
        let content_pt = left_pt + panel_pt.0 + right_pt + bar_pt;
        let (title, note) = (Text::title(&of.title, TITLE_PT), Text::title(&of.note, NOTE_PT));
        let width_pt = content_pt.max(title.width_pt).max(note.width_pt) + 2.0 * MARGIN_PT;
        let col_names = col_names.collect();
        Self { of, title, note, row_names, col_names, panel_pt, left_pt, right_pt, content_pt, width_pt }
    }

    fn scene(self, canvas: &Canvas) -> Scene<'a> {
        let mut page = Page::new(canvas);
        let middle_pt = 0.5 * canvas.width_pt();
        let baseline_pt = MARGIN_PT + self.title.ascent_pt();
        let axis_pt = if self.of.axes.is_some() { 1.3 * TICK_PT } else { 0.0 };
        let top_pt = canvas.snap(baseline_pt + self.title.descent_pt() + 8.0 + axis_pt);
        page.centred_within(middle_pt, baseline_pt, self.title.clone());

        let x_pt = middle_pt - 0.5 * self.content_pt;
        let rect = Rect {
            x_pt: canvas.snap(x_pt + self.left_pt),
            y_pt: top_pt,
            width_pt: self.panel_pt.0,
            height_pt: self.panel_pt.1,
        };
        page.picture(Picture {
            rect,
            n_rows: self.of.rows.len(),
            n_cols: self.of.n_cols(),
            values: Cow::Borrowed(&self.of.values),
            has_gaps: true,
        });
        self.row_labels(&mut page, rect);
        let mut end_pt = self.col_labels(&mut page, rect);
        if !self.of.tree.is_empty() {
            let width_pt = rect.x_pt - TREE_GAP_PT - x_pt;
            let tree = Rect { x_pt, width_pt, ..rect };
            end_pt = end_pt.max(tree::draw(&mut page, tree, self.of.rows.len(), &self.of.tree));
        }
        let bar = Rect {
            x_pt: canvas.snap(rect.right_pt() + self.right_pt + GAP_PT),
            y_pt: top_pt,
            width_pt: canvas.snap(BAR_PT).max(canvas.px_pt()),
            height_pt: rect.height_pt.max(canvas.snap(LEAST_BAR_PT)),
        };
        page.color_bar(bar, self.of.vmin, self.of.vmax);
        end_pt = end_pt.max(bar.bottom_pt() + 0.5 * TICK_PT);
        if !self.of.note.is_empty() {
            let note_pt = end_pt + 4.0 + self.note.ascent_pt();
            end_pt = note_pt + self.note.descent_pt();
            page.centred_within(middle_pt, note_pt, self.note.clone());
        }
        Scene { height_pt: canvas.snap(end_pt + MARGIN_PT), items: page.into_items() }
    }

    /// Names and ticks beside the rows: at the right of a square matrix, where a tree may stand at the left.
    fn row_labels(&self, page: &mut Page<'_, '_>, rect: Rect) {
        let row_pt = rect.height_pt / self.of.rows.len() as f64;
        let is_left = self.of.cols.is_some();
        for (row, text) in &self.row_names {
            let y_pt = rect.y_pt + (*row as f64 + 0.5) * row_pt;
            let size_pt = text.pieces.first().map_or(TICK_PT, |piece| piece.size_pt);
            let x_pt = if is_left {
                page.horizontal_tick(rect.x_pt - TICK_LENGTH_PT, y_pt);
                rect.x_pt - TICK_LENGTH_PT - LABEL_GAP_PT - text.width_pt
            } else {
                page.horizontal_tick(rect.right_pt(), y_pt);
                rect.right_pt() + TICK_LENGTH_PT + LABEL_GAP_PT
            };
            let y_pt = y_pt + 0.5 * DIGIT_HEIGHT * size_pt;
            page.put(Item::Text { x_pt, y_pt, text: text.clone() });
        }
        if let Some((name, _)) = &self.of.axes {
            let text = Text::plain(name, TICK_PT);
            let x_pt = rect.x_pt - TICK_LENGTH_PT - text.width_pt;
            page.put(Item::Text { x_pt: x_pt.max(MARGIN_PT), y_pt: rect.y_pt - 0.5 * TICK_PT, text });
        }
    }

    /// Names and ticks under the columns that have names: where they end.
    fn col_labels(&self, page: &mut Page<'_, '_>, rect: Rect) -> f64 {
        if self.col_names.is_empty() {
            return rect.bottom_pt();
        }
        let col_pt = rect.width_pt / self.col_names.len() as f64;
        let mut baseline_pt = rect.bottom_pt() + TICK_LENGTH_PT + LABEL_GAP_PT + DIGIT_HEIGHT * TICK_PT;
        for (col, text) in self.col_names.iter().enumerate() {
            let x_pt = rect.x_pt + (col as f64 + 0.5) * col_pt;
            page.vertical_tick(x_pt, rect.bottom_pt());
            page.centred_within(x_pt, baseline_pt, text.clone());
        }
        if let Some((_, name)) = &self.of.axes {
            baseline_pt += 1.5 * TICK_PT;
            page.centred_within(rect.x_pt + 0.5 * rect.width_pt, baseline_pt, Text::plain(name, TICK_PT));
        }
        baseline_pt + DESCENT * TICK_PT
    }
}

/// Every row's name where rows are high enough; else the names of every so many rows, or their numbers, from 1, where
/// names are long.
fn row_names(of: &Heatmap, row_pt: f64) -> Vec<(usize, Text)> {
    if row_pt >= LOWEST_NAMED_PT {
        let size_pt = TICK_PT.min(0.95 * row_pt);
        let text = |name: &String| Text::plain(&elide(name, Face::Upright, size_pt, NAME_PT), size_pt);
        return of.rows.iter().map(text).enumerate().collect();
    }
    let height_pt = |_| DIGIT_HEIGHT * TICK_PT;
    let shown = ticks::cells(Axis::Rows, of.rows.len(), row_pt, ROW_LABELS_APART_PT, height_pt);
    let name = |n: usize| match of.cols {
        Some(_) => of.rows[n - 1].clone(),
        None => n.to_string(),
    };
    shown.into_iter().map(|n| (n - 1, Text::plain(&name(n), TICK_PT))).collect()
}

fn width(text: &str, size_pt: f64) -> f64 {
    Face::Upright.width(text) * size_pt
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::CpuEngine;

    fn names(n: usize, chars: usize) -> Vec<String> {
        (0..n).map(|k| format!("{}{k}", "runs/".repeat(chars / 5))).collect()
    }

    /// A tree that joins the rows one after another.
    fn chain(n: usize) -> Vec<Merge> {
        let merge = |k: usize| Merge {
            first: if k == 0 { 0 } else { n + k - 1 },
            second: k + 1,
            similarity: 0.9 / (k + 1) as f64,
        };
        (0..n - 1).map(merge).collect()
    }

    fn square(n: usize, chars: usize) -> Heatmap {
        let heatmap = Heatmap::square(names(n, chars), vec![0.5; n * n]).unwrap();
        heatmap.title("Mean of ϕ(r, r)").note("A note.").tree(chain(n))
    }

    fn texts(heatmap: &Heatmap) -> Vec<String> {
        let drawing = heatmap.drawing().unwrap();
        let text = |item: &Item<'_>| match item {
            Item::Text { text, .. } => Some(text.pieces.iter().map(|piece| piece.text.as_str()).collect()),
            _ => None,
        };
        drawing.scene.items.iter().filter_map(text).collect()
    }

    #[test]
    fn rows_have_names_where_they_fit_and_numbers_where_not() {
        let few = texts(&square(40, 5));
        assert!((0..40).all(|k| few.contains(&format!("runs/{k}"))), "{few:?}");
        let many = texts(&square(400, 5));
        assert!(many.contains(&"1".to_owned()) && !many.iter().any(|text| text.starts_with("runs/")));
        let layers: Vec<String> = (0..126).map(|layer| format!("L{layer}")).collect();
        let named = texts(&Heatmap::named(layers, names(2, 0), vec![0.0; 252]).unwrap().axes("layer", "p"));
        assert!(named.contains(&"L0".to_owned()) && named.contains(&"layer".to_owned()));
        assert!(!named.contains(&"L1".to_owned()));
    }

    #[test]
    fn cells_are_whole_pixels_and_a_missing_one_is_grey() {
        let (nan, colors) = (f32::NAN, Palette::Grey.colors());
        let values = vec![1.0, nan, 0.0, nan, 1.0, 0.0, 0.0, 0.0, 1.0];
        let heatmap = Heatmap::square(names(3, 0), values.clone()).unwrap().palette(Palette::Grey).dpi(72.0);
        let drawing = heatmap.drawing().unwrap();
        let Some(Item::Picture(picture)) = drawing.scene.items.first() else { panic!("a picture first") };
        let area = drawing.area(picture);
        assert_eq!((area.width_px % 3, area.height_px % 3), (0, 0));
        let image = heatmap.render(&CpuEngine::new()).unwrap();
        for y in 0..area.height_px {
            for x in 0..area.width_px {
                let value = values[y * 3 / area.height_px * 3 + x * 3 / area.width_px];
                let expected = if value.is_nan() { [216; 3] } else { colors[(value * 255.0) as usize] };
                let pixel = image.get_pixel((area.x_px + x) as u32, (area.y_px + y) as u32).0;
                assert_eq!(pixel, expected, "({x}, {y})");
            }
        }
    }

    #[test]
    fn a_large_matrix_has_a_pixel_for_every_cell() {
        let n = 3000;
        let drawing = Heatmap::square(names(n, 0), vec![0.0; n * n]).unwrap();
        let drawing = drawing.drawing().unwrap();
        let Some(Item::Picture(picture)) = drawing.scene.items.first() else { panic!("a picture first") };
        assert_eq!(drawing.area(picture).width_px, n);
    }

    #[test]
    fn counts_that_do_not_match_are_refused() {
        for (rows, n) in [(0, 0), (2, 3), (3, 8)] {
            assert!(Heatmap::square(names(rows, 0), vec![0.0; n]).is_err());
        }
        assert!(Heatmap::named(names(2, 0), vec![], vec![]).is_err());
    }

    proptest! {
        #[test]
        fn everything_lies_on_the_canvas(
            n_rows in 1usize..300,
            n_cols in 1usize..20,
            chars in 0usize..200,
            dpi in 30.0..300.0f64,
            vmax in 0.001..2.0f64,
            is_square: bool,
        ) {
            let heatmap = match is_square {
                true => square(n_rows, chars),
                false => Heatmap::named(names(n_rows, 0), names(n_cols, chars), vec![0.0; n_rows * n_cols])
                    .unwrap()
                    .title("Title")
                    .axes("layer", "projection"),
            };
            let heatmap = heatmap.range(0.0, vmax).dpi(dpi);
            let drawing = heatmap.drawing().unwrap();
            for item in &drawing.scene.items {
                let bounds = item.bounds();
                prop_assert!(bounds.x_pt >= 0.0 && bounds.y_pt >= 0.0, "{item:?}");
                let (right_pt, bottom_pt) = (drawing.canvas.width_pt(), drawing.scene.height_pt);
                prop_assert!(bounds.right_pt() <= right_pt && bounds.bottom_pt() <= bottom_pt, "{item:?}");
            }
        }
    }
}
