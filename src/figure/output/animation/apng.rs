//! An animation as a PNG.

use std::io::Write;

use super::{Animation, FrameSize, MakeFrame};
use crate::engine::Painter;
use crate::error::Result;
use crate::figure::output::Pixels;
use crate::figure::output::png::{Remembering, encoder_of, failed};
use crate::figure::plot::Plot;

/// Parts of a second in which a frame's time is written.
const PER_SECOND: f64 = 1000.0;

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
    let mut writer = Remembering::new(writer);
    let written = encode(animation, frame, painter, &mut writer);
    writer.error()?;
    written
}

fn encode(
    animation: &Animation,
    frame: &MakeFrame<'_>,
    painter: &dyn Painter,
    writer: impl Write,
) -> Result<FrameSize> {
    let first: Box<dyn Plot + '_> = frame(0)?;
    let scene = first.scene()?.recipe(animation.recipe.as_deref());
    let size = FrameSize::of(&scene);
    let mut encoder = encoder_of(&scene, writer)?;
    // 0: for ever.
    encoder.set_animated(animation.n_frames as u32, 0).map_err(failed)?;
    let time = (animation.frame_s * PER_SECOND).round() as u16;
    encoder.set_frame_delay(time, PER_SECOND as u16).map_err(failed)?;
    let mut writer = encoder.write_header().map_err(failed)?;
    // Whole frames: the encoder's stream takes the last row of a frame for the row above the next one's first.
    writer.write_image_data(Pixels::of(&scene, painter)?.rgb()).map_err(failed)?;
    drop(scene);
    for n in 1..animation.n_frames {
        let plot = frame(n)?;
        let scene = plot.scene()?;
        size.check(n, &scene)?;
        writer.write_image_data(Pixels::of(&scene, painter)?.rgb()).map_err(failed)?;
    }
    writer.finish().map_err(failed)?;
    Ok(size)
}
