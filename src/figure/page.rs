//! Draws the parts of a figure into its scene: panels with their axes, the colour bar, lines of text.

use std::borrow::Cow;

use super::canvas::Canvas;
use super::font::{ASCENT, DESCENT, DIGIT_HEIGHT, Face};
use super::panel::Panel;
use super::scene::{Item, Picture, Rect};
use super::text::Text;
use super::ticks::{self, Axis};

/// Type sizes of the letters i and j and of the numbers at ticks.
pub(crate) const LABEL_PT: f64 = 10.0;
pub(crate) const TICK_PT: f64 = 8.0;

pub(crate) const TICK_LENGTH_PT: f64 = 3.0;
pub(crate) const TICK_WIDTH_PT: f64 = 0.8;
pub(crate) const FRAME_WIDTH_PT: f64 = 0.5;
/// Between a tick's end and its label.
pub(crate) const LABEL_GAP_PT: f64 = 2.5;
/// Least distances between labels along an axis.
pub(crate) const COL_LABELS_APART_PT: f64 = 5.0;
pub(crate) const ROW_LABELS_APART_PT: f64 = 6.0;
pub(crate) const BAR_LABELS_APART_PT: f64 = 4.0;

/// White space round the figure.
pub(crate) const MARGIN_PT: f64 = 8.0;

/// The scene while it is laid out.
pub(crate) struct Page<'a, 'c> {
    canvas: &'c Canvas,
    pictures: Vec<Picture<'a>>,
    items: Vec<Item<'a>>,
}

/// Room that row labels up to `n_rows` take beside a panel. Digits are all of one width, so the largest number is as wide
/// as any label.
pub(crate) fn row_labels_pt(n_rows: usize) -> f64 {
    TICK_LENGTH_PT + LABEL_GAP_PT + Face::Upright.width(&n_rows.to_string()) * TICK_PT
}

/// Room that the letter i takes beside the row labels.
pub(crate) fn row_letter_pt() -> f64 {
    Face::Italic.width("i") * LABEL_PT + 2.0 * LABEL_GAP_PT
}

/// Room that the widest label of a scale takes beside the colour bar.
pub(crate) fn bar_labels_pt(vmin: f64, vmax: f64) -> f64 {
    let labels = ticks::scale(vmin, vmax, f64::INFINITY, 0.0);
    let widths = labels.iter().map(|(_, label)| Face::Upright.width(label) * TICK_PT);
    TICK_LENGTH_PT + LABEL_GAP_PT + widths.fold(0.0, f64::max)
}

impl<'a, 'c> Page<'a, 'c> {
    /// An empty page.
    pub fn new(canvas: &'c Canvas) -> Self {
        Self { canvas, pictures: Vec::new(), items: Vec::new() }
    }

    /// Side of a pixel.
    pub fn px_pt(&self) -> f64 {
        self.canvas.px_pt()
    }

    /// What was drawn, the pictures first, so that frames and ticks lie over them.
    pub fn into_items(self) -> Vec<Item<'a>> {
        self.pictures.into_iter().map(Item::Picture).chain(self.items).collect()
    }

    /// A picture in its frame.
    pub fn picture(&mut self, picture: Picture<'a>) {
        let rect = picture.rect;
        self.pictures.push(picture);
        self.items.push(Item::Frame { rect, width_pt: FRAME_WIDTH_PT });
    }

    /// Whatever else.
    pub fn put(&mut self, item: Item<'a>) {
        self.items.push(item);
    }

    /// A text whose middle is at `x_pt`.
    pub fn centred(&mut self, x_pt: f64, y_pt: f64, text: Text) {
        let x_pt = x_pt - 0.5 * text.width_pt;
        self.items.push(Item::Text { x_pt, y_pt, text });
    }

    /// Centred, but moved to the side as far as needed to stay on the canvas.
    pub fn centred_within(&mut self, x_pt: f64, y_pt: f64, text: Text) {
        let half = 0.5 * text.width_pt;
        let (low, high) = (MARGIN_PT + half, self.canvas.width_pt() - MARGIN_PT - half);
        self.centred(x_pt.min(high).max(low), y_pt, text);
    }

    /// A panel with its column labels; the lower edge of what is under it.
    pub fn panel(&mut self, rect: Rect, panel: &'a Panel) -> f64 {
        let grid = &panel.grid;
        let values = Cow::Borrowed(grid.values());
        let (n_rows, n_cols) = (grid.n_rows(), grid.n_cols());
        self.picture(Picture { rect, n_rows, n_cols, values, has_gaps: false });
        let labels_y = self.col_labels(rect, grid.n_cols());
        let letter_y = labels_y + 1.5 * LABEL_GAP_PT + ASCENT * LABEL_PT;
        self.centred(rect.x_pt + 0.5 * rect.width_pt, letter_y, Text::letter("j", LABEL_PT));
        letter_y + DESCENT * LABEL_PT
    }

    /// The letter i, its right end at `right_pt`, at the middle of a panel.
    pub fn row_letter(&mut self, rect: Rect, right_pt: f64) {
        let text = Text::letter("i", LABEL_PT);
        let x_pt = right_pt - 2.0 * LABEL_GAP_PT - text.width_pt;
        let y_pt = rect.y_pt + 0.5 * (rect.height_pt + DIGIT_HEIGHT * LABEL_PT);
        self.items.push(Item::Text { x_pt, y_pt, text });
    }

    /// Ticks and labels of the rows on the left of a panel; the left edge of the labels.
    pub fn row_labels(&mut self, rect: Rect, n_rows: usize) -> f64 {
        let cell_pt = rect.height_pt / n_rows as f64;
        let right = rect.x_pt - TICK_LENGTH_PT - LABEL_GAP_PT;
        let mut left = right;
        for i in ticks::cells(Axis::Rows, n_rows, cell_pt, ROW_LABELS_APART_PT, |_| DIGIT_HEIGHT * TICK_PT) {
            let y_pt = rect.y_pt + (i as f64 - 0.5) * cell_pt;
            self.horizontal_tick(rect.x_pt - TICK_LENGTH_PT, y_pt);
            let text = Text::plain(&i.to_string(), TICK_PT);
            let x_pt = right - text.width_pt;
            left = left.min(x_pt);
            self.items.push(Item::Text { x_pt, y_pt: y_pt + 0.5 * DIGIT_HEIGHT * TICK_PT, text });
        }
        left
    }

    /// Ticks and labels of the columns under a panel; the lower edge of the labels.
    fn col_labels(&mut self, rect: Rect, n_cols: usize) -> f64 {
        let cell_pt = rect.width_pt / n_cols as f64;
        let baseline = rect.bottom_pt() + TICK_LENGTH_PT + LABEL_GAP_PT + DIGIT_HEIGHT * TICK_PT;
        let width_pt = |j: usize| Face::Upright.width(&j.to_string()) * TICK_PT;
        for j in ticks::cells(Axis::Cols, n_cols, cell_pt, COL_LABELS_APART_PT, width_pt) {
            let x_pt = rect.x_pt + (j as f64 - 0.5) * cell_pt;
            self.vertical_tick(x_pt, rect.bottom_pt());
            self.centred(x_pt, baseline, Text::plain(&j.to_string(), TICK_PT));
        }
        baseline
    }

    /// The colour bar with its labels, the high end at the top.
    pub fn color_bar(&mut self, rect: Rect, vmin: f64, vmax: f64) {
        // The middle of each colour's share of the scale, highest first, so that no value lies on an edge.
        let middle = |k: usize| vmin + (vmax - vmin) * (k as f64 + 0.5) / 256.0;
        let values = (0..256).rev().map(|k| middle(k) as f32).collect();
        let values = Cow::Owned(values);
        self.picture(Picture { rect, n_rows: 256, n_cols: 1, values, has_gaps: false });
        for (value, label) in
            ticks::scale(vmin, vmax, rect.height_pt, DIGIT_HEIGHT * TICK_PT + BAR_LABELS_APART_PT)
        {
            let y_pt = rect.y_pt + rect.height_pt * (vmax - value) / (vmax - vmin);
            self.horizontal_tick(rect.right_pt(), y_pt);
            let x_pt = rect.right_pt() + TICK_LENGTH_PT + LABEL_GAP_PT;
            let text = Text::plain(&label, TICK_PT);
            self.items.push(Item::Text { x_pt, y_pt: y_pt + 0.5 * DIGIT_HEIGHT * TICK_PT, text });
        }
    }

    /// A tick to the right of `x_pt`.
    pub fn horizontal_tick(&mut self, x_pt: f64, y_pt: f64) {
        self.items.push(Item::Bar(Rect {
            x_pt,
            y_pt: y_pt - 0.5 * TICK_WIDTH_PT,
            width_pt: TICK_LENGTH_PT,
            height_pt: TICK_WIDTH_PT,
        }));
    }
    /// A tick down from `y_pt`.
    pub fn vertical_tick(&mut self, x_pt: f64, y_pt: f64) {
        self.items.push(Item::Bar(Rect {
            x_pt: x_pt - 0.5 * TICK_WIDTH_PT,
            y_pt,
            width_pt: TICK_WIDTH_PT,
            height_pt: TICK_LENGTH_PT,
        }));
    }
}
