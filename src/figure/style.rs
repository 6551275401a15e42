//! What all plots have in common: a title, colours and their range, a width and a resolution.

use super::axis_style::AxisStyle;
use super::canvas::Canvas;
use super::look::Look;
use super::palette::Palette;
use super::text::{Font, Fonts};
use super::ticks;
use crate::error::Result;

/// The smallest that type gets on a narrow page.
const SMALLEST: f64 = 0.8;

/// How a plot looks. What is not set is up to the plot.
#[derive(Debug, Clone, PartialEq)]
pub struct Style {
    pub(super) title: Option<String>,
    pub(super) palette: Palette,
    range: Option<(f64, f64)>,
    /// Values that are not in the plot itself, and that the bar has arrows for too.
    pub(super) others: Option<(f32, f32)>,
    pub(super) width_in: Option<f64>,
    scale: f64,
    look: Look,
    pub(super) fonts: Fonts,
    pub(super) x_axis: AxisStyle,
    pub(super) y_axis: AxisStyle,
    pub(super) bar_ticks: Option<Vec<f64>>,
    pub(super) columns: Option<usize>,
    pub(super) dpi: f64,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            title: None,
            palette: Palette::default(),
            range: None,
            others: None,
            width_in: None,
            scale: 1.0,
            look: Look::default(),
            fonts: Fonts::default(),
            x_axis: AxisStyle::default(),
            y_axis: AxisStyle::default(),
            bar_ticks: None,
            columns: None,
            dpi: 300.0,
        }
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

    /// The least and the largest value of other plots that have the same colours, such as those of an animation: the bar has an
    /// arrow at an end that they lie past, as for its own.
    pub fn with_values(mut self, least: f32, largest: f32) -> Self {
        self.others = Some((least, largest));
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

    /// The width of a picture that is to be printed in a text: type and lines shrink with it, from their full size at 10 in
    /// to 0.8 of it at 5.5 in and less.
    pub fn print_width_in(self, width_in: f64) -> Self {
        let (small, large) = (5.5, 10.0);
        let share = ((width_in - small) / (large - small)).clamp(0.0, 1.0);
        self.scale(SMALLEST + (1.0 - SMALLEST) * share).width_in(width_in)
    }

    /// The size of type, lines and gaps; default: 1.
    pub fn scale(mut self, scale: f64) -> Self {
        self.scale = scale;
        self
    }

    /// For a paper, slides, or a dark screen.
    pub fn look(mut self, look: Look) -> Self {
        self.look = look;
        self
    }

    /// The font of text; default: DejaVu Sans. Letters of mathematics have that of [`Style::italic_font`].
    pub fn font(mut self, font: Font) -> Self {
        self.fonts.upright = Some(font);
        self
    }

    /// The font of the letters of mathematics, ϕ among them; default: DejaVu Sans Oblique.
    pub fn italic_font(mut self, font: Font) -> Self {
        self.fonts.italic = Some(font);
        self
    }

    /// The axis to the right, j of a figure.
    pub fn x_axis(mut self, axis: AxisStyle) -> Self {
        self.x_axis = axis;
        self
    }

    /// The axis downwards or upwards, i of a figure.
    pub fn y_axis(mut self, axis: AxisStyle) -> Self {
        self.y_axis = axis;
        self
    }

    /// Values at which the colour bar has ticks; those past its ends are left out.
    pub fn bar_ticks(mut self, ticks: Vec<f64>) -> Self {
        self.bar_ticks = Some(ticks);
        self
    }

    /// Panels side by side at most; default: four, or fewer where these would be too small.
    pub fn columns(mut self, columns: usize) -> Self {
        self.columns = Some(columns.max(1));
        self
    }

    /// Pixels an inch; default: 300. Text and lines keep their size in print.
    pub fn dpi(mut self, dpi: f64) -> Self {
        self.dpi = dpi;
        self
    }

    /// Points of the page in a point of the layout.
    pub(super) fn points(&self) -> f64 {
        self.scale * self.look.scale()
    }

    /// What a picture of this width is drawn on.
    ///
    /// # Errors
    /// As [`Canvas::scaled`].
    pub(super) fn canvas(&self, width_in: f64) -> Result<Canvas> {
        Ok(Canvas::scaled(width_in, self.dpi, self.points())?.colored(self.look.theme()).lettered(self.fonts))
    }

    /// The range that was set, or this one.
    pub(super) fn range_or(&self, default: (f64, f64)) -> (f64, f64) {
        self.range.unwrap_or(default)
    }
}
