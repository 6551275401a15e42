//! `--preview`: the picture in the terminal, as an image where the terminal shows images, else in half-blocks of colour.

mod blocks;
mod images;
mod sixel;
mod terminal;

use std::io::{self, BufWriter, IsTerminal, Write};

use self::blocks::Depth;
use self::terminal::Terminal;
use super::console::Console;
use crate::engine::CpuPainter;
use crate::error::{Error, Result};
use crate::figure::{Pixels, Scene};

/// How a terminal shows a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The graphics protocol of kitty, which Ghostty, WezTerm and Konsole have too.
    Kitty,
    /// That of iTerm2.
    Iterm,
    Sixel,
    Blocks(Depth),
}

/// Pixels of a column, where the terminal does not say.
const COLUMN_PX: usize = 10;

/// Shows a picture on stdout or else stderr, whichever is a terminal; says so where neither is.
///
/// # Errors
/// `Io` when the terminal cannot be written to.
pub(super) fn show(scene: &Scene<'_>, console: &Console) -> Result<()> {
    let (stdout, stderr) = (io::stdout(), io::stderr());
    let written = if stdout.is_terminal() {
        let terminal = Terminal::of(&stdout);
        draw(scene, &terminal, &mut BufWriter::new(stdout.lock()))
    } else if stderr.is_terminal() {
        let terminal = Terminal::of(&stderr);
        draw(scene, &terminal, &mut BufWriter::new(stderr.lock()))
    } else {
        console.note("note", "no preview: neither stdout nor stderr is a terminal");
        return Ok(());
    };
    written.map_err(|error| match error {
        Error::Io { cause, .. } => Error::io("write", "preview", cause),
        other => other,
    })
}

fn draw(scene: &Scene<'_>, terminal: &Terminal, writer: &mut dyn Write) -> Result<()> {
    let failed = |error| Error::io("write", "preview", error);
    let column_px = terminal.column_px.unwrap_or(COLUMN_PX);
    let within = |width_px: usize| Pixels::within(scene, &CpuPainter, width_px);
    let image = || within(terminal.n_columns * column_px);
    let n_columns = |pixels: &Pixels| pixels.width_px().div_ceil(column_px).min(terminal.n_columns);
    match terminal.way {
        Way::Kitty => {
            image().and_then(|pixels| images::kitty(&pixels, n_columns(&pixels), writer).map_err(failed))
        }
        Way::Iterm => {
            image().and_then(|pixels| images::iterm(&pixels, n_columns(&pixels), writer).map_err(failed))
        }
        Way::Sixel => image().and_then(|pixels| sixel::write(&pixels, scene, writer).map_err(failed)),
        Way::Blocks(depth) => within(terminal.n_columns)
            .and_then(|pixels| blocks::write(&pixels, depth, writer).map_err(failed)),
    }?;
    writer.flush().map_err(failed)
}
