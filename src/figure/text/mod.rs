//! Lines of text made of pieces: upright and italic, with subscripts and primes set as in mathematics.

mod font;
mod font_file;
mod fonts;

pub(super) use font::{ASCENT, DESCENT, DIGIT_HEIGHT, Face, Pen};
pub use font_file::Font;
pub(super) use fonts::Fonts;

/// A line of text: pieces placed from its left end and its baseline.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Text {
    pub pieces: Vec<Piece>,
    /// Where the next piece goes: the width of the line.
    pub width_pt: f64,
    /// Ink, unless it stands on cells.
    pub color: Option<[u8; 3]>,
}

/// A run of characters in one face and size.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    pub text: String,
    pub face: Face,
    pub size_pt: f64,
    /// From the line's left end.
    pub x_pt: f64,
    /// From the line's baseline, down.
    pub y_pt: f64,
}

/// A subscript's type size and its depth under the baseline, as shares of the line's size. A depth of a quarter keeps
/// the subscript's digits clear of a prime above them.
const SUBSCRIPT: (f64, f64) = (0.7, 0.25);
/// Space between a letter and its subscript, which oblique letters lean away from.
const SUBSCRIPT_GAP: f64 = 0.03;
/// Space between a letter and its prime.
const PRIME_GAP: f64 = 0.05;
/// Space on either side of an equals sign, and after a comma; subscripts, where equations mostly stand, are set tight.
const EQUALS_GAP: f64 = 0.12;
const COMMA_GAP: f64 = 0.25;

impl Text {
    /// Upright text.
    pub fn plain(text: &str, size_pt: f64) -> Self {
        Self::default().upright(text, size_pt)
    }

    /// The same text in another colour.
    pub fn colored(self, color: [u8; 3]) -> Self {
        Self { color: Some(color), ..self }
    }

    /// All its letters, one after another.
    pub fn letters(&self) -> String {
        self.pieces.iter().map(|piece| piece.text.as_str()).collect()
    }

    /// An italic letter.
    pub fn letter(text: &str, size_pt: f64) -> Self {
        Self::default().italic(text, size_pt)
    }

    /// Goes on in upright type.
    pub fn upright(mut self, text: &str, size_pt: f64) -> Self {
        self.push(text, Face::Upright, size_pt, 0.0);
        self
    }

    /// Goes on in italic type.
    pub fn italic(mut self, text: &str, size_pt: f64) -> Self {
        self.push(text, Face::Italic, size_pt, 0.0);
        self
    }

    /// A title in words: upright, but for ϕ and the letters in the parentheses that follow it, and the W of ΔW.
    pub fn title(text: &str, size_pt: f64) -> Self {
        let mut title = Self::default();
        let (mut in_cell, mut before) = (false, ' ');
        let mut run = (Face::Upright, String::new());
        for letter in text.chars() {
            in_cell = (before == 'ϕ' && letter == '(') || (in_cell && letter != ')');
            let is_letter = letter == 'ϕ'
                || (in_cell && letter.is_alphabetic() && letter != 'Δ')
                || (before, letter) == ('Δ', 'W');
            before = letter;
            let face = if is_letter { Face::Italic } else { Face::Upright };
            if face != run.0 {
                title.push(&run.1, run.0, size_pt, 0.0);
                run = (face, String::new());
            }
            run.1.push(letter);
        }
        title.push(&run.1, run.0, size_pt, 0.0);
        title
    }

    /// A symbol: Latin letters italic, others, such as a Greek capital, upright.
    pub fn symbol(mut self, symbol: &str, size_pt: f64) -> Self {
        let mut buffer = [0; 4];
        for letter in symbol.chars() {
            let face = if letter.is_ascii_alphabetic() { Face::Italic } else { Face::Upright };
            self.push(letter.encode_utf8(&mut buffer), face, size_pt, 0.0);
        }
        self
    }

    /// A comma and the space after it.
    pub fn comma(self, size_pt: f64) -> Self {
        self.upright(",", size_pt).space(COMMA_GAP * size_pt)
    }

    /// An empty space.
    pub fn space(mut self, width_pt: f64) -> Self {
        self.width_pt += width_pt;
        self
    }

    /// A prime at the upper right of what stands before and a subscript at its lower right, one over the other.
    /// `size_pt` is the size of the line.
    pub fn scripts(mut self, prime: bool, subscript: Option<Self>, size_pt: f64) -> Self {
        let base = self.width_pt;
        if prime {
            self.width_pt += PRIME_GAP * size_pt;
            self.push("′", Face::Upright, size_pt, 0.0);
        }
        let end = self.width_pt;
        if let Some(subscript) = subscript {
            let (_, depth) = SUBSCRIPT;
            self.width_pt = base + SUBSCRIPT_GAP * size_pt;
            self.append(subscript, depth * size_pt);
            self.width_pt = self.width_pt.max(end);
        }
        self
    }

    /// The type size of a subscript on a line of this size.
    pub fn subscript_size(size_pt: f64) -> f64 {
        SUBSCRIPT.0 * size_pt
    }

    /// `name = value`, with an italic name, primed or not, and thin spaces round the sign.
    pub fn equation(name: &str, prime: bool, value: usize, size_pt: f64) -> Self {
        Self::letter(name, size_pt)
            .scripts(prime, None, size_pt)
            .space(EQUALS_GAP * size_pt)
            .upright("=", size_pt)
            .space(EQUALS_GAP * size_pt)
            .upright(&value.to_string(), size_pt)
    }

    /// Goes on with another line.
    pub fn then(mut self, other: Self) -> Self {
        self.append(other, 0.0);
        self
    }

    fn append(&mut self, other: Self, depth_pt: f64) {
        for mut piece in other.pieces {
            piece.x_pt += self.width_pt;
            piece.y_pt += depth_pt;
            self.pieces.push(piece);
        }
        self.width_pt += other.width_pt;
    }

    fn push(&mut self, text: &str, face: Face, size_pt: f64, y_pt: f64) {
        let x_pt = self.width_pt;
        self.width_pt += face.width(text) * size_pt;
        self.pieces.push(Piece { text: text.to_owned(), face, size_pt, x_pt, y_pt });
    }

    /// The same line in another size.
    pub fn scaled(mut self, factor: f64) -> Self {
        self.width_pt *= factor;
        for piece in &mut self.pieces {
            piece.size_pt *= factor;
            piece.x_pt *= factor;
            piece.y_pt *= factor;
        }
        self
    }

    /// The same line, smaller where it is wider than `max_pt`.
    pub fn within(self, max_pt: f64) -> Self {
        let factor = (max_pt / self.width_pt).min(1.0);
        self.scaled(factor)
    }

    /// Height above the baseline.
    pub fn ascent_pt(&self) -> f64 {
        self.pieces.iter().map(|piece| ASCENT * piece.size_pt - piece.y_pt).fold(0.0, f64::max)
    }

    /// Depth under the baseline.
    pub fn descent_pt(&self) -> f64 {
        self.pieces.iter().map(|piece| DESCENT * piece.size_pt + piece.y_pt).fold(0.0, f64::max)
    }
}

/// The text, with characters of its middle replaced by … until it is no wider than `max_pt`; at least one character
/// stays at each end.
pub(super) fn elide(text: &str, face: Face, size_pt: f64, max_pt: f64) -> String {
    let fits = |text: &str| face.width(text) * size_pt <= max_pt;
    if fits(text) {
        return text.to_owned();
    }
    let characters: Vec<char> = text.chars().collect();
    let shortened = |n_kept: usize| {
        // The end of a path says more than its start.
        let (head, tail) = (n_kept / 2, n_kept - n_kept / 2);
        let (start, end) = (&characters[..head], &characters[characters.len() - tail..]);
        start.iter().chain(['…'].iter()).chain(end).collect::<String>()
    };
    // The most that fits, by halves: a name in a hostile file may be of any length.
    let (mut fitting, mut too_many) = (2.min(characters.len().saturating_sub(1)), characters.len());
    while too_many - fitting > 1 {
        let n_kept = fitting + (too_many - fitting) / 2;
        if fits(&shortened(n_kept)) {
            fitting = n_kept;
        } else {
            too_many = n_kept;
        }
    }
    shortened(fitting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prime_stands_over_the_subscript_and_both_after_the_letter() {
        let subscript = Text::equation("r", false, 64, Text::subscript_size(12.0));
        let text = Text::letter("A", 12.0).scripts(true, Some(subscript), 12.0);
        let [letter, prime, r, ..] = &text.pieces[..] else { panic!("{text:?}") };
        assert_eq!((letter.text.as_str(), prime.text.as_str(), r.text.as_str()), ("A", "′", "r"));
        assert!((prime.x_pt - r.x_pt).abs() < 0.5 && prime.x_pt > letter.x_pt);
        assert!(r.y_pt > 0.0 && prime.y_pt == 0.0 && r.face == Face::Italic);
        assert!(text.descent_pt() > 0.3 * 12.0);
    }

    #[test]
    fn a_title_sets_phi_and_its_cell_in_italics() {
        let title = Text::title("Mean ϕ(r, r) of all", 12.0);
        let italic = |title: &Text| -> Vec<String> {
            let pieces = title.pieces.iter().filter(|piece| piece.face == Face::Italic);
            pieces.map(|piece| piece.text.clone()).collect()
        };
        assert_eq!(italic(&title), ["ϕ", "r", "r"]);
        assert_eq!(italic(&Text::title("Random ΔW, Words", 12.0)), ["W"]);
        assert_eq!(italic(&Text::title("ϕ(ΔW, i)", 12.0)), ["ϕ", "W", "i"]);
        assert_eq!(
            title.pieces.iter().map(|piece| piece.text.as_str()).collect::<String>(),
            "Mean ϕ(r, r) of all"
        );
    }

    #[test]
    fn a_long_path_keeps_both_ends() {
        let path = "base.encoder.layers.11.self_attn.q_proj";
        assert_eq!(elide(path, Face::Upright, 6.5, 1000.0), path);
        let short = elide(path, Face::Upright, 6.5, 80.0);
        assert!(short.starts_with("base.") && short.ends_with(".q_proj") && short.contains('…'), "{short}");
        assert!(Face::Upright.width(&short) * 6.5 <= 80.0);
        assert_eq!(elide("abcdef", Face::Upright, 6.5, 0.0), "a…f");
        assert_eq!(elide("é", Face::Upright, 6.5, 0.0), "…");
    }
}
