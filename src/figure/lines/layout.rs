//! Places the frames of a line chart and its legend.

use super::frame::{Frame, sample};
use super::{Line, LineChart};
use crate::error::Result;
use crate::figure::canvas::too_narrow;
use crate::figure::page::{LABEL_GAP_PT, MARGIN_PT, Page, TICK_PT, TITLE_GAP_PT, TITLE_PT};
use crate::figure::palette::category;
use crate::figure::scene::{Rect, Scene};
use crate::figure::text::{DIGIT_HEIGHT, Face, Text, elide};

/// A frame that stands for itself, one of several, and the narrowest in which lines can be followed.
const FRAME_PT: (f64, f64) = (380.0, 220.0);
const SMALL_FRAME_PT: (f64, f64) = (180.0, 140.0);
const MIN_FRAME_PT: f64 = 72.0;
const MAX_PER_ROW: usize = 4;
const GAP_PT: f64 = 14.0;
const NOTE_PT: f64 = 7.5;
const LEGEND_GAP_PT: f64 = 12.0;
const LEGEND_LINE_PT: f64 = 14.0;
const LEGEND_ROW_PT: f64 = 12.0;
const LEGEND_NAME_PT: f64 = 170.0;

/// The chart as a scene.
///
/// # Errors
/// `Invalid` when the width leaves no room for the frames, or the range or the resolution cannot be drawn; `Limit` when
/// the scene is too large.
pub(super) fn scene(chart: &LineChart) -> Result<Scene<'static>> {
    let n_cols = chart.panels.len().min(MAX_PER_ROW);
    let (standard_pt, height_pt) = if chart.panels.len() == 1 { FRAME_PT } else { SMALL_FRAME_PT };
    let frames: Result<Vec<Frame<'_>>> =
        chart.panels.iter().map(|panel| Frame::new(chart, panel, height_pt)).collect();
    let frames = frames?;
    let legend = legend(chart, height_pt);
    let title = Text::title(chart.style.title.as_deref().unwrap_or_default(), TITLE_PT);
    let note = Text::title(&chart.note, NOTE_PT);

    // All columns have the same room at the left, so that frames stand under each other.
    let left_pt = frames.iter().map(Frame::left_pt).fold(0.0, f64::max);
    let top_pt = frames.iter().map(Frame::top_pt).fold(0.0, f64::max);
    let names_pt = legend.iter().map(|(_, text)| text.width_pt).fold(0.0, f64::max);
    let legend_pt =
        if legend.is_empty() { 0.0 } else { LEGEND_GAP_PT + LEGEND_LINE_PT + LABEL_GAP_PT + names_pt };
    let between_pt = n_cols as f64 * left_pt + (n_cols - 1) as f64 * GAP_PT;
    let needed_pt = |frame_pt: f64| 2.0 * MARGIN_PT + between_pt + n_cols as f64 * frame_pt + legend_pt;
    let points = chart.style.points();
    let (width_in, frame_w_pt) = match chart.style.width_in {
        None => {
            let texts_pt = title.width_pt.max(note.width_pt) + 2.0 * MARGIN_PT;
            (needed_pt(standard_pt).max(texts_pt) * points / 72.0, standard_pt)
        }
        Some(width_in) => (width_in, (72.0 * width_in / points - needed_pt(0.0)) / n_cols as f64),
    };
    let canvas = chart.style.canvas(width_in)?;
    if frame_w_pt < MIN_FRAME_PT {
        return Err(too_narrow(format!("{width_in} in"), points * needed_pt(MIN_FRAME_PT)));
    }

    let mut page = Page::new(canvas);
    let room_pt = canvas.width_pt() - 2.0 * MARGIN_PT;
    let (title, note) = (title.within(room_pt), note.within(room_pt));
    let title_pt = MARGIN_PT + title.ascent_pt();
    let mut y_pt = title_pt + title.descent_pt() + TITLE_GAP_PT;
    page.title(0.5 * canvas.width_pt(), title_pt, title);

    let names = chart.names();
    let ink = canvas.theme().ink;
    let color = |line: &Line| {
        let color = category(names.iter().position(|name| *name == line.name).unwrap_or(0), names.len());
        // Black is a colour only on white.
        if color == [0; 3] { ink } else { color }
    };
    let (mut frames, mut first) = (frames.into_iter(), None);
    while frames.len() > 0 {
        let mut end_pt = y_pt;
        for (col, frame) in frames.by_ref().take(n_cols).enumerate() {
            let rect = Rect {
                x_pt: canvas.snap(MARGIN_PT + left_pt + col as f64 * (left_pt + frame_w_pt + GAP_PT)),
                y_pt: canvas.snap(y_pt + top_pt),
                width_pt: canvas.snap(frame_w_pt),
                height_pt: canvas.snap(height_pt),
            };
            first.get_or_insert(rect.y_pt);
            end_pt = end_pt.max(frame.draw(&mut page, rect, color));
        }
        y_pt = end_pt + GAP_PT;
    }
    let mut end_pt = y_pt - GAP_PT;
    let legend_x_pt = MARGIN_PT + between_pt + n_cols as f64 * frame_w_pt + LEGEND_GAP_PT;
    draw_legend(&mut page, (legend_x_pt, first.unwrap_or(0.0)), legend, names.len());
    if !note.pieces.is_empty() {
        let note_pt = end_pt + 6.0 + note.ascent_pt();
        end_pt = note_pt + note.descent_pt();
        page.centred_within(0.5 * canvas.width_pt(), note_pt, note);
    }
    page.finish(end_pt)
}

fn draw_legend(
    page: &mut Page<'_>,
    (x_pt, y_pt): (f64, f64),
    legend: Vec<(Option<usize>, Text)>,
    n_names: usize,
) {
    for (row, (line, text)) in legend.into_iter().enumerate() {
        let y_pt = y_pt + (row as f64 + 0.5) * LEGEND_ROW_PT;
        if let Some(n) = line {
            sample(page, x_pt, y_pt, LEGEND_LINE_PT, category(n, n_names));
        }
        let name_x_pt = x_pt + LEGEND_LINE_PT + LABEL_GAP_PT;
        page.text(name_x_pt, y_pt + 0.5 * DIGIT_HEIGHT * TICK_PT, text);
    }
}

/// The names that have room next to a frame of this height, with the numbers of their lines, and how many more there are.
pub(super) fn legend(chart: &LineChart, height_pt: f64) -> Vec<(Option<usize>, Text)> {
    let names = chart.names();
    let n_fit = (height_pt / LEGEND_ROW_PT) as usize;
    let n_shown = if names.len() <= n_fit { names.len() } else { n_fit - 1 };
    let short = |name: &str| elide(name, Face::Upright, TICK_PT, LEGEND_NAME_PT);
    let shown = names[..n_shown].iter().enumerate();
    let mut legend: Vec<_> = shown.map(|(n, name)| (Some(n), Text::plain(&short(name), TICK_PT))).collect();
    if n_shown < names.len() {
        let more = format!("and {} more", names.len() - n_shown);
        legend.push((None, Text::plain(&more, TICK_PT)));
    }
    legend
}
