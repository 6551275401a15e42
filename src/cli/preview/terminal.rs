//! What a terminal can show, and how wide it is.

use std::env;

use super::Way;
use super::blocks::Depth;

/// Columns, where the terminal does not say.
const N_COLUMNS: usize = 80;
/// More are not needed for a figure, and take long.
const MOST_COLUMNS: usize = 400;

/// A terminal that a picture is shown in.
#[derive(Debug)]
pub(super) struct Terminal {
    pub(super) way: Way,
    pub(super) n_columns: usize,
    /// Width of a column, where it is known.
    pub(super) column_px: Option<usize>,
}

/// What the environment says.
struct Environment<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Environment<'_> {
    fn get(&self, name: &str) -> String {
        (self.0)(name).unwrap_or_default()
    }

    /// The colours of characters.
    fn depth(&self) -> Depth {
        let term = self.get("TERM");
        if !self.get("NO_COLOR").is_empty() || term == "dumb" {
            return Depth::Shades;
        }
        match self.get("COLORTERM").as_str() {
            "truecolor" | "24bit" => Depth::True,
            _ if term.contains("direct") || cfg!(windows) => Depth::True,
            _ if term.is_empty() => Depth::Shades,
            _ => Depth::Xterm256,
        }
    }

    /// How the user wants it, or what the environment is sure of; `None` to ask the terminal.
    fn way(&self) -> Option<Way> {
        match self.get("LORASCOPE_PREVIEW").as_str() {
            "kitty" => return Some(Way::Kitty),
            "iterm" => return Some(Way::Iterm),
            "sixel" => return Some(Way::Sixel),
            "blocks" => return Some(Way::Blocks(self.depth())),
            _ => {}
        }
        if self.depth() == Depth::Shades {
            return Some(Way::Blocks(Depth::Shades));
        }
        // A multiplexer inherits the environment, and shows no images of the terminal that it runs in.
        let is_outer = !["tmux", "screen"].iter().any(|term| self.get("TERM").starts_with(term));
        let is_iterm = self.get("TERM_PROGRAM") == "iTerm.app" || self.get("LC_TERMINAL") == "iTerm2";
        (is_iterm && is_outer).then_some(Way::Iterm)
    }
}

/// What a terminal's answer to [`QUESTION`] says of images.
#[cfg(any(unix, test))]
fn of_answer(answer: &[u8]) -> Option<Way> {
    let answer = String::from_utf8_lossy(answer);
    if answer.contains("\x1b_Gi=31;OK") {
        return Some(Way::Kitty);
    }
    let attributes = answer.split_once("\x1b[?")?.1.split_once('c')?.0;
    attributes.split(';').skip(1).any(|attribute| attribute == "4").then_some(Way::Sixel)
}

#[cfg(unix)]
impl Terminal {
    /// The terminal that this stream is.
    pub(super) fn of(stream: &impl std::os::fd::AsFd) -> Self {
        let environment = Environment(&|name| env::var(name).ok());
        let size = rustix::termios::tcgetwinsize(stream).ok();
        let n_columns = size.map_or(0, |size| usize::from(size.ws_col));
        let n_columns = if n_columns == 0 { N_COLUMNS } else { n_columns.min(MOST_COLUMNS) };
        let column_px =
            size.filter(|size| size.ws_col > 0).map(|size| usize::from(size.ws_xpixel / size.ws_col));
        let way = environment.way().or_else(ask::way).unwrap_or_else(|| Way::Blocks(environment.depth()));
        Self { way, n_columns, column_px: column_px.filter(|px| *px > 0) }
    }
}

#[cfg(not(unix))]
impl Terminal {
    /// The terminal that this stream is.
    pub(super) fn of<S>(_: &S) -> Self {
        let environment = Environment(&|name| env::var(name).ok());
        let n_columns = environment.get("COLUMNS").parse().unwrap_or(N_COLUMNS).clamp(1, MOST_COLUMNS);
        let way = environment.way().unwrap_or_else(|| Way::Blocks(environment.depth()));
        Self { way, n_columns, column_px: None }
    }
}

/// Asks the terminal itself.
#[cfg(unix)]
mod ask {
    use std::fs::{File, OpenOptions};
    use std::io::{Read, Write};

    use rustix::process::getpgrp;
    use rustix::termios::{OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr};

    use super::{Way, of_answer};

    /// Whether it knows kitty's graphics, by an image of one pixel that is not shown; and its attributes, which every terminal
    /// answers with, so that the answer has an end.
    const QUESTION: &[u8] = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c";
    /// An answer has some tens of bytes.
    const MAX_BYTES: usize = 1024;
    /// Tenths of a second to wait for the next byte.
    const PATIENCE: u8 = 10;

    /// Puts the terminal back into the mode that it was in.
    struct Raw<'a> {
        terminal: &'a File,
        before: Termios,
    }

    impl Drop for Raw<'_> {
        fn drop(&mut self) {
            // What could be done about it?
            let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
        }
    }

    pub(super) fn way() -> Option<Way> {
        let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty").ok()?;
        // A process in the background is stopped when it reads.
        if tcgetpgrp(&terminal).ok()? != getpgrp() {
            return None;
        }
        let before = tcgetattr(&terminal).ok()?;
        let mut mode = before.clone();
        mode.make_raw();
        mode.special_codes[SpecialCodeIndex::VMIN] = 0;
        mode.special_codes[SpecialCodeIndex::VTIME] = PATIENCE;
        let raw = Raw { terminal: &terminal, before };
        tcsetattr(raw.terminal, OptionalActions::Flush, &mode).ok()?;
        let (mut writer, mut reader) = (raw.terminal, raw.terminal);
        writer.write_all(QUESTION).ok()?;
        let (mut answer, mut byte) = (vec![], [0]);
        while answer.len() < MAX_BYTES && reader.read(&mut byte).ok()? == 1 {
            answer.push(byte[0]);
            if byte[0] == b'c' && answer.windows(3).any(|start| start == b"\x1b[?") {
                break;
            }
        }
        of_answer(&answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(variables: &[(&str, &str)]) -> (Option<Way>, Depth) {
        let get = |name: &str| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let environment = Environment(&get);
        (environment.way(), environment.depth())
    }

    #[test]
    fn the_environment_says_how_many_colours_there_are_and_that_none_are_wanted() {
        let shades = (Some(Way::Blocks(Depth::Shades)), Depth::Shades);
        assert_eq!(way(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")]), (None, Depth::True));
        assert_eq!(way(&[("TERM", "xterm-256color")]), (None, Depth::Xterm256));
        assert_eq!(way(&[("TERM", "xterm-kitty"), ("COLORTERM", "truecolor"), ("NO_COLOR", "1")]), shades);
        assert_eq!(way(&[("TERM", "xterm"), ("NO_COLOR", "")]), (None, Depth::Xterm256));
        assert_eq!(way(&[("TERM", "dumb"), ("COLORTERM", "truecolor")]), shades);
    }

    #[test]
    fn iterm_is_known_by_its_name_and_what_the_user_asks_for_is_taken() {
        let iterm = ("TERM_PROGRAM", "iTerm.app");
        assert_eq!(way(&[("TERM", "xterm-256color"), iterm]).0, Some(Way::Iterm));
        assert_eq!(way(&[("TERM", "tmux-256color"), iterm]).0, None);
        for (name, expected) in [
            ("kitty", Way::Kitty),
            ("iterm", Way::Iterm),
            ("sixel", Way::Sixel),
            ("blocks", Way::Blocks(Depth::Xterm256)),
        ] {
            assert_eq!(way(&[("TERM", "xterm"), ("LORASCOPE_PREVIEW", name)]).0, Some(expected));
        }
    }

    #[test]
    fn a_terminals_answer_says_which_images_it_shows() {
        assert_eq!(of_answer(b"\x1b_Gi=31;OK\x1b\\\x1b[?62;c"), Some(Way::Kitty));
        assert_eq!(of_answer(b"\x1b[?62;4;22c"), Some(Way::Sixel));
        assert_eq!(of_answer(b"\x1b[?64;1;2;6;22;44c"), None);
        // The first number is a level, and 4 as such says nothing.
        assert_eq!(of_answer(b"\x1b[?4c"), None);
        assert_eq!(of_answer(b""), None);
    }
}
