//! Places the frame of a line chart, its axes, its lines and its legend.

use super::scale::{Scale, y_ends, y_ticks};
use super::{Line, LineChart};
use crate::error::Result;
use crate::figure::canvas::{Canvas, too_narrow};
use crate::figure::page::{LABEL_GAP_PT, MARGIN_PT, Page, TICK_LENGTH_PT, TICK_PT, TITLE_GAP_PT, TITLE_PT};
use crate::figure::scene::{Item, Rect, Scene};
use crate::figure::text::{DESCENT, DIGIT_HEIGHT, Face, Text, elide};

/// Colours that readers with colour blindness tell apart (Okabe and Ito 2008), the yellow left out.
const COLORS: [[u8; 3]; 7] =
    [[0, 114, 178], [213, 94, 0], [0, 158, 115], [204, 121, 167], [86, 180, 233], [230, 159, 0], [0, 0, 0]];

/// The frame, and the narrowest in which lines can be followed.
const FRAME_PT: (f64, f64) = (380.0, 220.0);
const MIN_FRAME_PT: f64 = 72.0;
const LINE_PT: f64 = 1.4;
const DOT_PT: f64 = 2.0;
const LEGEND_GAP_PT: f64 = 12.0;
const LEGEND_LINE_PT: f64 = 14.0;
const LEGEND_ROW_PT: f64 = 12.0;
const LEGEND_NAME_PT: f64 = 170.0;

/// The chart as a scene.
///
/// # Errors
/// `Invalid` when the width leaves no room for the frame, or the range or the resolution cannot be drawn; `Limit` when
/// the scene is too large.
pub(super) fn scene(chart: &LineChart) -> Result<Scene<'_>> {
    let y_ends = y_ends(chart)?;
    let y_ticks = y_ticks(y_ends, FRAME_PT.1);
    let legend = legend(&chart.lines);
    let title = Text::title(chart.style.title.as_deref().unwrap_or_default(), TITLE_PT);

    let labels_pt = y_ticks.iter().map(|(_, label)| Face::Upright.width(label) * TICK_PT).fold(0.0, f64::max);
    let left_pt = MARGIN_PT + labels_pt + LABEL_GAP_PT + TICK_LENGTH_PT;
    let names_pt = legend.iter().map(|(_, text)| text.width_pt).fold(0.0, f64::max);
    let legend_pt = LEGEND_GAP_PT + LEGEND_LINE_PT + LABEL_GAP_PT + names_pt;
    let (width_in, frame_w_pt) = match chart.style.width_in {
        None => {
            let content_pt = left_pt + FRAME_PT.0 + legend_pt + MARGIN_PT;
            (content_pt.max(title.width_pt + 2.0 * MARGIN_PT) / 72.0, FRAME_PT.0)
        }
        Some(width_in) => (width_in, 72.0 * width_in - left_pt - legend_pt - MARGIN_PT),
    };
    let canvas = Canvas::new(width_in, chart.style.dpi)?;
    if frame_w_pt < MIN_FRAME_PT {
        let needed_pt = left_pt + MIN_FRAME_PT + legend_pt + MARGIN_PT;
        return Err(too_narrow(format!("{width_in} in"), needed_pt));
    }

    let mut page = Page::new(canvas);
    let title = title.within(canvas.width_pt() - 2.0 * MARGIN_PT);
    let title_pt = MARGIN_PT + title.ascent_pt();
    let y_name = Text::title(&chart.y_name, TICK_PT);
    let y_name_pt = title_pt + title.descent_pt() + TITLE_GAP_PT + y_name.ascent_pt();
    let rect = Rect {
        x_pt: canvas.snap(left_pt),
        y_pt: canvas.snap(y_name_pt + y_name.descent_pt() + 3.0),
        width_pt: canvas.snap(frame_w_pt),
        height_pt: canvas.snap(FRAME_PT.1),
    };
    page.centred_within(rect.x_pt + 0.5 * rect.width_pt, title_pt, title);
    page.text(MARGIN_PT, y_name_pt, y_name);
    page.frame(rect);

    let (x, y) = (Scale::x(chart, rect), Scale::y(y_ends, rect));
    for (value, label) in &y_ticks {
        let y_pt = y.pt(*value);
        page.horizontal_tick(rect.x_pt - TICK_LENGTH_PT, y_pt);
        let text = Text::plain(label, TICK_PT);
        let x_pt = rect.x_pt - TICK_LENGTH_PT - LABEL_GAP_PT - text.width_pt;
        page.text(x_pt, y_pt + 0.5 * DIGIT_HEIGHT * TICK_PT, text);
    }
    let baseline_pt = rect.bottom_pt() + TICK_LENGTH_PT + LABEL_GAP_PT + DIGIT_HEIGHT * TICK_PT;
    for (value, label) in x.x_ticks() {
        page.vertical_tick(x.pt(value), rect.bottom_pt());
        page.centred_within(x.pt(value), baseline_pt, Text::plain(&label, TICK_PT));
    }
    let x_name_pt = baseline_pt + 1.5 * TICK_PT;
    page.centred_within(rect.x_pt + 0.5 * rect.width_pt, x_name_pt, Text::plain(&chart.x_name, TICK_PT));

    draw_lines(&mut page, &chart.lines, &x, &y);
    draw_legend(&mut page, rect, legend);
    page.finish(x_name_pt + DESCENT * TICK_PT)
}

fn draw_lines(page: &mut Page<'_>, lines: &[Line], x: &Scale, y: &Scale) {
    for (n, line) in lines.iter().enumerate() {
        let color = COLORS[n % COLORS.len()];
        let points_pt: Vec<_> = line.points.iter().map(|&(at, value)| (x.pt(at), y.pt(value))).collect();
        for &(x_pt, y_pt) in &points_pt {
            page.put(Item::Dot { x_pt, y_pt, radius_pt: DOT_PT, color });
        }
        page.put(Item::Line { points_pt, width_pt: LINE_PT, color });
    }
}

fn draw_legend(page: &mut Page<'_>, frame: Rect, legend: Vec<(Option<usize>, Text)>) {
    let x_pt = frame.right_pt() + LEGEND_GAP_PT;
    for (row, (line, text)) in legend.into_iter().enumerate() {
        let y_pt = frame.y_pt + (row as f64 + 0.5) * LEGEND_ROW_PT;
        if let Some(n) = line {
            let points_pt = vec![(x_pt, y_pt), (x_pt + LEGEND_LINE_PT, y_pt)];
            page.put(Item::Line { points_pt, width_pt: LINE_PT, color: COLORS[n % COLORS.len()] });
        }
        let name_x_pt = x_pt + LEGEND_LINE_PT + LABEL_GAP_PT;
        page.text(name_x_pt, y_pt + 0.5 * DIGIT_HEIGHT * TICK_PT, text);
    }
}

/// The names that have room next to the frame, with the numbers of their lines, and how many more there are.
pub(super) fn legend(lines: &[Line]) -> Vec<(Option<usize>, Text)> {
    let n_fit = (FRAME_PT.1 / LEGEND_ROW_PT) as usize;
    let n_shown = if lines.len() <= n_fit { lines.len() } else { n_fit - 1 };
    let name = |line: &Line| elide(&line.name, Face::Upright, TICK_PT, LEGEND_NAME_PT);
    let shown = lines[..n_shown].iter().enumerate();
    let mut legend: Vec<_> = shown.map(|(n, line)| (Some(n), Text::plain(&name(line), TICK_PT))).collect();
    if n_shown < lines.len() {
        let more = format!("and {} more", lines.len() - n_shown);
        legend.push((None, Text::plain(&more, TICK_PT)));
    }
    legend
}
