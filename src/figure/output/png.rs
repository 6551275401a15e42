//! Streams a figure into a PNG file, band by band: the whole canvas is never in memory.

use std::io::{self, Write};

use png::{
    BitDepth, ColorType, DeflateCompression, Encoder, EncodingError, Filter, PixelDimensions,
    SrgbRenderingIntent, Unit,
};

use super::raster::Raster;
use crate::engine::Painter;
use crate::error::{Error, Result};
use crate::figure::scene::Scene;

const INCH_M: f64 = 0.0254;
/// Compressed bytes are handed on in chunks of this size.
const CHUNK_BYTES: usize = 1 << 16;

/// Writes a scene as an RGB image.
///
/// # Errors
/// `Io` when the writer fails; what the painter answers.
pub(super) fn write(scene: &Scene<'_>, painter: &dyn Painter, writer: &mut dyn Write) -> Result<()> {
    let mut writer = Remembering::new(writer);
    let written = encode(scene, &Raster { scene, painter }, &mut writer);
    writer.error()?;
    written
}

/// Keeps the writer's own error, of which the encoder hands on only the words: a closed pipe is not a full disk.
pub(super) struct Remembering<W> {
    writer: W,
    error: Option<io::Error>,
}

impl<W: Write> Remembering<W> {
    pub(super) fn new(writer: W) -> Self {
        Self { writer, error: None }
    }

    /// # Errors
    /// The writer's own, if it had one.
    pub(super) fn error(self) -> Result<()> {
        self.error.map_or(Ok(()), |error| Err(Error::io("write", "figure", error)))
    }

    fn note<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let kind = error.kind();
            if kind != io::ErrorKind::Interrupted {
                self.error.get_or_insert(error);
            }
            kind.into()
        })
    }
}

impl<W: Write> Write for Remembering<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.writer.write(bytes);
        self.note(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.writer.flush();
        self.note(result)
    }
}

/// What encodes an image of the scene's size, with all that a file says of itself.
///
/// # Errors
/// `Io` for a text that PNG cannot hold.
pub(super) fn encoder_of<W: Write>(scene: &Scene<'_>, writer: W) -> Result<Encoder<'static, W>> {
    let canvas = &scene.canvas;
    let mut encoder = Encoder::new(writer, canvas.width_px(), scene.height_px);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_source_srgb(SrgbRenderingIntent::Perceptual);
    let per_metre = (canvas.dpi() / INCH_M).round() as u32;
    encoder.set_pixel_dims(Some(PixelDimensions { xppu: per_metre, yppu: per_metre, unit: Unit::Meter }));
    // Most rows of a heatmap equal the row above, so their differences are zeros, which the fastest level already
    // takes to almost nothing: for the default figure, level 3 takes a half off the file at four times the time.
    encoder.set_filter(Filter::Up);
    encoder.set_deflate_compression(DeflateCompression::Level(1));
    let software = concat!("lorascope ", env!("CARGO_PKG_VERSION"));
    encoder.add_text_chunk("Software".into(), software.into()).map_err(failed)?;
    if !scene.title.is_empty() {
        encoder.add_itxt_chunk("Title".into(), scene.title.clone()).map_err(failed)?;
    }
    if let Some(recipe) = &scene.recipe {
        encoder.add_itxt_chunk("Recipe".into(), recipe.clone()).map_err(failed)?;
    }
    Ok(encoder)
}

fn encode(scene: &Scene<'_>, raster: &Raster<'_>, writer: impl Write) -> Result<()> {
    let mut writer = encoder_of(scene, writer)?.write_header().map_err(failed)?;
    let mut stream = writer.stream_writer_with_size(CHUNK_BYTES).map_err(failed)?;
    let (row_bytes, height_px) = (3 * scene.width_px(), scene.height_px());
    let band_px = raster.band_px();
    let mut rgb = vec![0; row_bytes * band_px.min(height_px)];
    for y_px in (0..height_px).step_by(band_px) {
        let band = &mut rgb[..row_bytes * band_px.min(height_px - y_px)];
        raster.paint(y_px, band)?;
        stream.write_all(band).map_err(|error| failed(error.into()))?;
    }
    stream.finish().map_err(failed)?;
    writer.finish().map_err(failed)
}

/// The error of an image that cannot be written.
pub(super) fn failed(error: EncodingError) -> Error {
    Error::io("write", "figure", io::Error::other(error))
}
