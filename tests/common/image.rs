//! Stored grids, and golden images with a picture of what differs.

use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::{env, fs};

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ImageReader, Rgb, RgbImage};
use lorascope::Grid;

/// Rounding may differ by this much between two correct painters.
const TOLERANCE: u8 = 1;

/// A grid of `tests/data/grids` in a space of `d` dimensions: `.npy`, version 1, little-endian f32, row-major.
pub fn stored_grid(name: &str, d: usize) -> Grid {
    let bytes = fs::read(tests().join(format!("data/grids/{name}.npy"))).unwrap();
    let header_end = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..header_end]).unwrap();
    assert!(
        bytes.starts_with(b"\x93NUMPY\x01") && header.contains("'<f4'") && header.contains("False"),
        "{header}"
    );
    let shape = header.split_once("'shape': (").unwrap().1.split_once(')').unwrap().0;
    let sides: Vec<usize> = shape.split(',').map(|side| side.trim().parse().unwrap()).collect();
    let values =
        bytes[header_end..].chunks_exact(4).map(|value| f32::from_le_bytes(value.try_into().unwrap()));
    Grid::new(sides[0], sides[1], d, values.collect()).unwrap()
}

/// Compares a PNG with `tests/golden/NAME.png`, or writes it there when LORASCOPE_BLESS=1.
pub fn assert_golden(name: &str, png: &[u8]) {
    let golden = tests().join(format!("golden/{name}.png"));
    let actual = decode(png);
    if env::var_os("LORASCOPE_BLESS").is_some_and(|value| value == "1") {
        // The library's own files are made for speed, these are kept for years.
        let file = BufWriter::new(fs::File::create(&golden).unwrap());
        let encoder = PngEncoder::new_with_quality(file, CompressionType::Best, FilterType::Adaptive);
        actual.write_with_encoder(encoder).unwrap();
        return;
    }
    let Ok(expected) = fs::read(&golden) else {
        let kept = keep(name, &actual);
        panic!(
            "{} is missing; look at {} and bless it with LORASCOPE_BLESS=1",
            golden.display(),
            kept.display()
        );
    };
    let expected = decode(&expected);
    if let Some(difference) = difference(&expected, &actual) {
        let kept = keep(name, &side_by_side(&[&expected, &difference, &actual]));
        panic!("{name} differs: expected | difference | actual in {}", kept.display());
    }
}

pub fn decode(png: &[u8]) -> RgbImage {
    let reader = ImageReader::with_format(std::io::Cursor::new(png), image::ImageFormat::Png);
    reader.decode().unwrap().into_rgb8()
}

/// Red where a channel differs by more than the tolerance; `None` where the images agree.
fn difference(expected: &RgbImage, actual: &RgbImage) -> Option<RgbImage> {
    let (width, height) = (expected.width().max(actual.width()), expected.height().max(actual.height()));
    let mut n_differing = 0;
    let image = RgbImage::from_fn(width, height, |x, y| {
        let pixels = (expected.get_pixel_checked(x, y), actual.get_pixel_checked(x, y));
        let agrees = matches!(pixels, (Some(a), Some(b)) if a.0.iter().zip(b.0).all(|(a, b)| a.abs_diff(b) <= TOLERANCE));
        n_differing += u32::from(!agrees);
        if agrees { Rgb([230; 3]) } else { Rgb([255, 0, 0]) }
    });
    (n_differing > 0).then_some(image)
}

fn side_by_side(images: &[&RgbImage]) -> RgbImage {
    let height = images.iter().map(|image| image.height()).max().unwrap();
    let mut all =
        RgbImage::from_pixel(images.iter().map(|image| image.width() + 4).sum(), height, Rgb([0, 0, 255]));
    let mut x = 0;
    for image in images {
        image::imageops::replace(&mut all, *image, x, 0);
        x += i64::from(image.width()) + 4;
    }
    all
}

fn keep(name: &str, image: &RgbImage) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
    image.save(&path).unwrap();
    path
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}
