//! An animation as a GIF. All frames have one table of colours, so that a value has one colour in all of them.

use std::io::{self, Write};

use gif::{Encoder, EncodingError, Frame, Repeat};

use super::{Animation, FrameSize, MakeFrame};
use crate::engine::Painter;
use crate::error::{Error, Result};
use crate::figure::output::Pixels;
use crate::figure::output::indexed::ColorIndex;

/// A comment is cut into blocks of this size.
const BLOCK_BYTES: usize = 255;

/// Writes all frames.
///
/// # Errors
/// As [`Animation::write`].
pub(super) fn write(
    animation: &Animation,
    frame: &MakeFrame<'_>,
    painter: &dyn Painter,
    writer: &mut dyn Write,
) -> Result<FrameSize> {
    let first = frame(0)?;
    let scene = first.scene()?;
    let size = FrameSize::of(&scene);
    let mut colors = ColorIndex::of(&scene);
    // A canvas has at most 32,767 pixels on a side.
    let (width, height) = (size.width_px as u16, size.height_px as u16);
    let mut encoder = Encoder::new(writer, width, height, &colors.rgb()).map_err(failed)?;
    encoder.set_repeat(Repeat::Infinite).map_err(failed)?;
    if let Some(recipe) = &animation.recipe {
        let blocks: Vec<&[u8]> = recipe.as_bytes().chunks(BLOCK_BYTES).collect();
        let comment = gif::Extension::Comment.into();
        encoder.write_raw_extension(comment, &blocks).map_err(failed)?;
    }
    drop(scene);
    for n in 0..animation.n_frames {
        let plot = frame(n)?;
        let scene = plot.scene()?;
        size.check(n, &scene)?;
        let pixels = Pixels::of(&scene, painter)?;
        let buffer =
            pixels.rgb().chunks_exact(3).map(|rgb| colors.nearest([rgb[0], rgb[1], rgb[2]])).collect();
        let frame = Frame {
            width,
            height,
            delay: (100.0 * animation.frame_s).round() as u16,
            buffer,
            ..Frame::default()
        };
        encoder.write_frame(&frame).map_err(failed)?;
    }
    // With what ends the file, which nothing reports if it is left to the encoder.
    encoder.into_inner().map_err(failed)?;
    Ok(size)
}

fn failed(error: EncodingError) -> Error {
    let error = match error {
        EncodingError::Io(error) => error,
        other => io::Error::other(other),
    };
    Error::io("write", "figure", error)
}
