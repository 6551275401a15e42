//! The tree of a hierarchical clustering, drawn at the left of the rows that it joins.

use crate::figure::page::{LABEL_GAP_PT, Page, TICK_LENGTH_PT, TICK_PT, TICK_WIDTH_PT};
use crate::figure::scene::{Item, Rect};
use crate::figure::text::{DESCENT, DIGIT_HEIGHT, Text};
use crate::figure::ticks;

/// Two groups of rows that were joined. Groups are numbered: 0 to n − 1 are the rows from the top, n + k is what merge k
/// made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Merge {
    /// One of the groups.
    pub first: usize,
    /// The other.
    pub second: usize,
    /// How alike the two are; it never rises from one merge to the next.
    pub similarity: f64,
}

pub(super) const TREE_PT: f64 = 84.0;
/// Between the leaves and the rows.
pub(super) const TREE_GAP_PT: f64 = 3.0;
const LINE_PT: f64 = 0.6;
/// White to the right of the most alike pair, as a share of the scale.
const REST: f64 = 0.06;
const LABELS_APART_PT: f64 = 26.0;

/// The similarities at the root's and at the leaves' end of the drawing.
fn ends(merges: &[Merge]) -> (f64, f64) {
    let finite = merges.iter().map(|merge| merge.similarity);
    let (low, high) = finite.fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(x), high.max(x)));
    let span = (high - low).max(0.02);
    (low - REST * span, low + (1.0 + REST) * span)
}

/// Draws the tree of `n_rows` rows into a rectangle as high as they are, with a scale under it: where that ends.
pub(super) fn draw(page: &mut Page<'_>, rect: Rect, n_rows: usize, merges: &[Merge]) -> f64 {
    let (low, high) = ends(merges);
    let x = |similarity: f64| rect.x_pt + rect.width_pt * (similarity - low) / (high - low);
    let row_pt = rect.height_pt / n_rows as f64;
    // Thinner where rows are dense, and without the leaves where these would run together.
    let line_pt = LINE_PT.min(0.3 * row_pt);
    let has_leaves = row_pt > 1.5 * page.canvas().px_pt();
    // Of each group, the place of its own line: the leaf's row, or the middle of the two that it joins.
    let mut groups: Vec<(f64, f64)> =
        (0..n_rows).map(|row| (rect.right_pt(), rect.y_pt + (row as f64 + 0.5) * row_pt)).collect();
    for merge in merges {
        let (Some(&first), Some(&second)) = (groups.get(merge.first), groups.get(merge.second)) else {
            break;
        };
        let x_pt = x(merge.similarity);
        for (group, (from_pt, y_pt)) in [(merge.first, first), (merge.second, second)] {
            let is_drawn = has_leaves || group >= n_rows;
            // Groups that are equally alike join in one line.
            if is_drawn && from_pt - x_pt > line_pt {
                page.put(bar(x_pt, y_pt - 0.5 * line_pt, from_pt - x_pt, line_pt));
            }
        }
        let (top, bottom) = (first.1.min(second.1), first.1.max(second.1));
        page.put(bar(x_pt - 0.5 * line_pt, top - 0.5 * line_pt, line_pt, bottom - top + line_pt));
        groups.push((x_pt, 0.5 * (first.1 + second.1)));
    }
    scale(page, rect, (low, high))
}

fn scale(page: &mut Page<'_>, rect: Rect, (low, high): (f64, f64)) -> f64 {
    let top_pt = rect.bottom_pt() + 2.0 * LABEL_GAP_PT;
    page.put(bar(rect.x_pt, top_pt, rect.width_pt, TICK_WIDTH_PT));
    let baseline_pt = top_pt + TICK_LENGTH_PT + LABEL_GAP_PT + TICK_PT * DIGIT_HEIGHT;
    for (value, label) in ticks::scale(low, high, rect.width_pt, LABELS_APART_PT) {
        let x_pt = rect.x_pt + rect.width_pt * (value - low) / (high - low);
        page.vertical_tick(x_pt, top_pt);
        page.centred_within(x_pt, baseline_pt, Text::plain(&label, TICK_PT));
    }
    let name_pt = baseline_pt + 1.4 * TICK_PT;
    page.centred_within(rect.x_pt + 0.5 * rect.width_pt, name_pt, Text::plain("mean where joined", TICK_PT));
    name_pt + DESCENT * TICK_PT
}

fn bar(x_pt: f64, y_pt: f64, width_pt: f64, height_pt: f64) -> Item {
    Item::Bar(Rect { x_pt, y_pt, width_pt, height_pt })
}
