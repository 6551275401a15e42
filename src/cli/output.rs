//! Where a result goes: beside its target first, renamed into place when it is whole.

use std::fs;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tempfile::{Builder, NamedTempFile};

use crate::error::{Error, Fault, Result};

/// What `-o` named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Output {
    Stdout,
    Png(PathBuf),
}

impl FromStr for Output {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "-" {
            return Ok(Self::Stdout);
        }
        let path = PathBuf::from(text);
        match path.extension() {
            Some(suffix) if suffix.eq_ignore_ascii_case("png") => Ok(Self::Png(path)),
            Some(suffix) => {
                Err(format!("the suffix .{} is no picture format here: use .png", suffix.display()))
            }
            None => Err("a picture needs a suffix that names its format: use .png".to_owned()),
        }
    }
}

/// An output that is known to be writable.
pub(super) enum Sink {
    Stdout,
    /// A pipe or a device: nothing to rename.
    Direct(fs::File, PathBuf),
    Beside(NamedTempFile, PathBuf),
}

impl Output {
    /// Opens the output, before the work that fills it.
    ///
    /// # Errors
    /// `Io` when the folder is not there or not writable, `Invalid` when the target is no file or stdout is a terminal.
    pub(super) fn open(&self) -> Result<Sink> {
        let Self::Png(path) = self else {
            if io::stdout().is_terminal() {
                return Err(Fault::new("a terminal", "a pipe or a file for the picture")
                    .of("stdout")
                    .hint("name a file, -o figure.png, or send stdout on")
                    .invalid());
            }
            return Ok(Sink::Stdout);
        };
        // Through a link to the file itself, so that the link stays.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        match fs::metadata(&target) {
            Ok(found) if found.is_dir() => {
                return Err(Fault::new("a folder", "a file to write").at(path).invalid());
            }
            Ok(found) if !found.is_file() => {
                let file = fs::OpenOptions::new().write(true).open(&target);
                return Ok(Sink::Direct(file.map_err(|error| Error::io("write", path, error))?, target));
            }
            Ok(found) if found.permissions().readonly() => {
                return Err(Fault::new("a read-only file", "one that may be replaced").at(path).invalid());
            }
            _ => {}
        }
        let folder = match target.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let mut builder = Builder::new();
        builder.prefix(".lorascope-").suffix(".part");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(folder).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound if !folder.is_dir() => {
                Fault::new("no folder to write into", "one that exists")
                    .at(path)
                    .hint(format!("make it first: mkdir -p {}", folder.display()))
                    .invalid()
            }
            // The message of the temporary file's own path would only confuse.
            kind => Error::io("write", path, kind.into()),
        })?;
        Ok(Sink::Beside(file, target))
    }
}

impl Sink {
    /// Fills the output and puts it in place; on any error the target is as it was.
    ///
    /// # Errors
    /// Whatever `fill` returns; `Io` when the system refuses to write or to rename.
    pub(super) fn fill(self, fill: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
        match self {
            Self::Stdout => {
                let mut stdout = BufWriter::new(io::stdout().lock());
                fill(&mut stdout)?;
                stdout.flush().map_err(|error| Error::io("write", "stdout", error))
            }
            Self::Direct(file, path) => {
                let mut writer = BufWriter::new(file);
                fill(&mut writer)?;
                writer.flush().map_err(|error| Error::io("write", path, error))
            }
            Self::Beside(mut file, target) => {
                let mut writer = BufWriter::new(file.as_file_mut());
                fill(&mut writer)?;
                writer.flush().map_err(|error| Error::io("write", &target, error))?;
                drop(writer);
                file.persist(&target).map_err(|error| Error::io("write", &target, error.error))?;
                Ok(())
            }
        }
    }
}
