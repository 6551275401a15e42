//! A scene as a PDF page: text in embedded fonts, lines as paths, areas of cells as images that viewers do not smooth.

mod fonts;

use std::io::Write;

use flate2::{Compress, Compression, FlushCompress};
use pdf_writer::types::{LineCapStyle, LineJoinStyle, Predictor};
use pdf_writer::{Content, Filter, Finish, Name, Pdf, Rect as PdfRect, Ref, TextStr};

use rayon::prelude::*;

use self::fonts::Fonts;
use super::cell_image::CellImage;
use crate::engine::Painter;
use crate::error::{Error, Result};
use crate::figure::scene::{CellArea, Item, Rect, Scene};
use crate::figure::text::{Piece, Text};

/// What a control point of a quarter circle is away from its end, as a share of the radius.
const QUARTER: f32 = 0.552_284_8;

/// Writes a scene as a PDF of one page.
///
/// # Errors
/// `Io` when the writer fails; what the painter answers.
pub(super) fn write(scene: &Scene<'_>, painter: &dyn Painter, writer: &mut dyn Write) -> Result<()> {
    let mut numbers = Numbers(0);
    let [catalog, pages, page, contents, info] = std::array::from_fn(|_| numbers.next());
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(pages);
    pdf.pages(pages).kids([page]).count(1);

    let mut fonts = Fonts::default();
    let mut drawing = Drawing::new(scene, &mut fonts);
    let mut images = vec![];
    let areas: Vec<&CellArea<'_>> = scene.cells().collect();
    // Whole models have hundreds. What waits to be written is small, what it is made from is not.
    let packed = areas.par_iter().map(|area| CellImage::of(area, scene, painter).map(PackedImage::of));
    for (n, (area, packed)) in areas.iter().zip(packed.collect::<Result<Vec<_>>>()?).enumerate() {
        let image = numbers.next();
        packed.write(&mut pdf, image);
        drawing.image(&image_name(n), area);
        images.push(image);
    }
    scene.items.iter().for_each(|item| drawing.item(item));
    let drawn = compress(&drawing.content.finish());

    let (width_pt, height_pt) = scene.size_pt();
    let faces = fonts.write(&mut pdf, &mut || numbers.next())?;
    let mut written = pdf.page(page);
    written.parent(pages).contents(contents);
    written.media_box(PdfRect::new(0.0, 0.0, width_pt as f32, height_pt as f32));
    let mut resources = written.resources();
    let mut x_objects = resources.x_objects();
    for (n, image) in images.into_iter().enumerate() {
        x_objects.pair(Name(image_name(n).as_bytes()), image);
    }
    x_objects.finish();
    let mut in_page = resources.fonts();
    for (name, face) in faces {
        in_page.pair(Name(name.as_bytes()), face);
    }
    in_page.finish();
    resources.finish();
    written.finish();
    pdf.stream(contents, &drawn).filter(Filter::FlateDecode);

    let software = concat!("lorascope ", env!("CARGO_PKG_VERSION"));
    let mut about = pdf.document_info(info);
    about.creator(TextStr(software)).producer(TextStr(software));
    if !scene.title.is_empty() {
        about.title(TextStr(&scene.title));
    }
    if let Some(recipe) = &scene.recipe {
        about.pair(Name(b"Recipe"), TextStr(recipe));
    }
    about.finish();
    writer.write_all(&pdf.finish()).map_err(|error| Error::io("write", "figure", error))
}

/// Counts the objects of a file.
struct Numbers(i32);

impl Numbers {
    fn next(&mut self) -> Ref {
        self.0 += 1;
        Ref::new(self.0)
    }
}

fn image_name(n: usize) -> String {
    format!("I{n}")
}

/// An image as the file has it.
struct PackedImage {
    width_px: i32,
    height_px: i32,
    data: Vec<u8>,
}

impl PackedImage {
    /// Lines are stored as differences from the line above: those within a row of cells are zeros.
    fn of(image: CellImage) -> Self {
        let row_bytes = 3 * image.width_px;
        let mut lines = Vec::with_capacity((1 + row_bytes) * image.height_px);
        let mut above = &vec![0; row_bytes][..];
        for line in image.rgb.chunks_exact(row_bytes) {
            lines.push(2);
            lines.extend(line.iter().zip(above).map(|(byte, above)| byte.wrapping_sub(*above)));
            above = line;
        }
        let data = compress(&lines);
        Self { width_px: image.width_px as i32, height_px: image.height_px as i32, data }
    }

    fn write(&self, pdf: &mut Pdf, number: Ref) {
        let mut object = pdf.image_xobject(number, &self.data);
        object.filter(Filter::FlateDecode);
        object.width(self.width_px).height(self.height_px);
        object.color_space().device_rgb();
        object.bits_per_component(8).interpolate(false);
        object.decode_parms().predictor(Predictor::PngUp).colors(3).columns(self.width_px);
    }
}

/// A zlib stream.
fn compress(bytes: &[u8]) -> Vec<u8> {
    let mut compress = Compress::new(Compression::new(6), true);
    let mut out = Vec::with_capacity(bytes.len() / 16 + 1024);
    loop {
        let taken = compress.total_in() as usize;
        let status = compress.compress_vec(&bytes[taken..], &mut out, FlushCompress::Finish);
        if matches!(status, Ok(flate2::Status::StreamEnd)) {
            return out;
        }
        out.reserve(out.capacity());
    }
}

/// The page's content while it is drawn. PDF has its origin at the bottom left.
struct Drawing<'a> {
    scene: &'a Scene<'a>,
    fonts: &'a mut Fonts,
    content: Content,
    scale: f64,
    height_pt: f64,
}

impl<'a> Drawing<'a> {
    fn new(scene: &'a Scene<'a>, fonts: &'a mut Fonts) -> Self {
        let (width_pt, height_pt) = scene.size_pt();
        let mut content = Content::new();
        content.set_line_cap(LineCapStyle::RoundCap).set_line_join(LineJoinStyle::RoundJoin);
        let theme = scene.canvas.theme();
        if theme.paper != [255; 3] {
            fill_color(&mut content, theme.paper);
            content.rect(0.0, 0.0, width_pt as f32, height_pt as f32).fill_nonzero();
        }
        Self { scene, fonts, content, scale: scene.canvas.scale(), height_pt }
    }

    fn length(&self, pt: f64) -> f32 {
        (pt * self.scale) as f32
    }

    fn point(&self, (x_pt, y_pt): (f64, f64)) -> (f32, f32) {
        ((x_pt * self.scale) as f32, (self.height_pt - y_pt * self.scale) as f32)
    }

    fn image(&mut self, name: &str, area: &CellArea<'_>) {
        let (x, y) = self.point((area.rect.x_pt, area.rect.bottom_pt()));
        let (width, height) = (self.length(area.rect.width_pt), self.length(area.rect.height_pt));
        self.content.save_state().transform([width, 0.0, 0.0, height, x, y]);
        self.content.x_object(Name(name.as_bytes())).restore_state();
    }

    fn item(&mut self, item: &Item) {
        let ink = self.scene.canvas.theme().ink;
        match item {
            Item::Text { x_pt, y_pt, text, is_turned } => self.text((*x_pt, *y_pt), text, *is_turned),
            Item::Bar(rect) => {
                fill_color(&mut self.content, ink);
                self.rect(rect);
                self.content.fill_nonzero();
            }
            Item::Frame { rect, width_pt } => {
                // A stroke, which viewers put on whole pixels, and not a filled outline.
                let [red, green, blue] = shares(ink);
                let width = self.length(*width_pt);
                self.content.save_state().set_line_join(LineJoinStyle::MiterJoin);
                self.content.set_stroke_rgb(red, green, blue).set_line_width(width);
                self.rect(&rect.grown(0.5 * width_pt));
                self.content.stroke().restore_state();
            }
            Item::Line { points_pt, width_pt, color } => {
                let [red, green, blue] = shares(color.unwrap_or(ink));
                let width = self.length(*width_pt);
                self.content.set_stroke_rgb(red, green, blue).set_line_width(width);
                self.path(points_pt);
                self.content.stroke();
            }
            Item::Polygon { points_pt, color } => {
                fill_color(&mut self.content, *color);
                self.path(points_pt);
                self.content.close_path().fill_nonzero();
            }
            Item::Dot { x_pt, y_pt, radius_pt, color } => {
                fill_color(&mut self.content, *color);
                self.circle((*x_pt, *y_pt), *radius_pt);
                self.content.fill_nonzero();
            }
        }
    }

    fn rect(&mut self, rect: &Rect) {
        let (x, y) = self.point((rect.x_pt, rect.bottom_pt()));
        let (width, height) = (self.length(rect.width_pt), self.length(rect.height_pt));
        self.content.rect(x, y, width, height);
    }

    fn path(&mut self, points_pt: &[(f64, f64)]) {
        for (n, point) in points_pt.iter().enumerate() {
            let (x, y) = self.point(*point);
            if n == 0 {
                self.content.move_to(x, y)
            } else {
                self.content.line_to(x, y)
            };
        }
        // A lone point, which round caps make a dot of.
        if let [point] = points_pt {
            let (x, y) = self.point(*point);
            self.content.line_to(x, y);
        }
    }

    fn circle(&mut self, middle_pt: (f64, f64), radius_pt: f64) {
        let ((x, y), r) = (self.point(middle_pt), self.length(radius_pt));
        let k = r * QUARTER;
        self.content.move_to(x + r, y);
        self.content.cubic_to(x + r, y + k, x + k, y + r, x, y + r);
        self.content.cubic_to(x - k, y + r, x - r, y + k, x - r, y);
        self.content.cubic_to(x - r, y - k, x - k, y - r, x, y - r);
        self.content.cubic_to(x + k, y - r, x + r, y - k, x + r, y);
    }

    fn text(&mut self, (x_pt, y_pt): (f64, f64), text: &Text, is_turned: bool) {
        if text.pieces.is_empty() {
            return;
        }
        fill_color(&mut self.content, text.color.unwrap_or(self.scene.canvas.theme().ink));
        self.content.begin_text();
        for piece in &text.pieces {
            let from = if is_turned {
                (x_pt + piece.y_pt, y_pt - piece.x_pt)
            } else {
                (x_pt + piece.x_pt, y_pt + piece.y_pt)
            };
            self.piece(self.point(from), piece, is_turned);
        }
        self.content.end_text();
    }

    fn piece(&mut self, (x, y): (f32, f32), piece: &Piece, is_turned: bool) {
        self.content.set_font(Name(fonts::name(piece.face).as_bytes()), self.length(piece.size_pt));
        let turn = if is_turned { [0.0, 1.0, -1.0, 0.0] } else { [1.0, 0.0, 0.0, 1.0] };
        self.content.set_text_matrix([turn[0], turn[1], turn[2], turn[3], x, y]);
        let mut show = self.content.show_positioned();
        let mut items = show.items();
        let mut at_em = 0.0;
        for (character, x_em) in piece.face.advances(&piece.text).0 {
            let shown = self.fonts.shown(piece.face, character);
            // Kerning, in thousandths of the size to the left.
            if (at_em - x_em).abs() > 1e-6 {
                items.adjust((1000.0 * (at_em - x_em)) as f32);
            }
            items.show(pdf_writer::Str(&shown.id.to_be_bytes()));
            at_em = x_em + shown.width_em;
        }
    }
}

fn fill_color(content: &mut Content, color: [u8; 3]) {
    let [red, green, blue] = shares(color);
    content.set_fill_rgb(red, green, blue);
}

fn shares(color: [u8; 3]) -> [f32; 3] {
    color.map(|channel| f32::from(channel) / 255.0)
}
