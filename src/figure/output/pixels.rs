//! A scene as pixels.

use std::fmt;

use image::RgbImage;

use super::raster::Raster;
use crate::engine::Painter;
use crate::error::Result;
use crate::figure::scene::Scene;

/// The pixels of a scene, 8-bit RGB, row by row from the top.
#[derive(Clone, PartialEq, Eq)]
pub struct Pixels {
    image: RgbImage,
}

impl Pixels {
    /// The pixels that a PNG of the scene has.
    ///
    /// # Errors
    /// `Gpu` when the painter fails.
    pub fn of(scene: &Scene<'_>, painter: &dyn Painter) -> Result<Self> {
        let (width_px, height_px) = (scene.width_px(), scene.height_px());
        let mut rgb = vec![0; 3 * width_px * height_px];
        let raster = Raster { scene, painter };
        let band_px = raster.band_px();
        for (n, band) in rgb.chunks_mut(3 * width_px * band_px).enumerate() {
            raster.paint(n * band_px, band)?;
        }
        let image = RgbImage::from_raw(width_px as u32, height_px as u32, rgb);
        Ok(Self { image: image.expect("three bytes for each pixel") })
    }

    /// Pixels in a row.
    pub fn width_px(&self) -> usize {
        self.image.width() as usize
    }

    /// Rows of pixels.
    pub fn height_px(&self) -> usize {
        self.image.height() as usize
    }

    /// Red, green and blue of every pixel: 3 · width · height bytes.
    pub fn rgb(&self) -> &[u8] {
        self.image.as_raw()
    }

    /// Red, green and blue of the pixel in column x of row y, both from 0; `None` past the edges.
    pub fn pixel(&self, x_px: usize, y_px: usize) -> Option<[u8; 3]> {
        let (x, y) = (u32::try_from(x_px).ok()?, u32::try_from(y_px).ok()?);
        self.image.get_pixel_checked(x, y).map(|pixel| pixel.0)
    }
}

impl fmt::Debug for Pixels {
    /// Without the bytes, which may be a gigabyte.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pixels")
            .field("width_px", &self.width_px())
            .field("height_px", &self.height_px())
            .finish_non_exhaustive()
    }
}
