//! PDF and SVG through programs that other people view them with: poppler and librsvg.

use std::env;
use std::path::Path;
use std::process::Command;

use image::RgbImage;
use lorascope::figure::Area;

/// What a channel may differ by where two programs smooth an edge in other ways.
const EDGE: u8 = 120;

/// Whether the viewers are here. Where the test set-up has installed them, they have to be.
pub fn viewers_are_here() -> bool {
    let is_here = |name: &str| Command::new(name).arg("--version").output().is_ok();
    let are_here = ["pdftoppm", "pdffonts", "rsvg-convert"].into_iter().all(is_here);
    let required = env::var_os("LORASCOPE_REQUIRE_VIEWERS").is_some();
    assert!(are_here || !required, "poppler-utils or librsvg2-bin is missing");
    if !are_here {
        eprintln!("skipped: poppler-utils or librsvg2-bin is not installed");
    }
    are_here
}

/// What a program prints, which may not warn of anything.
pub fn printed(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{program}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// The one page of a PDF as poppler draws it.
pub fn pdf_pixels(pdf: &Path, dpi: f64) -> RgbImage {
    let page = pdf.with_extension("page");
    let (dpi, stem) = (dpi.to_string(), page.to_str().unwrap());
    printed("pdftoppm", &["-r", &dpi, "-png", "-singlefile", pdf.to_str().unwrap(), stem]);
    image::open(format!("{stem}.png")).unwrap().into_rgb8()
}

/// An SVG as librsvg draws it, `width_px` wide.
pub fn svg_pixels(svg: &Path, width_px: u32) -> RgbImage {
    let drawn = svg.with_extension("drawn.png");
    let (width, to) = (width_px.to_string(), drawn.to_str().unwrap());
    printed("rsvg-convert", &["--width", &width, "--output", to, svg.to_str().unwrap()]);
    image::open(&drawn).unwrap().into_rgb8()
}

/// The pixels outside of some areas, of either image, that have no like in the other within a pixel's distance.
pub fn n_unlike(a: &RgbImage, b: &RgbImage, areas: &[Area]) -> usize {
    let is_in = |at: u32, from: usize, length: usize| {
        // With the frames, which viewers draw in greys where they are not a whole number of pixels wide.
        (from.saturating_sub(3)..from + length + 3).contains(&(at as usize))
    };
    // A viewer that rounds the size up adds a row or a column.
    let (width, height) = (a.width().min(b.width()), a.height().min(b.height()));
    let is_shown = |x: u32, y: u32| {
        x < width
            && y < height
            && !areas
                .iter()
                .any(|area| is_in(x, area.x_px, area.width_px) && is_in(y, area.y_px, area.height_px))
    };
    let one_way = |a: &RgbImage, b: &RgbImage| {
        let has_like = |x: u32, y: u32, pixel: &image::Rgb<u8>| {
            let near = |at: u32, end: u32| at.saturating_sub(1)..(at + 2).min(end);
            near(y, b.height()).any(|y| {
                near(x, b.width()).any(|x| {
                    let other = b.get_pixel(x, y);
                    pixel.0.iter().zip(other.0).all(|(a, b)| a.abs_diff(b) <= EDGE)
                })
            })
        };
        a.enumerate_pixels().filter(|(x, y, pixel)| is_shown(*x, *y) && !has_like(*x, *y, pixel)).count()
    };
    one_way(a, b).max(one_way(b, a))
}
