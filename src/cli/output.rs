//! What `-o` names: a file of a format that the command writes, or stdout.

use std::ffi::{OsStr, OsString};
use std::path::{MAIN_SEPARATOR, PathBuf};

use crate::listing::printable;

/// Where a result goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Output {
    Stdout,
    File(PathBuf),
}

/// A text's output: of any suffix.
pub(super) fn text(text: OsString) -> Result<Output, String> {
    Ok(if text == "-" { Output::Stdout } else { Output::File(text.into()) })
}

/// A picture's output.
pub(super) fn png(text: OsString) -> Result<Output, String> {
    parse(text, "png", "picture")
}

/// The output of grids.
pub(super) fn npz(text: OsString) -> Result<Output, String> {
    parse(text, "npz", "file of grids")
}

fn parse(text: OsString, format: &str, what: &str) -> Result<Output, String> {
    if text == "-" {
        return Ok(Output::Stdout);
    }
    let is_separator = |last: char| last == '/' || last == MAIN_SEPARATOR;
    if text.to_string_lossy().ends_with(is_separator) {
        return Err(format!("that is a folder: name the .{format} file in it"));
    }
    let path = PathBuf::from(text);
    match path.extension().map(OsStr::to_string_lossy) {
        Some(suffix) if suffix.eq_ignore_ascii_case(format) => Ok(Output::File(path)),
        Some(suffix) => {
            let suffix = printable(&suffix, 20);
            Err(format!("the suffix .{suffix} is no {what} format here: use .{format}"))
        }
        None => Err(format!("a {what} needs a suffix that names its format: use .{format}")),
    }
}
