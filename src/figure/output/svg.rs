//! A scene as SVG: text as outlines that stand once in the file, lines as paths, areas of cells as images that viewers do
//! not smooth. Letters as outlines look the same in every program, of which few take fonts from a file.

mod base64;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write;

use png::{BitDepth, ColorType, DeflateCompression, Encoder, Filter};
use rayon::prelude::*;

pub(crate) use self::base64::encode as base64;
use super::cell_image::CellImage;
use crate::engine::Painter;
use crate::error::{Error, Result};
use crate::figure::scene::{CellArea, Item, Rect, Scene};
use crate::figure::text::{Face, Pen, Text};

/// Writes a scene as a standalone SVG.
///
/// # Errors
/// `Io` when the writer fails; what the painter answers.
pub(super) fn write(scene: &Scene<'_>, painter: &dyn Painter, writer: &mut dyn Write) -> Result<()> {
    let (width_pt, height_pt) = scene.size_pt();
    let scale = scene.canvas.scale();
    let (width, height) = (Number(width_pt), Number(height_pt));
    let mut svg = Svg { text: String::new(), ink: hex(scene.canvas.theme().ink) };
    svg.line(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" width=\"{width}pt\" \
         height=\"{height}pt\" viewBox=\"0 0 {} {}\">",
        Number(width_pt / scale),
        Number(height_pt / scale)
    ));
    if !scene.title.is_empty() {
        svg.line(format_args!("<title>{}</title>", escaped(&scene.title)));
    }
    svg.line(format_args!("<desc>lorascope {}</desc>", env!("CARGO_PKG_VERSION")));
    if let Some(recipe) = &scene.recipe {
        svg.line(format_args!("<metadata>{}</metadata>", escaped(recipe)));
    }
    svg.letters(scene);
    let paper = hex(scene.canvas.theme().paper);
    svg.line(format_args!("<rect width=\"100%\" height=\"100%\" fill=\"{paper}\"/>"));
    let areas: Vec<&CellArea<'_>> = scene.cells().collect();
    let images = areas.par_iter().map(|area| png(&CellImage::of(area, scene, painter)?));
    for (area, png) in areas.iter().zip(images.collect::<Result<Vec<_>>>()?) {
        svg.image(area, &png);
    }
    scene.items.iter().for_each(|item| svg.item(item));
    svg.text += "</svg>\n";
    writer.write_all(svg.text.as_bytes()).map_err(|error| Error::io("write", "figure", error))
}

struct Svg {
    text: String,
    ink: String,
}

impl Svg {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.text, "{line}").expect("a string takes all that is written");
    }

    /// The outline of each letter that is shown.
    fn letters(&mut self, scene: &Scene<'_>) {
        let texts = scene.items.iter().filter_map(|item| match item {
            Item::Text { text, .. } => Some(text),
            _ => None,
        });
        let pieces = texts.flat_map(|text| &text.pieces);
        let shown: BTreeSet<(usize, char)> =
            pieces.flat_map(|piece| piece.text.chars().map(|letter| (piece.face as usize, letter))).collect();
        self.line(format_args!("<defs>"));
        for (face, letter) in shown.into_iter().filter(|(_, letter)| *letter != ' ') {
            let face = Face::ALL[face];
            let mut outline = Outline { path: String::new(), per_em: f32::from(face.font().units_per_em()) };
            face.outline(letter, &mut outline);
            let id = letter_id(face, letter);
            self.line(format_args!("<path id=\"{id}\" d=\"{}\"/>", outline.path));
        }
        self.line(format_args!("</defs>"));
    }

    fn image(&mut self, area: &CellArea<'_>, png: &[u8]) {
        let Rect { x_pt, y_pt, width_pt, height_pt } = area.rect;
        self.line(format_args!(
            "<image {} preserveAspectRatio=\"none\" style=\"image-rendering:optimizeSpeed;\
             image-rendering:pixelated\" xlink:href=\"data:image/png;base64,{}\"/>",
            Place([("x", x_pt), ("y", y_pt), ("width", width_pt), ("height", height_pt)]),
            base64(png)
        ));
    }

    fn item(&mut self, item: &Item) {
        let ink = self.ink.clone();
        match item {
            Item::Text { x_pt, y_pt, text, is_turned } => self.words((*x_pt, *y_pt), text, *is_turned),
            Item::Bar(Rect { x_pt, y_pt, width_pt, height_pt }) => self.line(format_args!(
                "<rect {} fill=\"{ink}\"/>",
                Place([("x", *x_pt), ("y", *y_pt), ("width", *width_pt), ("height", *height_pt)])
            )),
            Item::Frame { rect, width_pt } => {
                let Rect { x_pt, y_pt, width_pt: width, height_pt: height } = rect.grown(0.5 * width_pt);
                self.line(format_args!(
                    "<rect {} fill=\"none\" stroke=\"{ink}\" stroke-width=\"{}\"/>",
                    Place([("x", x_pt), ("y", y_pt), ("width", width), ("height", height)]),
                    Number(*width_pt)
                ));
            }
            Item::Line { points_pt, width_pt, color } => {
                let color = color.map_or(ink, hex);
                self.line(format_args!(
                    "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"{}\" \
                     stroke-linecap=\"round\" stroke-linejoin=\"round\"/>",
                    Points(points_pt),
                    Number(*width_pt)
                ));
            }
            Item::Polygon { points_pt, color } => self.line(format_args!(
                "<polygon points=\"{}\" fill=\"{}\"/>",
                Points(points_pt),
                hex(*color)
            )),
            Item::Dot { x_pt, y_pt, radius_pt, color } => self.line(format_args!(
                "<circle {} fill=\"{}\"/>",
                Place([("cx", *x_pt), ("cy", *y_pt), ("r", *radius_pt)]),
                hex(*color)
            )),
        }
    }

    fn words(&mut self, (x_pt, y_pt): (f64, f64), text: &Text, is_turned: bool) {
        if text.pieces.is_empty() {
            return;
        }
        let color = text.color.map_or_else(|| self.ink.clone(), hex);
        let turn = if is_turned { " rotate(-90)" } else { "" };
        self.line(format_args!(
            "<g role=\"img\" aria-label=\"{}\" fill=\"{color}\" transform=\"translate({} {}){turn}\">",
            escaped(&text.letters()),
            Number(x_pt),
            Number(y_pt)
        ));
        for piece in &text.pieces {
            let per_em = f64::from(piece.face.font().units_per_em());
            // Six digits: a letter is a thousand units high.
            let scale = format!("{:.6}", piece.size_pt / per_em);
            let (x, y) = (Number(piece.x_pt), Number(piece.y_pt));
            self.text += &format!("<g transform=\"translate({x} {y}) scale({scale} -{scale})\">");
            for (letter, x_em) in piece.face.advances(&piece.text).0 {
                if letter != ' ' {
                    let id = letter_id(piece.face, letter);
                    self.text += &format!("<use xlink:href=\"#{id}\" x=\"{}\"/>", (x_em * per_em).round());
                }
            }
            self.text += "</g>\n";
        }
        self.line(format_args!("</g>"));
    }
}

fn png(image: &CellImage) -> Result<Vec<u8>> {
    let failed = |error: png::EncodingError| Error::io("write", "figure", std::io::Error::other(error));
    let mut png = vec![];
    let mut encoder = Encoder::new(&mut png, image.width_px as u32, image.height_px as u32);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_filter(Filter::Up);
    encoder.set_deflate_compression(DeflateCompression::Level(6));
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(&image.rgb).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(png)
}

fn letter_id(face: Face, letter: char) -> String {
    let face = match face {
        Face::Upright => 'u',
        Face::Italic => 'i',
    };
    format!("{face}{:x}", u32::from(letter))
}

fn hex([red, green, blue]: [u8; 3]) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            // XML has none of the others.
            '\n' => escaped.push('\n'),
            letter if letter.is_control() => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// A length to a thousandth of a point, without zeros at the end.
struct Number(f64);

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{:.3}", self.0);
        let text = text.trim_end_matches('0').trim_end_matches('.');
        f.write_str(if text == "-0" { "0" } else { text })
    }
}

/// Attributes with lengths.
struct Place<const N: usize>([(&'static str, f64); N]);

impl<const N: usize> std::fmt::Display for Place<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (n, (name, value)) in self.0.iter().enumerate() {
            let space = if n == 0 { "" } else { " " };
            write!(f, "{space}{name}=\"{}\"", Number(*value))?;
        }
        Ok(())
    }
}

struct Points<'a>(&'a [(f64, f64)]);

impl std::fmt::Display for Points<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (n, (x, y)) in self.0.iter().enumerate() {
            let space = if n == 0 { "" } else { " " };
            write!(f, "{space}{},{}", Number(*x), Number(*y))?;
        }
        Ok(())
    }
}

/// Collects an outline in units of the font, which are whole numbers; y up.
struct Outline {
    path: String,
    per_em: f32,
}

impl Outline {
    fn add(&mut self, command: char, ems: &[f32]) {
        self.path.push(command);
        for (n, em) in ems.iter().enumerate() {
            if n > 0 {
                self.path.push(' ');
            }
            self.path += &(em * self.per_em).round().to_string();
        }
    }
}

impl Pen for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        self.add('M', &[x, y]);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.add('L', &[x, y]);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.add('Q', &[x1, y1, x, y]);
    }

    fn cubic_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.add('C', &[x1, y1, x2, y2, x, y]);
    }

    fn close(&mut self) {
        self.path.push('Z');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_text_cannot_end_an_attribute() {
        let numbers = [0.0, -0.0001, 12.5, 3.0, 1.0 / 3.0].map(|pt| Number(pt).to_string());
        assert_eq!(numbers, ["0", "0", "12.5", "3", "0.333"]);
        assert_eq!(escaped("a\"<b>&\u{1}"), "a&quot;&lt;b&gt;&amp;\u{fffd}");
    }
}
