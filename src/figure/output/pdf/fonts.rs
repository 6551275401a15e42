//! The glyphs that a page shows, and the subsets of the two faces that it embeds.

use std::collections::BTreeMap;

use pdf_writer::types::{CidFontType, FontFlags, SystemInfo, UnicodeCmap};
use pdf_writer::{Filter, Finish, Name, Pdf, Rect as PdfRect, Ref, Str};
use subsetter::GlyphRemapper;
use ttf_parser::{RawFace, Tag};

use super::compress;
use crate::error::{Fault, Result};
use crate::figure::text::Face;

const SYSTEM_INFO: SystemInfo<'_> =
    SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };

/// The glyphs of each face that were shown so far.
#[derive(Default)]
pub(super) struct Fonts {
    faces: [Shown; 2],
}

#[derive(Default)]
struct Shown {
    remapper: GlyphRemapper,
    /// The character and the width of each glyph of the subset but the box of missing ones.
    glyphs: BTreeMap<u16, (char, f64)>,
}

/// A character as a page shows it.
pub(super) struct Glyph {
    /// Its number in the subset.
    pub(super) id: u16,
    pub(super) width_em: f64,
}

/// The name of a face among a page's resources.
pub(super) fn name(face: Face) -> &'static str {
    match face {
        Face::Upright => "F0",
        Face::Italic => "F1",
    }
}

impl Fonts {
    /// Takes a character into the subset of its face.
    pub(super) fn shown(&mut self, face: Face, character: char) -> Glyph {
        let glyph = face.glyph(character);
        let shown = &mut self.faces[face as usize];
        let (id, width_em) = (shown.remapper.remap(glyph.0), face.glyph_width(glyph));
        if id != 0 {
            shown.glyphs.insert(id, (character, width_em));
        }
        Glyph { id, width_em }
    }

    /// Writes the subsets of the faces that were used: their names among the resources.
    ///
    /// # Errors
    /// `Invalid` for a font of the user's own that letters cannot be cut out of.
    pub(super) fn write(
        &self,
        pdf: &mut Pdf,
        next: &mut dyn FnMut() -> Ref,
    ) -> Result<Vec<(&'static str, Ref)>> {
        let used = Face::ALL.into_iter().filter(|face| self.faces[*face as usize].is_used());
        used.map(|face| Ok((name(face), self.faces[face as usize].write(face, pdf, next)?))).collect()
    }
}

impl Shown {
    /// Glyph 0, the box, is always in the subset.
    fn is_used(&self) -> bool {
        !self.glyphs.is_empty()
    }

    fn write(&self, face: Face, pdf: &mut Pdf, next: &mut dyn FnMut() -> Ref) -> Result<Ref> {
        let [font, cid, descriptor, file, cmap] = std::array::from_fn(|_| next());
        let file_of_face = face.file();
        let is_cff = face.font().tables().cff.is_some();
        let base = format!("{}+{}", self.tag(), file_of_face.postscript_name());
        let base = Name(base.as_bytes());
        pdf.type0_font(font)
            .base_font(base)
            .encoding_predefined(Name(b"Identity-H"))
            .descendant_font(cid)
            .to_unicode(cmap);

        let mut cid_font = pdf.cid_font(cid);
        let kind = if is_cff { CidFontType::Type0 } else { CidFontType::Type2 };
        cid_font.subtype(kind).base_font(base).system_info(SYSTEM_INFO);
        cid_font.font_descriptor(descriptor).default_width(0.0);
        if !is_cff {
            cid_font.cid_to_gid_map_predefined(Name(b"Identity"));
        }
        let box_width = face.glyph_width(ttf_parser::GlyphId(0));
        let widths = self.glyphs.values().map(|(_, width_em)| *width_em);
        let widths = std::iter::once(box_width).chain(widths).map(|em| (1000.0 * em) as f32);
        cid_font.widths().consecutive(0, widths);
        cid_font.finish();

        let font_face = face.font();
        let thousandths = |units: i16| 1000.0 * f32::from(units) / f32::from(font_face.units_per_em());
        let bounds = font_face.global_bounding_box();
        let bounds = [bounds.x_min, bounds.y_min, bounds.x_max, bounds.y_max].map(thousandths);
        let flags = match face {
            Face::Upright => FontFlags::SYMBOLIC,
            Face::Italic => FontFlags::SYMBOLIC | FontFlags::ITALIC,
        };
        let angle = if face == Face::Italic { -11.0 } else { 0.0 };
        let mut described = pdf.font_descriptor(descriptor);
        described
            .name(base)
            .flags(flags)
            .bbox(PdfRect::new(bounds[0], bounds[1], bounds[2], bounds[3]))
            .italic_angle(if file_of_face.is_own { font_face.italic_angle() } else { angle })
            .ascent(thousandths(font_face.ascender()))
            .descent(thousandths(font_face.descender()))
            .cap_height(font_face.capital_height().filter(|_| file_of_face.is_own).map_or(729.0, thousandths))
            .stem_v(80.0);
        if is_cff {
            described.font_file3(file)
        } else {
            described.font_file2(file)
        };
        described.finish();

        let mut subset = subsetter::subset(file_of_face.bytes, 0, &self.remapper).map_err(|error| {
            let fault = Fault::new(error.to_string(), "a font of which letters can be cut out");
            fault.at(&file_of_face.shown).invalid()
        })?;
        if is_cff {
            // PDF takes the table of outlines as such.
            let table = RawFace::parse(&subset, 0).ok().and_then(|face| face.table(Tag::from_bytes(b"CFF ")));
            subset = table.unwrap_or_default().to_vec();
        }
        let data = compress(&subset);
        let mut stream = pdf.stream(file, &data);
        stream.filter(Filter::FlateDecode);
        if is_cff {
            stream.pair(Name(b"Subtype"), Name(b"CIDFontType0C"));
        } else {
            stream.pair(Name(b"Length1"), subset.len() as i32);
        }
        stream.finish();

        let mut unicode = UnicodeCmap::new(base, SYSTEM_INFO);
        self.glyphs.iter().for_each(|(id, (character, _))| unicode.pair(*id, *character));
        pdf.cmap(cmap, &compress(&unicode.finish())).filter(Filter::FlateDecode);
        Ok(font)
    }

    /// Six letters that subsets with other glyphs do not share: programs that join files merge fonts by name.
    fn tag(&self) -> String {
        // FNV-1a.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for (id, (character, _)) in &self.glyphs {
            for byte in [u32::from(*id), u32::from(*character)].into_iter().flat_map(u32::to_le_bytes) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        (0..6).map(|k| char::from(b'A' + ((hash >> (10 * k)) % 26) as u8)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_glyph_of_both_faces_can_be_cut_out() {
        for face in Face::ALL {
            let mut remapper = GlyphRemapper::new();
            (0..face.font().number_of_glyphs()).for_each(|glyph| {
                remapper.remap(glyph);
            });
            let subset = subsetter::subset(face.file().bytes, 0, &remapper).unwrap();
            assert!(subset.len() > 10_000, "{face:?}");
        }
    }

    #[test]
    fn subsets_with_other_glyphs_have_other_names() {
        let tag = |text: &str| {
            let mut fonts = Fonts::default();
            text.chars().for_each(|character| {
                fonts.shown(Face::Upright, character);
            });
            fonts.faces[0].tag()
        };
        assert_eq!(tag("layer"), tag("layer"));
        assert_ne!(tag("layer"), tag("layers"));
        assert!(tag("0.5").chars().all(|letter| letter.is_ascii_uppercase()));
    }
}
