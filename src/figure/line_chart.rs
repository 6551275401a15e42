//! Lines over a number, such as a training run's steps.

use std::io::Write;

use image::RgbImage;

use super::canvas::Canvas;
use super::drawing::Drawing;
use super::font::{DESCENT, DIGIT_HEIGHT, Face};
use super::page::{
    self, BAR_LABELS_APART_PT, FRAME_WIDTH_PT, LABEL_GAP_PT, MARGIN_PT, Page, TICK_LENGTH_PT, TICK_PT,
};
use super::palette::Palette;
use super::scene::{Item, Rect, Scene};
use super::text::{Text, elide};
use super::ticks;
use crate::engine::Engine;
use crate::error::{Fault, Result};
use crate::kernels::colormap::ColorTable;

/// Colours that readers with colour blindness tell apart (Okabe and Ito 2008), the yellow left out.
const COLORS: [[u8; 3]; 7] =
    [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [86, 180, 233], [230, 159, 0], [0, 0, 0]];

const PLOT_PT: (f64, f64) = (380.0, 220.0);
const TITLE_PT: f64 = 12.0;
const LINE_PT: f64 = 1.4;
const DOT_PT: f64 = 2.0;
/// Space inside the frame, so that no dot lies on it.
const INSET_PT: f64 = 8.0;
const LEGEND_GAP_PT: f64 = 12.0;
const LEGEND_LINE_PT: f64 = 14.0;
const LEGEND_ROW_PT: f64 = 12.0;
const LEGEND_NAME_PT: f64 = 170.0;
const X_LABELS_APART_PT: f64 = 34.0;

/// A named line.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// What the legend calls it.
    pub name: String,
    /// (x, y), by rising x.
    pub points: Vec<(f64, f64)>,
}

/// Lines in one frame, from y = 0 up, with a legend.
#[derive(Debug, Clone)]
pub struct LineChart {
    title: String,
    x_name: String,
    y_name: String,
    lines: Vec<Line>,
    dpi: f64,
}

impl LineChart {
    /// A chart of lines; points that are not finite are left out.
    ///
    /// # Errors
    /// `Invalid` when there is no finite point.
    pub fn new(mut lines: Vec<Line>) -> Result<Self> {
        for line in &mut lines {
            line.points.retain(|(x, y)| x.is_finite() && y.is_finite());
        }
        lines.retain(|line| !line.points.is_empty());
        if lines.is_empty() {
            return Err(Fault::new("no finite point", "at least one").of("line chart").invalid());
        }
        Ok(Self { title: String::new(), x_name: String::new(), y_name: String::new(), lines, dpi: 300.0 })
    }

    /// The title; ϕ and the letters in brackets behind it are set as in mathematics.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// What x and y are.
    pub fn axes(mut self, x: impl Into<String>, y: impl Into<String>) -> Self {
        (self.x_name, self.y_name) = (x.into(), y.into());
        self
    }

    /// Pixels an inch; default: 300.
    pub fn dpi(mut self, dpi: f64) -> Self {
        self.dpi = dpi;
        self
    }

    /// Writes an 8-bit RGB PNG.
    ///
    /// # Errors
    /// `Invalid` when the resolution is under 20; `Limit` when the picture is too large; `Io` when the writer fails.
    pub fn write_png(&self, engine: &dyn Engine, writer: impl Write) -> Result<()> {
        self.drawing()?.write_png(engine, writer)
    }

    /// The pixels that [`LineChart::write_png`] writes.
    ///
    /// # Errors
    /// As [`LineChart::write_png`], but for `Io`.
    pub fn render(&self, engine: &dyn Engine) -> Result<RgbImage> {
        self.drawing()?.render(engine)
    }

    fn drawing(&self) -> Result<Drawing<'_>> {
        // There is no picture to colour.
        let table = ColorTable::new(Palette::default().colors(), 0.0, 1.0)?;
        let legend = self.legend();
        let y_ticks = self.y_ticks();
        let labels_pt = y_ticks.iter().map(|(_, label)| width(label)).fold(0.0, f64::max);
        let left_pt = MARGIN_PT + labels_pt + LABEL_GAP_PT + TICK_LENGTH_PT;
        let names_pt = legend.iter().map(|(_, text)| text.width_pt).fold(0.0, f64::max);
        let legend_pt = LEGEND_GAP_PT + LEGEND_LINE_PT + LABEL_GAP_PT + names_pt;
        let title = Text::title(&self.title, TITLE_PT);
        let content_pt = left_pt + PLOT_PT.0 + legend_pt + MARGIN_PT;
        let width_pt = content_pt.max(title.width_pt + 2.0 * MARGIN_PT);
        let canvas = Canvas::new(width_pt / 72.0, self.dpi)?;
        let scene = self.scene(&canvas, left_pt, title, &y_ticks, &legend);
        Drawing::new(canvas, scene, table)
    }

    fn scene(
        &self,
        canvas: &Canvas,
        left_pt: f64,
        title: Text,
        y_ticks: &[(f64, String)],
        legend: &[(Option<usize>, Text)],
    ) -> Scene<'static> {
        let mut page = Page::new(canvas);
        let title_pt = MARGIN_PT + title.ascent_pt();
        let y_name = Text::title(&self.y_name, TICK_PT);
        let y_name_pt = title_pt + title.descent_pt() + 8.0 + y_name.ascent_pt();
        let rect = Rect {
            x_pt: canvas.snap(left_pt),
            y_pt: canvas.snap(y_name_pt + y_name.descent_pt() + 3.0),
            width_pt: canvas.snap(PLOT_PT.0),
            height_pt: canvas.snap(PLOT_PT.1),
        };
        page.centred_within(rect.x_pt + 0.5 * rect.width_pt, title_pt, title);
        page.put(Item::Text { x_pt: MARGIN_PT, y_pt: y_name_pt, text: y_name });
        page.put(Item::Frame { rect, width_pt: FRAME_WIDTH_PT });

        let (x, y) = (self.x_axis(rect), self.y_axis(rect));
        for (value, label) in y_ticks {
            let y_pt = y.pt(*value);
            page.horizontal_tick(rect.x_pt - TICK_LENGTH_PT, y_pt);
            let text = Text::plain(label, TICK_PT);
            let x_pt = rect.x_pt - TICK_LENGTH_PT - LABEL_GAP_PT - text.width_pt;
            page.put(Item::Text { x_pt, y_pt: y_pt + 0.5 * DIGIT_HEIGHT * TICK_PT, text });
        }
        let baseline_pt = rect.bottom_pt() + TICK_LENGTH_PT + LABEL_GAP_PT + DIGIT_HEIGHT * TICK_PT;
        for (value, label) in x.ticks() {
            page.vertical_tick(x.pt(value), rect.bottom_pt());
            page.centred_within(x.pt(value), baseline_pt, Text::plain(&label, TICK_PT));
        }
        let x_name_pt = baseline_pt + 1.5 * TICK_PT;
        page.centred_within(rect.x_pt + 0.5 * rect.width_pt, x_name_pt, Text::plain(&self.x_name, TICK_PT));

        for (n, line) in self.lines.iter().enumerate() {
            let color = COLORS[n % COLORS.len()];
            let points_pt: Vec<_> = line.points.iter().map(|&(at, value)| (x.pt(at), y.pt(value))).collect();
            for &(x_pt, y_pt) in &points_pt {
                page.put(Item::Dot { x_pt, y_pt, radius_pt: DOT_PT, color });
            }
            page.put(Item::Line { points_pt, width_pt: LINE_PT, color });
        }
        for (row, (line, text)) in legend.iter().enumerate() {
            let y_pt = rect.y_pt + (row as f64 + 0.5) * LEGEND_ROW_PT;
            let x_pt = rect.right_pt() + LEGEND_GAP_PT;
            if let Some(n) = line {
                let points_pt = vec![(x_pt, y_pt), (x_pt + LEGEND_LINE_PT, y_pt)];
                page.put(Item::Line { points_pt, width_pt: LINE_PT, color: COLORS[n % COLORS.len()] });
            }
            let x_pt = x_pt + LEGEND_LINE_PT + LABEL_GAP_PT;
            page.put(Item::Text { x_pt, y_pt: y_pt + 0.5 * DIGIT_HEIGHT * TICK_PT, text: text.clone() });
        }
        let end_pt = x_name_pt + DESCENT * TICK_PT + MARGIN_PT;
        Scene { height_pt: canvas.snap(end_pt), items: page.into_items() }
    }

    /// The names that have room beside the frame, and how many more there are.
    fn legend(&self) -> Vec<(Option<usize>, Text)> {
        let n_fit = (PLOT_PT.1 / LEGEND_ROW_PT) as usize;
        let n_shown = if self.lines.len() <= n_fit { self.lines.len() } else { n_fit - 1 };
        let name = |line: &Line| elide(&line.name, Face::Upright, TICK_PT, LEGEND_NAME_PT);
        let shown = self.lines[..n_shown].iter().enumerate();
        let mut legend: Vec<_> =
            shown.map(|(n, line)| (Some(n), Text::plain(&name(line), TICK_PT))).collect();
        if n_shown < self.lines.len() {
            let more = format!("and {} more", self.lines.len() - n_shown);
            legend.push((None, Text::plain(&more, TICK_PT)));
        }
        legend
    }

    fn x_axis(&self, rect: Rect) -> Scale {
        let points = self.lines.iter().flat_map(|line| &line.points);
        let (low, high) =
            points.fold((f64::MAX, f64::MIN), |(low, high), (x, _)| (low.min(*x), high.max(*x)));
        // One step alone stands in the middle.
        let (low, high) = if low < high { (low, high) } else { (low - 1.0, high + 1.0) };
        Scale { low, high, from_pt: rect.x_pt + INSET_PT, to_pt: rect.right_pt() - INSET_PT }
    }

    fn y_axis(&self, rect: Rect) -> Scale {
        let (low, high) = self.y_ends();
        Scale { low, high, from_pt: rect.bottom_pt() - INSET_PT, to_pt: rect.y_pt + INSET_PT }
    }

    /// 0, or the lowest value under it, and the highest value.
    fn y_ends(&self) -> (f64, f64) {
        let points = self.lines.iter().flat_map(|line| &line.points);
        let (low, high) =
            points.fold((0.0, 0.0), |(low, high): (f64, f64), (_, y)| (low.min(*y), high.max(*y)));
        (low, high.max(low + 1e-6))
    }

    fn y_ticks(&self) -> Vec<(f64, String)> {
        let (low, high) = self.y_ends();
        ticks::scale(low, high, PLOT_PT.1 - 2.0 * INSET_PT, DIGIT_HEIGHT * TICK_PT + BAR_LABELS_APART_PT)
    }
}

/// A linear axis.
struct Scale {
    low: f64,
    high: f64,
    from_pt: f64,
    to_pt: f64,
}

impl Scale {
    fn pt(&self, value: f64) -> f64 {
        self.from_pt + (self.to_pt - self.from_pt) * (value - self.low) / (self.high - self.low)
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        ticks::scale(self.low, self.high, self.to_pt - self.from_pt, X_LABELS_APART_PT)
    }
}

fn width(text: &str) -> f64 {
    Face::Upright.width(text) * page::TICK_PT
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::engine::CpuEngine;

    fn line(name: &str, points: &[(f64, f64)]) -> Line {
        Line { name: name.to_owned(), points: points.to_vec() }
    }

    #[test]
    fn bands_of_any_height_give_the_same_pixels() {
        let lines = vec![line("a", &[(1.0, 0.3), (2.0, 0.1), (4.0, 0.9)]), line("b", &[(3.0, 0.5)])];
        let chart = LineChart::new(lines).unwrap().title("Title").axes("step", "1 − ϕ(r, r)").dpi(50.0);
        let engine = CpuEngine::new();
        let whole = chart.render(&engine).unwrap();
        let drawing = chart.drawing().unwrap();
        let row_bytes = 3 * whole.width() as usize;
        for band_px in [1, 7, 64] {
            let mut rgb = vec![7; whole.len()];
            for (n, band) in rgb.chunks_mut(row_bytes * band_px).enumerate() {
                drawing.raster(&engine).paint(n * band_px, band).unwrap();
            }
            assert!(rgb == *whole.as_raw(), "bands of {band_px} rows differ");
        }
    }

    #[test]
    fn points_that_are_not_finite_are_left_out_and_a_chart_without_any_is_refused() {
        let gaps = line("a", &[(1.0, f64::NAN), (2.0, 0.5), (f64::INFINITY, 0.1)]);
        let chart = LineChart::new(vec![gaps, line("b", &[])]).unwrap();
        assert_eq!(chart.lines, [line("a", &[(2.0, 0.5)])]);
        assert!(LineChart::new(vec![line("a", &[(0.0, f64::NAN)])]).is_err());
    }

    #[test]
    fn a_legend_that_is_full_says_how_many_more_there_are() {
        let lines = (0..40).map(|k| line(&format!("run {k}"), &[(0.0, f64::from(k))])).collect();
        let legend = LineChart::new(lines).unwrap().legend();
        assert_eq!(legend.len(), 18);
        assert_eq!(legend[17].1.pieces[0].text, "and 23 more");
    }

    proptest! {
        #[test]
        fn everything_lies_on_the_canvas(
            n_lines in 1usize..40,
            chars in 0usize..100,
            steps in proptest::collection::vec((0.0..1e6f64, -1.0..1.0f64), 1..20),
            dpi in 30.0..300.0f64,
        ) {
            let lines = (0..n_lines).map(|_| line(&"x".repeat(chars), &steps)).collect();
            let chart = LineChart::new(lines).unwrap().title("Title").axes("step", "value").dpi(dpi);
            let drawing = chart.drawing().unwrap();
            for item in &drawing.scene.items {
                let bounds = item.bounds();
                prop_assert!(bounds.x_pt >= 0.0 && bounds.y_pt >= 0.0, "{item:?}");
                let (right_pt, bottom_pt) = (drawing.canvas.width_pt(), drawing.scene.height_pt);
                prop_assert!(bounds.right_pt() <= right_pt && bounds.bottom_pt() <= bottom_pt, "{item:?}");
            }
        }
    }
}
