//! A matrix of any values: rows and columns with names, a colour bar, and the tree of a clustering.

mod labels;
mod numbers;
mod plan;
mod strip;
mod tree;

pub use strip::Strip;
pub use tree::Merge;

use self::plan::Plan;
use super::color_bar::ColorScale;
use super::plot::Plot;
use super::scene::Scene;
use super::style::Style;
use crate::error::{Fault, Result};

/// The range of a heatmap's colours.
const DEFAULT_RANGE: (f64, f64) = (0.0, 1.0);

/// A matrix as a picture, its rows from the top. NaN stands for a value that is missing, and is painted grey.
///
/// Its colours go from 0 to 1 unless its [`Style`] says otherwise. A cell is whole pixels high and wide, at least one, so
/// that the picture grows with a large matrix.
#[derive(Debug, Clone)]
pub struct Heatmap {
    note: String,
    values: Vec<f32>,
    rows: Vec<String>,
    /// Names of columns, or none, when the columns are the rows again.
    cols: Option<Vec<String>>,
    axes: Option<(String, String)>,
    tree: Vec<Merge>,
    strip: Option<Strip>,
    /// A text for each cell, or none.
    numbers: Vec<String>,
    style: Style,
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
            note: String::new(),
            values,
            rows,
            cols,
            axes: None,
            tree: vec![],
            strip: None,
            numbers: vec![],
            style: Style::default(),
        })
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

    /// What each cell says of itself, in the order of the values. It is drawn where all cells have room for it.
    pub fn numbers(mut self, numbers: Vec<String>) -> Self {
        self.numbers = numbers;
        self
    }

    /// Colours of the rows' groups, between the tree and the rows.
    pub fn strip(mut self, strip: Strip) -> Self {
        self.strip = Some(strip);
        self
    }

    /// The trees that join the rows, in the order of the merges. Rows that no merge joins stand in trees of their own.
    pub fn tree(mut self, merges: Vec<Merge>) -> Self {
        self.tree = merges;
        self
    }

    /// How it looks.
    pub fn style(mut self, style: Style) -> Self {
        self.style = style;
        self
    }

    /// The values but those of rows with themselves, which no range of colours is chosen for.
    fn compared(&self) -> impl Iterator<Item = &f32> {
        let (is_square, n) = (self.cols.is_none(), self.rows.len());
        let is_itself = move |at: usize| is_square && at.is_multiple_of(n + 1);
        self.values.iter().enumerate().filter(move |(at, _)| !is_itself(*at)).map(|(_, value)| value)
    }

    /// What the rows and the columns are, in the style's words where it has some.
    fn axis_names(&self) -> Option<(&str, &str)> {
        let (rows, cols) = self.axes.as_ref()?;
        Some((
            self.style.y_axis.label.as_deref().unwrap_or(rows),
            self.style.x_axis.label.as_deref().unwrap_or(cols),
        ))
    }

    fn n_cols(&self) -> usize {
        self.cols.as_ref().map_or(self.rows.len(), Vec::len)
    }
}

impl Plot for Heatmap {
    fn scene(&self) -> Result<Scene<'_>> {
        let _fonts = self.style.fonts.enter();
        let colors = ColorScale::new(&self.style, DEFAULT_RANGE, self.compared())?;
        // The width follows from what is drawn, so a canvas of any width gives the size of a pixel first.
        let px_pt = self.style.canvas(1.0)?.px_pt();
        let plan = Plan::new(self, &colors, px_pt)?;
        let canvas = self.style.canvas(plan.width_in())?;
        plan.scene(canvas, &colors)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::figure::scene::Item;
    use crate::figure::{Look, Palette};

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

    fn strip_of(n: usize, n_groups: usize) -> Strip {
        let of = (0..n).map(|row| (row % 4 != 3).then_some(row % n_groups)).collect();
        Strip { names: (0..n_groups).map(|group| format!("group {group}")).collect(), of }
    }

    fn square(n: usize, chars: usize) -> Heatmap {
        let heatmap = Heatmap::square(names(n, chars), vec![0.5; n * n]).unwrap();
        heatmap.style(titled()).note("A note.").tree(chain(n))
    }

    fn titled() -> Style {
        Style::new().title("Mean of ϕ(r, r)")
    }

    fn texts(heatmap: &Heatmap) -> Vec<String> {
        heatmap.scene().unwrap().texts()
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
    fn no_two_texts_of_maps_of_a_model_overlap() {
        // As layer-map has them, and intruders of many modules.
        for (n_rows, cols) in
            [(32, ["q", "k", "v", "o", "gate", "up", "down"].map(str::to_owned).to_vec()), (80, names(10, 0))]
        {
            for style in [
                Style::new(),
                Style::new().look(Look::Slides),
                Style::new().print_width_in(5.5),
                Style::new().print_width_in(7.0),
            ] {
                let n = n_rows * cols.len();
                let rows: Vec<String> =
                    (0..n_rows).map(|layer| format!("q, layer {layer}: 3 of 10")).collect();
                let map = Heatmap::named(rows, cols.clone(), vec![0.5; n]).unwrap();
                let map =
                    map.axes("module", "left-singular vector of W + ΔW").numbers(vec!["0.25".to_owned(); n]);
                let map = map.note("A note.").style(style.title("Intruders"));
                let scene = map.scene().unwrap();
                assert_eq!((scene.overlapping_texts(), scene.outside()), (None, None), "{n_rows} rows");
            }
        }
    }

    #[test]
    fn cells_are_whole_pixels_and_a_missing_one_is_grey() {
        let (nan, colors) = (f32::NAN, Palette::Grey.colors());
        let values = vec![1.0, nan, 0.0, nan, 1.0, 0.0, 0.0, 0.0, 1.0];
        let style = Style::new().palette(Palette::Grey).dpi(72.0);
        let heatmap = Heatmap::square(names(3, 0), values.clone()).unwrap().style(style);
        let area = heatmap.scene().unwrap().panels()[0];
        assert_eq!((area.width_px % 3, area.height_px % 3), (0, 0));
        let pixels = heatmap.pixels().unwrap();
        for y in 0..area.height_px {
            for x in 0..area.width_px {
                let value = values[y * 3 / area.height_px * 3 + x * 3 / area.width_px];
                let expected = if value.is_nan() { [216; 3] } else { colors[(value * 255.0) as usize] };
                let pixel = pixels.pixel(area.x_px + x, area.y_px + y);
                assert_eq!(pixel, Some(expected), "({x}, {y})");
            }
        }
    }

    #[test]
    fn numbers_stand_in_cells_that_have_room_for_all_of_them() {
        let with = |n: usize| square(n, 5).numbers(vec!["0.25".to_owned(); n * n]);
        assert_eq!(texts(&with(12)).iter().filter(|text| *text == "0.25").count(), 144);
        assert_eq!(texts(&with(60)).iter().filter(|text| *text == "0.25").count(), 0);
        // A missing value has none, and numbers on dark cells are light.
        let values = vec![1.0, f32::NAN, 0.0, 1.0];
        let numbers = ["1.00", "", "0.00", "1.00"].map(str::to_owned).into();
        let style = Style::new().palette(Palette::Grey);
        let heatmap = Heatmap::square(names(2, 0), values).unwrap().numbers(numbers).style(style);
        let scene = heatmap.scene().unwrap();
        let colors: Vec<Option<[u8; 3]>> = scene
            .items
            .iter()
            .filter_map(|item| match item {
                Item::Text { text, .. } if text.pieces[0].text.contains(".00") => Some(text.color),
                _ => None,
            })
            .collect();
        assert_eq!(colors, [[0; 3], [255; 3], [0; 3]].map(Some));
    }

    #[test]
    fn a_strip_has_a_colour_for_each_group_and_a_legend() {
        let heatmap = square(9, 5).strip(strip_of(9, 2));
        let scene = heatmap.scene().unwrap();
        let strip = scene.panels()[1];
        assert_eq!(strip.height_px, scene.panels()[0].height_px);
        assert!(strip.x_px + strip.width_px <= scene.panels()[0].x_px);
        let pixels = heatmap.pixels().unwrap();
        let color =
            |row: usize| pixels.pixel(strip.x_px + 1, strip.y_px + (2 * row + 1) * strip.height_px / 18);
        assert!(color(0) == color(2) && color(0) != color(1) && color(1) == color(5));
        assert_eq!(color(3), Some([216; 3]), "no group");
        assert!(texts(&heatmap).contains(&"group 1".to_owned()));
        let many = texts(&square(80, 5).strip(strip_of(80, 40)));
        assert!(many.iter().any(|text| text.starts_with("and ")), "{many:?}");
    }

    #[test]
    fn a_large_matrix_has_a_pixel_for_every_cell() {
        let n = 3000;
        let heatmap = Heatmap::square(names(n, 0), vec![0.0; n * n]).unwrap();
        assert_eq!(heatmap.scene().unwrap().panels()[0].width_px, n);
    }

    #[test]
    fn cells_are_as_wide_as_the_width_that_is_asked_for_has_room_for() {
        let named = Heatmap::named(names(30, 5), names(3, 0), vec![0.0; 90]).unwrap();
        for heatmap in [square(5, 20), square(60, 20), named] {
            for width_in in [5.0, 9.0] {
                let heatmap = heatmap.clone().style(titled().width_in(width_in).dpi(100.0));
                let (scene, n_cols) = (heatmap.scene().unwrap(), heatmap.n_cols());
                assert_eq!((scene.width_px(), scene.outside()), ((100.0 * width_in) as usize, None));
                let area = scene.panels()[0];
                assert_eq!(area.width_px % n_cols, 0);

                let one_more_pt = (area.width_px / n_cols + 1) as f64 * 0.72;
                let cell_h_pt = if heatmap.cols.is_some() { 10.0 } else { one_more_pt };
                let colors = ColorScale::new(&heatmap.style, DEFAULT_RANGE, &[]).unwrap();
                let needed_pt = Plan::of_cells(&heatmap, &colors, (one_more_pt, cell_h_pt)).needed_pt();
                assert!(needed_pt > 72.0 * width_in, "{needed_pt} pt would fit into {width_in} in");
            }
        }
    }

    #[test]
    fn a_width_without_room_for_a_pixel_a_cell_says_how_much_is_needed() {
        let error = square(400, 0).style(titled().width_in(2.0)).scene().unwrap_err();
        assert!(
            error.to_string().starts_with("width: found 2 in for 400 columns, expected at least "),
            "{error}"
        );
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
            n_groups in 0usize..50,
        ) {
            let heatmap = match is_square {
                true if n_groups > 0 => square(n_rows, chars).strip(strip_of(n_rows, n_groups)),
                true => square(n_rows, chars).numbers(vec!["0.50".to_owned(); n_rows * n_rows]),
                false => Heatmap::named(names(n_rows, 0), names(n_cols, chars), vec![0.0; n_rows * n_cols])
                    .unwrap()
                    .axes("layer", "projection"),
            };
            let heatmap = heatmap.style(titled().range(0.0, vmax).dpi(dpi));
            prop_assert_eq!(heatmap.scene().unwrap().outside(), None);
        }
    }

    #[test]
    fn no_two_texts_overlap() {
        for style in [Style::new(), Style::new().look(Look::Dark), Style::new().dpi(72.0)] {
            for (n, chars) in [(1, 0), (5, 20), (40, 60), (300, 5)] {
                let scene_of = |heatmap: Heatmap| {
                    let heatmap = heatmap.style(style.clone().title("Mean of ϕ(r, r)"));
                    heatmap.scene().unwrap().overlapping_texts()
                };
                let numbers = vec!["0.50".to_owned(); n * n];
                let (joined, tree) =
                    (square(n, chars).numbers(numbers), square(n, chars).strip(strip_of(n, 3)));
                assert_eq!([scene_of(joined), scene_of(tree)], [None, None], "{n} rows");
                let named = Heatmap::named(names(n, chars), names(4, 30), vec![0.0; 4 * n]).unwrap();
                assert_eq!(scene_of(named.axes("layer", "projection").note("A note.")), None, "{n} rows");
            }
        }
    }

    #[test]
    fn the_bar_has_an_arrow_for_values_past_its_end_but_not_for_rows_with_themselves() {
        let has_arrow = |heatmap: Heatmap| {
            let heatmap = heatmap.style(Style::new().range(0.0, 0.5));
            let scene = heatmap.scene().unwrap();
            scene.items.iter().any(|item| matches!(item, Item::Polygon { .. }))
        };
        let square = |values: [f32; 4]| Heatmap::square(names(2, 0), values.to_vec()).unwrap();
        assert!(!has_arrow(square([f32::MAX, 0.5, 0.5, 1.0])));
        assert!(has_arrow(square([1.0, 0.6, 0.5, 1.0])));
        assert!(has_arrow(Heatmap::named(names(2, 0), names(1, 0), vec![0.6, 0.1]).unwrap()));
    }
}
