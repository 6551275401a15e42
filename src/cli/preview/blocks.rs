//! Pixels as characters: an upper half-block has one pixel as its ink and one as its ground.

use std::io::{self, Write};

use crate::figure::Pixels;

/// What colours a terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// All of them.
    True,
    /// The 6 × 6 × 6 cube and the greys of xterm.
    Xterm256,
    /// None: shades of the text's own.
    Shades,
}

/// From dark to light.
const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];

/// A line for each two rows of pixels.
pub(super) fn write(pixels: &Pixels, depth: Depth, writer: &mut dyn Write) -> io::Result<()> {
    for y_px in (0..pixels.height_px()).step_by(2) {
        let mut line = String::new();
        let mut last = None;
        for x_px in 0..pixels.width_px() {
            let upper = pixels.pixel(x_px, y_px).unwrap_or_default();
            let lower = pixels.pixel(x_px, y_px + 1).unwrap_or(upper);
            if depth == Depth::Shades {
                line.push(shade(upper, lower));
                continue;
            }
            if last != Some((upper, lower)) {
                line += &format!("\x1b[38;{};48;{}m", code(upper, depth), code(lower, depth));
                last = Some((upper, lower));
            }
            line.push('▀');
        }
        let end = if depth == Depth::Shades { "" } else { "\x1b[0m" };
        writeln!(writer, "{}{end}", line.trim_end_matches(' '))?;
    }
    Ok(())
}

fn shade(upper: [u8; 3], lower: [u8; 3]) -> char {
    let luma = |[red, green, blue]: [u8; 3]| 2 * u32::from(red) + 7 * u32::from(green) + u32::from(blue);
    // Of 2 · 10 · 255, in five equal parts.
    SHADES[((luma(upper) + luma(lower)) as usize * SHADES.len() / 5101).min(SHADES.len() - 1)]
}

/// What follows 38; or 48; in the code of a colour.
fn code(color: [u8; 3], depth: Depth) -> String {
    let [red, green, blue] = color;
    match depth {
        Depth::True => format!("2;{red};{green};{blue}"),
        _ => format!("5;{}", of_256(color)),
    }
}

/// The nearest of xterm's colours: in the cube, or of the greys.
fn of_256(color: [u8; 3]) -> u8 {
    const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let nearest = |value: u8| -> usize { (0..6).min_by_key(|&at| LEVELS[at].abs_diff(value)).unwrap_or(0) };
    let distance = |other: [u8; 3]| -> u32 {
        color.iter().zip(other).map(|(&a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
    };
    let cube = color.map(nearest);
    let mean = color.iter().map(|&value| u32::from(value)).sum::<u32>() / 3;
    let grey = (mean.saturating_sub(3) / 10).min(23) as u8;
    if distance([8 + 10 * grey; 3]) < distance(cube.map(|at| LEVELS[at])) {
        return 232 + grey;
    }
    (16 + 36 * cube[0] + 6 * cube[1] + cube[2]) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::{Figure, Panel, Plot, Style};
    use crate::measure::Grid;

    #[test]
    fn the_nearest_of_256_colours_is_taken() {
        for (color, expected) in [
            ([0, 0, 0], 16),
            ([255, 255, 255], 231),
            ([255, 0, 0], 196),
            ([8, 8, 8], 232),
            ([238, 238, 238], 255),
            ([95, 135, 175], 67),
        ] {
            assert_eq!(of_256(color), expected, "{color:?}");
        }
    }

    #[test]
    fn two_rows_of_pixels_are_one_line_of_half_blocks() {
        let grid = Grid::new(1, 1, 8, vec![0.0]).unwrap();
        let figure = Figure::new('A').panel(Panel::module("q", grid)).style(Style::new().dpi(20.0));
        let pixels = figure.pixels().unwrap();
        let written = |depth: Depth| {
            let mut bytes = vec![];
            write(&pixels, depth, &mut bytes).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        let colored = written(Depth::True);
        let lines: Vec<&str> = colored.lines().collect();
        assert_eq!(lines.len(), pixels.height_px().div_ceil(2));
        for (n, line) in lines.iter().enumerate() {
            assert_eq!(line.matches('▀').count(), pixels.width_px());
            let [red, green, blue] = pixels.pixel(0, 2 * n).unwrap();
            assert!(
                line.starts_with(&format!("\x1b[38;2;{red};{green};{blue};48;2;"))
                    && line.ends_with("\x1b[0m")
            );
        }
        assert!(written(Depth::Xterm256).starts_with("\x1b[38;5;231;48;5;231m▀"));
        let shades = written(Depth::Shades);
        assert!(!shades.contains('\x1b') && shades.contains('█'), "{shades}");
        assert_eq!(shade([0; 3], [0; 3]), ' ');
        assert_eq!(shade([255; 3], [255; 3]), '█');
    }
}
