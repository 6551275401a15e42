//! The two faces: widths, kerning and outlines of their glyphs.

use ttf_parser::{Face as Parsed, GlyphId, OutlineBuilder};

use super::font_file::{Font, FontFile};
use super::fonts::Fonts;

/// A face of the figure's font.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::figure) enum Face {
    /// DejaVu Sans, or the user's own.
    Upright,
    /// For the letters of mathematics: DejaVu Sans Oblique, or the user's own.
    Italic,
}

/// Height of the digits, as a share of the type size.
pub(in crate::figure) const DIGIT_HEIGHT: f64 = 0.729;
/// Height of the tallest letters and brackets, as a share of the type size.
pub(in crate::figure) const ASCENT: f64 = 0.76;
/// Depth of the lowest letters, as a share of the type size.
pub(in crate::figure) const DESCENT: f64 = 0.24;

impl Face {
    /// Both faces.
    pub(in crate::figure) const ALL: [Self; 2] = [Self::Upright, Self::Italic];

    /// The font file that is in force.
    pub(in crate::figure) fn file(self) -> &'static FontFile {
        let Fonts { upright, italic } = Fonts::in_force();
        match self {
            Self::Upright => upright.unwrap_or_else(Font::upright).0,
            Self::Italic => italic.unwrap_or_else(Font::italic).0,
        }
    }

    /// The face's sizes and outlines.
    pub(in crate::figure) fn font(self) -> &'static Parsed<'static> {
        &self.file().parsed
    }

    /// The first character of a text that a font of the user's own does not have.
    pub(in crate::figure) fn missing(self, text: &str) -> Option<char> {
        let file = self.file();
        let is_missing = |character: &char| glyph_of(&file.parsed, *character).is_none();
        text.chars().find(is_missing).filter(|_| file.is_own)
    }

    /// The character's glyph; glyph 0, an empty box, for a character that the face lacks.
    pub(in crate::figure) fn glyph(self, character: char) -> GlyphId {
        glyph_of(self.font(), character).unwrap_or(GlyphId(0))
    }

    /// Width of a glyph in ems.
    pub(in crate::figure) fn glyph_width(self, glyph: GlyphId) -> f64 {
        let font = self.font();
        f64::from(font.glyph_hor_advance(glyph).unwrap_or(0)) / f64::from(font.units_per_em())
    }

    /// Each character of a text with its distance from the start, and the width of the whole; in ems.
    pub(in crate::figure) fn advances(self, text: &str) -> (Vec<(char, f64)>, f64) {
        let font = self.font();
        let em = f64::from(font.units_per_em());
        let mut x = 0.0;
        let mut previous = None;
        let mut glyphs = Vec::new();
        for character in text.chars() {
            let glyph = self.glyph(character);
            if let Some(previous) = previous {
                x += f64::from(kerning(font, previous, glyph)) / em;
            }
            glyphs.push((character, x));
            x += f64::from(font.glyph_hor_advance(glyph).unwrap_or(0)) / em;
            previous = Some(glyph);
        }
        (glyphs, x)
    }

    /// Width of a text in ems.
    pub(in crate::figure) fn width(self, text: &str) -> f64 {
        self.advances(text).1
    }

    /// Draws a character's outline in ems: baseline at y = 0, y up.
    pub(in crate::figure) fn outline(self, character: char, pen: &mut impl Pen) {
        let scale = 1.0 / f32::from(self.font().units_per_em());
        self.font().outline_glyph(self.glyph(character), &mut Scaled { pen, scale });
    }
}

/// A character's glyph. Most fonts have one phi only, be it straight or not.
fn glyph_of(font: &Parsed<'_>, character: char) -> Option<GlyphId> {
    let other = || font.glyph_index('φ').filter(|_| character == 'ϕ');
    font.glyph_index(character).or_else(other)
}

fn kerning(font: &Parsed<'_>, left: GlyphId, right: GlyphId) -> i16 {
    let subtables = font.tables().kern.into_iter().flat_map(|kern| kern.subtables);
    subtables
        .filter(|table| table.horizontal)
        .find_map(|table| table.glyphs_kerning(left, right))
        .unwrap_or(0)
}

/// What an outline is drawn with; coordinates in ems.
pub(in crate::figure) trait Pen {
    /// Starts a contour.
    fn move_to(&mut self, x: f32, y: f32);
    /// A straight line.
    fn line_to(&mut self, x: f32, y: f32);
    /// A quadratic curve.
    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32);
    /// A cubic curve.
    fn cubic_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32);
    /// Closes the contour.
    fn close(&mut self);
}

struct Scaled<'a, P> {
    pen: &'a mut P,
    scale: f32,
}

impl<P: Pen> OutlineBuilder for Scaled<'_, P> {
    fn move_to(&mut self, x: f32, y: f32) {
        self.pen.move_to(x * self.scale, y * self.scale);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.pen.line_to(x * self.scale, y * self.scale);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.pen.quad_to(x1 * self.scale, y1 * self.scale, x * self.scale, y * self.scale);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let [x1, y1, x2, y2, x, y] = [x1, y1, x2, y2, x, y].map(|unit| unit * self.scale);
        self.pen.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.pen.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Points(usize);

    impl Pen for Points {
        fn move_to(&mut self, _: f32, _: f32) {
            self.0 += 1;
        }
        fn line_to(&mut self, _: f32, _: f32) {
            self.0 += 1;
        }
        fn quad_to(&mut self, _: f32, _: f32, _: f32, _: f32) {
            self.0 += 1;
        }
        fn cubic_to(&mut self, _: f32, _: f32, _: f32, _: f32, _: f32, _: f32) {
            self.0 += 1;
        }
        fn close(&mut self) {}
    }

    #[test]
    fn both_faces_hold_the_letters_of_the_titles() {
        for (face, letters) in [(Face::Upright, "ΔW(),=′…−×0123456789_."), (Face::Italic, "ϕφABWqkvorij′")]
        {
            for letter in letters.chars() {
                assert!(face.font().glyph_index(letter).is_some(), "{face:?} lacks {letter}");
            }
        }
    }

    #[test]
    fn a_missing_character_is_drawn_as_a_box() {
        let mut points = Points::default();
        Face::Upright.outline('漢', &mut points);
        assert!(points.0 >= 4);
        assert!(Face::Upright.width("漢") > 0.3);
    }

    #[test]
    fn only_a_font_of_the_user_has_letters_that_are_missing() {
        assert_eq!(Face::Upright.missing("漢"), None);
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/fonts/DejaVuSans-Oblique.ttf");
        let oblique = Font::open(path).unwrap();
        let width = Face::Upright.width("f");
        {
            let _fonts = Fonts { upright: Some(oblique), italic: None }.enter();
            assert_eq!(Face::Upright.missing("ab漢"), Some('漢'));
            assert_eq!((Face::Upright.missing("ab"), Face::Italic.missing("漢")), (None, None));
            assert_eq!(Face::Upright.file().bytes, Face::Italic.file().bytes);
        }
        assert_eq!(Face::Upright.width("f"), width);
    }

    #[test]
    fn kerning_draws_pairs_together() {
        assert!(Face::Upright.width("AV") < Face::Upright.width("A") + Face::Upright.width("V"));
    }
}
