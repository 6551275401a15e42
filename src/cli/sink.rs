//! Writes a result to where the user asked for it: a file, which is replaced only by a whole one, a pipe or stdout.

use std::fs;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::destination::Destination;
use super::host::{self, Stdout};
use crate::error::{Error, Fault, Result};
use crate::figure::Output;
use crate::files::{Durability, parent_dir, replace_atomically, temp_file_next_to};

/// An output that is known to be writable.
pub(super) struct Sink {
    /// As the user named it.
    shown: PathBuf,
    target: Target,
}

enum Target {
    Stdout,
    /// A pipe or a device: nothing to rename.
    Direct(fs::File),
    Replace(PathBuf),
}

impl Sink {
    /// As [`Sink::open`], for a text, which may also go to a terminal.
    ///
    /// # Errors
    /// As [`Sink::open`].
    pub(super) fn open_text(output: &Destination) -> Result<Self> {
        match output {
            Destination::Stdout => Ok(Self { shown: "stdout".into(), target: Target::Stdout }),
            Destination::File(_) => Self::open(output),
        }
    }

    /// As [`Sink::open`], for a picture, which may go to a terminal if it is a text.
    ///
    /// # Errors
    /// As [`Sink::open`].
    pub(super) fn open_picture(output: &Destination, format: Output) -> Result<Self> {
        if format == Output::Svg { Self::open_text(output) } else { Self::open(output) }
    }

    /// Checks that the output can be written, before the work that fills it.
    ///
    /// # Errors
    /// `Io` when the folder is not writable, `Invalid` when it is not there, the target is no file or read-only, or
    /// stdout is a terminal.
    pub(super) fn open(output: &Destination) -> Result<Self> {
        let path = match output {
            Destination::Stdout if host::has_stdout() && io::stdout().is_terminal() => {
                return Err(Fault::stating("refusing to write a binary file to a terminal")
                    .of("stdout")
                    .hint("redirect stdout, or name a file with -o")
                    .invalid());
            }
            Destination::Stdout => return Ok(Self { shown: "stdout".into(), target: Target::Stdout }),
            Destination::File(path) => path,
        };
        let target = through_links(path);
        let target = match fs::metadata(&target) {
            Ok(found) if found.is_dir() => {
                return Err(Fault::stating("this is a folder, not a file").at(path).invalid());
            }
            Ok(found) if !found.is_file() => {
                let file = fs::OpenOptions::new().write(true).open(&target);
                Target::Direct(file.map_err(|error| Error::io("write", path, error))?)
            }
            Ok(found) if found.permissions().readonly() => {
                return Err(Fault::stating("the file is read-only").at(path).invalid());
            }
            _ => {
                // A file that comes and goes shows that there can be one.
                temp_file_next_to(&target).map_err(|error| cannot_create(path, &target, error))?;
                Target::Replace(target)
            }
        };
        Ok(Self { shown: path.clone(), target })
    }

    /// Fills the output and puts it in place; on any error the target is as it was.
    ///
    /// # Errors
    /// Whatever `fill` returns; `Io`, naming the output, when the system refuses to write or to rename.
    pub(super) fn fill(self, fill: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        let named = |error: io::Error| Error::io("write", &self.shown, error);
        // What writes does not know the name that the user gave.
        let as_named = |error| match error {
            Error::Io { cause, .. } => named(cause),
            other => other,
        };
        let fill = |writer: &mut dyn Write| {
            fill(writer).map_err(as_named)?;
            writer.flush().map_err(named)
        };
        match self.target {
            Target::Stdout => fill(&mut BufWriter::new(Stdout)),
            Target::Direct(file) => fill(&mut BufWriter::new(file)),
            Target::Replace(target) => {
                let replaced =
                    replace_atomically(&target, Durability::Process, |file| fill(&mut BufWriter::new(file)));
                replaced.map_err(as_named)
            }
        }
    }
}

impl Sink {
    /// Fills the output with a text.
    ///
    /// # Errors
    /// As [`Sink::fill`].
    pub(super) fn fill_text(self, text: &str) -> Result<()> {
        self.fill(|writer| {
            writer.write_all(text.as_bytes()).map_err(|error| Error::io("write", "text", error))
        })
    }
}

/// The file that a link leads to, there or not, so that the link stays.
fn through_links(path: &Path) -> PathBuf {
    match (fs::canonicalize(path), fs::read_link(path)) {
        (Ok(target), _) => target,
        (Err(_), Ok(link)) => parent_dir(path).join(link),
        (Err(_), Err(_)) => path.to_owned(),
    }
}

fn cannot_create(path: &Path, target: &Path, error: io::Error) -> Error {
    let folder = parent_dir(target);
    if error.kind() == io::ErrorKind::NotFound && !folder.is_dir() {
        return Fault::stating("its folder does not exist")
            .at(path)
            .hint(format!("create it first: mkdir -p '{}'", folder.display()))
            .invalid();
    }
    Error::io("write", path, error)
}
