//! What `-o` names: a file of a format that the command writes, or stdout.

use std::ffi::{OsStr, OsString};
use std::path::{MAIN_SEPARATOR, PathBuf};

use crate::text::printable;

/// Where a result goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Output {
    Stdout,
    File(PathBuf),
}

/// A text's output: of any suffix but that of grids, whose option is another.
pub(super) fn text(text: OsString) -> Result<Output, String> {
    if text == "-" {
        return Ok(Output::Stdout);
    }
    let path = PathBuf::from(text);
    match path.extension() {
        Some(suffix) if suffix.eq_ignore_ascii_case("npz") => {
            Err("the suffix .npz is for grids, which --save names; this is the table or the JSON".to_owned())
        }
        _ => Ok(Output::File(path)),
    }
}

/// A picture's output.
pub(super) fn png(text: OsString) -> Result<Output, String> {
    parse(text, "png", "picture")
}

/// The output of grids: a file, since stdout has the command's own result.
pub(super) fn npz(text: OsString) -> Result<Output, String> {
    if text == "-" {
        return Err("grids go to a file, since stdout has the other result: name a .npz file".to_owned());
    }
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
