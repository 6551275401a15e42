//! Pixels as sixel: for each band of six rows, a line of characters for each colour, whose bits are the rows.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::figure::{ColorIndex, Pixels, Scene};

/// Rows in a band.
const BAND: usize = 6;

/// The pixels in the 256 colours of their scene.
pub(super) fn write(pixels: &Pixels, scene: &Scene<'_>, writer: &mut dyn Write) -> io::Result<()> {
    let mut colors = ColorIndex::of(scene);
    let (width_px, height_px) = (pixels.width_px(), pixels.height_px());
    let rgb = pixels.rgb().chunks_exact(3).map(|rgb| colors.nearest([rgb[0], rgb[1], rgb[2]]));
    let entries: Vec<u8> = rgb.collect();
    write!(writer, "\x1bPq\"1;1;{width_px};{height_px}")?;
    for (at, color) in colors.rgb().chunks_exact(3).enumerate() {
        // In percent.
        let [red, green, blue] = [0, 1, 2].map(|channel| (u32::from(color[channel]) * 100 + 127) / 255);
        write!(writer, "#{at};2;{red};{green};{blue}")?;
    }
    for band in entries.chunks(BAND * width_px) {
        let mut bits: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
        for (at, &entry) in band.iter().enumerate() {
            bits.entry(entry).or_insert_with(|| vec![0; width_px])[at % width_px] |= 1 << (at / width_px);
        }
        for (entry, bits) in bits {
            write!(writer, "#{entry}")?;
            for run in bits.chunk_by(|a, b| a == b) {
                let letter = char::from(b'?' + run[0]);
                match run.len() {
                    n if n > 3 => write!(writer, "!{n}{letter}")?,
                    n => (0..n).try_for_each(|_| write!(writer, "{letter}"))?,
                }
            }
            // Back to the left, for the next colour.
            write!(writer, "$")?;
        }
        write!(writer, "-")?;
    }
    writeln!(writer, "\x1b\\")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Figure, Panel, Plot, Style};
    use crate::measure::Grid;

    /// The picture as a terminal reads it: width, height and the colour of every pixel in percent.
    fn decoded(text: &str) -> (usize, usize, Vec<Option<[u32; 3]>>) {
        let body = text.strip_prefix("\x1bPq\"1;1;").unwrap().strip_suffix("\x1b\\\n").unwrap();
        let letters: Vec<char> = body.chars().collect();
        let mut at = 0;
        let number = |at: &mut usize| {
            let start = *at;
            while letters[*at].is_ascii_digit() {
                *at += 1;
            }
            letters[start..*at].iter().collect::<String>().parse::<usize>().unwrap()
        };
        let width = number(&mut at);
        at += 1;
        let height = number(&mut at);
        let mut pixels = vec![None; width * (height + BAND)];
        let (mut table, mut color) = (BTreeMap::new(), 0);
        let (mut x, mut y) = (0, 0);
        while at < letters.len() {
            let letter = letters[at];
            at += 1;
            match letter {
                '#' => {
                    color = number(&mut at);
                    if letters[at] == ';' {
                        let mut parts = vec![];
                        while letters[at] == ';' {
                            at += 1;
                            parts.push(number(&mut at) as u32);
                        }
                        table.insert(color, [parts[1], parts[2], parts[3]]);
                    }
                }
                '$' => x = 0,
                '-' => (x, y) = (0, y + BAND),
                letter => {
                    let (mut n, mut letter) = (1, letter);
                    if letter == '!' {
                        n = number(&mut at);
                        letter = letters[at];
                        at += 1;
                    }
                    let bits = letter as u8 - b'?';
                    for _ in 0..n {
                        for row in (0..BAND).filter(|row| bits >> row & 1 == 1) {
                            pixels[(y + row) * width + x] = Some(table[&color]);
                        }
                        x += 1;
                    }
                }
            }
        }
        pixels.truncate(width * height);
        (width, height, pixels)
    }

    #[test]
    fn a_terminal_reads_every_pixel_in_a_colour_near_its_own() {
        let grid = Grid::new(8, 8, 64, (0..64).map(|k| k as f32 / 128.0).collect()).unwrap();
        let figure = Figure::new('A').panel(Panel::module("q", grid)).style(Style::new().dpi(50.0));
        let (scene, pixels) = (figure.scene().unwrap(), figure.pixels().unwrap());
        let mut bytes = vec![];
        write(&pixels, &scene, &mut bytes).unwrap();
        let (width, height, found) = decoded(&String::from_utf8(bytes).unwrap());
        assert_eq!((width, height), (pixels.width_px(), pixels.height_px()));
        for (found, expected) in found.iter().zip(pixels.rgb().chunks_exact(3)) {
            let found = found.expect("every pixel is painted");
            for (found, expected) in found.iter().zip(expected) {
                assert!((f64::from(*found) * 2.55 - f64::from(*expected)).abs() < 8.0, "{found} {expected}");
            }
        }
    }
}
