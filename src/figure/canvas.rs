//! What a figure is drawn on: its width, its resolution, the limits on both, and its colours.

use super::text::Fonts;
use super::theme::Theme;
use crate::error::{Error, Fault, Remedy, Result};

/// The largest side, so that coordinates fit the fixed-point numbers of common PNG readers and of the painter.
const MAX_SIDE_PX: u32 = 32_767;
/// The most pixels: 1.5 GiB of RGB for a reader that wants them all at once.
const MAX_PX: u64 = 1 << 29;
/// Below this a pixel is larger than a tick.
const MIN_DPI: f64 = 20.0;

/// A canvas of a given width; its height follows from what is drawn.
///
/// Lengths on it are in points of the layout, which are `scale` points of the printed page each: a small figure is laid out
/// at its full sizes and shrinks as a whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Canvas {
    width_px: u32,
    dpi: f64,
    scale: f64,
    theme: Theme,
    fonts: Fonts,
}

impl Canvas {
    /// A canvas in the sizes that the layout has.
    #[cfg(test)]
    pub fn new(width_in: f64, dpi: f64) -> Result<Self> {
        Self::scaled(width_in, dpi, 1.0)
    }

    /// A canvas `width_in` inches wide at `dpi` pixels an inch, on which everything is `scale` times its size.
    ///
    /// # Errors
    /// `Invalid` for a resolution, width or scale that is not a positive number, or a resolution under 20; `Limit` for a canvas
    /// that is too wide.
    pub fn scaled(width_in: f64, dpi: f64, scale: f64) -> Result<Self> {
        if !dpi.is_finite() || dpi < MIN_DPI {
            let fault = Fault::new(format!("{dpi}"), format!("pixels an inch, at least {MIN_DPI}"));
            return Err(fault.of("dpi").hint("the default is 300").invalid());
        }
        if !scale.is_finite() || scale <= 0.0 {
            return Err(Fault::new(format!("{scale}"), "a number over 0").of("scale").invalid());
        }
        if !width_in.is_finite() || width_in <= 0.0 {
            return Err(Fault::new(format!("{width_in} in"), "a width over 0").of("width").invalid());
        }
        let width_px = (width_in * dpi).round();
        if width_px > f64::from(MAX_SIDE_PX) {
            return Err(too_large(format!("{width_in} in at {dpi} dpi, {width_px} pixels wide")));
        }
        Ok(Self { width_px: width_px as u32, dpi, scale, theme: Theme::default(), fonts: Fonts::default() })
    }

    /// The same canvas in other colours.
    pub fn colored(self, theme: Theme) -> Self {
        Self { theme, ..self }
    }

    /// The same canvas for text in other fonts.
    pub fn lettered(self, fonts: Fonts) -> Self {
        Self { fonts, ..self }
    }

    /// What text is set in.
    pub fn fonts(&self) -> Fonts {
        self.fonts
    }

    /// The colours of all but cells and lines.
    pub fn theme(&self) -> &Theme {
        &self.theme
    }

    /// Points of the printed page in a point of the layout.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Width of the canvas.
    pub fn width_px(&self) -> u32 {
        self.width_px
    }

    /// Width of the printed page.
    pub fn width_in(&self) -> f64 {
        f64::from(self.width_px) / self.dpi
    }

    /// Width of the canvas, whole pixels of it.
    pub fn width_pt(&self) -> f64 {
        f64::from(self.width_px) * self.px_pt()
    }

    /// Pixels an inch of the printed page.
    pub fn dpi(&self) -> f64 {
        self.dpi
    }

    /// Side of a pixel.
    pub fn px_pt(&self) -> f64 {
        72.0 / (self.dpi * self.scale)
    }

    /// The nearest edge between two pixels.
    pub fn snap(&self, x_pt: f64) -> f64 {
        (x_pt / self.px_pt()).round() * self.px_pt()
    }

    /// The height in pixels.
    ///
    /// # Errors
    /// `Limit` when the canvas becomes too large.
    pub fn height_px(&self, height_pt: f64) -> Result<u32> {
        let height_px = (height_pt / self.px_pt()).round();
        let n_px = height_px * f64::from(self.width_px);
        if height_px > f64::from(MAX_SIDE_PX) || n_px > MAX_PX as f64 {
            return Err(too_large(format!("{} × {height_px} pixels", self.width_px)));
        }
        Ok(height_px as u32)
    }
}

fn too_large(found: String) -> Error {
    Fault::new(found, format!("sides of at most {MAX_SIDE_PX} pixels and {MAX_PX} pixels in all"))
        .of("figure")
        .remedy(Remedy::DrawSmaller)
        .limit()
}

/// The error of a width that leaves no room for the content, which takes `needed_pt` of the page at least.
pub(super) fn too_narrow(found: String, needed_pt: f64) -> Error {
    let needed_in = (needed_pt / 72.0 * 10.0).ceil() / 10.0;
    Fault::new(found, format!("at least {needed_in:.1} in")).of("width").remedy(Remedy::DrawWider).invalid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_resolutions_and_widths_that_are_no_size() {
        for dpi in [0.0, -300.0, 19.9, f64::NAN, f64::INFINITY] {
            assert!(matches!(Canvas::new(12.0, dpi), Err(Error::Invalid(_))), "{dpi}");
        }
        for width_in in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(Canvas::new(width_in, 300.0), Err(Error::Invalid(_))), "{width_in}");
        }
        assert_eq!(
            Canvas::new(12.0, 0.0).unwrap_err().to_string(),
            "dpi: found 0, expected pixels an inch, at least 20"
        );
    }

    #[test]
    fn a_canvas_over_the_limits_says_how_large_it_is_and_what_to_do() {
        let error = Canvas::new(12.0, 3000.0).unwrap_err();
        assert!(matches!(error, Error::Limit(_)) && error.hint().is_some(), "{error}");
        assert!(error.to_string().contains("36000 pixels wide"));
        let canvas = Canvas::new(12.0, 300.0).unwrap();
        assert!(matches!(canvas.height_px(40_000.0 * canvas.px_pt()), Err(Error::Limit(_))));
        assert!(Canvas::new(12.0, 2500.0).unwrap().height_px(72.0 * 10.0).is_err());
    }

    #[test]
    fn snapping_gives_whole_pixels() {
        let canvas = Canvas::new(12.0, 110.0).unwrap();
        let px = canvas.snap(100.0) / canvas.px_pt();
        assert!((px - px.round()).abs() < 1e-9);
    }
}
