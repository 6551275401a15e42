//! A scene while it is laid out, with the parts that all plots share: frames, ticks and centred text.

use super::canvas::Canvas;
use super::scene::{CellArea, Item, Rect, Scene};
use super::text::Text;
use crate::error::{Fault, Result};

/// Type sizes of titles and of the labels at ticks.
pub(super) const TITLE_PT: f64 = 12.0;
pub(super) const TICK_PT: f64 = 8.0;

pub(super) const TICK_LENGTH_PT: f64 = 3.0;
pub(super) const TICK_WIDTH_PT: f64 = 0.8;
pub(super) const FRAME_WIDTH_PT: f64 = 0.5;
/// Between a tick's end and its label.
pub(super) const LABEL_GAP_PT: f64 = 2.5;
/// Least distance between labels of rows.
pub(super) const ROW_LABELS_APART_PT: f64 = 6.0;

/// White space round the whole, and under the title.
pub(super) const MARGIN_PT: f64 = 8.0;
pub(super) const TITLE_GAP_PT: f64 = 8.0;

/// The scene while it is laid out.
pub(super) struct Page<'a> {
    canvas: Canvas,
    title: String,
    panels: Vec<CellArea<'a>>,
    color_bar: Option<CellArea<'a>>,
    items: Vec<Item>,
}

impl<'a> Page<'a> {
    /// An empty page.
    pub(super) fn new(canvas: Canvas) -> Self {
        Self { canvas, title: String::new(), panels: vec![], color_bar: None, items: vec![] }
    }

    /// What the page is drawn on.
    pub(super) fn canvas(&self) -> &Canvas {
        &self.canvas
    }

    /// The scene, whose content ends at `end_pt`.
    ///
    /// # Errors
    /// `Limit` when it is too high; `Invalid` for a letter that a font of the user's own does not have.
    pub(super) fn finish(self, end_pt: f64) -> Result<Scene<'a>> {
        let height_px = self.canvas.height_px(end_pt + MARGIN_PT)?;
        self.items.iter().try_for_each(has_all_letters)?;
        let Self { canvas, title, panels, color_bar, items } = self;
        Ok(Scene { canvas, height_px, title, recipe: None, panels, color_bar, items })
    }

    /// The title of the whole, centred within the canvas.
    pub(super) fn title(&mut self, x_pt: f64, y_pt: f64, text: Text) {
        self.title = text.letters();
        self.centred_within(x_pt, y_pt, text);
    }

    /// A heatmap in its frame.
    pub(super) fn panel(&mut self, cells: CellArea<'a>) {
        self.frame(cells.rect);
        self.panels.push(cells);
    }

    /// The colour bar in its frame.
    pub(super) fn color_bar(&mut self, cells: CellArea<'a>) {
        self.frame(cells.rect);
        self.color_bar = Some(cells);
    }

    /// A frame round a rectangle.
    pub(super) fn frame(&mut self, rect: Rect) {
        self.put(Item::Frame { rect, width_pt: FRAME_WIDTH_PT });
    }

    /// Anything but cells.
    pub(super) fn put(&mut self, item: Item) {
        self.items.push(item);
    }

    /// A text from the left end of its baseline.
    pub(super) fn text(&mut self, x_pt: f64, y_pt: f64, text: Text) {
        self.put(Item::Text { x_pt, y_pt, text, is_turned: false });
    }

    /// A text whose middle is at `x_pt`.
    pub(super) fn centred(&mut self, x_pt: f64, y_pt: f64, text: Text) {
        self.text(x_pt - 0.5 * text.width_pt, y_pt, text);
    }

    /// A text that runs upwards, its baseline at `x_pt` and its middle at `y_pt`.
    pub(super) fn turned(&mut self, x_pt: f64, y_pt: f64, text: Text) {
        self.put(Item::Text { x_pt, y_pt: y_pt + 0.5 * text.width_pt, text, is_turned: true });
    }

    /// Centred, but moved to the side as far as needed to stay on the canvas.
    pub(super) fn centred_within(&mut self, x_pt: f64, y_pt: f64, text: Text) {
        let half = 0.5 * text.width_pt;
        let (low, high) = (MARGIN_PT + half, self.canvas.width_pt() - MARGIN_PT - half);
        self.centred(x_pt.min(high).max(low), y_pt, text);
    }

    /// A tick to the right of `x_pt`.
    pub(super) fn horizontal_tick(&mut self, x_pt: f64, y_pt: f64) {
        self.put(Item::Bar(Rect {
            x_pt,
            y_pt: y_pt - 0.5 * TICK_WIDTH_PT,
            width_pt: TICK_LENGTH_PT,
            height_pt: TICK_WIDTH_PT,
        }));
    }

    /// A tick down from `y_pt`.
    pub(super) fn vertical_tick(&mut self, x_pt: f64, y_pt: f64) {
        self.put(Item::Bar(Rect {
            x_pt: x_pt - 0.5 * TICK_WIDTH_PT,
            y_pt,
            width_pt: TICK_WIDTH_PT,
            height_pt: TICK_LENGTH_PT,
        }));
    }
}

/// Whether every letter can be set.
fn has_all_letters(item: &Item) -> Result<()> {
    let Item::Text { text, .. } = item else { return Ok(()) };
    for piece in &text.pieces {
        if let Some(missing) = piece.face.missing(&piece.text) {
            let found =
                format!("no letter {missing} (U+{:04X}) for `{}`", u32::from(missing), text.letters());
            let fault = Fault::new(found, "a font with all letters of the figure");
            return Err(fault.at(&piece.face.file().shown).invalid());
        }
    }
    Ok(())
}
