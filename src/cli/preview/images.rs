//! Pixels as a PNG in the escape codes of kitty and of iTerm2.

use std::io::{self, Write};

use png::{BitDepth, ColorType, DeflateCompression, Encoder, Filter};

use crate::figure::{Pixels, base64};

/// Letters of one escape code of kitty, at most.
const CHUNK: usize = 4096;

/// <https://sw.kovidgoyal.net/kitty/graphics-protocol/>: a PNG that is shown where the cursor is, in pieces, without an answer.
pub(super) fn kitty(pixels: &Pixels, n_columns: usize, writer: &mut dyn Write) -> io::Result<()> {
    let letters = base64(&png(pixels)?);
    let n_chunks = letters.len().div_ceil(CHUNK);
    for (n, chunk) in letters.as_bytes().chunks(CHUNK).enumerate() {
        let first = if n == 0 { format!("a=T,f=100,q=2,c={n_columns},") } else { String::new() };
        write!(writer, "\x1b_G{first}m={};", u8::from(n + 1 < n_chunks))?;
        writer.write_all(chunk)?;
        write!(writer, "\x1b\\")?;
    }
    writeln!(writer)
}

/// <https://iterm2.com/documentation-images.html>: a file that is shown where the cursor is.
pub(super) fn iterm(pixels: &Pixels, n_columns: usize, writer: &mut dyn Write) -> io::Result<()> {
    let png = png(pixels)?;
    let size = png.len();
    writeln!(writer, "\x1b]1337;File=inline=1;size={size};width={n_columns}:{}\x07", base64(&png))
}

fn png(pixels: &Pixels) -> io::Result<Vec<u8>> {
    let mut bytes = vec![];
    let mut encoder = Encoder::new(&mut bytes, pixels.width_px() as u32, pixels.height_px() as u32);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_filter(Filter::Up);
    encoder.set_deflate_compression(DeflateCompression::Level(6));
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels.rgb())?;
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Figure, Panel, Plot, Style};
    use crate::measure::Grid;

    fn pixels() -> Pixels {
        let grid = Grid::new(64, 64, 64, (0..4096).map(|k| (k * 37 % 101) as f32 / 202.0).collect()).unwrap();
        let figure = Figure::new('A').panel(Panel::module("q", grid)).style(Style::new().dpi(100.0));
        figure.pixels().unwrap()
    }

    fn written(write: fn(&Pixels, usize, &mut dyn Write) -> io::Result<()>) -> String {
        let mut bytes = vec![];
        write(&pixels(), 40, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn kitty_gets_the_whole_png_in_pieces_of_which_the_last_says_so() {
        let text = written(kitty);
        let pieces: Vec<&str> = text.trim_end().split("\x1b\\").filter(|piece| !piece.is_empty()).collect();
        assert!(pieces.len() > 2);
        let mut letters = String::new();
        for (n, piece) in pieces.iter().enumerate() {
            let (head, data) = piece.split_once(';').unwrap();
            let more = u8::from(n + 1 < pieces.len());
            let first = if n == 0 { "a=T,f=100,q=2,c=40," } else { "" };
            assert_eq!(head, format!("\x1b_G{first}m={more}"));
            assert!(data.len() <= CHUNK && (more == 0 || data.len() % 4 == 0));
            letters += data;
        }
        assert_eq!(letters, base64(&png(&pixels()).unwrap()));
    }

    #[test]
    fn iterm_gets_a_file_with_its_size() {
        let (text, png) = (written(iterm), png(&pixels()).unwrap());
        let head = format!("\x1b]1337;File=inline=1;size={};width=40:", png.len());
        let data = text.strip_prefix(&head).unwrap().strip_suffix("\x07\n").unwrap();
        assert_eq!(data, base64(&png));
    }
}
