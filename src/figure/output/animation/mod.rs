//! Scenes one after another: animated PNG and GIF, with one frame in memory at a time.

mod apng;
mod gif;

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::str::FromStr;

use crate::engine::Painter;
use crate::error::{Error, Fault, Result};
use crate::figure::plot::Plot;
use crate::figure::scene::Scene;
use crate::text::{printable, quoted};

/// A format that an animation can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum AnimationFormat {
    /// Animated PNG: every colour of the figure. Programs that do not know it show the first frame.
    #[default]
    Apng,
    /// GIF: 256 colours, of which cells have about 220. For programs that show no animated PNG.
    Gif,
}

impl AnimationFormat {
    /// Every format, the default first.
    pub const ALL: [Self; 2] = [Self::Apng, Self::Gif];

    /// The name that [`FromStr`] reads.
    pub fn name(self) -> &'static str {
        match self {
            Self::Apng => "apng",
            Self::Gif => "gif",
        }
    }

    /// The format that a file's suffix names, in any case: `.png` or `.apng`, or `.gif`.
    ///
    /// # Errors
    /// `Invalid`, with the known suffixes, for an unknown one or none.
    pub fn of_path(path: impl AsRef<Path>) -> Result<Self> {
        const KNOWN: &str = ".png, .apng or .gif";
        let suffix = path.as_ref().extension().map(OsStr::to_string_lossy).map(|name| name.to_lowercase());
        match suffix.as_deref() {
            Some("png" | "apng") => Ok(Self::Apng),
            Some("gif") => Ok(Self::Gif),
            Some(suffix) => {
                let suffix = printable(suffix, 20);
                Err(Fault::stating(format!("an animation cannot be written as .{suffix}; use {KNOWN}"))
                    .invalid())
            }
            None => Err(Fault::stating(format!("an animation needs a suffix; use {KNOWN}")).invalid()),
        }
    }
}

impl FromStr for AnimationFormat {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|format| format.name().eq_ignore_ascii_case(name)).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            Fault::new(quoted(name), format!("one of {known}")).of("format").invalid()
        })
    }
}

/// Plots of one size, shown one after another for ever.
///
/// ```
/// use lorascope::engine::CpuPainter;
/// use lorascope::figure::{Animation, AnimationFormat, Figure, Panel, Plot, Style};
/// use lorascope::Grid;
///
/// # fn main() -> lorascope::Result<()> {
/// let frame = |step: usize| -> lorascope::Result<Box<dyn Plot>> {
///     let grid = Grid::new(1, 1, 8, vec![0.1 * step as f32])?;
///     let panel = Panel::module("layers.0.q_proj", grid);
///     let figure = Figure::new('A').panel(panel).title_end(format!(", step {step}"), ", step 9");
///     Ok(Box::new(figure.style(Style::new().dpi(72.0))))
/// };
/// let mut png = Vec::new();
/// Animation::new(AnimationFormat::Apng, 3).frame_s(0.2).write(&frame, &CpuPainter, &mut png)?;
/// assert!(png.starts_with(b"\x89PNG"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "an animation is written by `write`"]
pub struct Animation {
    format: AnimationFormat,
    n_frames: usize,
    frame_s: f64,
    recipe: Option<String>,
}

/// Size of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameSize {
    /// Its width.
    pub width_px: usize,
    /// Its height.
    pub height_px: usize,
}

/// Makes the plot of a frame, counted from 0.
type MakeFrame<'a> = dyn Fn(usize) -> Result<Box<dyn Plot + 'a>> + 'a;

impl Animation {
    /// An animation of so many frames, for half a second each.
    pub fn new(format: AnimationFormat, n_frames: usize) -> Self {
        Self { format, n_frames, frame_s: 0.5, recipe: None }
    }

    /// How long each frame is shown: 0.02 to 60 s. GIF counts in hundredths of a second.
    pub fn frame_s(self, frame_s: f64) -> Self {
        Self { frame_s, ..self }
    }

    /// Records how it was made: a text chunk of a PNG, a comment of a GIF.
    pub fn recipe(self, recipe: Option<&str>) -> Self {
        Self { recipe: recipe.map(str::to_owned), ..self }
    }

    /// Writes the frames, each made when it is its turn, and returns their size.
    ///
    /// # Errors
    /// `Invalid` for no frame, for a time that is not from 0.02 to 60 s, and for frames that differ in size; what `frame` and
    /// [`Plot::scene`] answer; `Io` when the writer fails; `Gpu` when the painter does.
    pub fn write(
        &self,
        frame: &MakeFrame<'_>,
        painter: &dyn Painter,
        writer: &mut dyn Write,
    ) -> Result<FrameSize> {
        if self.n_frames == 0 {
            return Err(Fault::new("no frame", "at least one").of("animation").invalid());
        }
        // NaN is not in it either.
        if !(0.02..=60.0).contains(&self.frame_s) {
            let found = format!("{} s", self.frame_s);
            return Err(Fault::new(found, "0.02 to 60 s for a frame").of("animation").invalid());
        }
        match self.format {
            AnimationFormat::Apng => apng::write(self, frame, painter, writer),
            AnimationFormat::Gif => gif::write(self, frame, painter, writer),
        }
    }
}

impl FrameSize {
    fn of(scene: &Scene) -> Self {
        Self { width_px: scene.width_px(), height_px: scene.height_px() }
    }

    /// Checks that frame `n` is as large as the first, whose size this is.
    fn check(self, n: usize, scene: &Scene) -> Result<()> {
        let found = Self::of(scene);
        if found == self {
            return Ok(());
        }
        let text = |size: Self| format!("{} × {} pixels", size.width_px, size.height_px);
        let fault = Fault::new(text(found), format!("{} as the first", text(self)));
        Err(fault.of(format!("frame {}", n + 1)).invalid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::CpuPainter;
    use crate::figure::{Figure, Panel, Pixels, Style};
    use crate::measure::Grid;

    /// A frame whose cell grows, on colours that do not.
    fn frame(n: usize) -> Figure {
        let grid = Grid::new(2, 2, 64, vec![0.1 * n as f32, 0.2, 0.3, 0.4]).unwrap();
        let style = Style::new().dpi(72.0).range(0.0, 0.35).with_values(0.0, 0.4);
        let figure = Figure::new('A').panel(Panel::module("l.q_proj", grid));
        figure.title_end(format!(", step {n}"), ", step 10").style(style)
    }

    fn written(format: AnimationFormat, n_frames: usize) -> Vec<u8> {
        let mut bytes = vec![];
        let animation = Animation::new(format, n_frames).frame_s(0.25).recipe(Some("kind = \"ranks\""));
        animation.write(&|n| Ok(Box::new(frame(n))), &CpuPainter, &mut bytes).unwrap();
        bytes
    }

    /// The pixels of each frame and how long it is shown, as a reader of animated PNG sees them.
    fn frames_of_png(bytes: &[u8]) -> Vec<(Vec<u8>, (u16, u16))> {
        let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        let control = *reader.info().animation_control().unwrap();
        assert_eq!(control.num_plays, 0, "for ever");
        let size = reader.output_buffer_size().unwrap();
        let mut frames = vec![];
        for _ in 0..control.num_frames {
            let mut pixels = vec![0; size];
            reader.next_frame(&mut pixels).unwrap();
            let control = reader.info().frame_control().unwrap();
            frames.push((pixels, (control.delay_num, control.delay_den)));
        }
        frames
    }

    #[test]
    fn an_animated_png_has_the_pixels_of_every_frame() {
        let bytes = written(AnimationFormat::Apng, 4);
        let frames = frames_of_png(&bytes);
        assert_eq!(frames.len(), 4);
        for (n, (pixels, delay)) in frames.iter().enumerate() {
            assert!(pixels == frame(n).pixels().unwrap().rgb(), "frame {n}");
            assert_eq!(*delay, (250, 1000));
        }
        let has = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
        assert!(has(b"kind = \"ranks\"") && has(b"pHYs"));
        assert_eq!(bytes, written(AnimationFormat::Apng, 4));
    }

    #[test]
    fn a_gif_has_every_frame_in_colours_near_those_of_the_figure() {
        let bytes = written(AnimationFormat::Gif, 4);
        let mut reader = ::gif::DecodeOptions::new();
        reader.set_color_output(::gif::ColorOutput::RGBA);
        let mut reader = reader.read_info(&bytes[..]).unwrap();
        assert_eq!(reader.repeat(), ::gif::Repeat::Infinite);
        let mut n = 0;
        while let Some(shown) = reader.read_next_frame().unwrap() {
            let plot = frame(n);
            let pixels: Pixels = plot.pixels().unwrap();
            assert_eq!(
                (shown.width as usize, shown.height as usize),
                (pixels.width_px(), pixels.height_px())
            );
            assert_eq!(shown.delay, 25);
            let off = |(found, expected): (&[u8], &[u8])| {
                (0..3).map(|at| found[at].abs_diff(expected[at])).max().unwrap()
            };
            let off: Vec<u8> =
                shown.buffer.chunks_exact(4).zip(pixels.rgb().chunks_exact(3)).map(off).collect();
            // A colour of cells is the next one of the palette at worst.
            let area = plot.scene().unwrap().panels()[0];
            for y_px in area.y_px..area.y_px + area.height_px {
                let row = y_px * pixels.width_px() + area.x_px;
                assert!(off[row..row + area.width_px].iter().all(|off| *off <= 3), "frame {n}, row {y_px}");
            }
            // Elsewhere only rims of coloured shapes have to take a grey.
            assert!(off.iter().filter(|off| **off > 6).count() < 50, "frame {n}");
            n += 1;
        }
        assert_eq!(n, 4);
        assert!(bytes.windows(14).any(|window| window == b"kind = \"ranks\""));
    }

    #[test]
    fn frames_of_other_sizes_and_times_that_are_none_are_refused() {
        let write = |animation: Animation, width_in: fn(usize) -> f64| {
            let frame = |n: usize| -> Result<Box<dyn Plot>> {
                let style = Style::new().dpi(72.0).width_in(width_in(n));
                Ok(Box::new(frame(n).style(style)))
            };
            animation.write(&frame, &CpuPainter, &mut vec![]).unwrap_err().to_string()
        };
        for format in AnimationFormat::ALL {
            let message = write(Animation::new(format, 3), |n| 4.0 + 0.5 * n as f64);
            assert!(message.starts_with("frame 2: found 324 × "), "{message}");
            let message = write(Animation::new(format, 0), |_| 4.0);
            assert_eq!(message, "animation: found no frame, expected at least one");
            for frame_s in [0.0, -1.0, f64::NAN, 61.0] {
                let message = write(Animation::new(format, 1).frame_s(frame_s), |_| 4.0);
                assert!(message.contains("expected 0.02 to 60 s for a frame"), "{message}");
            }
        }
    }

    #[test]
    fn a_suffix_names_the_format() {
        for (path, format) in [
            ("a.png", AnimationFormat::Apng),
            ("a.APNG", AnimationFormat::Apng),
            ("b/a.gif", AnimationFormat::Gif),
        ] {
            assert_eq!(AnimationFormat::of_path(path).unwrap(), format);
        }
        let message = AnimationFormat::of_path("a.pdf").unwrap_err().to_string();
        assert_eq!(message, "an animation cannot be written as .pdf; use .png, .apng or .gif");
        assert_eq!("gif".parse::<AnimationFormat>().unwrap(), AnimationFormat::Gif);
        assert!("mp4".parse::<AnimationFormat>().is_err());
    }
}
