//! The formats that a scene is written in.

mod animation;
mod cell_image;
mod indexed;
mod pdf;
mod pixels;
mod png;
mod raster;
mod rows;
mod svg;

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::str::FromStr;

pub use animation::{Animation, AnimationFormat, FrameSize};
#[cfg(feature = "cli")]
pub(crate) use indexed::ColorIndex;
pub use pixels::Pixels;
#[cfg(feature = "cli")]
pub(crate) use svg::base64;

use super::scene::Scene;
use crate::engine::Painter;
use crate::error::{Error, Fault, Result};
use crate::text::{printable, quoted};

/// A format that a plot can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Output {
    /// 8-bit RGB that knows its resolution, written with a few rows in memory at a time.
    #[default]
    Png,
    /// A page with text in embedded fonts, lines as paths, and cells as images that are not smoothed.
    Pdf,
    /// The same with text as outlines, for the web and for programs that draw.
    Svg,
}

impl Output {
    /// Every format, the default first.
    pub const ALL: [Self; 3] = [Self::Png, Self::Pdf, Self::Svg];

    /// The suffix of its files, without a dot.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Pdf => "pdf",
            Self::Svg => "svg",
        }
    }

    /// The format that a file's suffix names, in any case.
    ///
    /// # Errors
    /// `Invalid`, with the known suffixes, for an unknown one or none.
    pub fn of_path(path: impl AsRef<Path>) -> Result<Self> {
        let suffix = path.as_ref().extension().map(OsStr::to_string_lossy);
        let named = |output: &Self| {
            suffix.as_ref().is_some_and(|suffix| suffix.eq_ignore_ascii_case(output.suffix()))
        };
        Self::ALL.into_iter().find(named).ok_or_else(|| {
            let known = Self::known();
            let message = match &suffix {
                Some(suffix) => {
                    format!("a picture cannot be written as .{}; use {known}", printable(suffix, 20))
                }
                None => format!("a picture needs a suffix; use {known}"),
            };
            Fault::stating(message).invalid()
        })
    }

    /// The known suffixes, as a message lists them: `.png`, or `.png, .pdf or .svg`.
    pub(crate) fn known() -> String {
        let suffixes = Self::ALL.map(|output| format!(".{}", output.suffix()));
        match suffixes.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        }
    }

    /// Writes a scene, its cells painted by `painter`: every painter gives the same bytes.
    ///
    /// # Errors
    /// `Io` when the writer fails; `Gpu` when the painter does.
    pub fn write(self, scene: &Scene<'_>, painter: &dyn Painter, writer: &mut dyn Write) -> Result<()> {
        let _fonts = scene.canvas.fonts().enter();
        match self {
            Self::Png => png::write(scene, painter, writer),
            Self::Pdf => pdf::write(scene, painter, writer),
            Self::Svg => svg::write(scene, painter, writer),
        }
    }
}

impl FromStr for Output {
    type Err = Error;

    /// The format with this suffix.
    fn from_str(suffix: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|output| output.suffix().eq_ignore_ascii_case(suffix)).ok_or_else(|| {
            let known = Self::ALL.map(Self::suffix).join(", ");
            Fault::new(quoted(suffix), format!("one of {known}")).of("format").invalid()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_comes_from_the_suffix_in_any_case() {
        for output in Output::ALL {
            let suffix = output.suffix();
            for path in [format!("x.{suffix}"), format!("a.pdf/x.y.{}", suffix.to_uppercase())] {
                assert_eq!(Output::of_path(&path).unwrap(), output, "{path}");
            }
        }
    }

    #[test]
    fn an_unknown_suffix_and_none_are_answered_with_the_known_ones() {
        let unknown =
            |suffix: &str| format!("a picture cannot be written as .{suffix}; use .png, .pdf or .svg");
        let none = "a picture needs a suffix; use .png, .pdf or .svg".to_owned();
        for (path, message) in [
            ("x.jpg", unknown("jpg")),
            ("x.png.bak", unknown("bak")),
            ("x", none.clone()),
            (".png", none.clone()),
            ("png", none),
        ] {
            let error = Output::of_path(path).unwrap_err();
            assert!(matches!(error, Error::Invalid(_)), "{path}");
            assert_eq!(error.to_string(), message);
        }
    }
}
