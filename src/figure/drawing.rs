//! A scene with its canvas and colours, ready to become pixels.

use std::io::Write;

use image::RgbImage;

use super::Area;
use super::canvas::Canvas;
use super::png;
use super::raster::{self, Raster};
use super::scene::{Picture, Scene};
use crate::engine::Engine;
use crate::error::Result;
use crate::kernels::colormap::ColorTable;

/// Memory for the rows that are painted and compressed together.
const BAND_BYTES: usize = 2 << 20;

/// A figure laid out for its resolution.
pub(super) struct Drawing<'a> {
    pub(super) canvas: Canvas,
    pub(super) scene: Scene<'a>,
    pub(super) height_px: u32,
    table: ColorTable,
}

impl<'a> Drawing<'a> {
    /// # Errors
    /// `Limit` when the scene is too high.
    pub(super) fn new(canvas: Canvas, scene: Scene<'a>, table: ColorTable) -> Result<Self> {
        let height_px = canvas.height_px(scene.height_pt)?;
        Ok(Self { canvas, scene, height_px, table })
    }

    pub(super) fn write_png(&self, engine: &dyn Engine, writer: impl Write) -> Result<()> {
        let raster = self.raster(engine);
        png::write(writer, &self.canvas, self.height_px, self.band_px(), |y_px, rgb| raster.paint(y_px, rgb))
    }

    pub(super) fn render(&self, engine: &dyn Engine) -> Result<RgbImage> {
        let mut image = RgbImage::new(self.canvas.width_px(), self.height_px);
        let (raster, band_px) = (self.raster(engine), self.band_px());
        let row_bytes = 3 * self.canvas.width_px() as usize;
        for (n, band) in image.chunks_mut(row_bytes * band_px).enumerate() {
            raster.paint(n * band_px, band)?;
        }
        Ok(image)
    }

    pub(super) fn raster<'r>(&'r self, engine: &'r dyn Engine) -> Raster<'r> {
        Raster { scene: &self.scene, canvas: self.canvas, table: &self.table, engine }
    }

    /// Rows of pixels to paint at a time.
    fn band_px(&self) -> usize {
        (BAND_BYTES / (3 * self.canvas.width_px() as usize)).max(1)
    }

    pub(super) fn area(&self, picture: &Picture<'_>) -> Area {
        let rect = raster::pixels(&picture.rect, &self.canvas);
        Area {
            x_px: rect.left,
            y_px: rect.top,
            width_px: rect.right - rect.left,
            height_px: rect.bottom - rect.top,
        }
    }
}
