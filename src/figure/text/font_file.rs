//! Font files: the two that are embedded, and those of the user.

use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

use ttf_parser::Face as Parsed;

use crate::error::{Error, Fault, Result};

/// Larger files are not fonts.
const MAX_BYTES: u64 = 64 << 20;

/// A TrueType or OpenType font that text is set in. It is kept for the life of the program.
#[derive(Clone, Copy)]
pub struct Font(pub(in crate::figure) &'static FontFile);

/// What a font file holds.
pub(in crate::figure) struct FontFile {
    /// Its path, or the name of an embedded one.
    pub(in crate::figure) shown: String,
    pub(in crate::figure) bytes: &'static [u8],
    pub(in crate::figure) parsed: Parsed<'static>,
    /// Whether it is the user's own, in which no letter may be missing.
    pub(in crate::figure) is_own: bool,
}

impl Font {
    /// Reads a .ttf or .otf file; of a collection its first font.
    ///
    /// # Errors
    /// `Io` for a file that cannot be read; `Invalid` for one that is not a font with outlines, or is a variable CFF2 font.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let named = |error| Error::io("read", path, error);
        let n_bytes = std::fs::metadata(path).map_err(named)?.len();
        if n_bytes > MAX_BYTES {
            let fault = Fault::new(format!("{n_bytes} bytes"), format!("a font of at most {MAX_BYTES}"));
            return Err(fault.at(path).limit());
        }
        let bytes: &'static [u8] = Box::leak(std::fs::read(path).map_err(named)?.into_boxed_slice());
        let not_a_font =
            |found: String| Fault::new(found, "a TrueType or OpenType font (.ttf, .otf)").at(path).invalid();
        let parsed = Parsed::parse(bytes, 0).map_err(|error| not_a_font(error.to_string()))?;
        if parsed.tables().glyf.is_none() && parsed.tables().cff.is_none() {
            return Err(not_a_font("no outlines of letters".to_owned()));
        }
        let shown = path.display().to_string();
        Ok(Self(Box::leak(Box::new(FontFile { shown, bytes, parsed, is_own: true }))))
    }

    /// DejaVu Sans.
    pub(super) fn upright() -> Self {
        static FILE: OnceLock<FontFile> = OnceLock::new();
        let bytes = include_bytes!("../../../assets/fonts/DejaVuSans.ttf");
        Self(FILE.get_or_init(|| FontFile::embedded("DejaVuSans", bytes)))
    }

    /// DejaVu Sans Oblique.
    pub(super) fn italic() -> Self {
        static FILE: OnceLock<FontFile> = OnceLock::new();
        let bytes = include_bytes!("../../../assets/fonts/DejaVuSans-Oblique.ttf");
        Self(FILE.get_or_init(|| FontFile::embedded("DejaVuSans-Oblique", bytes)))
    }
}

impl FontFile {
    fn embedded(name: &str, bytes: &'static [u8]) -> Self {
        let parsed = Parsed::parse(bytes, 0).expect("a test parses both embedded fonts");
        Self { shown: name.to_owned(), bytes, parsed, is_own: false }
    }

    /// The name that a PDF has it under.
    pub(in crate::figure) fn postscript_name(&self) -> String {
        if !self.is_own {
            return self.shown.clone();
        }
        let names = self.parsed.names();
        let id = ttf_parser::name_id::POST_SCRIPT_NAME;
        let name = names.into_iter().filter(|name| name.name_id == id).find_map(|name| name.to_string());
        let is_plain = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '-';
        let name: String = name.unwrap_or_default().chars().filter(is_plain).take(60).collect();
        if name.is_empty() { "Font".to_owned() } else { name }
    }
}

impl PartialEq for Font {
    /// Whether both are of one reading of a file.
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl fmt::Debug for Font {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Font").field(&self.0.shown).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_a_font_is_named() {
        let folder = std::env::temp_dir().join(format!("lorascope-font-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("not.ttf");
        std::fs::write(&path, b"not a font").unwrap();
        let message = Font::open(&path).unwrap_err().to_string();
        assert!(message.starts_with(&path.display().to_string()), "{message}");
        assert!(message.ends_with("expected a TrueType or OpenType font (.ttf, .otf)"), "{message}");
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(matches!(Font::open(&path), Err(Error::Io { .. })));
    }

    #[test]
    fn a_font_of_the_user_has_its_own_name_in_a_pdf() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/fonts/DejaVuSans-Oblique.ttf");
        let font = Font::open(path).unwrap();
        assert_eq!(font.0.postscript_name(), "DejaVuSans-Oblique");
        assert!(font != Font::italic() && font == font);
    }
}
