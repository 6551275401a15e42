//! A row of panels.

use super::panel::Panel;

/// Between panels side by side.
pub(super) const PANEL_GAP_PT: f64 = 18.0;

/// A row of panels; `None` leaves a place empty.
pub(super) struct Row<'a> {
    pub(super) label: Option<&'a str>,
    pub(super) panels: Vec<Option<&'a Panel>>,
}

impl<'a> Row<'a> {
    /// The leftmost panel, whose row labels serve those at the same height.
    pub(super) fn first(&self) -> Option<&'a Panel> {
        self.panels.iter().flatten().next().copied()
    }

    /// Whether the panel in this place has row labels of its own.
    pub(super) fn is_labelled(&self, n_col: usize) -> bool {
        let is_first = self.panels[..n_col].iter().all(Option::is_none);
        let panel = self.panels.get(n_col).copied().flatten();
        panel.zip(self.first()).is_some_and(|(panel, first)| is_first || !rows_align(panel, first))
    }
}

/// Whether two panels side by side have their rows at the same heights, so that one's labels serve both.
fn rows_align(a: &Panel, b: &Panel) -> bool {
    let shape = |panel: &Panel| (panel.n_rows(), panel.cells_high());
    shape(a) == shape(b)
}
