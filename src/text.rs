//! How names from files stand in messages: quoted, on one line, and a few of many.

/// Longer names are cut in messages; real tensor names stay under 150 characters.
const MAX_CHARS: usize = 200;

/// How many of many names a message shows.
const N_SHOWN: usize = 4;

/// A name between backticks, as [`printable`] has it.
pub(crate) fn quoted(name: &str) -> String {
    format!("`{}`", printable(name, MAX_CHARS))
}

/// A text for a line of its own terminal: characters that are not seen but change how others are shown are escaped, and what is over
/// `max_chars` is cut.
pub(crate) fn printable(text: &str, max_chars: usize) -> String {
    let mut line = String::new();
    for (n, c) in text.chars().enumerate() {
        if n == max_chars {
            line.push('…');
            break;
        }
        if is_unseen(c) { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

/// Whether a character is not seen itself and changes how others are shown: a control character, such as line breaks and the
/// start of a colour, or one that turns the direction of text. A hostile file may have them in names.
pub(crate) fn is_unseen(c: char) -> bool {
    let is_break = matches!(c, '\u{2028}' | '\u{2029}');
    // The characters of Unicode's property Bidi_Control.
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || is_break || turns
}

/// The first few of the names, quoted, and how many more there are.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    some_of(names.into_iter().map(quoted))
}

/// The first few of some words, and how many more there are.
pub(crate) fn some_of(words: impl IntoIterator<Item = String>) -> String {
    let words: Vec<String> = words.into_iter().collect();
    let shown = &words[..words.len().min(N_SHOWN)];
    match words.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// What holds for modules in checkpoints: `B is all zeros in a and b (`x`, `y`)`, with the modules as [`listed`] has them.
#[cfg(feature = "scan")]
pub(crate) fn in_some(fact: &str, checkpoints: &[&str], modules: &str) -> String {
    let shown = |path: &str| printable(path, MAX_CHARS);
    let checkpoints = match checkpoints {
        [one, other] => format!("{} and {}", shown(one), shown(other)),
        several => some_of(several.iter().map(|path| shown(path))),
    };
    format!("{fact} in {checkpoints} ({modules})")
}

/// Reasons one after the other: those that differ from thing to thing do not fill the screen.
#[cfg(feature = "scan")]
pub(crate) fn some_reasons(reasons: &[String]) -> String {
    let shown = &reasons[..reasons.len().min(N_SHOWN)];
    match reasons.len() - shown.len() {
        0 => shown.join("; "),
        more => format!("{}; and {}", shown.join("; "), counted(more, "more reason")),
    }
}

/// A count with its noun: `1 tensor`, `2 tensors`.
pub(crate) fn counted(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_on_one_line_and_short() {
        assert_eq!(quoted("a\nb\u{1b}[31m"), "`a\\nb\\u{1b}[31m`");
        assert_eq!(quoted("a\u{202e}b\u{2066}\u{2028}"), "`a\\u{202e}b\\u{2066}\\u{2028}`");
        assert_eq!(quoted("שלום é"), "`שלום é`");
        assert_eq!(quoted(&"é".repeat(300)).chars().count(), MAX_CHARS + 3);
    }

    #[test]
    fn lists_a_few_and_counts_the_rest() {
        assert_eq!(listed(["a", "b"]), "`a`, `b`");
        assert_eq!(listed(["a", "b", "c", "d", "e", "f"]), "`a`, `b`, `c`, `d` and 2 more");
        assert_eq!(listed([]), "");
    }
}
