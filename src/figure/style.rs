//! What all plots have in common: a title, colours and their range, a width and a resolution.

use super::palette::Palette;
use super::ticks;

/// How a plot looks. What is not set is up to the plot.
#[derive(Debug, Clone, PartialEq)]
pub struct Style {
    pub(super) title: Option<String>,
    pub(super) palette: Palette,
    range: Option<(f64, f64)>,
    pub(super) width_in: Option<f64>,
    pub(super) dpi: f64,
}

impl Default for Style {
    fn default() -> Self {
        Self { title: None, palette: Palette::default(), range: None, width_in: None, dpi: 300.0 }
    }
}

impl Style {
    /// The style in which nothing is set, at 300 pixels an inch.
    pub fn new() -> Self {
        Self::default()
    }

    /// The title; ϕ and the letters in the parentheses that follow it are set as in mathematics.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// The colours of cells; default: [`Palette::Rocket`].
    pub fn palette(mut self, palette: Palette) -> Self {
        self.palette = palette;
        self
    }

    /// The values at the ends of the colours. Values past an end take its colour.
    pub fn range(mut self, vmin: f64, vmax: f64) -> Self {
        self.range = Some((vmin, vmax));
        self
    }

    /// A range from `vmin` to `largest`, rounded up to a whole tenth and at least 0.1 over `vmin`.
    pub fn range_up_to(self, vmin: f64, largest: f64) -> Self {
        self.range(vmin, ticks::next_tenth(largest).max(vmin + 0.1))
    }

    /// The width of the whole picture in inches. The height follows.
    pub fn width_in(mut self, width_in: f64) -> Self {
        self.width_in = Some(width_in);
        self
    }

    /// Pixels an inch; default: 300. Text and lines keep their size in print.
    pub fn dpi(mut self, dpi: f64) -> Self {
        self.dpi = dpi;
        self
    }

    /// The range that was set, or this one.
    pub(super) fn range_or(&self, default: (f64, f64)) -> (f64, f64) {
        self.range.unwrap_or(default)
    }
}
