//! A scene as pixels.

use std::fmt;

use super::raster::Raster;
use crate::engine::Painter;
use crate::error::Result;
use crate::figure::scene::Scene;

/// The pixels of a scene, 8-bit RGB, row by row from the top.
#[derive(Clone, PartialEq, Eq)]
pub struct Pixels {
    width_px: usize,
    height_px: usize,
    rgb: Vec<u8>,
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
        Ok(Self { width_px, height_px, rgb })
    }

    /// Pixels in a row.
    pub fn width_px(&self) -> usize {
        self.width_px
    }

    /// Rows of pixels.
    pub fn height_px(&self) -> usize {
        self.height_px
    }

    /// Red, green and blue of every pixel: 3 · width · height bytes.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// Red, green and blue of the pixel in column x of row y, both from 0; `None` past the edges.
    pub fn pixel(&self, x_px: usize, y_px: usize) -> Option<[u8; 3]> {
        let is_inside = x_px < self.width_px && y_px < self.height_px;
        is_inside.then(|| {
            let start = 3 * (y_px * self.width_px + x_px);
            [self.rgb[start], self.rgb[start + 1], self.rgb[start + 2]]
        })
    }
}

impl fmt::Debug for Pixels {
    /// Without the bytes, which may be a gigabyte.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { width_px, height_px, .. } = self;
        f.debug_struct("Pixels")
            .field("width_px", width_px)
            .field("height_px", height_px)
            .finish_non_exhaustive()
    }
}
