//! What `-o` and `--save` name: a file of a format that the command writes, or stdout.

use std::ffi::OsStr;
use std::path::{MAIN_SEPARATOR, Path};

use clap::builder::{OsStringValueParser, TypedValueParser};

use super::destination::Destination;
use super::options::ComputeArgs;
use super::sink::Sink;
use super::usage::Usage;
use crate::figure::{AnimationFormat, Output};
use crate::text::printable;

/// Where a picture goes, and in which format, if the name's suffix says it.
#[derive(Debug, Clone)]
pub(super) struct PictureOutput {
    pub(super) to: Destination,
    format: Option<Output>,
}

impl PictureOutput {
    /// Checks what the grammar cannot, before anything is read.
    ///
    /// # Errors
    /// When the picture and the JSON would both go to stdout; as [`ComputeArgs::check`].
    pub(super) fn check(&self, compute: &ComputeArgs) -> Result<(), Usage> {
        if compute.json && self.to == Destination::Stdout {
            return Err(Usage("--json and -o - would both write to stdout"));
        }
        compute.check()
    }

    /// Opens the output, for a picture in the format that `--format` names or else the suffix.
    ///
    /// # Errors
    /// When the two differ; as [`Sink::open`].
    pub(super) fn open(&self, format: Option<Output>) -> anyhow::Result<(Sink, Output)> {
        let format = of_both(format, self.format)?;
        Ok((Sink::open_picture(&self.to, format)?, format))
    }
}

/// Where an animation goes, and in which format, if the name's suffix says it.
#[derive(Debug, Clone)]
pub(super) struct AnimationOutput {
    pub(super) to: Destination,
    format: Option<AnimationFormat>,
}

impl AnimationOutput {
    /// Opens the output, for an animation in the format that `--format` names or else the suffix.
    ///
    /// # Errors
    /// When the two differ; as [`Sink::open`].
    pub(super) fn open(&self, given: Option<AnimationFormat>) -> anyhow::Result<(Sink, AnimationFormat)> {
        let format = of_both(given, self.format)?;
        Ok((Sink::open(&self.to)?, format))
    }
}

/// The format that an option or the suffix names, else the default.
fn of_both<F: PartialEq + Default>(given: Option<F>, of_file: Option<F>) -> Result<F, Usage> {
    match (given, of_file) {
        (Some(given), Some(of_file)) if given != of_file => {
            Err(Usage("--format and the suffix of -o name two formats"))
        }
        (given, of_file) => Ok(given.or(of_file).unwrap_or_default()),
    }
}

/// How a comparison is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextFormat {
    /// A table for people.
    Table,
    Json,
    Csv,
    /// A LaTeX table.
    Latex,
}

/// Where a text goes, and in which format, if the name's suffix says it.
#[derive(Debug, Clone)]
pub(super) struct TextOutput {
    pub(super) to: Destination,
    pub(super) format: Option<TextFormat>,
}

impl TextOutput {
    /// The format that an option or the suffix names, else a table.
    ///
    /// # Errors
    /// When they name two, with `two` as the message.
    pub(super) fn format(
        &self,
        by_option: Option<TextFormat>,
        two: &'static str,
    ) -> Result<TextFormat, Usage> {
        match (by_option, self.format) {
            (Some(option), Some(suffix)) if option != suffix => Err(Usage(two)),
            (option, suffix) => Ok(option.or(suffix).unwrap_or(TextFormat::Table)),
        }
    }
}

/// Parses a text's output: the suffix names the format, and a pipe or a device needs none.
pub(super) fn text() -> impl TypedValueParser<Value = TextOutput> {
    text_of("a comparison", &[TXT, CSV, JSON])
}

/// Parses the output of a table that papers print.
pub(super) fn printed_table() -> impl TypedValueParser<Value = TextOutput> {
    text_of("a table", &[TXT, CSV, JSON, ("tex", TextFormat::Latex)])
}

const TXT: (&str, TextFormat) = ("txt", TextFormat::Table);
const CSV: (&str, TextFormat) = ("csv", TextFormat::Csv);
const JSON: (&str, TextFormat) = ("json", TextFormat::Json);

fn text_of(
    what: &'static str,
    formats: &'static [(&'static str, TextFormat)],
) -> impl TypedValueParser<Value = TextOutput> {
    OsStringValueParser::new().try_map(move |name| -> Result<_, String> {
        let to = Destination::of(name);
        let suffix = match &to {
            Destination::File(path) => path.extension().map(|suffix| suffix.to_string_lossy().to_lowercase()),
            Destination::Stdout => None,
        };
        let Some(suffix) = suffix else { return Ok(TextOutput { to, format: None }) };
        let known = || {
            let suffixes: Vec<String> = formats.iter().map(|(suffix, _)| format!(".{suffix}")).collect();
            match suffixes.split_last() {
                Some((last, others)) if !others.is_empty() => format!("{} or {last}", others.join(", ")),
                _ => suffixes.concat(),
            }
        };
        match formats.iter().find(|(known, _)| *known == suffix) {
            Some(&(_, format)) => Ok(TextOutput { to, format: Some(format) }),
            None if suffix == "npz" => Err(format!("grids go to --save; -o takes {}", known())),
            None => Err(format!("{what} cannot be written as .{}; use {}", printable(&suffix, 20), known())),
        }
    })
}

/// What `--help` says of a picture's output.
pub(super) fn picture_help() -> String {
    format!("A {} file, or - for stdout", Output::known())
}

/// Parses a picture's output, whose suffix names the format.
pub(super) fn picture() -> impl TypedValueParser<Value = PictureOutput> {
    OsStringValueParser::new().try_map(|name| -> Result<_, String> {
        refuse_folder(&name, Output::default().suffix())?;
        let to = Destination::of(name);
        let format = match &to {
            Destination::Stdout => None,
            Destination::File(path) => Some(Output::of_path(path).map_err(|error| error.to_string())?),
        };
        Ok(PictureOutput { to, format })
    })
}

/// What `--help` says of an animation's output.
pub(super) const ANIMATION_HELP: &str = "A .png or .gif file, or - for stdout";

/// Parses an animation's output, whose suffix names the format.
pub(super) fn animation() -> impl TypedValueParser<Value = AnimationOutput> {
    OsStringValueParser::new().try_map(|name| -> Result<_, String> {
        refuse_folder(&name, Output::default().suffix())?;
        let to = Destination::of(name);
        let format = match &to {
            Destination::Stdout => None,
            Destination::File(path) => {
                Some(AnimationFormat::of_path(path).map_err(|error| error.to_string())?)
            }
        };
        Ok(AnimationOutput { to, format })
    })
}

/// Parses the output of grids.
pub(super) fn npz() -> impl TypedValueParser<Value = Destination> {
    file_of("grids", "npz")
}

/// Parses the output of shared directions.
pub(super) fn safetensors() -> impl TypedValueParser<Value = Destination> {
    file_of("directions", "safetensors")
}

/// Parses an output of one format: a file, since stdout has the command's own result.
fn file_of(what: &'static str, format: &'static str) -> impl TypedValueParser<Value = Destination> {
    OsStringValueParser::new().try_map(move |name| {
        refuse_folder(&name, format)?;
        let path = match Destination::of(name) {
            Destination::File(path) => path,
            Destination::Stdout => {
                return Err(format!(
                    "{what} cannot go to stdout, which has the other result; name a .{format} file"
                ));
            }
        };
        match path.extension().map(OsStr::to_string_lossy) {
            _ if has_suffix(&path, format) => Ok(Destination::File(path)),
            Some(suffix) => {
                Err(format!("{what} cannot be written as .{}; use .{format}", printable(&suffix, 20)))
            }
            None => Err(format!("a file of {what} needs a suffix; use .{format}")),
        }
    })
}

fn has_suffix(path: &Path, suffix: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(suffix))
}

/// A name that ends in a slash has a suffix in the eyes of [`Path`].
fn refuse_folder(name: &OsStr, suffix: &str) -> Result<(), String> {
    let is_separator = |last: char| last == '/' || last == MAIN_SEPARATOR;
    match name.to_string_lossy().ends_with(is_separator) {
        true => Err(format!("this is a folder; name a .{suffix} file in it")),
        false => Ok(()),
    }
}
