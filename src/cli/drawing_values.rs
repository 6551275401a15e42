//! What the options of drawing are set to: widths, ends of colours, palettes.

use std::fs::File;
use std::io::Read;

use crate::Error;
use crate::figure::{Font, Palette};

/// Over this, a palette is cut, which leaves a line that is not a colour or too many.
const MAX_PALETTE_BYTES: u64 = 1 << 16;

/// A width in print.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Width {
    pub(super) inches: f64,
}

impl std::str::FromStr for Width {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let inches = match text {
            "column" => 3.25,
            "text" => 5.5,
            "full" => 7.0,
            text => {
                let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
                let unit = match &text[number.len()..] {
                    "" | "in" => 1.0,
                    "cm" => 1.0 / 2.54,
                    "mm" => 1.0 / 25.4,
                    "pt" => 1.0 / 72.0,
                    _ => f64::NAN,
                };
                number.trim().parse::<f64>().unwrap_or(f64::NAN) * unit
            }
        };
        // NaN is neither.
        if inches > 0.0 && inches <= 1e5 {
            Ok(Self { inches })
        } else {
            Err("expected column, text or full, or a length such as 3.25in, 90mm or 234pt".to_owned())
        }
    }
}

/// The upper end of the colours.
#[derive(Debug, Clone, Copy)]
pub(super) enum Vmax {
    Auto,
    Value(f64),
}

impl std::str::FromStr for Vmax {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        phi(text).map(Self::Value).map_err(|expected| format!("{expected}, or auto"))
    }
}

/// A palette by its name, or from a file.
pub(super) fn palette(text: &str) -> Result<Palette, String> {
    if !text.to_ascii_lowercase().ends_with(".txt") {
        return text.parse().map_err(|error: Error| format!("{error}, or a .txt file"));
    }
    // 256 short lines; a file of another kind is not read whole.
    let mut colors = String::new();
    let read = File::open(text).and_then(|file| file.take(MAX_PALETTE_BYTES).read_to_string(&mut colors));
    read.map_err(|error| error.to_string())?;
    Palette::of_text(&colors).map_err(|error| error.to_string())
}

/// A font from its file.
pub(super) fn font(path: &str) -> Result<Font, String> {
    Font::open(path).map_err(|error| error.to_string())
}

pub(super) fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value > 0.0 && value <= 1e5 => Ok(value),
        _ => Err("expected a number above 0, at most 100000".to_owned()),
    }
}

pub(super) fn phi(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.abs() <= 1000.0 => Ok(value),
        _ => Err("expected a number from -1000 to 1000".to_owned()),
    }
}
