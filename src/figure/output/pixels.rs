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
        let _fonts = scene.canvas.fonts().enter();
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

    /// The same, `width_px` wide at most: each pixel is the mean of those of the scene that it takes the place of. Little more is in
    /// memory than what comes out.
    ///
    /// # Errors
    /// As [`Pixels::of`].
    pub fn within(scene: &Scene<'_>, painter: &dyn Painter, width_px: usize) -> Result<Self> {
        let _fonts = scene.canvas.fonts().enter();
        let (from_width, from_height) = (scene.width_px(), scene.height_px());
        let width_px = width_px.max(1);
        if from_width <= width_px {
            return Self::of(scene, painter);
        }
        let height_px = (from_height * width_px).div_ceil(from_width).max(1);
        let raster = Raster { scene, painter };
        let mut rgb = Vec::with_capacity(3 * width_px * height_px);
        let span =
            |at: usize, n: usize, from: usize| at * from / n..((at + 1) * from / n).max(at * from / n + 1);
        for y_px in 0..height_px {
            let rows = span(y_px, height_px, from_height);
            let mut band = vec![0; 3 * from_width * rows.len()];
            raster.paint(rows.start, &mut band)?;
            for x_px in 0..width_px {
                let cols = span(x_px, width_px, from_width);
                let n = (rows.len() * cols.len()) as u32;
                let mut sums = [n / 2; 3];
                for row in band.chunks_exact(3 * from_width) {
                    for pixel in row[3 * cols.start..3 * cols.end].chunks_exact(3) {
                        sums.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += u32::from(*value));
                    }
                }
                rgb.extend(sums.map(|sum| (sum / n) as u8));
            }
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
